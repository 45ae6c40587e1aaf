package local_test

import (
	"net/http"
	"testing"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// Spellings of paths, over HTTP, in a profile without a cache and in the one with it: an answer
// that API Gateway caches for one path serves no other, and a legitimate call with an escape works
// every time.
func TestPathsMeanOneThing(t *testing.T) {
	t.Parallel()

	for _, profile := range []string{"strict", "cached"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.Profile = profile
			runs(t, o, func(m *localtest.Machine) { spellings(t, m) })
		})
	}
}

func spellings(t *testing.T, m *localtest.Machine) {
	t.Helper()
	// Before the first call, so that no authorizer has read the catalogue yet.
	var catalogue struct{ Permissions []any }
	m.Operator().Call(t, http.MethodGet, "/v1/permissions", nil).Want(t, http.StatusOK).Into(t,
		&catalogue)
	route := map[string]any{"api": "*", "method": "GET", "path": "/metrics/admin"}
	catalogue.Permissions = append(catalogue.Permissions, map[string]any{
		"name":   "metrics:admin",
		"title":  "A",
		"routes": []any{route},
	})
	m.Operator().Call(t, http.MethodPut, "/v1/permissions", map[string]any{
		"permissions": catalogue.Permissions,
	}).Want(t, http.StatusOK)

	create := func(fields map[string]any) localtest.Made {
		fields["name"] = "Spelled"
		fields["environment"] = "production"
		return m.Admin().CreateKey(t, "acme", fields)
	}

	for _, id := range []string{"c1", "c2"} {
		m.Admin().Call(t, http.MethodPost, "/v1/organizations/acme/customers", map[string]any{
			"id":   id,
			"name": id,
		}).Want(t, http.StatusCreated)
	}

	reader := create(map[string]any{"permissions": []string{"metrics:read", "messages:read"}})
	both := create(map[string]any{"permissions": []string{"customers:read", "customers:secrets"}})
	scoped := create(map[string]any{
		"permissions": []string{"customers:read"},
		"customers":   []string{"c1", "c2"},
	})

	for range 2 { // the second time from the cache
		for _, test := range []struct {
			key    localtest.Made
			path   string
			status int
		}{
			{reader, "/metrics/cpu/a%20b", http.StatusOK},
			{reader, "/metrics/cpu/caf%C3%A9", http.StatusOK},
			{reader, "/metrics/cpu", http.StatusOK},
			{reader, "/metrics/admin", http.StatusForbidden},
			{reader, "/metrics/%61dmin", http.StatusForbidden},
			{reader, "/metrics/admi%6E", http.StatusForbidden},
			{reader, "/metrics/%2561dmin", http.StatusForbidden},
			{reader, "/metrics/admin%00", http.StatusForbidden},
			{reader, "/metrics/admin%20", http.StatusForbidden},
			{reader, "/metrics/admin;x=1", http.StatusForbidden},
			{reader, "/metrics/a:b", http.StatusOK},
			{reader, "/messages/a:b", http.StatusOK},
			{reader, "/messages/c%20d", http.StatusOK},
			{reader, "/messages/e@f", http.StatusOK},
			{reader, "/messages/%34", http.StatusForbidden},
			{both, "/customers/a%20b", http.StatusOK},
			{both, "/customers/c:d", http.StatusOK},
			{both, "/customers/c:d/secrets", http.StatusOK},
			{scoped, "/customers/c1", http.StatusOK},
			{scoped, "/customers/c2", http.StatusOK},
			{scoped, "/customers/c3", http.StatusForbidden},
		} {
			m.As(test.key.Secret).Call(t, http.MethodGet,
				"/production"+test.path, nil).Want(t, test.status)
		}

		m.As(scoped.Secret).Call(t, http.MethodGet, "/production/customers/c3", nil).Refused(t,
			http.StatusForbidden, "customer_not_allowed")
		m.As(reader.Secret).Call(t, http.MethodGet, "/production/messages/a:*", nil).Refused(t,
			http.StatusForbidden, "path_not_supported")
	}
}
