package adminapi_test

import (
	"net/http"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/operator"
)

// Whoever made a key gets no new secret of it once it may do more than they do: not after others
// widened it, and not after others narrowed them.
func TestMakersGetNoMoreThanTheyHold(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	maker := o.with(t, map[string]any{
		"permissions": []string{"keys:read", "keys:write", "keys:rotate", "messages:read"},
	})

	k := maker.CreateKey(t, o.id, map[string]any{
		"name": "Made", "environment": "production", "permissions": []string{"messages:read"},
	})

	path := o.keys + "/" + k.Key.ID
	maker.Call(t, http.MethodPost, path+"/regenerate", nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"permissions": []string{"messages:read", "members:write"},
	}).Want(t, http.StatusOK)

	for _, how := range []string{"/regenerate", "/rotate"} {
		maker.Call(t, http.MethodPost, path+how, nil).
			Refused(t, http.StatusUnprocessableEntity, "escalation")
	}
}

// Settings are worth what members can do with them: a key hands out by them no more than it holds.
func TestSettingsHandOutNoMoreThanTheCallerHolds(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	set := func(settings map[string]any) map[string]any {
		return map[string]any{"settings": settings}
	}

	o.admin.Call(t, http.MethodPatch, o.path(), set(map[string]any{
		"memberPermissions":  []string{"messages:read"},
		"organizationKeysBy": "admins",
		"personalKeysBy":     "nobody",
	})).Want(t, http.StatusOK)

	weak := o.with(t, map[string]any{
		"permissions": []string{"organization:write", "messages:write"},
	})
	for name, settings := range map[string]map[string]any{
		"every permission":     {"memberPermissions": nil},
		"another's permission": {"memberPermissions": []string{"messages:read", "licenses:manage"}},
		"who makes keys":       {"organizationKeysBy": "members"},
		"personal keys":        {"personalKeysBy": "members"},
	} {
		a := weak.Call(t, http.MethodPatch, o.path(), set(settings))
		if a.Refused(t, http.StatusUnprocessableEntity, "escalation"); t.Failed() {
			t.Errorf("%s: %s", name, a.Body)
		}
	}

	for _, settings := range []map[string]any{
		{"memberPermissions": []string{"messages:read", "messages:write"}},
		{"memberPermissions": []string{}},
		{"personalKeysBy": "nobody", "legacyKeysAccepted": false},
	} {
		weak.Call(t, http.MethodPatch, o.path(), set(settings)).Want(t, http.StatusOK)
	}
}

// A key loosens by settings no bound that it has itself, and does not accept keys that hold more.
func TestSettingsLoosenNoBoundOfTheCaller(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	set := func(settings string) string { return `{"settings": ` + settings + `}` }

	o.set(t, `{
		"allowedAddresses": ["127.0.0.0/8"],
		"longestLife": {"production": "90d"},
		"legacyKeysAccepted": false
	}`).Want(t, http.StatusOK)

	weak := o.with(t, map[string]any{
		"permissions":      []string{"organization:write"},
		"allowedAddresses": []string{"127.0.0.0/16"},
		"expiresIn":        "30d",
	})
	for _, settings := range []string{
		`{"allowedAddresses": []}`,
		`{"allowedAddresses": ["127.0.0.0/16", "127.1.0.0/16", "192.0.2.0/24"]}`,
		`{"longestLife": {"production": null}}`,
		`{"longestLife": {"production": "91d"}}`,
		`{"legacyKeysAccepted": true}`,
	} {
		weak.Call(t, http.MethodPatch, o.path(), set(settings)).
			Refused(t, http.StatusUnprocessableEntity, "escalation")
	}

	weak.Call(t, http.MethodPatch, o.path(), set(`{
		"allowedAddresses": ["127.0.0.0/16"],
		"longestLife": {"production": "60d", "staging": "1d"}
	}`)).Want(t, http.StatusOK)
}

// What an admin revoked stays revoked for its owner, and where nobody makes personal keys, nobody
// brings one back.
func TestOwnersBringBackWhatTheyMayMake(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	boss := o.join(t, "boss", "admin")
	bob := o.join(t, "bob", "member")

	k := bob.CreateKey(t, o.id, map[string]any{
		"name": "Mine", "environment": "development", "ownership": "personal",
	})
	path := o.keys + "/" + k.Key.ID
	post := func(as localtest.Client, action string) localtest.Answer {
		t.Helper()
		return as.Call(t, http.MethodPost, path+action, nil)
	}
	enabled := func(yes bool) localtest.Answer {
		t.Helper()
		return bob.Call(t, http.MethodPatch, path, map[string]any{"enabled": yes})
	}

	post(bob.Client, "/revoke").Want(t, http.StatusOK)
	post(bob.Client, "/restore").Want(t, http.StatusOK)

	post(boss.Client, "/revoke").Want(t, http.StatusOK)
	post(bob.Client, "/restore").Refused(t, http.StatusForbidden, "permission_denied")
	post(bob.Client, "/regenerate").Refused(t, http.StatusForbidden, "permission_denied")
	post(boss.Client, "/restore").Want(t, http.StatusOK)

	enabled(false).Want(t, http.StatusOK)
	o.set(t, `{"personalKeysBy": "nobody"}`).Want(t, http.StatusOK)
	enabled(true).Refused(t, http.StatusForbidden, "permission_denied")
	post(bob.Client, "/revoke").Want(t, http.StatusOK)
	post(bob.Client, "/restore").Refused(t, http.StatusForbidden, "permission_denied")

	var j bulk
	bob.Call(t, http.MethodPost, o.keys+"/bulk", map[string]any{
		"action": "enable", "filter": map[string]any{"status": "inactive"}, "dryRun": false,
		"expected": 1,
	}).Want(t, http.StatusAccepted).Into(t, &j)
	o.jobDone(t, j.Job.ID)

	if got := o.show(t, k.Key.ID); got["enabled"] != false {
		t.Errorf("enabled in bulk: %v", got)
	}
}

// A dry run of a stop says how many keys it would stop, and shows them to those who may read keys.
func TestDryRunShowsKeysToReadersOnly(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	o.key(t, map[string]any{"tags": []string{"found"}})

	body := map[string]any{"action": "revoke", "filter": map[string]any{"tag": "found"}}
	for shown, permissions := range [][]string{{"keys:revoke"}, {"keys:revoke", "keys:read"}} {
		var got struct {
			Matched int
			Sample  []any
		}
		o.with(t, map[string]any{"permissions": permissions}).
			Call(t, http.MethodPost, o.keys+"/bulk", body).
			Want(t, http.StatusOK).
			Into(t, &got)

		if got.Matched != 1 || len(got.Sample) != shown {
			t.Errorf("%v: %d found, %d shown", permissions, got.Matched, len(got.Sample))
		}
	}
}

// An operator's key that is revoked between the question and the write replaces no catalogue.
func TestARevokedKeyReplacesNoCatalogue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	caller, _ := d.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = apikey.OperatorOrganization
		k.Permissions = operator.Permissions()
	})

	_, before, err := d.Store.Catalogue(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	d.meanwhile(1, func() { d.revoke(t, caller) })

	status, answer := d.call(t, adminapi.GroupOrganizations, byKey(caller), http.MethodPut,
		"/v1/permissions",
		`{"permissions": [{"name": "mine:read", "title": "Mine"}]}`)
	if status < 400 {
		t.Errorf("%d %v", status, answer)
	}

	if _, after, err := d.Store.Catalogue(t.Context(), apikey.Production); err != nil ||
		after != before {
		t.Errorf("version %d after %d, %v", after, before, err)
	}
}
