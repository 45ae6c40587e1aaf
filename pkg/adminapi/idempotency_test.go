package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// The same Idempotency-Key and body: the same answer without the secret, and nothing done twice.
func TestReplay(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)
	// in an order in which each can be done
	for _, call := range []struct{ path, body, other string }{
		{o.keys, body(""), body(`"tags": ["x"]`)},
		{o.keys + "/" + k.Key.ID + "/regenerate", `{}`, `{ }`},
		{o.keys + "/" + k.Key.ID + "/rotate", `{"overlap": "1h"}`, `{}`},
		{o.keys + "/" + k.Key.ID + "/rotation/finish", `{}`, `{ }`},
		{o.keys + "/" + k.Key.ID + "/revoke", `{"reason": "r"}`, `{"reason": "s"}`},
		{o.keys + "/" + k.Key.ID + "/restore", `{}`, `{ }`},
	} {
		const header = "Idempotency-Key: the first time"

		first := o.admin.Call(t, http.MethodPost, call.path, call.body, header)
		if first.Status >= 300 {
			t.Fatalf("%s: %d %s", first.Call, first.Status, first.Body)
		}

		before := o.all(t)

		again := o.admin.Call(t, http.MethodPost, call.path,
			call.body, header).Want(t, first.Status)
		for _, name := range []string{"ETag", "Location", "Content-Type"} {
			if first.Header.Get(name) != again.Header.Get(name) {
				t.Errorf("%s: %s %q, and %q when it is replayed", first.Call, name,
					first.Header.Get(name), again.Header.Get(name))
			}
		}

		want, got := decoded(t, first.Body), decoded(t, again.Body)
		if _, has := want["secret"]; has {
			want["secret"] = nil
		}

		want["replayed"] = true
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, replayed (-want +got):\n%s", first.Call, diff)
		}

		o.admin.Call(t, http.MethodPost, call.path, call.other, header).Refused(t,
			http.StatusUnprocessableEntity, "idempotency_mismatch")

		if diff := cmp.Diff(before, o.all(t)); diff != "" {
			t.Errorf("%s: replaying changed something (-before +after):\n%s", first.Call, diff)
		}
	}
}

// An Idempotency-Key is its caller's and its path's alone, and a refusal does not use it up.
func TestIdempotencyKeyScope(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	colleague := o.with(t, map[string]any{
		"permissions": adminPermissions(),
		"grantable":   "catalogue",
	})
	const header = "Idempotency-Key: 1"
	o.admin.Call(t, http.MethodPost, o.keys, `{}`, header).Refused(t,
		http.StatusUnprocessableEntity, "validation")
	mine := o.admin.Call(t, http.MethodPost, o.keys, body(""), header).Made(t, http.StatusCreated)

	theirs := colleague.Call(t, http.MethodPost, o.keys, body(""), header).Made(t,
		http.StatusCreated)
	if mine.Key.ID == theirs.Key.ID || theirs.Replayed {
		t.Errorf("a colleague's call was answered with mine: %+v", theirs)
	}

	for _, k := range []localtest.Made{mine, theirs} {
		if made := o.admin.Call(t, http.MethodPost, o.keys+"/"+k.Key.ID+"/regenerate",
			`{}`, header).Made(t, http.StatusOK); made.Replayed || made.Key.ID != k.Key.ID {
			t.Errorf("another key's regeneration was replayed: %+v", made)
		}
	}

	o.admin.Call(t, http.MethodPost, o.keys, body(""),
		"Idempotency-Key: "+fmt.Sprintf("%0201d", 1)).Refused(t, http.StatusBadRequest, "malformed")

	// which would make nothing happen once, or arrive as another one
	for _, key := range []string{"", "\xff", "ä", "\ufffd", "a\tb"} {
		p := o.admin.Call(t, http.MethodPost, o.keys, body(""),
			"Idempotency-Key: "+key).Refused(t, http.StatusBadRequest, "malformed")
		if !slices.Contains(p.Locations(), "header.Idempotency-Key") {
			t.Errorf("%q: %v", key, p.Locations())
		}
	}
}

func TestOneIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	const callers = 10
	answers := make([]localtest.Answer, callers)

	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			answers[i] = o.admin.Call(t, http.MethodPost, o.keys, body(`"tags": ["once"]`),
				"Idempotency-Key: at once")
		})
	}

	all.Wait()

	secrets, ids := 0, map[string]bool{}
	for _, a := range answers {
		if a.Status == http.StatusConflict {
			a.Refused(t, http.StatusConflict, "conflict") // it says to try again
			continue
		}

		made := a.Made(t, http.StatusCreated)

		ids[made.Key.ID] = true
		if made.Secret != "" {
			secrets++
		}
	}

	if names, _ := page(t, o.admin, o.keys+"?tag=once"); len(names) != 1 || secrets != 1 ||
		len(ids) != 1 {
		t.Errorf("%d keys were made, %d secrets shown, %d ids told; want one of each", len(names),
			secrets, len(ids))
	}
}

// Changes at once, of those who do not look at the version: all that is acknowledged happened, one
// after the other.
func TestChangesAtOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)
	path := o.keys + "/" + k.Key.ID
	acknowledged := atOnce(t, http.StatusConflict, "conflict", func(i int) localtest.Answer {
		return o.admin.Call(t, http.MethodPatch, path, map[string]any{
			"description": fmt.Sprint("change ", i),
		})
	})
	var after localtest.Key
	o.admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &after)

	if acknowledged == 0 || after.Version != int64(1+acknowledged) {
		t.Errorf("version %d after %d acknowledged changes", after.Version, acknowledged)
	}
}

// Of those who do look, one wins.
func TestConditionalChangesAtOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)

	path := o.keys + "/" + k.Key.ID
	if n := atOnce(t, http.StatusPreconditionFailed, "stale", func(i int) localtest.Answer {
		return o.admin.Call(t, http.MethodPatch, path, map[string]any{
			"description": fmt.Sprint("change ", i),
		}, `If-Match: "1"`)
	}); n != 1 {
		t.Errorf("%d changes of the same version were acknowledged", n)
	}

	if n := atOnce(t, http.StatusPreconditionFailed, "stale", func(int) localtest.Answer {
		return o.admin.Call(t, http.MethodPost, path+"/regenerate", nil, `If-Match: "2"`)
	}); n != 1 {
		t.Errorf("%d regenerations of the same version were acknowledged", n)
	}
}

// atOnce makes many calls at once and counts those that were acknowledged; the others must be
// refused as told.
func atOnce(t *testing.T, status int, code string, call func(i int) localtest.Answer) int {
	t.Helper()
	const callers = 20
	answers := make([]localtest.Answer, callers)

	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { answers[i] = call(i) })
	}

	all.Wait()

	acknowledged := 0
	for _, a := range answers {
		if a.Status == http.StatusOK {
			acknowledged++
			continue
		}

		if a.Status == http.StatusConflict {
			// transactions in each other's way, with a condition or without
			a.Refused(t, http.StatusConflict, "conflict")
			continue
		}

		if a.Status == http.StatusTooManyRequests {
			a.Refused(t, http.StatusTooManyRequests, "too_many_changes")
			continue
		}

		a.Refused(t, status, code)
	}

	return acknowledged
}

// A change that changes nothing leaves the version as it is.
func TestChangesOfNothing(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"tags": []string{"a"}, "expiresAt": "2099-01-01T00:00:00Z"})
	path := o.keys + "/" + k.Key.ID

	before := o.all(t)
	for _, fields := range []string{
		`{}`, `{"name": "A key"}`, `{"name": " A key "}`, `{"tags": ["a", "a"]}`,
		`{"enabled": true, "environment": "production", "ownership": "organization"}`,
		`{"metadata": {}}`,
		`{"customers": null, "rateLimits": [], "quota": null, "notBefore": null, "grantable": null, "allPermissions": null}`, `{"expiresAt": "2099-01-01T01:00:00+01:00"}`,
	} {
		if a := o.admin.Call(t, http.MethodPatch, path, fields, `If-Match: "1", "9"`).Want(t,
			http.StatusOK); a.Header.Get("ETag") != `"1"` {
			t.Errorf("%s made it version %s", fields, a.Header.Get("ETag"))
		}
	}

	o.admin.Call(t, http.MethodPost, path+"/restore", nil, "If-Match: *").Want(t, http.StatusOK)

	if diff := cmp.Diff(before, o.all(t)); diff != "" {
		t.Errorf("it changed (-before +after):\n%s", diff)
	}

	o.admin.Call(t, http.MethodPost, path+"/revoke", `{"reason": "first"}`).Want(t, http.StatusOK)
	revoked := o.all(t)
	o.admin.Call(t, http.MethodPost, path+"/revoke", `{"reason": "second"}`).Want(t, http.StatusOK)

	if diff := cmp.Diff(revoked, o.all(t)); diff != "" {
		t.Errorf("revoking again changed it (-before +after):\n%s", diff)
	}
}

// What was true at the first call need not be true at its repeat: the answer is told again before
// anything is judged.
func TestReplayComesBeforeJudgement(t *testing.T) {
	t.Parallel()
	d := newDesk(t)

	c := &organization.Customer{
		OrganizationID: "acme",
		ID:             "c1",
		Name:           "C",
		Version:        1,
	}
	if err := d.Store.Commit(t.Context(), d.Store.PutCustomer(c, 0)); err != nil {
		t.Fatal(err)
	}

	body := fmt.Sprintf(`{"name": "k", "environment": "staging", "customers": ["c1"], "expiresAt": %q}`, d.Clock.Now().Add(
		time.Hour,
	).Format(
		time.RFC3339,
	))
	create := func(once string) (int, map[string]any) {
		return d.call(t, adminapi.GroupKeys, alice, "POST",
			"/v1/organizations/acme/keys", body, once)
	}

	status, first := create("one")
	if status != http.StatusCreated {
		t.Fatalf("%d %v", status, first)
	}

	d.Clock.Advance(2 * time.Hour)

	if err := d.Store.Commit(t.Context(), d.Store.RemoveCustomer(c)); err != nil {
		t.Fatal(err)
	}

	if status, _ := create("two"); status != http.StatusUnprocessableEntity {
		t.Errorf("another call: %d", status)
	}

	status, again := create("one")

	key := func(answer map[string]any) any {
		k, _ := answer["key"].(map[string]any)
		return k["id"]
	}
	if status != http.StatusCreated || again["replayed"] != true || again["secret"] != nil ||
		key(again) != key(first) {
		t.Errorf("%d %v", status, again)
	}

	d.demote(t) // but who may comes before it

	if status, answer := create("one"); status != http.StatusForbidden {
		t.Errorf("%d %v", status, answer)
	}
}

// Of calls at once with one Idempotency-Key, one does the work and all are told of it, whatever the
// others find meanwhile.
func TestRepeatsAtOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)

	path := o.keys + "/" + k.Key.ID
	for _, call := range []struct {
		path   string
		body   any
		status int
		secret int
	}{
		{path + "/rotate", nil, http.StatusOK, 1},
		{path + "/rotation/finish", nil, http.StatusOK, 0},
		{path + "/regenerate", nil, http.StatusOK, 1},
		{path + "/revoke", map[string]any{"reason": "r"}, http.StatusOK, 0},
		{path + "/restore", nil, http.StatusOK, 0},
		{o.path("customers"), map[string]any{"id": "once", "name": "C"}, http.StatusCreated, 0},
		{o.keys, map[string]any{
			"name":        "once",
			"environment": "production",
		}, http.StatusCreated, 1},
	} {
		answers := make([]localtest.Answer, 5)

		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				answers[i] = o.admin.Call(t, http.MethodPost, call.path, call.body,
					"Idempotency-Key: "+call.path)
			})
		}

		all.Wait()

		fresh, secrets := 0, 0
		for _, a := range answers {
			answer := decoded(t, a.Want(t, call.status).Body)
			if answer["replayed"] != true {
				fresh++
			}

			if answer["secret"] != nil {
				secrets++
			}
		}

		if fresh != 1 || secrets != call.secret {
			t.Errorf("%s: %d answers are no replays, %d show a secret", call.path, fresh, secrets)
		}
	}
}

// A write whose answer was lost is found by its own receipt: the caller is told that it was done.
func TestReceiptAfterALostAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.traffic.Traffic.Inject(storetest.Always(storetest.DropAnswer, "TransactWriteItems"))

	status, answer := d.call(t, adminapi.GroupKeys, alice, "POST", "/v1/organizations/acme/keys",
		`{"name": "k", "environment": "staging"}`, "one")
	if status != http.StatusCreated || answer["replayed"] != true || answer["secret"] != nil {
		t.Errorf("%d %v", status, answer)
	}
}
