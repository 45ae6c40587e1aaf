package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ImportSource reads whether keys of other systems were brought into an environment.
type ImportSource interface {
	// Imports returns nil where none was ever; every error means that nobody knows.
	Imports(ctx context.Context, env apikey.Environment) (*apikey.Imports, error)
}

// Imports keeps at hand which environments have keys of other systems, so that where there are none a secret of no form of ours costs no read. It is safe for
// concurrent use.
type Imports struct {
	of map[apikey.Environment]*recent[*apikey.Imports]
}

// NewImports returns what is read of each environment when it is first needed.
func NewImports(source ImportSource, now func() time.Time) *Imports {
	out := &Imports{of: map[apikey.Environment]*recent[*apikey.Imports]{}}
	for _, env := range apikey.Environments() {
		out.of[env] = &recent[*apikey.Imports]{now: now, read: func(ctx context.Context, _ *apikey.Imports) (*apikey.Imports, error) {
			imports, err := source.Imports(ctx, env)
			if err != nil {
				return nil, fmt.Errorf("read the imports of %s: %w", env, err)
			}
			return imports, nil
		}}
	}
	return out
}

// identifyForeign finds out which key another system's secret opens. Such a secret names neither an environment nor a key: the ids are those that it would
// have got when it was imported, one for each environment and algorithm that anything was imported by; as a rule, for an authorizer, one.
func (c *Checker) identifyForeign(ctx context.Context, text string) Verdict {
	outcome := Malformed
	for _, env := range c.Environments {
		imports, err := c.Imports.of[env].current(ctx)
		if err != nil {
			return Verdict{Outcome: Unavailable, Err: err}
		}
		for _, algorithm := range imports.By() {
			v := c.identifyBy(ctx, env, imports.Pepper, algorithm, algorithm.Sum(text))
			if v.Outcome != UnknownKey {
				return v
			}
			outcome = UnknownKey
		}
	}
	return Verdict{Outcome: outcome}
}

func (c *Checker) identifyBy(ctx context.Context, env apikey.Environment, version int, algorithm apikey.Algorithm, digest []byte) Verdict {
	p, err := c.Peppers.Version(ctx, env, version)
	if err != nil {
		return Verdict{Outcome: Unavailable, Err: fmt.Errorf("pepper of the imports of %s: %w", env, err)}
	}
	sent := claim{environment: env, keyID: p.ForeignID(env, algorithm, digest), scheme: algorithm, digest: digest}
	k, which, err := c.recognise(ctx, sent)
	switch {
	case errors.Is(err, apikey.ErrNotFound):
		return Verdict{Outcome: UnknownKey}
	case err != nil:
		return Verdict{Outcome: Unavailable, Err: err}
	case which == apikey.Unknown:
		which = apikey.Retired // no other secret leads to this id: it was the key's, before those that are remembered
	}
	return verdictOf(k, which)
}
