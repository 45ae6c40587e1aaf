package local_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// sent counts the calls that a test sent with each key, by outcome, permission and customer.
type sent map[string]map[string]map[string]int64 // key, division, value

func (s sent) add(key, division, value string, n int64) {
	if s[key] == nil {
		s[key] = map[string]map[string]int64{"outcome": {}, "permission": {}, "customer": {}}
	}

	s[key][division][value] += n
}

// allowed adds calls that are allowed by a permission, for a customer or "" for none.
func (s sent) allowed(key, permission, customer string, n int64) {
	s.add(key, "outcome", "allowed", n)
	s.add(key, "permission", permission, n)

	if customer != "" {
		s.add(key, "customer", customer, n)
	}
}

// usage sums a usage answer by what it is divided by.
func usage(t *testing.T, m *localtest.Machine, path, by, source string) map[string]int64 {
	t.Helper()
	var got struct {
		Source string
		Series []struct{ Values map[string]int64 }
	}
	m.Admin().Call(t, http.MethodGet, "/v1/organizations/acme"+path+"/usage?by="+by, nil).Want(t,
		http.StatusOK).Into(t, &got)

	if got.Source != source {
		t.Errorf("%s: source %q, want %q", path, got.Source, source)
	}

	sum := map[string]int64{}
	for _, point := range got.Series {
		for value, n := range point.Values {
			sum[value] += n
		}
	}

	maps.DeleteFunc(sum, func(_ string, n int64) bool { return n == 0 })
	return sum
}

// traffic calls the demo APIs with three keys, and returns the expected counts.
func traffic(t *testing.T, m *localtest.Machine) sent {
	t.Helper()

	for _, id := range []string{"c1", "c2"} {
		m.Admin().Call(t, http.MethodPost, "/v1/organizations/acme/customers", map[string]any{
			"id":   id,
			"name": id,
		}).Want(t, http.StatusCreated)
	}

	create := func(fields map[string]any) localtest.Made {
		fields["name"] = "Counted"
		return m.Admin().CreateKey(t, "acme", fields)
	}
	reader := create(map[string]any{
		"environment": "production",
		"permissions": []string{"messages:read", "metrics:read"},
	})
	scoped := create(map[string]any{
		"environment": "production",
		"permissions": []string{"customers:read"},
		"customers":   []string{"c1"},
	})
	staging := create(map[string]any{
		"environment": "staging",
		"permissions": []string{"messages:write"},
	})
	want := sent{}
	call := func(key localtest.Made, method, path string, n, status int, headers ...string) {
		for range n {
			m.As(key.Secret).Call(t, method,
				"/"+key.Key.Environment+path, nil, headers...).Want(t, status)
		}
	}
	forged := `User-Agent: x","keyId":"` + scoped.Key.ID + `","environment":"staging"}`
	call(reader, http.MethodGet, "/messages", 20, http.StatusOK, forged)

	for i := range 10 {
		call(reader, http.MethodGet, fmt.Sprintf("/messages/%d", i), 1, http.StatusOK)
	}

	want.allowed(reader.Key.ID, "messages:read", "", 30)
	call(reader, http.MethodGet, "/metrics/cpu/load", 3, http.StatusOK)
	want.allowed(reader.Key.ID, "metrics:read", "", 3)
	call(reader, http.MethodGet, "/licenses", 4, http.StatusForbidden)
	want.add(reader.Key.ID, "outcome", "permission_denied", 4)
	call(scoped, http.MethodGet, "/customers/c1", 5, http.StatusOK)
	want.allowed(scoped.Key.ID, "customers:read", "c1", 5)
	call(scoped, http.MethodGet, "/customers/c2", 2, http.StatusForbidden)
	want.add(scoped.Key.ID, "outcome", "customer_not_allowed", 2)
	call(staging, http.MethodPost, "/messages", 7, http.StatusCreated)
	want.allowed(staging.Key.ID, "messages:write", "", 7)
	// Calls that count for no key: no key, another environment's, an unknown route, a route
	// without an authorizer.
	m.As("").Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusUnauthorized)
	m.As(staging.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
		http.StatusUnauthorized)
	call(reader, http.MethodGet, "/nowhere", 1, http.StatusNotFound)
	call(reader, http.MethodGet, "/health", 1, http.StatusOK)
	return want
}

// In every profile the usage is exactly what was sent. It is counted by the authorizer or, in the
// profile cached, by the access log, though the authorizer checks some of the calls there too.
// Stopping loses nothing, so the numbers after a stop are final.
func TestUsageIsExact(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		profile, api, source string
		processes            bool
	}{
		"strict":                 {"strict", "rest", "authorizer", false},
		"cached":                 {"cached", "rest", "access_log", false},
		"cached, as processes":   {"cached", "rest", "access_log", true},
		"cached, with HTTP APIs": {"cached", "http", "access_log", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.Profile = test.profile
			o.API = test.api
			o.Processes = test.processes
			var want sent

			roles := runs(t, o, func(m *localtest.Machine) { want = traffic(t, m) })
			if unused := roles.Unused("AccessLog"); len(unused) > 0 {
				t.Errorf("the role of AccessLog grants what it does not need: %q", unused)
			}

			runs(t, o, func(m *localtest.Machine) {
				all := map[string]int64{}
				for id, divisions := range want {
					for by, values := range divisions {
						if diff := cmp.Diff(values,
							usage(t, m, "/keys/"+id, by, test.source)); diff != "" {
							t.Errorf("key %s by %s (-sent +counted):\n%s", id, by, diff)
						}
					}

					for customer, n := range divisions["customer"] {
						all[customer] += n
					}

					wantLastUse(t, m, id)
				}

				if diff := cmp.Diff(all, usage(t, m, "", "customer", test.source)); diff != "" {
					t.Errorf("organization by customer (-sent +counted):\n%s", diff)
				}
			})

			log, err := os.ReadFile(filepath.Join(o.Data, "bitting.log"))
			if err != nil {
				t.Fatal(err)
			}

			for _, fault := range []string{
				"were not taken", "are malformed", "came too late", "cannot be read",
			} {
				if strings.Contains(string(log), fault) {
					t.Errorf("the log says %q", fault)
				}
			}
		})
	}
}

// In every profile, an organization that wants no allowed calls in the log of requests has none
// there, but all refusals.
func TestSampleIsTheOrganizations(t *testing.T) {
	t.Parallel()

	for _, profile := range []string{"strict", "cached"} {
		for rate, want := range map[string]int{
			"0": 1,
			"1": 6,
		} { // a refusal, and none or all of the five others
			t.Run(profile+" "+rate, func(t *testing.T) {
				t.Parallel()
				o := options(t.TempDir())
				o.Profile = profile
				var id string
				runs(t, o, func(m *localtest.Machine) {
					m.Admin().Call(t, http.MethodPatch, "/v1/organizations/acme",
						`{"settings": {"sampleRequests": `+rate+`}}`).Want(t, http.StatusOK)
				})
				runs(t, o, func(m *localtest.Machine) {
					key := m.Admin().CreateKey(t, "acme", map[string]any{
						"name":        "Sampled",
						"environment": "production",
						"permissions": []string{"messages:read"},
					})

					id = key.Key.ID
					for range 5 {
						m.As(key.Secret).Call(t, http.MethodGet,
							"/production/messages", nil).Want(t, http.StatusOK)
					}

					m.As(key.Secret).Call(t, http.MethodGet, "/production/licenses", nil).Want(t,
						http.StatusForbidden)
				})
				runs(t, o, func(m *localtest.Machine) {
					var got struct{ Items []struct{ Outcome string } }
					m.Admin().Call(t, http.MethodGet, "/v1/organizations/acme/keys/"+id+"/requests",
						nil).Want(t, http.StatusOK).Into(t, &got)

					if len(got.Items) != want {
						t.Errorf("%d calls are kept, want %d: %+v", len(got.Items), want, got.Items)
					}
				})
			})
		}
	}
}

func wantLastUse(t *testing.T, m *localtest.Machine, id string) {
	t.Helper()
	var key struct {
		LastUsed *struct{ At, SourceIP string }
	}
	m.Admin().Call(t, http.MethodGet, "/v1/organizations/acme/keys/"+id, nil).Want(t,
		http.StatusOK).Into(t, &key)

	if key.LastUsed == nil || key.LastUsed.At == "" || key.LastUsed.SourceIP != "127.0.0.1" {
		t.Errorf("key %s: last used %+v", id, key.LastUsed)
	}
}
