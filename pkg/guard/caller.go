package guard

import (
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/proxy"
)

// Caller is the caller of a request, as the authorizer described it.
type Caller struct {
	API            string // the called API's name in the permission catalogue
	KeyID          string
	KeyName        string
	OrganizationID string
	Environment    string
	OwnerID        string
	AllPermissions bool
	Permissions    []string // those that fitted into the authorizer's answer; ask Holds
	Scoped         bool     // to Customers; else the caller may act for every customer
	Customers      []string // those that fitted into the authorizer's answer; ask Serves

	opened string // the permission that opened the route
}

// Holds reports whether the caller is known to have a permission. If a key has more permissions
// than fit into an authorizer's answer, these are the ones in the answer and the one that opened
// the route.
func (c Caller) Holds(permission string) bool {
	return permission != "" &&
		(c.AllPermissions || permission == c.opened || slices.Contains(c.Permissions, permission))
}

// Serves reports whether the caller may act for a customer. If a key has more customers than fit
// into an authorizer's answer, those that did not fit are refused.
func (c Caller) Serves(customer string) bool {
	return !c.Scoped || slices.Contains(c.Customers, customer)
}

func callerOf(c proxy.Call) Caller {
	out := Caller{
		API:            c.Said("api"),
		KeyID:          c.Said("keyId"),
		KeyName:        c.Said("keyName"),
		OrganizationID: c.Said("organizationId"),
		Environment:    c.Said("environment"),
		OwnerID:        c.Said("ownerId"),
		opened:         c.Said("permission"),
		Permissions:    names(c.Said("permissions")),
		Customers:      names(c.Said("customers")),
		Scoped:         c.Said("customers") != "",
	}
	if c.Said("permissions") == "*" {
		out.AllPermissions = true
		out.Permissions = nil
	}

	return out
}

// names reads a list of the context. Its last entry is an ellipsis if some were left out.
func names(joined string) []string {
	var out []string
	for name := range strings.SplitSeq(joined, ",") {
		if name != "" && name != "..." {
			out = append(out, name)
		}
	}

	return out
}
