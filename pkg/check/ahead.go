package check

import (
	"context"
	"hash/maphash"
	"runtime"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// ahead is what a check of a secret began to read while it reads the key: without it, a key that is
// used less often than settings and catalogue are kept would wait for three reads in each of its
// checks, one after the other. A failed read is not begun again by the same check.
type ahead struct {
	mark      mark
	of        settingsID // whose settings
	settings  *reading   // nil if none was begun
	catalogue *reading
}

// mark stands for a secret in the memory of this process: what a check begins to read early depends
// on the whole secret, so that it tells nobody else which keys are used here.
type mark uint64

var marks = maphash.MakeSeed()

// begin begins to read what the check of a secret will ask for, if an earlier one had to wait for it.
func (c *Checker) begin(ctx context.Context, secret string, intended use) ahead {
	a := ahead{mark: mark(maphash.String(marks, secret))}

	of, known := c.Settings.expected.Find(a.mark)
	if !known {
		return a
	}

	a.of = of
	a.settings = c.Settings.of(of).begin(ctx)

	if intended == dataPlane {
		a.catalogue = c.Catalogue.recent.begin(ctx)
	}

	return a
}

// runtimeSettings returns the settings of a key's organization. If it has to wait for them, it builds
// the policy meanwhile, and has the next check of the secret begin earlier.
func (c *Checker) runtimeSettings(
	ctx context.Context, k *apikey.Key, call Call, a *ahead,
) (*organization.RuntimeSettings, error) {
	id := settingsOf(k)
	if a.of != id {
		a.settings = nil
	}

	r := c.Settings.of(id)

	settings, has, mine := r.kept(ctx, a.settings)
	if has {
		return settings, nil
	}

	if a.mark != 0 {
		c.Settings.expected.Put(a.mark, id.clone())
	}

	c.anticipate(ctx, k, call, a)
	return r.current(ctx, mine)
}

// anticipate builds the policy of a call, which is kept, and is most of what an instance's first check
// computes. Without a catalogue it only begins to read that.
func (c *Checker) anticipate(ctx context.Context, k *apikey.Key, call Call, a *ahead) {
	if call.use != dataPlane {
		return // it needs no catalogue
	}

	current, has, mine := c.Catalogue.recent.kept(ctx, a.catalogue)
	a.catalogue = mine

	runtime.Gosched() // a function has one thread: what is read goes out first

	if has && c.Policies != nil && call.ARN != (policy.ARN{}) {
		c.Policies.Build(current.catalogue, call.API, Grant(k), call.ARN)
	}
}
