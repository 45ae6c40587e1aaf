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

// step is one step of the check of a key that is known.
type step int

// The steps in the contract's order. Whatever decides or explains a call takes these.
const (
	statusStep step = iota
	addressStep
	routeStep
	customerStep
	permissionStep
	policyStep
	limitStep // last, so that a call that is refused for another reason takes nothing of a limit
	lastStep  = limitStep

	secretStep step = -1 // finds out the key, before the others
	noStep     step = -2
)

// run takes the steps up to the last that is wanted, or to the first that refuses.
func (c *Checker) run(ctx context.Context, v *Verdict, call Call, last step) {
	now := c.Now()
	for s := statusStep; s <= last && v.Outcome == Allowed; s++ {
		v.Outcome = c.take(ctx, s, v, call, now)
	}
}

// take takes one step, which says Allowed or what it refuses. It is a switch and no table of
// functions, so that the verdict of a check that ends before any step needs no place on the heap.
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

// status is what the key's own state and the clock say.
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

// settings checks what the key's organization says. Operators' keys belong to none.
func (c *Checker) settings(ctx context.Context, v *Verdict, call Call) Outcome {
	if v.Key.Operator() {
		return Allowed
	}

	settings, err := c.Settings.Of(ctx, v.Key)
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

// sourceAddress refuses a key that is bound to addresses where the address is another one, or not
// known. Where its organization is bound too, both must allow it.
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

// contains reports whether networks allow an address; no networks allow every one.
func contains(networks []netip.Prefix, address netip.Addr) bool {
	return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool {
		return p.Contains(address)
	})
}

// route finds the route of the call, with all that the permissions say of it. One that is in no
// permission is denied.
func (c *Checker) route(ctx context.Context, v *Verdict, call Call) Outcome {
	catalogue, err := c.Catalogue.Current(ctx)
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

// customer compares the path's customerId with the key's customers.
func customer(v *Verdict) Outcome {
	if !v.decision.CustomerAllowed {
		return CustomerNotAllowed
	}

	return Allowed
}

// held asks for a permission that opens the route.
func held(v *Verdict) Outcome {
	if !v.decision.PermissionHeld {
		v.Required = v.decision.Required
		return PermissionDenied
	}

	return Allowed
}

// say makes the policy that answers the call. Some calls that the key may make cannot be said in
// any: those must not count as allowed, nor take anything of a limit, since API Gateway refuses
// them.
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

// Grant is what a key holds, as the permission catalogue weighs it.
func Grant(k *apikey.Key) permission.Grant {
	return permission.Grant{
		All:         k.AllPermissions,
		Permissions: k.Permissions,
		Customers:   k.Customers,
	}
}

// SameRoute reports whether API Gateway found the same route as the catalogue did. Where they
// differ, the backend would serve another route than the one that was checked. A greedy resource
// and $default say nothing: there the backend routes by the path, as the catalogue does.
func SameRoute(resource, route string) bool {
	if resource == "" || resource == "$default" ||
		len(resource) > 2 && resource[len(resource)-2:] == "+}" {
		return true
	}

	return permission.SameShape(resource, route)
}
