package adminapi_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

func (o tenant) delete(t *testing.T, as localtest.Client) bulkJob {
	t.Helper()
	var made struct{ Job bulkJob }
	a := as.Call(t, http.MethodDelete, o.path(), nil).Want(t, http.StatusAccepted)
	a.Into(t, &made)

	if made.Job.Kind != "delete_organization" ||
		a.Header.Get("Location") != o.path("jobs", made.Job.ID) {
		t.Errorf("%+v, at %q", made, a.Header.Get("Location"))
	}

	return made.Job
}

// A deleted organization is gone for everybody who was in it, and its keys with it; who deleted it
// can watch, and operators read what happened.
func TestDeletedOrganization(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	boss, p := o.join(t, "boss", "admin"), o.join(t, "member", "member")
	personal := p.CreateKey(t, o.id, map[string]any{
		"name":        "Theirs",
		"environment": "staging",
		"ownership":   "personal",
	})
	earlier := o.bulk(t, boss.Client, map[string]any{
		"action":   "disable",
		"filter":   map[string]any{"tag": "none"},
		"dryRun":   false,
		"expected": 0,
	}, http.StatusAccepted).Job
	made := o.delete(t, boss.Client)
	again := o.delete(t, boss.Client)
	// the default key, the admin key, the personal one
	if again.ID != made.ID || again.State != "done" ||
		again.Progress.Done != again.Progress.Total || again.Result.Changed != 3 {
		t.Errorf("%+v\n%+v", made, again)
	}

	for _, secret := range []string{o.first.Secret, personal.Secret} {
		machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
			http.StatusUnauthorized, "invalid_key")
	}

	for who, c := range map[string]localtest.Client{
		"who deleted it": boss.Client,
		"a member":       p.Client,
	} {
		for _, path := range []string{
			o.path(), o.keys, o.path("members"), o.path("customers"), o.path("history"),
			o.path("jobs"), o.keys + "/" + o.first.Key.ID,
			o.keys + "/" + o.first.Key.ID + "/history",
		} {
			if got := c.Call(t, http.MethodGet, path, nil).Refused(t, http.StatusNotFound,
				"not_found"); got.Detail != "There is no such organization." {
				t.Errorf("%s, %s: %s", who, path, got.Detail)
			}
		}

		c.Call(t, http.MethodPost, o.keys, map[string]any{
			"name":        "x",
			"environment": "production",
		}).Refused(t, http.StatusNotFound, "not_found")
	}

	p.Call(t, http.MethodDelete, o.path(), nil).Refused(t, http.StatusNotFound, "not_found")
	p.Call(t, http.MethodGet, o.path("jobs", made.ID), nil).Refused(t, http.StatusNotFound,
		"not_found")
	boss.Call(t, http.MethodGet, o.path("jobs", made.ID), nil).Want(t, http.StatusOK)
	boss.Call(t, http.MethodGet, o.path("jobs", earlier.ID), nil).Refused(t, http.StatusNotFound,
		"not_found")
	machine.Operator().Call(t, http.MethodGet, o.path("jobs", earlier.ID), nil).Want(t,
		http.StatusOK)

	if got := boss.me(t).Organizations; len(got) != 0 {
		t.Errorf("%+v", got)
	}

	operator := machine.Operator()
	operator.Call(t, http.MethodGet, o.path(), nil).Refused(t, http.StatusNotFound, "not_found")
	operator.Call(t, http.MethodGet, o.keys, nil).Refused(t, http.StatusNotFound, "not_found")
	operator.Call(t, http.MethodPut, o.path("members", p.email), map[string]any{
		"role": "admin",
	}).Refused(t, http.StatusNotFound, "not_found")
	operator.Call(t, http.MethodGet, o.path("jobs"), nil).Want(t, http.StatusOK)

	if got := o.actions(t,
		personal.Key.ID); !slices.Equal(got, []string{"key.deleted", "key.created"}) {
		t.Errorf("history of a key: %v", got)
	}

	var list struct{ Items []struct{ Action string } }
	operator.Call(t, http.MethodGet, o.path("history?limit=200"), nil).Want(t,
		http.StatusOK).Into(t, &list)

	count := map[string]int{}
	for _, e := range list.Items {
		count[e.Action]++
	}

	want := map[string]int{
		"organization.created": 1,
		"organization.deleted": 1,
		"key.created":          3,
		"key.deleted":          3,
		"member.added":         3,
		"member.updated":       2,
		"member.removed":       3,
		"customer.created":     5,
		"customer.deleted":     5,
	}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}

	operator.Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"id":         o.id,
		"name":       "Again",
		"firstAdmin": "a@example.test",
	}).Refused(t, http.StatusConflict, "duplicate")
	signIn(t, address("heir")).Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"id":   o.id,
		"name": "Again",
	}).Refused(t, http.StatusConflict, "duplicate")

	if members, err := deployed(t).Store.Members(t.Context(), o.id); err != nil || len(members) != 0 {
		t.Errorf("%d members are left, %v", len(members), err)
	}
}

// A key that deletes its organization gets its answer, though it is deleted itself by then.
func TestOrganizationDeletedByItsKey(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	made := o.delete(t, o.admin)
	if made.State != "done" || made.Result.Changed != 2 {
		t.Errorf("%+v", made)
	}

	o.admin.Call(t, http.MethodGet, o.path("jobs", made.ID), nil).Refused(t,
		http.StatusUnauthorized, "unauthenticated")
	machine.Operator().Call(t, http.MethodGet, o.path("jobs", made.ID), nil).Want(t, http.StatusOK)
}

// What the job has not come to yet, or never finds, is refused by the organization's runtime
// settings.
func TestKeysOfADeletedOrganizationAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	o, s := newTenant(t), deployed(t).Store
	k := o.key(t, map[string]any{
		"environment": "development",
		"permissions": []string{"messages:read"},
	})

	row, err := s.FindKey(t.Context(), k.Key.ID)
	if err != nil {
		t.Fatal(err)
	}

	machine.Operator().Call(t, http.MethodDelete, o.path(), nil).Want(t, http.StatusAccepted)

	now, err := s.FindKey(t.Context(), k.Key.ID)
	if err != nil {
		t.Fatal(err)
	}

	row.Version = now.Version + 1 // as if it had been made beside the deletion
	if err := s.Commit(t.Context(), s.PutKey(t.Context(), row, now.Version)); err != nil {
		t.Fatal(err)
	}

	// Nobody asked for this organization's runtime settings in development before, so it is read
	// now.
	machine.As(k.Secret).Call(t, http.MethodGet, "/development/messages", nil).Refused(t,
		http.StatusUnauthorized, "invalid_key")
}

func TestDeletionsThatAreRefused(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	o.admin.Call(t, http.MethodDelete, o.path(), nil, `If-Match: "7"`).Refused(t,
		http.StatusPreconditionFailed, "stale")
	machine.Operator().Call(t, http.MethodDelete, "/v1/organizations/_operators", nil).Refused(t,
		http.StatusForbidden, "permission_denied")
	machine.Operator().Call(t, http.MethodDelete, "/v1/organizations/nowhere", nil).Refused(t,
		http.StatusNotFound, "not_found")
	a := o.admin.Call(t, http.MethodGet, o.path(), nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodDelete, o.path(), nil, "If-Match: "+a.Header.Get("ETag")).Want(t,
		http.StatusAccepted)
}
