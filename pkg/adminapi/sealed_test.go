package adminapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Whoever may write the table but has no pepper makes nobody an admin, by whichever row: what they
// wrote is 503, and what they did not touch works as before.
func TestNobodyIsMadeByTheTable(t *testing.T) {
	t.Parallel()
	const organizations, members = "/v1/organizations/acme", "/v1/organizations/acme/members"

	root, vera := by("root@acme.test"), by("vera@acme.test")
	for name, forge := range map[string]func(*testing.T, *office){
		"a role": func(t *testing.T, o *office) {
			o.Change(t, "organization#acme", "member#vera@acme.test", "role", "admin")
		},
		"a grant": func(t *testing.T, o *office) {
			o.Change(t, "organization#acme", "member#vera@acme.test", "grants",
				[]string{"manage_others_keys"})
		},
		"a seal taken away": func(t *testing.T, o *office) {
			o.Change(t, "organization#acme", "member#vera@acme.test", "seal", nil)
		},
		"another's row": func(t *testing.T, o *office) {
			o.Copy(t, "organization#acme", "member#root@acme.test", "organization#acme",
				"member#vera@acme.test")
		},
		"from elsewhere": func(t *testing.T, o *office) {
			o.member(t, "globex", "vera@acme.test", organization.RoleAdmin)
			o.Copy(t, "organization#globex", "member#vera@acme.test", "organization#acme",
				"member#vera@acme.test")
		},
		"a removal undone": func(t *testing.T, o *office) {
			o.call(t, root, http.MethodDelete, members+"/vera@acme.test", "").want(t, "removal",
				http.StatusNoContent, "")
			o.member(t, "globex", "vera@acme.test", organization.RoleViewer)
			o.Copy(t, "organization#globex", "member#vera@acme.test", "organization#acme",
				"member#vera@acme.test")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.member(t, "acme", "vera@acme.test", organization.RoleViewer)
			forge(t, o)
			o.call(t, vera, http.MethodGet, organizations, "").want(t, "reading",
				http.StatusServiceUnavailable, "unavailable")
			o.call(t, vera, http.MethodPut, members+"/vera@acme.test", `{"role": "admin"}`).want(t,
				"becoming admin", http.StatusServiceUnavailable, "unavailable")

			for _, user := range []string{"vera@acme.test", "id of vera@acme.test"} {
				o.call(t, root, http.MethodGet, members+"/"+user, "").want(t, "looking at them",
					http.StatusServiceUnavailable, "unavailable")
				o.call(t, root, http.MethodDelete, members+"/"+user, "").want(t, "removing them",
					http.StatusServiceUnavailable, "unavailable")
			}

			list := o.call(t, root, http.MethodGet, members, "").want(t, "the list", http.StatusOK,
				"")
			if !strings.Contains(list.Body, "root@acme.test") ||
				strings.Contains(list.Body, "vera@acme.test") {
				t.Errorf("the list: %s", list.Body)
			}

			me := o.call(t, vera, http.MethodGet, "/v1/me", "").want(t, "me", http.StatusOK, "")
			if strings.Contains(me.Body, `"acme"`) {
				t.Errorf("me: %s", me.Body)
			}
		})
	}
}

// What an organization lets its people do is not set by the table, nor is its deletion taken back
// there. What calls of its keys go by is sealed apart.
func TestOrganizationIsNotChangedByTheTable(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]struct {
		attribute string
		value     any
	}{
		"settings": {"settings", map[string]any{"organizationKeysBy": "members"}},
		"admins":   {"admins", 7},
		"deletion": {"deletedAt", ""},
		"name":     {"name", "Others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			_, secret := o.MustKey(t, nil)

			before, err := o.Store.Organization(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}

			deleted := *before
			deleted.Version = 2

			deleted.DeletedAt = o.Clock.Now()
			if name == "deletion" {
				o.commit(t, o.Store.PutOrganization(&deleted, 1))
			}

			o.Change(t, "organization#acme", "organization", change.attribute, change.value)

			root := by("root@acme.test")
			for _, call := range [][2]string{
				{http.MethodGet, "/v1/organizations/acme"},
				{http.MethodPatch, "/v1/organizations/acme"},
				{http.MethodGet, "/v1/organizations/acme/keys"},
				{http.MethodDelete, "/v1/organizations/acme"},
			} {
				o.call(t, root, call[0], call[1], `{}`).want(t, call[0]+" "+call[1],
					http.StatusServiceUnavailable, "unavailable")
			}

			o.call(t, by("root@globex.test"), http.MethodGet, "/v1/organizations/acme", "").want(t,
				"a stranger", http.StatusNotFound, "not_found")
			o.call(t, by("root@globex.test"), http.MethodGet, "/v1/organizations/globex",
				"").want(t, "another organization", http.StatusOK, "")

			if got := o.authenticate(t, secret); got != check.Allowed {
				t.Errorf("a key's call: %s", got)
			}
		})
	}
}

// A job that somebody wrote, or moved to another organization, is worked on by nobody, and keeps no
// other from its turn.
func TestForgedJobIsNotWorkedOn(t *testing.T) {
	t.Parallel()

	for name, forge := range map[string]func(t *testing.T, y yard, j *job.Job){
		"another action": func(t *testing.T, y yard, j *job.Job) {
			y.Change(t, "jobs#acme", j.ID, "parameters",
				[]byte(strings.Replace(string(j.Parameters), "disable", "enable", 1)))
		},
		"another maker": func(t *testing.T, y yard, j *job.Job) {
			y.Change(t, "jobs#acme", j.ID, "createdBy", map[string]any{
				"type": "operator",
				"id":   "x",
			})
		},
		"another organization's": func(t *testing.T, y yard, j *job.Job) {
			y.Change(t, "jobs#globex", y.job(t, "globex", 3).ID, "pk", "jobs#acme")
		},
		"without a seal": func(t *testing.T, y yard, j *job.Job) {
			y.Change(t, "jobs#acme", j.ID, "sealPepper", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, "acme", "globex")
			keys := y.keys(t, "acme", 3)

			j := y.job(t, "acme", 3)
			if name == "another organization's" {
				y.Remove(t, "jobs#acme", j.ID)
			}

			forge(t, y, j)

			w, _ := y.worker()
			if _, err := w.Run(t.Context()); !errors.Is(err, store.ErrDamaged) &&
				name != "another organization's" {
				t.Errorf("upkeep says nothing of it: %v", err)
			}

			for _, k := range keys {
				got, err := y.Store.Key(t.Context(), apikey.Production, k.ID)
				if err != nil || got.Version != 1 {
					t.Errorf("%+v, %v", got, err)
				}
			}

			y.Clock.Advance(1) // a later one of the same organization
			after := y.job(t, "acme", 3)

			w, _ = y.worker()
			if _, err := w.Run(t.Context()); err != nil && !errors.Is(err, store.ErrDamaged) {
				t.Error(err)
			}

			if got := y.read(t, after); got.State != job.Done || got.Result.Changed != 3 {
				t.Errorf("the next job: %+v", got)
			}
		})
	}
}

// A revocation is not "answered before" because the table says so.
func TestForgedReceiptIsNoAnswer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	root := by("root@acme.test")
	k, secret := o.MustKey(t, nil)
	path := "/v1/organizations/acme/keys/" + k.ID
	once := []string{"Idempotency-Key: one"}
	o.call(t, root, http.MethodPost, path+"/revoke", `{}`, once...).want(t, "revoking",
		http.StatusOK, "")
	o.call(t, root, http.MethodPost, path+"/restore", `{}`).want(t, "restoring", http.StatusOK, "")

	receipts := o.Partitions(t, "once#")
	if len(receipts) != 1 {
		t.Fatalf("receipts: %q", receipts)
	}

	o.call(t, root, http.MethodPost, path+"/revoke", `{}`, once...).want(t, "a replay",
		http.StatusOK, "")

	for _, attribute := range []string{"answer", "body", "status", "purgeAt", "seal"} {
		whole := o.Item(t, receipts[0], "once")
		o.Change(t, receipts[0], "once", attribute, nil)
		o.call(t, root, http.MethodPost, path+"/revoke", `{}`, once...).want(t,
			"without "+attribute, http.StatusServiceUnavailable, "unavailable")
		o.Put(t, whole)
	}

	if got := o.authenticate(t, secret); got != check.Allowed {
		t.Errorf("the key that was restored: %s", got)
	}

	o.Change(t, receipts[0], "once", "answer", []byte(`{}`))
	o.call(t, root, http.MethodPost, path+"/revoke", `{}`).want(t, "revoking without a receipt",
		http.StatusOK, "")

	if got := o.authenticate(t, secret); got == check.Allowed {
		t.Error("the key that was revoked works")
	}
}

// A customer that somebody wrote scopes no key, and one that was edited is not taken for gone.
func TestForgedCustomerScopesNoKey(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	root := by("root@acme.test")
	o.customer(t, "globex", "c1")
	o.Copy(t, "organization#globex", "customer#c1", "organization#acme", "customer#c1")
	o.customer(t, "acme", "c2")
	o.Change(t, "organization#acme", "customer#c2", "name", "Others")

	for _, id := range []string{"c1", "c2"} {
		at := "/v1/organizations/acme/customers/" + id
		o.call(t, root, http.MethodGet, at, "").want(t, "looking at it",
			http.StatusServiceUnavailable, "unavailable")
		o.call(t, root, http.MethodPatch, at, `{"name": "x"}`).want(t, "changing it",
			http.StatusServiceUnavailable, "unavailable")
		o.call(t, root, http.MethodDelete, at, "").want(t, "deleting it",
			http.StatusServiceUnavailable, "unavailable")
		o.call(t, root, http.MethodPost, "/v1/organizations/acme/keys",
			`{"name": "A", "environment": "production", "permissions": [], "customers": ["`+id+
				`"]}`).
			want(t, "a key for it", http.StatusServiceUnavailable, "unavailable")
	}

	o.call(t, root, http.MethodGet, "/v1/organizations/acme/customers", "").want(t, "the list",
		http.StatusOK, "")
}
