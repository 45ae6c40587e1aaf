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
	// Key reads a key, strongly consistent. It returns apikey.ErrNotFound if there is none. On any
	// other error the state is unknown; deny the call.
	Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error)
	// Claims reads, strongly consistent, the ids of the keys that wait in line for another system's
	// secret, behind the key whose id the secret leads to. On error the state is unknown.
	Claims(ctx context.Context, env apikey.Environment, id string) ([]string, error)
}

// FirstUses reads when rotations whose overlap starts with the first use of the new secret started.
type FirstUses interface {
	// FirstUse reads, strongly consistent, when the new secret of the key's rotation was first
	// used. It returns the zero time if no use is recorded. On error the state is unknown.
	FirstUse(ctx context.Context, k *apikey.Key) (time.Time, error)
}

// Peppers returns the peppers that secrets are hashed with.
type Peppers interface {
	Version(ctx context.Context, env apikey.Environment, version int) (*pepper.Pepper, error)
	Current(ctx context.Context, env apikey.Environment) (*pepper.Pepper, error)
}

// Call describes a call, apart from its key.
type Call struct {
	API    string // the API's name in the catalogue's routes
	Method string
	Path   string // as API Gateway sees it, never decoded
	// API Gateway's own template of the route, such as /messages/{messageId}; "" if it sends none
	Resource string
	SourceIP netip.Addr // the zero Addr if unknown
	// API Gateway's name of the call if a policy answers it; else the zero ARN
	ARN policy.ARN

	use  use
	look bool // explain only: charge no limits
}

// use is the purpose a key is sent for. It decides which of its organization's settings apply. For
// every use, the keys of a deleted organization are refused.
type use int

const (
	dataPlane use = iota // all settings
	self                 // whoami: whether the organization accepts legacy keys
	// the admin API: no setting, so that admins cannot lock themselves out of the settings
	admin
)

// Verdict is the answer to a check.
type Verdict struct {
	Outcome   Outcome
	Key       *apikey.Key // set when the key is known and its secret was sent
	OldSecret bool        // the old secret of a rotation was sent
	Route     permission.Match
	// for PermissionDenied: the permission that is needed; "" if no permission has the route
	Required string
	Reason   Reason // set if the key's organization refuses; "" if the key itself is at fault
	Err      error  // for Unavailable: the cause

	// Policy answers the call, if the call has an ARN. It is set once every step but the limits
	// allows the call.
	Policy policy.Policy

	// Allowance reports the state of the key's limits; nil if it has none, or if the check ended
	// before them.
	Allowance *limit.Allowance

	// Settings are those of the key's organization; nil for an operator's key, or if the check
	// ended before it read them.
	Settings *organization.RuntimeSettings

	prefetched prefetch
	catalogue  *permission.Catalogue
	decision   permission.Decision
}

// Opened returns the permission of the key that opened the route; "" if none did.
func (v *Verdict) Opened() string { return v.decision.Permission }

// Checker checks calls. It is safe for concurrent use.
type Checker struct {
	Brand        apikey.Brand
	Environments []apikey.Environment // environments whose keys are accepted
	Keys         Keys
	Memory       *Memory // of rows of keys, for Check alone; nil to read one for each check
	FirstUses    FirstUses
	Peppers      Peppers
	Catalogue    *Catalogue
	Settings     *SettingsCache
	Limits       Limits // nil if limits are not enforced
	Imports      *Imports
	Policies     *policy.Builder
	Now          func() time.Time
}

// checkOnce decides a call by the rows that c.Keys returns.
func (c *Checker) checkOnce(ctx context.Context, h Headers, call Call) Verdict {
	v := c.identify(ctx, h, call.use)
	c.run(ctx, &v, call, lastStep)
	return v
}

// Authenticate decides whether the admin API accepts the key. It takes the steps up to the source
// address, and ignores the organization's settings for calls.
func (c *Checker) Authenticate(ctx context.Context, h Headers, source netip.Addr) Verdict {
	return c.good(ctx, h, Call{SourceIP: source, use: admin})
}

// Self decides whether the key may read what it is itself. It differs from Authenticate in that a
// legacy key must be accepted by its organization.
func (c *Checker) Self(ctx context.Context, h Headers, source netip.Addr) Verdict {
	return c.good(ctx, h, Call{SourceIP: source, use: self})
}

func (c *Checker) good(ctx context.Context, h Headers, call Call) Verdict {
	v := c.identify(ctx, h, call.use)
	c.run(ctx, &v, call, addressStep)
	return v
}

// Identify finds the keys of one environment that a text is a secret of, regardless of their
// status: Allowed if it is the key's secret (the old one of a rotation too), RetiredSecret if it
// was once, else the reason why no key was found. Another system's secret may belong to several
// keys; there is a verdict for each.
func (c *Checker) Identify(ctx context.Context, env apikey.Environment, text string) []Verdict {
	one := *c

	one.Environments = []apikey.Environment{env}
	if _, err := c.Brand.Parse(text); err != nil && apikey.Foreign(text) {
		return slices.Collect(one.claimants(ctx, text))
	}

	return []Verdict{one.identify(ctx, Headers{APIKey: []string{text}}, self)}
}

// identify finds the key that was sent, for a use: the steps that look at the secret.
func (c *Checker) identify(ctx context.Context, h Headers, intended use) Verdict {
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

	prefetched := c.prefetch(ctx, text, intended)

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

	v := verdictOf(k, which)
	v.prefetched = prefetched
	return v
}

// verdictOf returns the verdict before any step, from the key and the secret that was sent.
func verdictOf(k *apikey.Key, which apikey.SecretMatch) Verdict {
	switch which {
	case apikey.Unknown:
		return Verdict{Outcome: WrongSecret, Key: k}
	case apikey.Retired:
		return Verdict{Outcome: RetiredSecret, Key: k}
	}

	return Verdict{Outcome: Allowed, Key: k, OldSecret: which == apikey.Old}
}

// claim is a secret that was sent, together with the key that it names or leads to.
type claim struct {
	environment apikey.Environment
	keyID       string
	scheme      apikey.Algorithm // "" for a secret of Bitting
	parts       apikey.Parts     // of a secret of Bitting
	digest      []byte           // of another system's secret
}

// hash returns the hash that would be stored for the secret.
func (c claim) hash(p *pepper.Pepper) []byte {
	if c.scheme == "" {
		return p.Hash(c.parts)
	}

	return p.HashForeign(c.environment, c.keyID, c.scheme, c.digest)
}

// recognise reads the key and finds which of its secrets was sent. An unknown key costs one hash,
// like a known one, so that the response time does not reveal which ids exist.
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

	// A key's verifiers mostly share a pepper: hash once for each version of it.
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
	// Fail only if no verifier matched: a pepper that is unavailable does not matter to a secret
	// that another verifier knows.
	if missing != nil && which == apikey.Unknown {
		return nil, apikey.Unknown, missing // the secret may be right
	}

	if which == apikey.Old && k.Rotation.StartsAt == apikey.StartsFirstUse &&
		k.AwaitsFirstUse(now) {
		return c.awaiting(ctx, k, now)
	}

	return k, which, nil
}

// awaiting finds whether the old secret has ended, in a rotation that starts at the first use of
// the new one. Authorizers must not write the key's row, so that use is recorded in a row of its
// own: this is the only check that costs a second read.
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

	k = k.Clone() // the key may be shared with other checks
	k.FirstUsed(at)

	if !k.Rotating(now) {
		return k, apikey.Retired, nil
	}

	return k, apikey.Old, nil
}
