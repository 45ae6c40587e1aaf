package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// catalogue reads all permissions, and their ETag.
func catalogue(t *testing.T) (permissions []any, tag string) {
	t.Helper()
	a := machine.Operator().Call(t, http.MethodGet, "/v1/permissions", nil).Want(t, http.StatusOK)
	return decoded(t, a.Body)["permissions"].([]any), a.Header.Get("ETag")
}

// The catalogue is one for all organizations, so this is the one test that changes it, and only by
// what is its own.
func TestPermissions(t *testing.T) {
	t.Parallel()
	o, operator := newTenant(t), machine.Operator()
	before, tag := catalogue(t)

	put := func(permissions []any, headers ...string) map[string]any {
		return decoded(t, operator.Call(t, http.MethodPut, "/v1/permissions", map[string]any{
			"permissions": permissions,
		}, headers...).Want(t, http.StatusOK).Body)
	}
	if got := put(before, "If-Match: "+tag); !cmp.Equal(got["permissions"], any(before)) {
		t.Errorf("sending it back as it is changed it:\n%s",
			cmp.Diff(any(before), got["permissions"]))
	}

	if _, again := catalogue(t); again != tag {
		t.Errorf("version %s after %s, with nothing changed", again, tag)
	}

	mine := map[string]any{
		"name":   "reports:read",
		"title":  "Read reports",
		"routes": []any{map[string]any{"api": "reports", "method": "GET", "path": "/reports"}},
	}
	more := append(slices.Clone(before), mine)
	put(more, "If-Match: "+tag)
	operator.Call(t, http.MethodPut, "/v1/permissions", map[string]any{
		"permissions": before,
	}, "If-Match: "+tag).Refused(t, http.StatusPreconditionFailed, "stale")
	holder := o.key(t, map[string]any{"permissions": []string{"reports:read"}})

	p := operator.Call(t, http.MethodPut, "/v1/permissions", map[string]any{
		"permissions": before,
	}).Refused(t, http.StatusConflict, "in_use")
	if len(p.Errors) != 1 || p.Errors[0].Message != "number of keys that hold reports:read: 1" {
		t.Errorf("who holds it: %+v", p.Errors)
	}

	operator.Call(t, http.MethodPut, "/v1/permissions?force=true", map[string]any{
		"permissions": before,
	}).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPatch, o.keys+"/"+holder.Key.ID, map[string]any{
		"description": "it keeps the name, which opens nothing",
	}).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPost, o.keys, body(`"permissions": ["reports:read"]`)).Refused(t,
		http.StatusUnprocessableEntity, "validation")

	put(more)
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+holder.Key.ID, nil).Want(t, http.StatusNoContent)
	put(before) // a deleted key holds nothing
}

func TestWrongPermissions(t *testing.T) {
	t.Parallel()

	before, _ := catalogue(t)
	for name, test := range map[string]struct {
		permission map[string]any
		location   string
	}{
		"a name":           {map[string]any{"name": "Reports", "title": "x"}, "name"},
		"no title":         {map[string]any{"name": "a:b"}, "title"},
		"an empty title":   {map[string]any{"name": "a:b", "title": ""}, "title"},
		"a built-in name":  {map[string]any{"name": "keys:read", "title": "x"}, "name"},
		"a name of before": {map[string]any{"name": "messages:read", "title": "x"}, "name"},
		"an unknown field": {map[string]any{"name": "a:b", "title": "x", "colour": 1}, "colour"},
		"routes": {map[string]any{
			"name":   "a:b",
			"title":  "x",
			"routes": "all",
		}, "routes"},
		"a method": {map[string]any{
			"name":   "a:b",
			"title":  "x",
			"routes": []any{map[string]any{"api": "*", "method": "FETCH", "path": "/x"}},
		}, "routes[0].method"},
		"a path": {map[string]any{
			"name":   "a:b",
			"title":  "x",
			"routes": []any{map[string]any{"api": "*", "method": "GET", "path": "x"}},
		}, "routes[0].path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := machine.Operator().Call(t, http.MethodPut, "/v1/permissions", map[string]any{
				"permissions": append(slices.Clone(before), test.permission),
			})

			p := a.Refused(t, http.StatusUnprocessableEntity, "validation")
			if want := []string{
				fmt.Sprintf("body.permissions[%d].%s", len(before), test.location),
			}; !slices.Equal(p.Locations(), want) {
				t.Errorf("%v, want %v", p.Errors, want)
			}
		})
	}

	for what, text := range map[string]string{
		"no list": `{}`,
		"null":    `{"permissions": null}`,
		"a text":  `{"permissions": "x"}`,
	} {
		if p := machine.Operator().Call(t, http.MethodPut, "/v1/permissions", text).Refused(t,
			http.StatusUnprocessableEntity,
			"validation"); !slices.Equal(p.Locations(), []string{"body.permissions"}) {
			t.Errorf("%s: %v", what, p.Errors)
		}
	}

	machine.Operator().Call(t, http.MethodPut, "/v1/permissions?force=maybe", map[string]any{
		"permissions": before,
	}).Refused(t, http.StatusBadRequest, "malformed")
	machine.Operator().Call(t, http.MethodPut, "/v1/permissions", map[string]any{
		"permissions": before,
	}, "If-Match: 1").Refused(t, http.StatusBadRequest, "malformed")
}
