package permission

import "slices"

// CustomerParam is the path parameter that names a customer.
const CustomerParam = "customerId"

// Grant is what a key may do. The zero Grant may do nothing.
type Grant struct {
	// All opens every route that is in some permission, also those added later. The permissions of
	// the admin API have no routes, so All does not include them.
	All bool
	// Permissions are names; those that the catalogue doesn't know open nothing.
	Permissions []string
	// Customers binds the grant to some customers: a route with the parameter customerId is open
	// only if the path has one of these there, byte for byte. Empty means every customer. An entry
	// that is not a [ValidCustomer] matches nothing, but still binds.
	Customers []string
}

const maxCustomerID = 64 // bytes

// ValidCustomer reports whether id can be a customer's id: 1 to 64 letters, digits, dots, hyphens
// and underscores, and not a dot segment of a path.
func ValidCustomer(id string) bool {
	if id == "" || len(id) > maxCustomerID || id == "." || id == ".." {
		return false
	}

	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-',
			c == '_':
		default:
			return false
		}
	}

	return true
}

// Holds returns the first of the permissions that the grant has. Any of them is enough.
func (g Grant) Holds(permissions []string) (name string, ok bool) {
	for _, p := range permissions {
		if g.All || slices.Contains(g.Permissions, p) {
			return p, true
		}
	}

	return "", false
}

// Serves reports whether the grant extends to a customer.
func (g Grant) Serves(customer string) bool {
	return len(g.Customers) == 0 ||
		(slices.Contains(g.Customers, customer) && ValidCustomer(customer))
}

// Decision is the answer to "may this grant make this call?", with its reasons.
// The zero Decision is a refusal.
type Decision struct {
	// Known means that some permission has the call's route, which is Match.
	Known bool
	Match Match
	// Ambiguity is why a path cannot have a route in any catalogue.
	Ambiguity Ambiguity
	// CustomerAllowed means that the route names no customer, or one that the grant extends to. It
	// is true for an unknown route.
	CustomerAllowed bool
	// Customer is the path's customer; empty when the route names none.
	Customer string
	// PermissionHeld means that the grant has one of the route's permissions. Permission is the
	// first that it has.
	PermissionHeld bool
	Permission     string
	// Required is the permission to ask for: the first in the catalogue's order that opens the
	// route; empty for an unknown route.
	Required string
}

// Allowed reports whether the call may be made.
func (d Decision) Allowed() bool {
	return d.Known && d.CustomerAllowed && d.PermissionHeld
}

// Decide decides whether a grant allows a call. It is the only decision about permissions: code
// that predicts or explains one must call it.
func Decide(c *Catalogue, api string, g Grant, method, path string) Decision {
	match, ok := c.Match(api, method, path)
	if !ok {
		return Decision{CustomerAllowed: true, Ambiguity: c.Ambiguity(api, path)}
	}

	d := Decision{
		Known:           true,
		Match:           match,
		CustomerAllowed: true,
		Required:        match.Permissions[0],
	}
	if customer, named := match.Param(CustomerParam); named {
		d.Customer = customer
		d.CustomerAllowed = g.Serves(customer)
	}

	d.Permission, d.PermissionHeld = g.Holds(match.Permissions)
	return d
}
