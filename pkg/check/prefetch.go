package check

import (
	"context"
	"hash/maphash"
	"runtime"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// prefetch is what a check of a secret began to read while it reads the key: without it, a key that is
// used less often than settings and catalogue are kept would wait for three reads in each of its
// checks, one after the other. A failed read is not begun again by the same check.
type prefetch struct {
	secret    fingerprint     // 0 if there is none
	of        *recentSettings // which settings; nil for none
	settings  *reading        // of them; nil if none was begun
	catalogue *reading
}

// fingerprint is a keyed hash of a secret, by a key of this process: what a check reads early depends
// on the whole secret, so that it tells nobody else which keys are used here.
type fingerprint uint64

var fingerprintKey = maphash.MakeSeed()

// prefetch begins to read what the check of a secret will ask for, if an earlier one had to wait for it.
func (c *Checker) prefetch(ctx context.Context, secret string, intended use) prefetch {
	p := prefetch{secret: fingerprint(maphash.String(fingerprintKey, secret))}

	var known bool
	if p.of, known = c.Settings.expected.Find(p.secret); !known {
		return p
	}

	// where settings are not due, the catalogue is mostly not, either
	if p.settings = p.of.begin(ctx); p.settings != nil && intended == dataPlane {
		p.catalogue = c.Catalogue.recent.begin(ctx)
	}

	return p
}

// runtimeSettings returns the settings of a key's organization. If it has to wait for them, it builds
// the policy meanwhile, and has the next check of the secret begin earlier.
func (c *Checker) runtimeSettings(
	ctx context.Context, k *apikey.Key, call Call, p *prefetch,
) (*organization.RuntimeSettings, error) {
	r := c.Settings.of(k)
	if p.of != r {
		p.settings = nil
	}

	settings, has, mine := r.kept(ctx, p.settings)
	if has {
		return settings, nil
	}

	if p.secret != 0 {
		c.Settings.expected.Put(p.secret, r)
	}

	c.anticipate(ctx, k, call, p)
	return r.current(ctx, mine)
}

// anticipate builds the policy of a call, which is kept, and is most of what an instance's first check
// computes. Without a catalogue it only begins to read that.
func (c *Checker) anticipate(ctx context.Context, k *apikey.Key, call Call, p *prefetch) {
	if call.use != dataPlane {
		return // it needs no catalogue
	}

	current, has, mine := c.Catalogue.recent.kept(ctx, p.catalogue)
	p.catalogue = mine

	runtime.Gosched() // a function has one thread: what is read goes out first

	if has && c.Policies != nil && call.ARN != (policy.ARN{}) {
		c.Policies.Build(current.catalogue, call.API, Grant(k), call.ARN)
	}
}
