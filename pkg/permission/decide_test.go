package permission_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/permission"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t,
		perm("customers:read", "GET /customers", "GET /customers/{customerId}"),
		perm("customers:all", "GET /customers", "GET /customers/{customerId}/files/{files+}"),
		perm("tails:read", "GET /tails/{customerId+}"),
	)
	grant := func(customers []string, permissions ...string) permission.Grant {
		return permission.Grant{Permissions: permissions, Customers: customers}
	}

	tests := map[string]struct {
		grant permission.Grant
		path  string
		want  permission.Decision
		allow bool
	}{
		"held": {
			grant(nil, "customers:read"), "/customers",
			known("", true, "customers:read", "customers:read"), true,
		},
		"another one suffices": {
			grant(nil, "customers:all"), "/customers",
			known("", true, "customers:all", "customers:read"), true,
		},
		"not held": {
			grant(nil, "tails:read"), "/customers", known("", true, "", "customers:read"), false,
		},
		"nothing held": {
			permission.Grant{},
			"/customers",
			known("", true, "", "customers:read"),
			false,
		},
		"unknown name": {
			grant(nil, "customers:write", "keys:read"), "/customers",
			known("", true, "", "customers:read"), false,
		},
		"everything held": {permission.Grant{
			All: true,
		}, "/customers", known("", true, "customers:read", "customers:read"), true},
		"no route": {permission.Grant{
			All: true,
		}, "/other", permission.Decision{
			CustomerAllowed: true,
		}, false},
		"every customer": {
			grant(nil, "customers:read"), "/customers/1",
			known("1", true, "customers:read", "customers:read"), true,
		},
		"its customer": {
			grant([]string{"2", "1"}, "customers:read"), "/customers/1",
			known("1", true, "customers:read", "customers:read"), true,
		},
		"its customer, slash": {
			grant([]string{"1"}, "customers:read"), "/customers/1/",
			known("1", true, "customers:read", "customers:read"), true,
		},
		"another customer": {
			grant([]string{"2"}, "customers:read"), "/customers/1",
			known("1", false, "customers:read", "customers:read"), false,
		},
		"another, and not held": {
			grant([]string{"2"}), "/customers/1", known("1", false, "", "customers:read"), false,
		},
		"part of an id": {
			grant([]string{"12"}, "customers:read"), "/customers/1",
			known("1", false, "customers:read", "customers:read"), false,
		},
		"another case": {
			grant([]string{"acme"}, "customers:read"), "/customers/Acme",
			known("Acme", false, "customers:read", "customers:read"), false,
		},
		"an escape": {
			grant([]string{"a"}, "customers:read"), "/customers/%C3%A9",
			known("%C3%A9", false, "customers:read", "customers:read"), false,
		},
		"another spelling of it": {
			grant([]string{"a"}, "customers:read"), "/customers/%61",
			permission.Decision{
				CustomerAllowed: true,
				Ambiguity:       permission.AmbiguousEncoding,
			},
			false,
		},
		"route without customer": {
			grant([]string{"2"}, "customers:read"), "/customers",
			known("", true, "customers:read", "customers:read"), true,
		},
		"all, but for a customer": {permission.Grant{
			All:       true,
			Customers: []string{"2"},
		}, "/customers/1", known("1", false, "customers:read", "customers:read"), false},
		"an id that is none binds": {
			grant([]string{"*"}, "customers:read"), "/customers/1",
			known("1", false, "customers:read", "customers:read"), false,
		},
		"and matches nothing": {
			grant([]string{"*"}, "customers:read"), "/customers/*",
			known("*", false, "customers:read", "customers:read"), false,
		},
		"customer further left": {
			grant([]string{"1"}, "customers:all"), "/customers/1/files/a/b",
			known("1", true, "customers:all", "customers:all"), true,
		},
		"greedy customer": {
			grant([]string{"1"}, "tails:read"), "/tails/1",
			known("1", true, "tails:read", "tails:read"), true,
		},
		"greedy customer, deeper": {
			grant([]string{"1"}, "tails:read"), "/tails/1/2",
			known("1/2", false, "tails:read", "tails:read"), false,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := permission.Decide(c, "demo", tt.grant, "GET", tt.path)
			if diff := cmp.Diff(tt.want, got,
				cmpopts.IgnoreFields(permission.Decision{}, "Match")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			if got.Allowed() != tt.allow {
				t.Errorf("allowed: %t", got.Allowed())
			}
		})
	}

	if (permission.Decision{}).Allowed() {
		t.Error("the zero Decision allows")
	}
}

func known(customer string, customerAllowed bool, held, required string) permission.Decision {
	return permission.Decision{
		Known:           true,
		Customer:        customer,
		CustomerAllowed: customerAllowed,
		PermissionHeld:  held != "",
		Permission:      held,
		Required:        required,
	}
}

func TestValidCustomer(t *testing.T) {
	t.Parallel()

	for id, want := range map[string]bool{
		"1":                     true,
		"a.b-c_D":               true,
		"...":                   true,
		strings.Repeat("x", 64): true,
		"":                      false,
		".":                     false,
		"..":                    false,
		"a/b":                   false,
		"*":                     false,
		"a b":                   false,
		"é":                     false,
		"a\n":                   false,
		strings.Repeat("x", 65): false,
	} {
		if permission.ValidCustomer(id) != want {
			t.Errorf("%q: not %t", id, want)
		}
	}
}
