package organization

import (
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// PermissionsWrite changes the catalogue. Only operator keys hold it, and nobody hands it out.
const PermissionsWrite = "permissions:write"

// Excess is one thing that a caller asked for beyond what they hold.
type Excess struct {
	Field   string // the field, such as permissions
	Message string
}

// Catalogue tells which permissions there are.
type Catalogue interface {
	// IsAdmin tells whether the permission is one of the built-in ones, which open the admin API.
	IsAdmin(name string) bool
}

// Hands tells whether the caller may hand out a permission in the organization.
func (c *Caller) Hands(catalogue Catalogue, o *Organization, permission string) bool {
	admin := catalogue.IsAdmin(permission)
	switch {
	case permission == PermissionsWrite:
		return false
	case c.Operator():
		return !admin || slices.Contains(c.Key.Permissions, permission)
	case c.Key != nil:
		return slices.Contains(c.Key.Permissions, permission) || c.Key.Grantable == apikey.GrantCatalogue && !admin
	case c.Member == nil || c.Member.Role == RoleViewer:
		return false
	case c.Member.Role == RoleAdmin:
		return true
	default:
		return !admin && (o.Settings.MemberPermissions == nil || slices.Contains(o.Settings.MemberPermissions, permission))
	}
}

// unbounded tells whether the caller may set what is an admin's to set.
func (c *Caller) unbounded() bool {
	return c.Operator() || c.Member != nil && c.Member.Role == RoleAdmin
}

// Beyond lists what the key k would hold beyond what the caller may hand out, compared with what it held before; before is nil for a new key, and
// for a new secret, which hands everything out again. No excess means that the caller may.
func (c *Caller) Beyond(catalogue Catalogue, o *Organization, before, k *apikey.Key) []Excess {
	made := before == nil // else only what grows is asked about
	if made {
		before = &apikey.Key{}
	}
	var out []Excess
	for _, p := range k.Permissions {
		had := slices.Contains(before.Permissions, p) || before.AllPermissions && !catalogue.IsAdmin(p) // naming one of all of them is no growth
		if !had && !c.Hands(catalogue, o, p) {
			out = append(out, Excess{"permissions", "you may not hand out " + p})
		}
	}
	if k.AllPermissions && !before.AllPermissions && !c.unbounded() {
		out = append(out, Excess{"allPermissions", "only an admin, signed in, hands out all permissions"})
	}
	if k.Grantable == apikey.GrantCatalogue && before.Grantable != apikey.GrantCatalogue && !c.unbounded() {
		out = append(out, Excess{"grantable", "only an admin, signed in, sets this to catalogue"})
	}
	if c.Key == nil || c.Operator() {
		return out
	}
	if !within(c.Key.Customers, k.Customers) && (made || !within(before.Customers, k.Customers)) {
		out = append(out, Excess{"customers", "your own key is scoped to some customers: name at least one of those, and no other"})
	}
	if limitsExceed(c.Key, k) && (made || limitsExceed(before, k)) {
		out = append(out, Excess{"rateLimits", "your own key has limits: set limits and a quota that are not above them"})
	}
	if outlives(c.Key, k) && (made || outlives(before, k)) {
		out = append(out, Excess{"expiresAt", "the key would outlive your own, which ends at " + c.Key.ExpiresAt.Format(time.RFC3339)})
	}
	return out
}

// BeyondRole lists what a member would hold beyond what the caller may hand out. A signed-in admin hands out every role. A key hands out what it could
// do itself: a viewer only looks; a member hands out the catalogue; an admin, or a grant, needs every permission that an admin's key can have.
func (c *Caller) BeyondRole(admin []string, role Role, grants []Grant) []Excess {
	if c.unbounded() || c.Key == nil {
		return nil
	}
	catalogue := c.Key.Grantable == apikey.GrantCatalogue && len(c.Key.Customers) == 0
	all := catalogue && !slices.ContainsFunc(admin, func(p string) bool { return p != PermissionsWrite && !slices.Contains(c.Key.Permissions, p) })
	var out []Excess
	if role == RoleAdmin && !all || role == RoleMember && !catalogue {
		out = append(out, Excess{"role", "your own key holds less than a member with this role"})
	}
	if len(grants) > 0 && !all {
		out = append(out, Excess{"grants", "your own key holds less than a member with these grants"})
	}
	return out
}

// within tells whether customers are no more than those in scope; an empty scope is every customer.
func within(scope, customers []string) bool {
	if len(scope) == 0 {
		return true
	}
	return len(customers) > 0 && !slices.ContainsFunc(customers, func(id string) bool { return !slices.Contains(scope, id) })
}

// limitsExceed tells whether some limit of own is not matched by one of k that is as strict.
func limitsExceed(own, k *apikey.Key) bool {
	for _, mine := range own.RateLimits {
		if !slices.ContainsFunc(k.RateLimits, func(l apikey.RateLimit) bool {
			// limit/window ≤ limit/window, multiplied out so that nothing is rounded
			return l.Limit*mine.Window.Milliseconds() <= mine.Limit*l.Window.Milliseconds() && burst(l) <= burst(mine)
		}) {
			return true
		}
	}
	return own.Quota != nil && (k.Quota == nil || k.Quota.Limit > own.Quota.Limit || (own.Quota.Period == "month" && k.Quota.Period == "day"))
}

func burst(l apikey.RateLimit) int64 {
	if l.Burst > 0 {
		return l.Burst
	}
	return l.Limit
}

// outlives tells whether k lives longer than own.
func outlives(own, k *apikey.Key) bool {
	return !own.ExpiresAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(own.ExpiresAt))
}
