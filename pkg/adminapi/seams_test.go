package adminapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/operator"
)

// deleteOrganization marks the organization acme as deleted, past the admin API.
func (d desk) deleteOrganization(t *testing.T) {
	t.Helper()

	before, err := d.Store.Organization(t.Context(), "acme")
	if err != nil {
		t.Error(err)
		return
	}

	after := *before
	after.Version++
	after.DeletedAt = d.Clock.Now()

	if err := d.Store.Commit(t.Context(), d.Store.PutOrganization(&after, before.Version)); err != nil {
		t.Error(err)
	}
}

// No key is made in an organization that was deleted just before: neither a new one nor the next
// ones of an import.
func TestKeysAreMadeInTheOrganizationAsItIs(t *testing.T) {
	t.Parallel()

	_, entries := many(60)
	for i := range entries {
		entries[i]["permissions"] = []string{}
	}

	body, err := json.Marshal(map[string]any{"keys": entries})
	if err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		path, body string
		before     int // the transaction before which the organization is deleted
		made       int
	}{
		"a key":                   {"", `{"name": "k", "environment": "staging"}`, 1, 0},
		"an import":               {"/import", string(body), 2, 0},
		"an import in the middle": {"/import", string(body), 3, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			maker, _ := d.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"keys:write"} })
			d.meanwhile(test.before, func() { d.deleteOrganization(t) })

			status, answer := d.call(t, adminapi.GroupKeys, withKey(maker), http.MethodPost,
				"/v1/organizations/acme/keys"+test.path, test.body)
			if status != http.StatusNotFound {
				t.Errorf("%d %v", status, answer)
			}

			made := -1 // but for the maker's own
			for _, item := range d.Items(t) {
				if item["secret"] != nil {
					made++
				}
			}

			if made != test.made {
				t.Errorf("%d keys, want %d", made, test.made)
			}
		})
	}
}

// A bulk change asks of each key what a change of that key alone asks.
func TestBulkExtendsNoStrongerOperator(t *testing.T) {
	t.Parallel()
	o := newOffice(t)

	strong, _ := o.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = apikey.OperatorOrganization
		k.Permissions = operator.Permissions()
		k.Tags = []string{"strong"}
		k.ExpiresAt = o.Clock.Now().Add(time.Hour)
	})
	weak, _ := o.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = apikey.OperatorOrganization
		k.Permissions = []string{"keys:read", "keys:write"}
	})

	const keys = "/v1/organizations/_operators/keys"
	o.call(t, byKey(weak), http.MethodPost, keys+"/bulk",
		`{"action": "extend", "expiresIn": "60d", "filter": {"tag": "strong"}, "dryRun": false,
		"expected": 1}`).want(t, "extending", http.StatusAccepted, "")

	after, err := o.Store.Key(t.Context(), strong.Environment, strong.ID)
	if err != nil || !after.ExpiresAt.Equal(strong.ExpiresAt) {
		t.Errorf("it ends %v, %v", after.ExpiresAt, err)
	}
}

// A key that expired is brought back by those who may make it, and by nobody to whom it would be
// more than they hold.
func TestExpiredKeysComeBackByThoseWhoMayMakeThem(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	bob := o.join(t, "bob", "member")

	short := map[string]any{
		"name": "Short", "environment": "development", "ownership": "personal", "expiresIn": "1s",
	}
	mine := bob.CreateKey(t, o.id, short)
	ours := o.key(t, map[string]any{
		"permissions": []string{"licenses:manage"},
		"expiresIn":   "1s",
	})
	weak := o.with(t, map[string]any{"permissions": []string{"keys:read", "keys:write"}})

	o.set(t, `{"personalKeysBy": "nobody"}`).Want(t, http.StatusOK)
	time.Sleep(1100 * time.Millisecond)

	bob.Call(t, http.MethodPatch, o.keys+"/"+mine.Key.ID, map[string]any{"expiresIn": "1d"}).
		Refused(t, http.StatusForbidden, "permission_denied")
	weak.Call(t, http.MethodPatch, o.keys+"/"+ours.Key.ID, `{"expiresAt": null}`).
		Refused(t, http.StatusUnprocessableEntity, "escalation")
	o.admin.Call(t, http.MethodPatch, o.keys+"/"+ours.Key.ID, `{"expiresAt": null}`).
		Want(t, http.StatusOK)
}

// Whoever revokes a key first does not make it theirs to bring back when others revoke it too.
func TestARevocationByOthersStays(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	boss := o.join(t, "boss", "admin")
	bob := o.join(t, "bob", "member")

	for name, stop := range map[string]func(path string, k localtest.Made){
		"its owner": func(path string, _ localtest.Made) {
			bob.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
		},
		"a leak": func(_ string, k localtest.Made) {
			machine.As("").Call(t, http.MethodPost, "/v1/leaks", map[string]any{
				"secret": k.Secret,
			}).Want(t, http.StatusAccepted)
		},
	} {
		k := bob.CreateKey(t, o.id, map[string]any{
			"name": name, "environment": "development", "ownership": "personal",
			"permissions": []string{"messages:read"},
		})
		path := o.keys + "/" + k.Key.ID

		stop(path, k)
		boss.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
		bob.Call(t, http.MethodPost, path+"/regenerate", nil).
			Refused(t, http.StatusForbidden, "permission_denied")
		bob.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
		bob.Call(t, http.MethodPost, path+"/regenerate", nil).
			Refused(t, http.StatusForbidden, "permission_denied")
		boss.Call(t, http.MethodPost, path+"/regenerate", nil).Want(t, http.StatusOK)
	}
}

// What a key has made lasts longer than the key: so a bounded key makes nobody a member who makes
// keys, and by settings opens no more than it holds.
func TestBoundedKeysMakeNobodyUnbounded(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	all := map[string]any{
		"permissions": []string{
			"keys:read", "keys:write", "keys:rotate", "keys:revoke", "usage:read", "history:read",
			"members:write", "organization:write",
		},
		"grantable": "catalogue",
	}

	boss := o.join(t, "boss", "admin")
	bounded := func(field string, value any) localtest.Client {
		t.Helper()

		fields := map[string]any{"name": field, "environment": "production", field: value}
		for name, value := range all {
			fields[name] = value
		}

		return machine.As(boss.CreateKey(t, o.id, fields).Secret)
	}

	for field, value := range map[string]any{
		"expiresIn":        "1h",
		"allowedAddresses": []string{"127.0.0.1/32"},
		"quota":            map[string]any{"limit": 1000, "period": "day"},
		"rateLimits":       []any{map[string]any{"name": "a", "limit": 100, "window": "1m"}},
	} {
		c := bounded(field, value)
		c.Call(t, http.MethodPut, o.path("members", address("made")), `{"role": "admin"}`).
			Refused(t, http.StatusUnprocessableEntity, "escalation")
		c.Call(t, http.MethodPut, o.path("members", address("made")), `{"role": "viewer"}`).
			Want(t, http.StatusCreated)
	}

	o.admin.Call(t, http.MethodPost, o.path("customers"), `{"id": "c1", "name": "C"}`)
	o.set(t, `{"memberPermissions": [], "personalKeysBy": "nobody", "legacyKeysAccepted": false}`).
		Want(t, http.StatusOK)

	scoped := bounded("customers", []string{"c1"})
	for _, settings := range []string{
		`{"memberPermissions": null}`, `{"personalKeysBy": "members"}`,
		`{"organizationKeysBy": "members"}`, `{"legacyKeysAccepted": true}`,
	} {
		scoped.Call(t, http.MethodPatch, o.path(), `{"settings": `+settings+`}`).
			Refused(t, http.StatusUnprocessableEntity, "escalation")
	}

	o.with(t, map[string]any{"permissions": []string{"organization:write"}}).
		Call(t, http.MethodPatch, o.path(), `{"settings": {"defaultPermissions": ["licenses:manage"]}}`).
		Refused(t, http.StatusUnprocessableEntity, "escalation")
}

// Grants are a set: the same ones in another order are no change, and so none that goes before all
// others.
func TestGrantsAreASet(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	carol := o.path("members", address("carol"))

	var last struct{ Grants []string }
	for i, grants := range []string{
		`["manage_others_keys", "manage_organization_keys"]`,
		`["manage_organization_keys", "manage_others_keys"]`,
		`["manage_others_keys"]`,
		`["manage_others_keys", "manage_others_keys"]`,
	} {
		want := http.StatusOK
		if i == 0 {
			want = http.StatusCreated
		}

		machine.Operator().Call(t, http.MethodPut, carol, `{"role": "member", "grants": `+grants+`}`).
			Want(t, want).Into(t, &last)
	}

	if len(last.Grants) != 1 {
		t.Errorf("%v", last.Grants)
	}

	var entries struct{ Items []struct{ Action string } }
	o.admin.Call(t, http.MethodGet, o.path("history"), nil).Want(t, http.StatusOK).Into(t, &entries)

	changes := 0
	for _, e := range entries.Items {
		if e.Action == "member.updated" {
			changes++
		}
	}

	if changes != 1 {
		t.Errorf("%d changes, want the one", changes)
	}
}
