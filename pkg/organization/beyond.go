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
	Field   string // the field of the key, such as permissions
	Message string
}

// Catalogue tells which permissions there are.
type Catalogue interface {
	// IsAdmin tells whether the permission is one of the built-in ones, which open the admin API.
	IsAdmin(name string) bool
}

// Beyond lists what the key k would hold beyond what the caller may hand out, compared with what it held before; before is nil for a new key, and
// for a new secret, which hands everything out again. No excess means that the caller may.
func (c *Caller) Beyond(catalogue Catalogue, before, k *apikey.Key) []Excess {
	if before == nil {
		before = &apikey.Key{}
	}
	var out []Excess
	for _, p := range k.Permissions {
		if !slices.Contains(before.Permissions, p) && !c.hands(catalogue, p) {
			out = append(out, Excess{"permissions", "you do not hold " + p + ", so you cannot hand it out"})
		}
	}
	if c.Operator() {
		return out
	}
	if k.AllPermissions && !before.AllPermissions {
		out = append(out, Excess{"allPermissions", "a key cannot hand out all permissions; a person who is admin can"})
	}
	if k.Grantable == apikey.GrantCatalogue && before.Grantable != apikey.GrantCatalogue {
		out = append(out, Excess{"grantable", "only a person who is admin sets this to catalogue"})
	}
	made := before.ID == "" // else only what grows is asked about
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

// hands tells whether the caller may hand out a permission.
func (c *Caller) hands(catalogue Catalogue, permission string) bool {
	switch {
	case permission == PermissionsWrite:
		return false
	case c.Operator():
		return true
	case holds(c.Key, permission):
		return true
	default:
		return c.Key.Grantable == apikey.GrantCatalogue && !catalogue.IsAdmin(permission)
	}
}

// within tells whether customers are no more than those in scope; an empty scope is every customer.
func within(scope, customers []string) bool {
	if len(scope) == 0 {
		return true
	}
	if len(customers) == 0 {
		return false
	}
	for _, customer := range customers {
		if !slices.Contains(scope, customer) {
			return false
		}
	}
	return true
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
