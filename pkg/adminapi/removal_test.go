package adminapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// leaver is a member who is being removed by a job, with personal keys; some of other people are
// beside them.
func (y yard) leaver(t *testing.T, n int) (*job.Job, []*apikey.Key) {
	t.Helper()
	j := y.job(t, "acme", 0)
	j.Kind = job.RemoveMember
	j.Version = 2

	var err error
	if j.Parameters, err = json.Marshal(map[string]string{
		"email": "leaver@acme.test",
	}); err != nil {
		t.Fatal(err)
	}

	y.put(t, j, 1)

	m := &organization.Member{
		OrganizationID: "acme",
		ID:             "leaver",
		Email:          "leaver@acme.test",
		Role:           organization.RoleMember,
		InvitedAt:      y.Clock.Now(),
		JoinedAt:       y.Clock.Now(),
		LeavingAt:      y.Clock.Now(),
		LeavingJob:     j.ID,
		Version:        2,
	}
	if err := y.Store.Commit(t.Context(), y.Store.PutMember(m, 0)); err != nil {
		t.Fatal(err)
	}

	own := func(owner string) *apikey.Key {
		k, _ := y.MustKey(t, func(k *apikey.Key) {
			k.Ownership = apikey.Personal
			k.Owner = apikey.Actor{
				Type:  apikey.ActorUser,
				ID:    owner,
				Email: owner + "@acme.test",
			}
		})
		if err := y.Store.Commit(t.Context(), y.Store.OwnKey(k)); err != nil {
			t.Fatal(err)
		}

		return k
	}

	var keys []*apikey.Key
	for range n {
		keys = append(keys, own("leaver"))
	}

	own("stayer")
	return j, keys
}

// removed looks at what a removal leaves: no membership, and no key of theirs that works; everybody
// else's do.
func (y yard) removed(t *testing.T, j *job.Job, keys []*apikey.Key) {
	t.Helper()

	if got := y.read(t, j); got.State != job.Done || got.Result.Changed != len(keys) {
		t.Errorf("%+v", got)
	}

	if _, err := y.Store.Member(t.Context(), "acme",
		"leaver@acme.test"); !errors.Is(err, organization.ErrNoMember) {
		t.Errorf("the member's row: %v", err)
	}

	for _, k := range keys {
		got, err := y.Store.Key(t.Context(), k.Environment, k.ID)
		if err != nil {
			t.Fatal(err)
		}

		entries, _, err := y.Store.History(t.Context(), "acme", "key", k.ID, "", 10)
		if err != nil || got.Enabled || got.Version != 2 || len(entries) != 1 {
			t.Fatalf("%+v, %d entries, %v", got, len(entries), err)
		}
	}

	entries, _, err := y.Store.History(t.Context(), "acme", "member", "leaver@acme.test", "", 10)
	if err != nil || len(entries) != 1 || entries[0].Action != "member.removed" ||
		entries[0].Actor != j.CreatedBy {
		t.Errorf("%+v, %v", entries, err)
	}

	others, _, err := y.Store.OwnKeys(t.Context(), "acme", "stayer", "", 10)
	if err != nil || len(others) != 1 || !others[0].Key.Enabled {
		t.Errorf("%+v, %v", others, err)
	}
}

// A removal that is cut short amid the keys goes on from there.
func TestRemovalGoesOn(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	j, keys := y.leaver(t, 100)
	w, p := y.worker()
	dead := false
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if dead = dead || r.Operation == "TransactWriteItems" && r.N == 2; dead {
			return storetest.Refused
		}

		return storetest.None
	})

	if _, err := w.Run(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("it lives: %v", err)
	}

	if got := y.read(t, j); got.Handled != 45 || !got.Open() {
		t.Errorf("%+v", got)
	}

	y.Clock.Advance(job.LeaseFor)

	next, _ := y.worker()
	if _, err := next.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	y.removed(t, j, keys)
}

// The keys of who leaves are found by what does not lag, so that one made just before is not
// missed.
func TestRemovalDoesNotGoByIndexes(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")
	j, keys := y.leaver(t, 3)

	lagging := y.Behind()
	if found, err := lagging.CountKeys(t.Context(), "acme", store.Filter{},
		y.Clock.Now()); err != nil || found != 0 {
		t.Fatalf("the index knows %d keys, %v", found, err)
	}

	w := newWorker(&full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{Brand: storetest.Brand},
			Keyring:       y.Keyring,
			Logger:        y.Log.Logger(),
			Now:           y.Clock.Now,
		},
		Store: lagging,
	})
	if _, err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	y.removed(t, j, keys)
}

// Whoever is removed at that moment begins no job any more.
func TestBulkBesideARemoval(t *testing.T) {
	t.Parallel()
	y := newYard(t, "acme")

	m := &organization.Member{
		OrganizationID: "acme",
		ID:             "leaver",
		Email:          "leaver@acme.test",
		Role:           organization.RoleAdmin,
		InvitedAt:      y.Clock.Now(),
		JoinedAt:       y.Clock.Now(),
		Version:        1,
	}
	if err := y.Store.Commit(t.Context(), y.Store.PutMember(m, 0)); err != nil {
		t.Fatal(err)
	}

	p := y.Restart()
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" && r.N == 1 {
			leaving := *m
			leaving.LeavingAt = y.Clock.Now()

			leaving.Version = 2
			if err := y.Store.Commit(t.Context(), y.Store.PutMember(&leaving, 1)); err != nil {
				t.Error(err)
			}
		}

		return storetest.None
	})
	f := adminapi.Function(&full.Deployment{
		Deployment: &boot.Deployment{
			Configuration: boot.Configuration{Brand: storetest.Brand},
			Keyring:       p.Keyring,
			Logger:        y.Log.Logger(),
			Now:           y.Clock.Now,
		},
		Store: p.Store,
		Hot:   p.Hot,
	}, adminapi.GroupRevocation)

	event, err := json.Marshal(map[string]any{
		"httpMethod": "POST",
		"path":       "/v1/organizations/acme/keys/bulk",
		"headers":    map[string]any{"Content-Type": "application/json"},
		"body":       `{"action": "disable", "filter": {}, "dryRun": false, "expected": 0}`,
		"requestContext": map[string]any{
			"requestId": "r",
			"authorizer": map[string]any{
				"userId":    m.ID,
				"userEmail": m.Email,
				"userName":  "Leaver",
			},
			"identity": map[string]any{"sourceIp": "192.0.2.1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	text, err := f.Invoke(t.Context(), event)
	if err != nil || !strings.Contains(string(text), `"statusCode":404`) {
		t.Errorf("%s, %v", text, err)
	}

	if jobs, _, err := y.Store.Jobs(t.Context(), "acme", "", 10); err != nil || len(jobs) != 0 {
		t.Errorf("%+v, %v", jobs, err)
	}
}
