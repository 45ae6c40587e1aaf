package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

func newCatalogue(t testing.TB, ps ...permission.Permission) *permission.Catalogue {
	t.Helper()

	c, err := permission.NewCatalogue(ps)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// perm returns a permission of routes such as "GET /messages" of every API.
func perm(name string, routes ...string) permission.Permission {
	p := permission.Permission{Name: name, Title: name}
	for _, r := range routes {
		method, path, _ := strings.Cut(r, " ")
		p.Routes = append(p.Routes, permission.Route{API: "*", Method: method, Path: path})
	}

	return p
}

func demo(t testing.TB) *permission.Catalogue {
	return newCatalogue(t,
		perm("messages:write", "POST /messages"),
		perm("messages:read", "GET /messages", "GET /messages/{messageId}"),
		perm("deployments:write", "POST /deployments"),
		perm("licenses:manage", "GET /licenses", "POST /licenses", "DELETE /licenses/{licenseId}"),
		perm("customers:read", "GET /customers", "GET /customers/{customerId}"),
		perm("customers:secrets", "GET /customers/{customerId}/secrets"),
		perm("telemetry:write", "POST /telemetry", "POST /telemetry/batch"),
		perm("metrics:read", "GET /metrics", "GET /metrics/{proxy+}"),
	)
}

// demoCalls has a call of every route of the demo API, and calls that have no route.
var demoCalls = []string{
	"POST /messages", "GET /messages", "GET /messages/7", "POST /deployments",
	"GET /licenses", "POST /licenses", "DELETE /licenses/L1",
	"GET /customers", "GET /customers/42", "GET /customers/43", "GET /customers/42/secrets",
	"GET /customers/43/secrets",
	"POST /telemetry", "POST /telemetry/batch", "GET /metrics", "GET /metrics/cpu",
	"GET /metrics/cpu/0/", "GET /metrics/caf%C3%A9/a%20b",
	"GET /", "GET /health", "PUT /messages", "GET /messages/7/parts", "GET /licenses/L1",
	"GET /customers/42/other", "GET /customers/secrets/",
	"GET /messages//7", "GET /messages/..", "GET /messages/../licenses", "GET /messages/%2e%2E",
	"GET /messages/a%2Fb", `GET /messages/a\b`,
	"GET /metrics/../messages", "GET /metrics/./cpu", "GET /metrics/%5clicenses", "GET /metrics//",
	"GET /metrics/", "GET /metrics/%63pu", "GET /messages/7%00",
}

func TestDemoKeys(t *testing.T) {
	t.Parallel()
	customers := []string{
		"GET /customers", "GET /customers/42", "GET /customers/43", "GET /customers/secrets/",
	}
	secrets := []string{"GET /customers/42/secrets", "GET /customers/43/secrets"}
	tests := map[string]struct {
		grant permission.Grant
		scope policy.Scope
		want  []string
	}{
		"nothing":        {permission.Grant{}, policy.WholeKey, nil},
		"messages:write": {grant("messages:write"), policy.WholeKey, []string{"POST /messages"}},
		"messages:read": {
			grant("messages:read"),
			policy.WholeKey,
			[]string{"GET /messages", "GET /messages/7"},
		},
		"deployments:write": {
			grant("deployments:write"),
			policy.WholeKey,
			[]string{"POST /deployments"},
		},
		"licenses:manage": {
			grant("licenses:manage"),
			policy.WholeKey,
			[]string{"GET /licenses", "POST /licenses", "DELETE /licenses/L1"},
		},
		"customers:read":    {grant("customers:read"), policy.WholeKey, customers},
		"customers:secrets": {grant("customers:secrets"), policy.WholeKey, secrets},
		"telemetry:write": {
			grant("telemetry:write"),
			policy.WholeKey,
			[]string{"POST /telemetry", "POST /telemetry/batch"},
		},
		"metrics:read": {
			grant("metrics:read"),
			policy.WholeKey,
			[]string{
				"GET /metrics", "GET /metrics/cpu", "GET /metrics/cpu/0/",
				"GET /metrics/caf%C3%A9/a%20b",
			},
		},
		"all but secrets": {
			grant("messages:write", "messages:read", "deployments:write", "licenses:manage",
				"customers:read", "telemetry:write", "metrics:read"),
			policy.WholeKey,
			slices.Concat(demoCalls[:7], customers, demoCalls[12:18]),
		},
		// /customers/?* opens /customers/42/other, and a denial of that closes
		// /customers/42/secrets: no document can express both routes.
		"both of customers": {
			grant("customers:read", "customers:secrets"), policy.OneRoute,
			slices.Concat(customers, secrets),
		},
		"everything": {permission.Grant{
			All: true,
		}, policy.OneRoute, slices.Concat(demoCalls[:18], []string{"GET /customers/secrets/"})},
		// Bound to one customer, the same two routes can be expressed.
		"everything for 42": {
			permission.Grant{All: true, Customers: []string{"42"}},
			policy.WholeKey,
			slices.Concat(demoCalls[:9], demoCalls[10:11], demoCalls[12:18]),
		},
		"no such customer": {permission.Grant{
			Permissions: []string{"customers:read"},
			Customers:   []string{"*"},
		}, policy.WholeKey, []string{"GET /customers"}},
		"admin": {grant("keys:read", "permissions:write"), policy.WholeKey, nil},
	}

	catalogue := demo(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var got []string
			for _, text := range demoCalls {
				call := callOf(text)
				built := policy.Build(catalogue, "demo", tt.grant, call)

				document := marshal(t, built.Document)
				if opens(t, document, call) {
					got = append(got, text)
					if want := scopeOf(call.Path, tt.scope); built.Scope != want {
						t.Errorf("%s: scope %d, want %d", text, built.Scope, want)
					}
				}

				for _, other := range demoCalls {
					open := slices.Contains(tt.want, other)
					if opened := opens(t, document, callOf(other)); opened && !open ||
						built.Scope == policy.WholeKey &&
							opened != (open && plain(callOf(other).Path)) {
						t.Errorf("the document of %s says %t of %s", text, opened, other)
					}
				}
			}

			slices.Sort(got)

			want := slices.Sorted(slices.Values(tt.want))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("open calls (-want +got):\n%s", diff)
			}
		})
	}
}

// scopeOf returns the scope of an allowed call of a key whose plain calls have the given scope.
func scopeOf(path string, scope policy.Scope) policy.Scope {
	if plain(path) {
		return scope
	}

	return policy.OneCall
}

// plain reports whether documents that serve more than one path cover the path.
func plain(path string) bool {
	return !strings.ContainsAny(path, "%;:") && (path == "/" || !strings.HasSuffix(path, "/"))
}

func grant(permissions ...string) permission.Grant {
	return permission.Grant{Permissions: permissions}
}

func callOf(text string) policy.ARN {
	method, path, _ := strings.Cut(text, " ")
	return stage(method, path)
}
