package adminapi_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/api"
)

// Each field that a change of a key takes is set by it, shown, listed and recorded.
func TestEachFieldIsSetShownAndRecorded(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	admin := o.join(t, "editor", "admin") // who alone may grant all permissions

	o.admin.Call(t, http.MethodPost, o.path("customers"),
		`{"id": "blue", "name": "Blue"}`).Want(t, http.StatusCreated)

	type object = map[string]any

	limit := object{"name": "default", "limit": 10.0, "window": "1m"}
	values := object{
		"name":             "Another",
		"description":      "What it is for",
		"enabled":          false,
		"permissions":      []any{"messages:read"},
		"allPermissions":   true,
		"grantable":        "catalogue",
		"customers":        []any{"blue"},
		"rateLimits":       []any{limit},
		"quota":            object{"limit": 1000.0, "period": "month"},
		"allowedAddresses": []any{"192.0.2.0/24"},
		"notBefore":        "2026-01-01T00:00:00.000Z",
		"expiresAt":        "2099-01-01T00:00:00.000Z",
		"expiresIn":        nil, // sets expiresAt
		"metadata":         object{"team": "web"},
		"tags":             []any{"web"},
	}

	for _, field := range reflect.VisibleFields(reflect.TypeFor[api.UpdateKey]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")

		value, ok := values[name]
		if value == nil {
			if !ok {
				t.Errorf("this test has no value for %s", name)
			}

			continue
		}

		key := o.keys + "/" + o.key(t, object{"permissions": []any{}}).Key.ID
		admin.Call(t, http.MethodPatch, key, object{name: value}).Want(t, http.StatusOK)

		var shown object
		admin.Call(t, http.MethodGet, key, nil).Want(t, http.StatusOK).Into(t, &shown)

		if diff := cmp.Diff(value, shown[name]); diff != "" {
			t.Errorf("%s (-sent +shown):\n%s", name, diff)
		}

		var listed struct{ Items []object }
		admin.Call(t, http.MethodGet, o.keys+"?status=all&limit=200", nil).Want(t,
			http.StatusOK).Into(t, &listed)

		i := slices.IndexFunc(listed.Items, func(k object) bool { return k["id"] == shown["id"] })
		if i < 0 {
			t.Errorf("with %s, it is not listed", name)
		} else if diff := cmp.Diff(value, listed.Items[i][name]); diff != "" {
			t.Errorf("%s (-sent +listed):\n%s", name, diff)
		}

		entries, _ := history(t, admin.Client, key+"/history", 200)
		if got := entries[0].Changes; len(got) != 1 || got[0].Field != name ||
			!cmp.Equal(value, got[0].After) {
			t.Errorf("history of %s: %+v", name, got)
		}
	}
}
