package adminapi_test

import (
	"net/http"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
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
