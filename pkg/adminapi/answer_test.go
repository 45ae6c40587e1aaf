package adminapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A key is shown with all of its fields, those that are empty too, and as it was asked for.
func TestKeyIsShownAsItWasMade(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	fields := map[string]any{
		"name":        "Everything",
		"environment": "staging",
		"description": "all of it",
		"enabled":     false,
		"permissions": []any{"messages:read", "metrics:read"},
		"customers":   []any{"c1", "c.2"},
		"rateLimits": []any{map[string]any{
			"name":   "burst",
			"limit":  100.0,
			"window": "60s",
			"burst":  5.0,
		}, map[string]any{
			"name":   "slow",
			"limit":  1.0,
			"window": "36h",
		}},
		"quota":            map[string]any{"limit": 1000.0, "period": "month"},
		"allowedAddresses": []any{"192.0.2.0/24", "2001:db8::/32", "203.0.113.7"},
		"notBefore":        "2030-01-01T00:00:00+02:00",
		"expiresAt":        "2031-01-01T00:00:00.1234Z",
		"metadata":         map[string]any{"team": "web"},
		"tags":             []any{"blue", "green"},
	}
	a := o.admin.Call(t, http.MethodPost, o.keys, fields).Want(t, http.StatusCreated)
	made := decoded(t, a.Body)["key"].(map[string]any)

	id := made["id"].(string)
	if got, want := a.Header.Get("Location"), o.keys+"/"+id; got != want ||
		a.Header.Get("ETag") != `"1"` {
		t.Errorf("Location %s and ETag %s, want %s and version 1", got, a.Header.Get("ETag"), want)
	}

	want := merged(map[string]any{}, fields)
	for name, value := range map[string]any{
		"object":           "key",
		"organizationId":   o.id,
		"ownership":        "organization",
		"status":           "inactive",
		"allPermissions":   false,
		"legacy":           false,
		"grantable":        "own",
		"version":          1.0,
		"notBefore":        "2029-12-31T22:00:00.000Z",
		"expiresAt":        "2031-01-01T00:00:00.123Z",
		"allowedAddresses": []any{"192.0.2.0/24", "2001:db8::/32", "203.0.113.7/32"},
		"rateLimits": []any{map[string]any{
			"name":   "burst",
			"limit":  100.0,
			"window": "1m",
			"burst":  5.0,
		}, map[string]any{
			"name":   "slow",
			"limit":  1.0,
			"window": "36h",
		}},
		"rotation":   nil,
		"revocation": nil,
		"exposure":   nil,
		"deletedAt":  nil,
		"lastUsed":   nil,
	} {
		want[name] = value
	}

	// made by the call
	for _, name := range []string{"id", "hint", "owner", "createdBy", "createdAt", "updatedAt"} {
		if made[name] == nil {
			t.Errorf("no %s", name)
		}

		want[name] = made[name]
	}

	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("the key (-want +got):\n%s", diff)
	}

	shown := decoded(t,
		o.admin.Call(t, http.MethodGet, o.keys+"/"+id, nil).Want(t, http.StatusOK).Body)
	delete(shown, "operations") // only a key that is looked at says what may be done with it

	if diff := cmp.Diff(made, shown); diff != "" {
		t.Errorf("it is shown otherwise than it was made (-made +shown):\n%s", diff)
	}

	empty := `{"description": null, "permissions": null, "customers": null, "rateLimits": null, "quota": null, "allowedAddresses": null, "notBefore": null, "expiresAt": null, "metadata": null, "tags": null}`

	got := decoded(t,
		o.admin.Call(t, http.MethodPatch, o.keys+"/"+id, empty).Want(t, http.StatusOK).Body)
	for name, value := range map[string]any{
		"description":      "",
		"permissions":      []any{},
		"customers":        []any{},
		"rateLimits":       []any{},
		"quota":            nil,
		"allowedAddresses": []any{},
		"notBefore":        nil,
		"expiresAt":        nil,
		"metadata":         map[string]any{},
		"tags":             []any{},
		"version":          2.0,
		"updatedAt":        got["updatedAt"],
	} {
		want[name] = value
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("emptied (-want +got):\n%s", diff)
	}
}

// Without more than a name and an environment a key gets the defaults.
func TestDefaultsOfAKey(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	k := o.key(t, nil)
	if !k.Key.Enabled || k.Key.Status != "active" ||
		!slices.Equal(k.Key.Permissions, []string{"messages:write"}) || k.Key.ExpiresAt != "" {
		t.Errorf("the defaults are %+v", k.Key)
	}

	if !strings.HasPrefix(k.Secret, "bt_prod_"+k.Key.ID+"_") ||
		!strings.HasPrefix(k.Secret, strings.SplitN(k.Key.Hint, "…", 2)[0]) ||
		!strings.HasSuffix(k.Secret, strings.SplitN(k.Key.Hint, "…", 2)[1]) {
		t.Errorf("the secret does not fit the key %s with the hint %s", k.Key.ID, k.Key.Hint)
	}

	if none := o.key(t, map[string]any{"permissions": []string{}}); len(none.Key.Permissions) != 0 {
		t.Errorf("asked for no permissions, got %v", none.Key.Permissions)
	}
}

func TestAnswersOfActions(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"expiresIn": "2h"})
	path := o.keys + "/" + k.Key.ID
	post := func(action string, body any) map[string]any {
		return decoded(t,
			o.admin.Call(t, http.MethodPost, path+action, body).Want(t, http.StatusOK).Body)
	}
	rotated := post("/rotate", `{"overlap": "30d"}`)["key"].(map[string]any)

	ends := rotated["rotation"].(map[string]any)["oldSecretEndsAt"]
	if ends != rotated["expiresAt"] {
		t.Errorf("the old secret ends at %v, after its key's %v", ends, rotated["expiresAt"])
	}

	state := decoded(t,
		o.admin.Call(t, http.MethodGet, path+"/rotation", nil).Want(t,
			http.StatusOK).Body)["oldSecret"].(map[string]any)
	if state["endsAt"] != ends || state["hint"] != k.Key.Hint {
		t.Errorf("the rotation is shown as %v", state)
	}

	if key := post("/rotation/finish", nil)["key"].(map[string]any); key["rotation"] != nil {
		t.Errorf("a finished rotation is shown: %v", key["rotation"])
	}

	began := time.Now().Add(-time.Second)
	revoked := post("/revoke", `{"reason": "left the company"}`)

	by, err := time.Parse(time.RFC3339, revoked["effectiveBy"].(string))
	if err != nil || by.Before(began) || by.After(time.Now()) {
		t.Errorf("effectiveBy %v in the profile strict", revoked["effectiveBy"])
	}

	key := revoked["key"].(map[string]any)

	revocation := key["revocation"].(map[string]any)
	if key["status"] != "inactive" || key["enabled"] != true ||
		revocation["reason"] != "left the company" || revocation["compromised"] != false {
		t.Errorf("revoked as %v", key)
	}

	if key := post("/restore", nil)["key"].(map[string]any); key["status"] != "active" ||
		key["revocation"] != nil {
		t.Errorf("restored as %v", key)
	}
}

// whoami is for the key holder: of any environment, however the key is sent.
func TestWhoami(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for _, environment := range []string{"production", "staging", "development"} {
		k := o.key(t, map[string]any{
			"environment": environment,
			"name":        "Mine",
			"permissions": []string{"metrics:read"},
			"customers":   []string{"c1"},
			"expiresAt":   "2099-01-01T00:00:00Z",
			"rateLimits":  []map[string]any{{"name": "burst", "limit": 10, "window": "1m"}},
			"quota":       map[string]any{"limit": 5, "period": "day"},
		})

		want := map[string]any{
			"keyId":          k.Key.ID,
			"name":           "Mine",
			"organizationId": o.id,
			"environment":    environment,
			"permissions":    []any{"metrics:read"},
			"allPermissions": false,
			"customers":      []any{"c1"},
			"status":         "active",
			"expiresAt":      "2099-01-01T00:00:00.000Z",
			"rotation":       nil,
			"oldSecret":      false,
			"rateLimits": []any{map[string]any{
				"name":      "burst",
				"limit":     10.0,
				"window":    "1m",
				"remaining": 10.0,
			}},
			"quota": map[string]any{"limit": 5.0, "period": "day", "remaining": 5.0},
		}
		for _, a := range [][]byte{
			machine.As(k.Secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t,
				http.StatusOK).Body,
			machine.As("").Call(t, http.MethodGet, "/v1/whoami", nil,
				"Authorization: Bearer "+k.Secret).Want(t, http.StatusOK).Body,
		} {
			got := decoded(t, a)
			for _, limit := range append(got["rateLimits"].([]any), got["quota"]) {
				if at, err := time.Parse(time.RFC3339,
					limit.(map[string]any)["resetAt"].(string)); err != nil ||
					at.Before(time.Now().Add(-time.Minute)) {
					t.Errorf("%s: %v", environment, limit)
				}

				delete(limit.(map[string]any), "resetAt")
			}

			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", environment, diff)
			}
		}

		o.admin.Call(t, http.MethodPost, o.keys+"/"+k.Key.ID+"/revoke", nil).Want(t, http.StatusOK)
		machine.As(k.Secret).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
			http.StatusUnauthorized, "invalid_key")
	}

	for _, bad := range []string{
		"", "x", "bt_prod_0000000000000000_00000000000000000000000000000000000000",
	} {
		machine.As(bad).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
			http.StatusUnauthorized, "invalid_key")
	}

	machine.Raw(t, "GET /v1/whoami HTTP/1.1", "X-Api-Key: "+o.first.Secret,
		"X-Api-Key: "+o.first.Secret).Refused(t, http.StatusUnauthorized, "invalid_key")
}

// An admin key that is revoked manages nothing from then on.
func TestRevokedAdminKey(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	made := machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Second",
		"environment": "production",
		"permissions": adminPermissions(),
	})
	second := machine.As(made.Secret)
	second.Call(t, http.MethodGet, o.keys, nil).Want(t, http.StatusOK)
	// itself
	second.Call(t, http.MethodPost, o.keys+"/"+made.Key.ID+"/revoke", nil).Want(t, http.StatusOK)
	second.Call(t, http.MethodGet, o.keys, nil).Refused(t, http.StatusUnauthorized,
		"unauthenticated")
	second.Call(t, http.MethodPost, o.keys+"/"+made.Key.ID+"/restore", nil).Refused(t,
		http.StatusUnauthorized, "unauthenticated")
}
