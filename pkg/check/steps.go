package check

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// step is one step in the check of a known key.
type step int

// The steps in the contract's order. Checks and explanations both take these.
const (
	statusStep step = iota
	addressStep
	routeStep
	customerStep
	permissionStep
	policyStep
	limitStep // last, so that a call that is refused for another reason spends nothing
	lastStep  = limitStep

	secretStep step = -1 // before the others: it finds the key
	noStep     step = -2
)

// run takes the steps up to last, or to the first that refuses.
func (c *Checker) run(ctx context.Context, v *Verdict, call Call, last step) {
	now := c.Now()
	for s := statusStep; s <= last && v.Outcome == Allowed; s++ {
		v.Outcome = c.take(ctx, s, v, call, now)
	}
}

// take takes one step and returns Allowed or the refusal. It is a switch and not a table of
// functions, so that the verdict of a check that ends before any step does not escape to the heap.
func (c *Checker) take(ctx context.Context, s step, v *Verdict, call Call, now time.Time) Outcome {
	switch s {
	case statusStep:
		if outcome := status(v.Key, now); outcome != Allowed {
			return outcome
		}

		return c.settings(ctx, v, call)
	case addressStep:
		return sourceAddress(v, call)
	case routeStep:
		return c.route(ctx, v, call)
	case customerStep:
		return customer(v)
	case permissionStep:
		return held(v)
	case policyStep:
		return c.say(v, call)
	default:
		return c.limit(ctx, v, call, now)
	}
}

// status checks the key's own state at a time.
func status(k *apikey.Key, now time.Time) Outcome {
	switch k.Status(now) {
	case apikey.Inactive:
		return Inactive
	case apikey.Expired:
		return Expired
	}

	if !k.Started(now) {
		return NotYetValid
	}

	return Allowed
}

// settings checks the settings of the key's organization. Operators' keys have no organization.
func (c *Checker) settings(ctx context.Context, v *Verdict, call Call) Outcome {
	if v.Key.Operator() {
		return Allowed
	}

	settings, err := c.runtimeSettings(ctx, v.Key, call, &v.prefetched)
	if err != nil {
		v.Err = err
		return Unavailable
	}

	v.Settings = settings
	switch {
	case !settings.DeletedAt.IsZero():
		v.Reason = OrganizationDeleted
		return Inactive
	case v.Key.Legacy && !settings.LegacyKeysAccepted && call.use != admin:
		v.Reason = LegacyNotAccepted
		return Inactive
	}

	return Allowed
}

// sourceAddress refuses a key that is bound to addresses if the caller's is another one or unknown.
// If the organization is bound too, both must allow it.
func sourceAddress(v *Verdict, call Call) Outcome {
	source := call.SourceIP.Unmap() // ::ffff:192.0.2.1 is 192.0.2.1
	if !contains(v.Key.AllowedAddresses, source) {
		return AddressNotAllowed
	}

	if v.Settings != nil && call.use == dataPlane &&
		!contains(v.Settings.AllowedAddresses, source) {
		v.Reason = OrganizationAddresses
		return AddressNotAllowed
	}

	return Allowed
}

// contains reports whether one of the networks contains the address; no networks allow every
// address.
func contains(networks []netip.Prefix, address netip.Addr) bool {
	return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool {
		return p.Contains(address)
	})
}

// route finds the route of the call and decides on it. A route that no permission has is denied.
func (c *Checker) route(ctx context.Context, v *Verdict, call Call) Outcome {
	catalogue, err := c.Catalogue.current(ctx, v.prefetched.catalogue)
	if err != nil {
		v.Err = err
		return Unavailable
	}

	v.catalogue = catalogue
	v.decision = permission.Decide(catalogue, call.API, Grant(v.Key), call.Method, call.Path)

	v.Route = v.decision.Match
	if !v.decision.Known || !SameRoute(call.Resource, v.Route.Route.Path) {
		return PermissionDenied
	}

	return Allowed
}

// customer refuses a path whose customerId is not among the key's customers.
func customer(v *Verdict) Outcome {
	if !v.decision.CustomerAllowed {
		return CustomerNotAllowed
	}

	return Allowed
}

// held refuses a key without a permission that opens the route.
func held(v *Verdict) Outcome {
	if !v.decision.PermissionHeld {
		v.Required = v.decision.Required
		return PermissionDenied
	}

	return Allowed
}

// say builds the policy that answers the call. Some calls that the key may make cannot be expressed
// in any policy, and API Gateway refuses them. They must not count as allowed, nor spend anything.
func (c *Checker) say(v *Verdict, call Call) Outcome {
	if call.ARN == (policy.ARN{}) {
		return Allowed
	}

	v.Policy = c.Policies.Build(v.catalogue, call.API, Grant(v.Key), call.ARN)
	if v.Policy.Scope == policy.Nothing {
		return PathNotSupported
	}

	return Allowed
}

// Grant returns what the key holds, in the permission catalogue's terms.
func Grant(k *apikey.Key) permission.Grant {
	return permission.Grant{
		All:         k.AllPermissions,
		Permissions: k.Permissions,
		Customers:   k.Customers,
	}
}

// SameRoute reports whether API Gateway found the same route as the catalogue. If they differ, the
// backend would serve another route than the one that was checked. A greedy resource and $default
// match every route: there the backend routes by the path, as the catalogue does.
func SameRoute(resource, route string) bool {
	if resource == "" || resource == "$default" ||
		len(resource) > 2 && resource[len(resource)-2:] == "+}" {
		return true
	}

	return permission.SameShape(resource, route)
}
