package pepper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// How long a process relies on what it last read of the stored peppers. A version that it doesn't know is read at once, whatever these say.
const (
	currentFor = time.Minute // then Current looks for a newer version
	missingFor = time.Second // then a version that was not there is looked for again: a damaged row must not cost a read per call
	// missingMost bounds what is remembered of versions that were not there.
	missingMost = 100
)

// Keyring holds the peppers of all environments that its process may unwrap, each from the first time it is asked for. It is safe for
// concurrent use; who asks for a pepper that is being loaded waits for it.
type Keyring struct {
	rows     Rows
	provider Provider
	now      func() time.Time

	mu    sync.Mutex
	rings map[apikey.Environment]*ring
}

type ring struct {
	mu       sync.RWMutex
	versions map[int]*Pepper
	current  *Pepper
	loadedAt time.Time
	missing  map[int]time.Time
}

// NewKeyring returns a keyring over stored peppers.
func NewKeyring(rows Rows, provider Provider, now func() time.Time) *Keyring {
	return &Keyring{rows: rows, provider: provider, now: now, rings: map[apikey.Environment]*ring{}}
}

// Version returns one version. Errors: ErrNotFound, and whatever the rows or the provider fail with.
func (k *Keyring) Version(ctx context.Context, env apikey.Environment, version int) (*Pepper, error) {
	r := k.ring(env)
	r.mu.RLock()
	p, missing := r.version(version, k.now())
	r.mu.RUnlock()
	if p == nil && !missing {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p, missing = r.version(version, k.now()); p == nil && !missing { // else another caller has asked meanwhile
			if err := k.load(ctx, env, r); err != nil {
				return nil, err
			}
			if p = r.versions[version]; p == nil {
				if len(r.missing) >= missingMost {
					clear(r.missing)
				}
				r.missing[version] = k.now()
			}
		}
	}
	if p == nil {
		return nil, fmt.Errorf("%s version %d: %w", env, version, ErrNotFound)
	}
	return p, nil
}

// version returns a version that is at hand, or that it was missing a moment ago. The caller holds the ring's lock, for reading at least.
func (r *ring) version(version int, now time.Time) (p *Pepper, missing bool) {
	since, missed := r.missing[version]
	return r.versions[version], missed && now.Sub(since) < missingFor
}

// Current returns the newest version, which hashes and seals from now on. An environment without any is ErrNotFound: Ensure makes the first.
func (k *Keyring) Current(ctx context.Context, env apikey.Environment) (*Pepper, error) {
	r := k.ring(env)
	r.mu.RLock()
	p := r.newest(k.now())
	r.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.newest(k.now()); p != nil {
		return p, nil // another caller has loaded it meanwhile
	}
	return k.reload(ctx, env, r)
}

// newest returns the newest version where it was read lately. The caller holds the ring's lock, for reading at least.
func (r *ring) newest(now time.Time) *Pepper {
	if now.Sub(r.loadedAt) >= currentFor {
		return nil
	}
	return r.current
}

// reload reads the stored peppers and returns the newest. The caller holds the ring's lock.
func (k *Keyring) reload(ctx context.Context, env apikey.Environment, r *ring) (*Pepper, error) {
	if err := k.load(ctx, env, r); err != nil {
		return nil, err
	}
	if r.current == nil {
		return nil, fmt.Errorf("%s: %w", env, ErrNotFound)
	}
	return r.current, nil
}

// Ensure returns the newest version, and makes the first one where there is none.
func (k *Keyring) Ensure(ctx context.Context, env apikey.Environment) (*Pepper, error) {
	p, err := k.Current(ctx, env)
	if !errors.Is(err, ErrNotFound) {
		return p, err
	}
	if err := k.add(ctx, env, 1); err != nil && !errors.Is(err, ErrExists) {
		return nil, err
	}
	return k.Current(ctx, env)
}

// Add makes one more version, used for everything that is hashed or sealed from then on. Older versions go on to verify.
func (k *Keyring) Add(ctx context.Context, env apikey.Environment) (*Pepper, error) {
	newest, err := k.Ensure(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := k.add(ctx, env, newest.Version()+1); err != nil {
		return nil, err
	}
	r := k.ring(env)
	r.mu.Lock()
	defer r.mu.Unlock()
	return k.reload(ctx, env, r) // not Version, which may still take it for missing
}

func (k *Keyring) add(ctx context.Context, env apikey.Environment, version int) error {
	_, wrapped, err := k.provider.Generate(ctx, Scope{env, version})
	if err != nil {
		return fmt.Errorf("make pepper of %s: %w", env, err)
	}
	if err := k.rows.AddPepper(ctx, env, Wrapped{Version: version, Ciphertext: wrapped, CreatedAt: k.now()}); err != nil {
		return fmt.Errorf("store pepper of %s: %w", env, err)
	}
	return nil
}

func (k *Keyring) ring(env apikey.Environment) *ring {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.rings[env]
	if r == nil {
		r = &ring{versions: map[int]*Pepper{}, missing: map[int]time.Time{}}
		k.rings[env] = r
	}
	return r
}

// load reads the stored peppers and unwraps those that are new to this process. The caller holds the ring's lock.
func (k *Keyring) load(ctx context.Context, env apikey.Environment, r *ring) error {
	stored, err := k.rows.Peppers(ctx, env)
	if err != nil {
		return fmt.Errorf("read peppers of %s: %w", env, err)
	}
	for _, w := range stored {
		p := r.versions[w.Version]
		if p == nil {
			plain, err := k.provider.Unwrap(ctx, Scope{env, w.Version}, w.Ciphertext)
			if err != nil {
				return fmt.Errorf("unwrap pepper of %s, version %d: %w", env, w.Version, err)
			}
			if p, err = newPepper(w.Version, plain); err != nil {
				return err
			}
			r.versions[w.Version] = p
			delete(r.missing, w.Version)
		}
		if r.current == nil || p.version > r.current.version {
			r.current = p
		}
	}
	r.loadedAt = k.now()
	return nil
}
