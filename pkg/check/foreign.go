package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ImportSource reads whether keys of other systems were brought into an environment.
type ImportSource interface {
	// Imports returns nil where none was ever; every error means that nobody knows.
	Imports(ctx context.Context, env apikey.Environment) (*apikey.Imports, error)
}

// Imports keeps at hand which environments have keys of other systems, so that where there are none
// a secret of no form of ours costs no read. It is safe for concurrent use.
type Imports struct {
	of map[apikey.Environment]*recent[*apikey.Imports]
}

// NewImports returns what is read of each environment when it is first needed.
func NewImports(source ImportSource, now func() time.Time) *Imports {
	out := &Imports{of: map[apikey.Environment]*recent[*apikey.Imports]{}}
	for _, env := range apikey.Environments() {
		out.of[env] = &recent[*apikey.Imports]{
			now: now,
			read: func(ctx context.Context, _ *apikey.Imports) (*apikey.Imports, error) {
				imports, err := source.Imports(ctx, env)
				if err != nil {
					return nil, fmt.Errorf("read the imports of %s: %w", env, err)
				}

				return imports, nil
			},
		}
	}

	return out
}

// identifyForeign finds out which key another system's secret opens: the first that has it and is
// not deleted. Only where the first of all is deleted does that cost more than one read, and for
// the other algorithm.
func (c *Checker) identifyForeign(ctx context.Context, text string) Verdict {
	answer := Verdict{Outcome: Malformed}
	for v := range c.claimants(ctx, text) {
		switch {
		case v.Outcome == Unavailable, v.Key != nil && v.Key.DeletedAt.IsZero():
			return v
		case answer.Key == nil: // a deleted key's is told of it, where there is no other
			answer = v
		}
	}

	return answer
}

// claimants are the keys that were made of another system's secret, in the order in which they have
// a claim to it. Such a secret names neither an environment nor a key: the ids are those that it
// would have got when it was imported, one for each environment and algorithm that anything was
// imported by; as a rule, for an authorizer, one. The line of those who imported it later is read
// only when it is asked for. What cannot be known ends the line.
func (c *Checker) claimants(ctx context.Context, text string) iter.Seq[Verdict] {
	return func(yield func(Verdict) bool) {
		for _, env := range c.Environments {
			imports, err := c.Imports.of[env].current(ctx)
			if err != nil {
				yield(Verdict{Outcome: Unavailable, Err: err})
				return
			}

			for _, algorithm := range imports.By() {
				if !c.claimantsBy(ctx, env, imports.Pepper, algorithm, algorithm.Sum(text), yield) {
					return
				}
			}
		}
	}
}

// claimantsBy are those of one environment and algorithm. It reports whether to go on.
func (c *Checker) claimantsBy(
	ctx context.Context, env apikey.Environment, version int, algorithm apikey.Algorithm,
	digest []byte, yield func(Verdict) bool,
) bool {
	p, err := c.Peppers.Version(ctx, env, version)
	if err != nil {
		yield(Verdict{
			Outcome: Unavailable,
			Err:     fmt.Errorf("pepper of the imports of %s: %w", env, err),
		})
		return false
	}

	sent := claim{
		environment: env,
		keyID:       p.ForeignID(env, algorithm, digest),
		scheme:      algorithm,
		digest:      digest,
	}

	first := c.claimed(ctx, sent)
	if !yield(first) || first.Outcome == Unavailable {
		return false
	}

	if first.Key == nil {
		return true
	}

	line, err := c.Keys.Claims(ctx, env, sent.keyID)
	if err != nil {
		yield(Verdict{Outcome: Unavailable, Err: err})
		return false
	}

	for _, sent.keyID = range line {
		v := c.claimed(ctx, sent)
		if !yield(v) || v.Outcome == Unavailable {
			return false
		}
	}

	return true
}

// claimed is what one key makes of the secret that leads to it.
func (c *Checker) claimed(ctx context.Context, sent claim) Verdict {
	k, which, err := c.recognise(ctx, sent)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return Verdict{Outcome: UnknownKey}
	case err != nil:
		return Verdict{Outcome: Unavailable, Err: err}
	case which == apikey.Unknown:
		// no other secret leads to this id: it was the key's, before those that are remembered
		which = apikey.Retired
	}

	return verdictOf(k, which)
}
