package check

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// step is one step of the check of a key that is known. It says Allowed, or what it refuses.
type step struct {
	name string
	run  func(ctx context.Context, c *Checker, v *Verdict, call Call, now time.Time) Outcome
}

// The steps in the contract's order: those about the key, and those about the call. Whatever decides or explains a call runs these.
var (
	keySteps  = []step{{"status", status}, {"source address", sourceAddress}}
	callSteps = []step{{"route", route}, {"customer", customer}, {"permission", held}}
)

// run takes the steps up to the first that refuses. The verdict comes and goes by value, so that one that never gets here costs no allocation.
func (c *Checker) run(ctx context.Context, steps []step, v Verdict, call Call, now time.Time) Verdict {
	for _, s := range steps {
		if v.Outcome = s.run(ctx, c, &v, call, now); v.Outcome != Allowed {
			break
		}
	}
	return v
}

// status is what the key's own state and the clock say.
func status(_ context.Context, _ *Checker, v *Verdict, _ Call, now time.Time) Outcome {
	switch v.Key.Status(now) {
	case apikey.Inactive:
		return Inactive
	case apikey.Expired:
		return Expired
	}
	if !v.Key.Started(now) {
		return NotYetValid
	}
	return Allowed
}

// sourceAddress refuses a key that is bound to addresses where the address is another one, or not known.
func sourceAddress(_ context.Context, _ *Checker, v *Verdict, call Call, _ time.Time) Outcome {
	allowed := v.Key.AllowedAddresses
	source := call.SourceIP.Unmap() // ::ffff:192.0.2.1 is 192.0.2.1
	if len(allowed) > 0 && !slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(source) }) {
		return AddressNotAllowed
	}
	return Allowed
}

// route finds the route of the call, with all that the permissions say of it. One that is in no permission is denied.
func route(ctx context.Context, c *Checker, v *Verdict, call Call, _ time.Time) Outcome {
	catalogue, err := c.Catalogue.Current(ctx)
	if err != nil {
		v.Err = err
		return Unavailable
	}
	v.decision = permission.Decide(catalogue, call.API, Grant(v.Key), call.Method, call.Path)
	v.Route = v.decision.Match
	if !v.decision.Known || !sameRoute(call.Resource, v.Route.Route.Path) {
		return PermissionDenied
	}
	return Allowed
}

// customer compares the path's customerId with the key's customers.
func customer(_ context.Context, _ *Checker, v *Verdict, _ Call, _ time.Time) Outcome {
	if !v.decision.CustomerAllowed {
		return CustomerNotAllowed
	}
	return Allowed
}

// held asks for a permission that opens the route.
func held(_ context.Context, _ *Checker, v *Verdict, _ Call, _ time.Time) Outcome {
	if !v.decision.PermissionHeld {
		v.Required = v.decision.Required
		return PermissionDenied
	}
	return Allowed
}

// Grant is what a key holds, as the permission catalogue weighs it.
func Grant(k *apikey.Key) permission.Grant {
	return permission.Grant{All: k.AllPermissions, Permissions: k.Permissions, Customers: k.Customers}
}

// sameRoute tells whether API Gateway found the same route as the catalogue did. Where they differ, the backend would serve another route than
// the one that was checked. A greedy resource and $default say nothing: there the backend routes by the path, as the catalogue does.
func sameRoute(resource, route string) bool {
	if resource == "" || resource == "$default" || len(resource) > 2 && resource[len(resource)-2:] == "+}" {
		return true
	}
	return permission.SameShape(resource, route)
}
