package check

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// Keys reads keys.
type Keys interface {
	// Key reads a key, strongly consistent. It returns apikey.ErrNotFound when there is none; every other error means that nobody knows.
	Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error)
}

// Peppers gives the peppers that secrets are hashed with.
type Peppers interface {
	Version(ctx context.Context, env apikey.Environment, version int) (*pepper.Pepper, error)
	Current(ctx context.Context, env apikey.Environment) (*pepper.Pepper, error)
}

// Call is what is known of a call besides its key.
type Call struct {
	API      string // the API's name in the catalogue's routes
	Method   string
	Path     string     // as API Gateway sees it, never decoded
	Resource string     // API Gateway's own template of the route, such as /messages/{messageId}; "" where it tells none
	SourceIP netip.Addr // the zero Addr where it is not known
}

// Verdict is the answer to a check.
type Verdict struct {
	Outcome  Outcome
	Key      *apikey.Key // set when the key is known and its secret was sent
	OldOne   bool        // the old secret of a rotation was sent
	Route    permission.Match
	Required string // for PermissionDenied: the permission to ask for; "" where the route is in no permission
	Err      error  // for Unavailable: why
}

// Checker checks calls. It is safe for concurrent use.
type Checker struct {
	Brand        apikey.Brand
	Environments []apikey.Environment // those whose keys it accepts
	Keys         Keys
	Peppers      Peppers
	Catalogue    *Catalogue
	Now          func() time.Time
}

// Check decides a call.
func (c *Checker) Check(ctx context.Context, h Headers, call Call) Verdict {
	v := c.Authenticate(ctx, h, call.SourceIP)
	if v.Outcome != Allowed {
		return v
	}
	catalogue, err := c.Catalogue.Current(ctx)
	if err != nil {
		return Verdict{Outcome: Unavailable, Key: v.Key, Err: err}
	}
	c.authorize(&v, catalogue, call)
	return v
}

// Authenticate decides whether the key is good, whatever it is used for: the steps up to the source address.
func (c *Checker) Authenticate(ctx context.Context, h Headers, source netip.Addr) Verdict {
	text, fault := Credential(c.Brand, h)
	if fault != "" {
		return Verdict{Outcome: fault}
	}
	parts, err := c.Brand.Parse(text)
	if err != nil {
		return Verdict{Outcome: Malformed}
	}
	if !slices.Contains(c.Environments, parts.Environment) {
		return Verdict{Outcome: WrongEnvironment}
	}
	k, which, err := c.recognise(ctx, parts)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return Verdict{Outcome: UnknownKey}
	case err != nil:
		return Verdict{Outcome: Unavailable, Err: err}
	}
	switch which {
	case apikey.Unknown:
		return Verdict{Outcome: WrongSecret, Key: k}
	case apikey.Retired:
		return Verdict{Outcome: RetiredSecret, Key: k}
	}
	outcome := c.state(k)
	if outcome == Allowed && !addressAllowed(k, source) {
		outcome = AddressNotAllowed
	}
	return Verdict{Outcome: outcome, Key: k, OldOne: which == apikey.Old}
}

// recognise reads the key and finds out which of its secrets was sent. An unknown key costs a hash like a known one, so that time doesn't tell.
func (c *Checker) recognise(ctx context.Context, parts apikey.Parts) (*apikey.Key, apikey.Which, error) {
	k, err := c.Keys.Key(ctx, parts.Environment, parts.KeyID)
	if errors.Is(err, apikey.ErrNotFound) {
		if p, pepperErr := c.Peppers.Current(ctx, parts.Environment); pepperErr == nil {
			_ = p.Hash(parts)
		}
	}
	if err != nil {
		return nil, apikey.Unknown, err
	}
	hashes := make(map[int][]byte, 1)
	var missing error
	which := k.Recognise(c.Now(), func(v apikey.Verifier) bool {
		hash, ok := hashes[v.Pepper]
		if !ok {
			p, err := c.Peppers.Version(ctx, parts.Environment, v.Pepper)
			if err != nil {
				missing = fmt.Errorf("pepper of key %s: %w", k.ID, err)
				return false
			}
			hash = p.Hash(parts)
			hashes[v.Pepper] = hash
		}
		return hmac.Equal(hash, v.Hash)
	})
	if missing != nil && which == apikey.Unknown {
		return nil, apikey.Unknown, missing // the secret may be right: nobody can tell
	}
	return k, which, nil
}

// state is the step "status": what the key's own state and the clock say.
func (c *Checker) state(k *apikey.Key) Outcome {
	now := c.Now()
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

// addressAllowed is the step "source address". A key that is bound to addresses is refused where the address is not known.
func addressAllowed(k *apikey.Key, source netip.Addr) bool {
	if len(k.AllowedAddresses) == 0 {
		return true
	}
	source = source.Unmap() // ::ffff:192.0.2.1 is 192.0.2.1
	return slices.ContainsFunc(k.AllowedAddresses, func(p netip.Prefix) bool { return p.Contains(source) })
}

// authorize is the steps "customer" and "permission".
func (c *Checker) authorize(v *Verdict, catalogue *permission.Catalogue, call Call) {
	d := permission.Decide(catalogue, call.API, Grant(v.Key), call.Method, call.Path)
	v.Route = d.Match
	switch {
	case !d.Known || !sameRoute(call.Resource, d.Match.Route.Path):
		v.Outcome = PermissionDenied
	case !d.CustomerAllowed:
		v.Outcome = CustomerNotAllowed
	case !d.PermissionHeld:
		v.Outcome, v.Required = PermissionDenied, d.Required
	}
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
