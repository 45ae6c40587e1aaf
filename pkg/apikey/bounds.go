package apikey

import (
	"net/netip"
	"slices"
	"time"
)

// Bound is a bound of a key, by the name of its field.
type Bound string

// The bounds of a key.
const (
	BoundPermissions      Bound = "permissions"
	BoundAllPermissions   Bound = "allPermissions"
	BoundGrantable        Bound = "grantable"
	BoundCustomers        Bound = "customers"
	BoundRateLimits       Bound = "rateLimits"
	BoundAllowedAddresses Bound = "allowedAddresses"
	BoundNotBefore        Bound = "notBefore"
	BoundExpiresAt        Bound = "expiresAt"
	BoundEnabled          Bound = "enabled" // disabled or revoked
	BoundOwnership        Bound = "ownership"
)

// Exceeds lists the bounds of other that k exceeds, where k may do more. Limits and the quota are
// one bound. isAdmin reports whether a permission is one of the admin API's, which AllPermissions
// does not include.
func (k *Key) Exceeds(other *Key, isAdmin func(permission string) bool) (out []Bound) {
	add := func(b Bound, exceeds bool) {
		if exceeds {
			out = append(out, b)
		}
	}

	add(BoundPermissions, slices.ContainsFunc(k.Permissions, func(p string) bool {
		return !slices.Contains(other.Permissions, p) && (!other.AllPermissions || isAdmin(p))
	}))
	add(BoundAllPermissions, k.AllPermissions && !other.AllPermissions)
	add(BoundGrantable, k.Grantable == GrantCatalogue && other.Grantable != GrantCatalogue)
	add(BoundCustomers, len(other.Customers) > 0 && !Within(other.Customers, k.Customers))
	add(BoundRateLimits, limitsExceed(other, k))
	add(BoundAllowedAddresses, !NetworksWithin(other.AllowedAddresses, k.AllowedAddresses))
	add(BoundNotBefore, k.NotBefore.Before(other.NotBefore))
	add(BoundExpiresAt, later(k.ExpiresAt, other.ExpiresAt))
	add(BoundEnabled, k.Enabled && !other.Enabled || k.Revocation == nil && other.Revocation != nil)
	add(BoundOwnership, k.Ownership != other.Ownership || k.Environment != other.Environment)
	return out
}

// Within reports whether names is a non-empty subset of scope.
func Within(scope, names []string) bool {
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool {
		return !slices.Contains(scope, name)
	})
}

// NetworksWithin reports whether each network lies within one of scope. An empty list stands for
// every address.
func NetworksWithin(scope, networks []netip.Prefix) bool {
	if len(scope) == 0 {
		return true
	}

	return len(networks) > 0 && !slices.ContainsFunc(networks, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(scope, func(outer netip.Prefix) bool {
			return outer.Bits() <= p.Bits() && outer.Contains(p.Addr())
		})
	})
}

// later reports whether an end comes after another. A zero end means never.
func later(end, other time.Time) bool {
	return !other.IsZero() && (end.IsZero() || end.After(other))
}

// limitsExceed reports whether k lacks a limit at least as strict as some limit of own.
func limitsExceed(own, k *Key) bool {
	for _, limit := range own.RateLimits {
		if !slices.ContainsFunc(k.RateLimits, func(l RateLimit) bool {
			// limit/window ≤ limit/window, multiplied out so that nothing is rounded
			return l.Limit*limit.Window.Milliseconds() <= limit.Limit*l.Window.Milliseconds() &&
				burst(l) <= burst(limit)
		}) {
			return true
		}
	}

	return own.Quota != nil &&
		(k.Quota == nil || k.Quota.Limit > own.Quota.Limit ||
			(own.Quota.Period == "month" && k.Quota.Period == "day"))
}

func burst(l RateLimit) int64 {
	if l.Burst > 0 {
		return l.Burst
	}

	return l.Limit
}
