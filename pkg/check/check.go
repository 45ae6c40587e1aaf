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
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// Keys reads keys.
type Keys interface {
	// Key reads a key, strongly consistent. It returns apikey.ErrNotFound when there is none; every
	// other error means that nobody knows.
	Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error)
	// Claims reads, strongly consistent, which keys stand in line for another system's secret
	// behind the key that has the secret's id. Every error means that nobody knows.
	Claims(ctx context.Context, env apikey.Environment, id string) ([]string, error)
}

// FirstUses knows of rotations whose overlap starts with the first use of the new secret.
type FirstUses interface {
	// FirstUse reads, strongly consistent, when the new secret of the key's rotation was first
	// used; the zero time where that is not recorded. Every error means that nobody knows.
	FirstUse(ctx context.Context, k *apikey.Key) (time.Time, error)
}

// Peppers gives the peppers that secrets are hashed with.
type Peppers interface {
	Version(ctx context.Context, env apikey.Environment, version int) (*pepper.Pepper, error)
	Current(ctx context.Context, env apikey.Environment) (*pepper.Pepper, error)
}

// Call is what is known of a call besides its key.
type Call struct {
	API    string // the API's name in the catalogue's routes
	Method string
	Path   string // as API Gateway sees it, never decoded
	// API Gateway's own template of the route, such as /messages/{messageId}; "" where it tells
	// none
	Resource string
	SourceIP netip.Addr // the zero Addr where it is not known
	// API Gateway's name of the call, where it is answered by a policy; else the zero ARN
	ARN policy.ARN

	use  use
	look bool // nobody makes the call: nothing is taken of the key's limits
}

// use is what a key is sent for, which decides what of its organization binds it. Whatever it is,
// the keys of a deleted organization are good for nothing.
type use int

const (
	dataPlane use = iota // all that the organization sets of calls
	self                 // to be told of itself: whether the organization accepts legacy keys
	// the admin API: nothing, so that nobody shuts themselves out of the settings
	admin
)

// Verdict is the answer to a check.
type Verdict struct {
	Outcome   Outcome
	Key       *apikey.Key // set when the key is known and its secret was sent
	OldSecret bool        // the old secret of a rotation was sent
	Route     permission.Match
	// for PermissionDenied: the permission to ask for; "" where the route is in no permission
	Required string
	Reason   Reason // where the key's organization refuses; "" where the key itself is at fault
	Err      error  // for Unavailable: why

	// Policy is the answer to the call, where it has an ARN; it is set once all but the limits
	// allow the call.
	Policy policy.Policy

	// what the key's limits say; nil where it has none, and where the check ended before
	Allowance *limit.Allowance

	// Settings are the key's organization's; nil where the check ended before it was asked for, and
	// for an operator's key.
	Settings *organization.RuntimeSettings

	catalogue *permission.Catalogue
	decision  permission.Decision
}

// Opened is the permission of the key's that opened the route; "" where none did.
func (v *Verdict) Opened() string { return v.decision.Permission }

// Checker checks calls. It is safe for concurrent use.
type Checker struct {
	Brand        apikey.Brand
	Environments []apikey.Environment // those whose keys it accepts
	Keys         Keys
	FirstUses    FirstUses
	Peppers      Peppers
	Catalogue    *Catalogue
	Settings     *SettingsCache
	Limits       Limits // nil where limits are not enforced
	Imports      *Imports
	Policies     *policy.Builder
	Now          func() time.Time
}

// Check decides a call.
func (c *Checker) Check(ctx context.Context, h Headers, call Call) Verdict {
	v := c.identify(ctx, h)
	c.run(ctx, &v, call, lastStep)
	return v
}

// Authenticate decides whether the key is good on the admin API: the steps up to the source
// address. What its organization sets of calls is not asked.
func (c *Checker) Authenticate(ctx context.Context, h Headers, source netip.Addr) Verdict {
	return c.good(ctx, h, Call{SourceIP: source, use: admin})
}

// Self decides whether the key is good to be told of itself: as Authenticate, but a legacy key only
// where its organization accepts those.
func (c *Checker) Self(ctx context.Context, h Headers, source netip.Addr) Verdict {
	return c.good(ctx, h, Call{SourceIP: source, use: self})
}

func (c *Checker) good(ctx context.Context, h Headers, call Call) Verdict {
	v := c.identify(ctx, h)
	c.run(ctx, &v, call, addressStep)
	return v
}

// Identify finds out whose secret a text is in one environment, whatever the state of the key:
// Allowed where the key has it, the old one of a rotation too, RetiredSecret where it had it once,
// else why there is no such key. A secret of another system may be several keys': all are told.
func (c *Checker) Identify(ctx context.Context, env apikey.Environment, text string) []Verdict {
	one := *c

	one.Environments = []apikey.Environment{env}
	if _, err := c.Brand.Parse(text); err != nil && apikey.Foreign(text) {
		return slices.Collect(one.claimants(ctx, text))
	}

	return []Verdict{one.identify(ctx, Headers{APIKey: []string{text}})}
}

// identify finds out which key was sent: the steps that look at the secret.
func (c *Checker) identify(ctx context.Context, h Headers) Verdict {
	text, fault := Credential(c.Brand, h)
	if fault != "" {
		return Verdict{Outcome: fault}
	}

	parts, err := c.Brand.Parse(text)
	switch {
	case err != nil && apikey.Foreign(text):
		return c.identifyForeign(ctx, text)
	case err != nil:
		return Verdict{Outcome: Malformed}
	case !slices.Contains(c.Environments, parts.Environment):
		return Verdict{Outcome: WrongEnvironment}
	}

	k, which, err := c.recognise(ctx, claim{
		environment: parts.Environment,
		keyID:       parts.KeyID,
		parts:       parts,
	})
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return Verdict{Outcome: UnknownKey}
	case err != nil:
		return Verdict{Outcome: Unavailable, Err: err}
	}

	return verdictOf(k, which)
}

// verdictOf is what is known of a call once its key and its secret are.
func verdictOf(k *apikey.Key, which apikey.SecretMatch) Verdict {
	switch which {
	case apikey.Unknown:
		return Verdict{Outcome: WrongSecret, Key: k}
	case apikey.Retired:
		return Verdict{Outcome: RetiredSecret, Key: k}
	}

	return Verdict{Outcome: Allowed, Key: k, OldSecret: which == apikey.Old}
}

// claim is a secret that was sent, with the key that it names or leads to.
type claim struct {
	environment apikey.Environment
	keyID       string
	scheme      apikey.Algorithm // "" for a secret of ours
	parts       apikey.Parts     // of a secret of ours
	digest      []byte           // of another system's
}

// hash is what would be kept of the secret.
func (c claim) hash(p *pepper.Pepper) []byte {
	if c.scheme == "" {
		return p.Hash(c.parts)
	}

	return p.HashForeign(c.environment, c.keyID, c.scheme, c.digest)
}

// recognise reads the key and finds out which of its secrets was sent. An unknown key costs a hash
// like a known one, so that time doesn't tell.
func (c *Checker) recognise(
	ctx context.Context, sent claim,
) (*apikey.Key, apikey.SecretMatch, error) {
	k, err := c.Keys.Key(ctx, sent.environment, sent.keyID)
	if errors.Is(err, apikey.ErrNotFound) {
		if p, pepperErr := c.Peppers.Current(ctx, sent.environment); pepperErr == nil {
			_ = sent.hash(p)
		}
	}

	if err != nil {
		return nil, apikey.Unknown, err
	}

	hashes := make(map[int][]byte, 1)
	var missing error
	now := c.Now()

	which := k.Recognise(now, func(v apikey.Verifier) bool {
		if v.Scheme != sent.scheme {
			return false
		}

		hash, ok := hashes[v.Pepper]
		if !ok {
			p, err := c.Peppers.Version(ctx, sent.environment, v.Pepper)
			if err != nil {
				missing = fmt.Errorf("pepper of key %s: %w", k.ID, err)
				return false
			}

			hash = sent.hash(p)
			hashes[v.Pepper] = hash
		}

		return hmac.Equal(hash, v.Hash)
	})
	if missing != nil && which == apikey.Unknown {
		return nil, apikey.Unknown, missing // the secret may be right: nobody can tell
	}

	if which == apikey.Old && k.Rotation.StartsAt == apikey.StartsFirstUse &&
		k.AwaitsFirstUse(now) {
		return c.awaiting(ctx, k, now)
	}

	return k, which, nil
}

// awaiting finds out whether the old secret of a rotation that starts at the first use of the new
// one has ended. The authorizers that see that use may not write the key's row, so it is recorded
// apart: this is the one check that costs a second read.
func (c *Checker) awaiting(
	ctx context.Context, k *apikey.Key, now time.Time,
) (*apikey.Key, apikey.SecretMatch, error) {
	at, err := c.FirstUses.FirstUse(ctx, k)
	switch {
	case err != nil:
		return nil, apikey.Unknown, fmt.Errorf("first use of key %s: %w", k.ID, err)
	case at.IsZero():
		return k, apikey.Old, nil
	}

	k = k.Clone() // whoever read the row may keep it for others
	k.FirstUsed(at)

	if !k.Rotating(now) {
		return k, apikey.Retired, nil
	}

	return k, apikey.Old, nil
}
