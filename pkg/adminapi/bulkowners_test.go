package adminapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// Who was removed does not get their keys back because somebody enables whatever is disabled.
func TestBulkEnablesNoKeysOfFormerMembers(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	admin := o.join(t, "admin", "admin")
	gone := o.join(t, "gone", "member")
	here := o.join(t, "here", "member")
	personal := map[string]any{
		"name":        "Mine",
		"environment": "production",
		"ownership":   "personal",
		"permissions": []string{"messages:read"},
	}
	theirs := gone.CreateKey(t, o.id, personal).Key.ID

	kept := []string{
		here.CreateKey(t, o.id, personal).Key.ID, here.CreateKey(t, o.id, personal).Key.ID,
		o.key(t, nil).Key.ID,
	}
	for _, id := range kept {
		o.admin.Call(t, http.MethodPatch, o.keys+"/"+id, map[string]any{
			"enabled": false,
		}).Want(t, http.StatusOK)
	}

	admin.Call(t, http.MethodDelete, o.path("members", gone.email), nil).Want(t,
		http.StatusNoContent)

	b := o.apply(t, admin.Client, map[string]any{
		"action": "enable",
		"filter": map[string]any{"status": "inactive"},
	})
	if b.Matched != 4 || b.Job.Result.Changed != 3 || b.Job.Result.Failed != 1 ||
		len(b.Job.Errors) != 1 || b.Job.Errors[0].KeyID != theirs ||
		b.Job.Errors[0].Code != "validation" {
		t.Errorf("%+v", b)
	}

	if k := o.show(t, theirs); k["enabled"] != false {
		t.Errorf("a former member's key: %v", k)
	}

	for _, id := range kept {
		if k := o.show(t, id); k["enabled"] != true {
			t.Errorf("a key that was to be enabled: %v", k)
		}
	}

	admin.Call(t, http.MethodPatch, o.keys+"/"+theirs, map[string]any{
		"enabled": true,
	}).Want(t, http.StatusOK) // by itself, it is meant
}

// What is looked for is kept with the job, and may be a secret that somebody pasted.
func TestBulkKeepsNoSecret(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	secret := o.key(t, nil).Secret
	p := o.admin.Call(t, http.MethodPost, o.keys+"/bulk", map[string]any{
		"action":   "disable",
		"dryRun":   false,
		"expected": 1,
		"reason":   "found " + secret,
		"filter":   map[string]any{"q": secret},
	}).Refused(t, http.StatusUnprocessableEntity, "validation")

	var locations []string
	for _, e := range p.Errors {
		locations = append(locations, e.Location)
	}

	slices.Sort(locations)

	if diff := cmp.Diff([]string{"body.filter.q", "body.reason"}, locations); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
}

// A removal that comes between what a step reads and what it writes finds the keys disabled, and
// they stay so.
func TestBulkEnableBesideARemoval(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")

	m := &organization.Member{
		OrganizationID: "acme",
		ID:             "leaver",
		Email:          "leaver@acme.test",
		Role:           organization.RoleMember,
		InvitedAt:      y.Clock.Now(),
		JoinedAt:       y.Clock.Now(),
		Version:        1,
	}
	if err := y.Store.Commit(t.Context(), y.Store.PutMember(m, 0)); err != nil {
		t.Fatal(err)
	}

	k, _ := y.MustKey(t, func(k *apikey.Key) {
		k.Enabled = false
		k.Ownership = apikey.Personal
		k.Owner = apikey.Actor{
			Type:  apikey.ActorUser,
			ID:    "leaver",
			Email: "leaver@acme.test",
		}
	})
	j := y.job(t, "acme", 1)

	var err error
	if j.Parameters, err = json.Marshal(map[string]any{
		"action": "enable",
		"filter": store.Filter{Living: true},
	}); err != nil {
		t.Fatal(err)
	}

	j.Version = 2
	y.put(t, j, 1)
	w, p := y.worker()
	removed := false
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if !removed && r.Operation == "TransactWriteItems" &&
			strings.Contains(string(r.Body), k.ID) {
			removed = true
			leaving := *m
			leaving.LeavingAt = y.Clock.Now()

			leaving.Version = 2
			if err := y.Store.Commit(t.Context(), y.Store.PutMember(&leaving, 1)); err != nil {
				t.Error(err)
			}
		}

		return storetest.None
	})

	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	after, err := y.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil {
		t.Fatal(err)
	}

	if got := y.read(t, j); !removed || after.Enabled || got.State != job.Done ||
		got.Result.Failed != 1 {
		t.Errorf("removed %v, enabled %v, %+v", removed, after.Enabled, got)
	}
}
