package adminapi_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The operators' organization has keys and nothing else: it has no row that members, customers or settings could belong to.
func TestOperatorsOrganizationHasKeysOnly(t *testing.T) {
	t.Parallel()
	operator := machine.Operator()
	const path = "/v1/organizations/_operators"
	operator.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK)
	operator.Call(t, http.MethodGet, path+"/keys", nil).Want(t, http.StatusOK)
	operator.Call(t, http.MethodGet, path+"/history", nil).Want(t, http.StatusOK)
	for name, c := range map[string]call{
		"its name":   {http.MethodPatch, path, map[string]any{"name": "Mine"}, nil},
		"a viewer":   {http.MethodPut, path + "/members/" + address("v"), map[string]any{"role": "viewer"}, nil},
		"an admin":   {http.MethodPut, path + "/members/" + address("a"), map[string]any{"role": "admin"}, nil},
		"a customer": {http.MethodPost, path + "/customers", map[string]any{"name": "x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			operator.Call(t, c.method, c.path, c.body).Refused(t, http.StatusForbidden, "permission_denied")
		})
	}
	for _, list := range []string{"/members", "/customers"} {
		if got := decoded(t, operator.Call(t, http.MethodGet, path+list, nil).Want(t, http.StatusOK).Body)["items"]; !cmp.Equal(got, []any{}) {
			t.Errorf("%s: %v", list, got)
		}
	}
}
