package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ImportSource reads whether an environment has imported keys.
type ImportSource interface {
	// Imports returns nil if nothing was ever imported. On error the state is unknown.
	Imports(ctx context.Context, env apikey.Environment) (*apikey.Imports, error)
}

// Imports caches which environments have keys of other systems, so that a secret of a foreign form
// costs no read where there are none. It is safe for concurrent use.
type Imports struct {
	of map[apikey.Environment]*recent[*apikey.Imports]
}

// NewImports returns a cache, each entry of which is first read when it is needed.
func NewImports(source ImportSource, now func() time.Time) *Imports {
	out := &Imports{of: map[apikey.Environment]*recent[*apikey.Imports]{}}
	for _, env := range apikey.Environments() {
		out.of[env] = newRecent(now, func(
			ctx context.Context, _ *apikey.Imports,
		) (*apikey.Imports, error) {
			imports, err := source.Imports(ctx, env)
			if err != nil {
				return nil, fmt.Errorf("read the imports of %s: %w", env, err)
			}

			return imports, nil
		})
	}

	return out
}

// identifyForeign finds the key that another system's secret opens: the first that has it and is
// not deleted. This costs one read for each algorithm, and more only if the first key is deleted.
func (c *Checker) identifyForeign(ctx context.Context, text string) Verdict {
	answer := Verdict{Outcome: Malformed}
	for v := range c.claimants(ctx, text) {
		switch {
		case v.Outcome == Unavailable, v.Key != nil && v.Key.DeletedAt.IsZero():
			return v
		case answer.Key == nil: // a deleted key counts only if there is no other
			answer = v
		}
	}

	return answer
}

// claimants yields the keys that were made of another system's secret, in the order of their claims
// to it. Such a secret names neither an environment nor a key. Its ids are those that importing it
// would produce, one for each environment and algorithm with imports: usually one, for an
// authorizer. The line of later importers is read only when it is needed. An Unavailable verdict is
// the last one.
func (c *Checker) claimants(ctx context.Context, text string) iter.Seq[Verdict] {
	return func(yield func(Verdict) bool) {
		for _, env := range c.Environments {
			imports, err := c.Imports.of[env].current(ctx, nil)
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

// claimantsBy yields those of one environment and algorithm. It reports whether to continue.
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

	// The line is kept with the first key's id: without that key there is none.
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

// claimed returns the verdict of one key on the secret that leads to it.
func (c *Checker) claimed(ctx context.Context, sent claim) Verdict {
	k, which, err := c.recognise(ctx, sent)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return Verdict{Outcome: UnknownKey}
	case err != nil:
		return Verdict{Outcome: Unavailable, Err: err}
	case which == apikey.Unknown:
		// only this secret leads to this id, so it was the key's before those that are remembered
		which = apikey.Retired
	}

	return verdictOf(k, which)
}
