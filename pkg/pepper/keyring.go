package pepper

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/cache"
)

// How long a process relies on its last read of the stored peppers. These limits do not apply to
// an unknown version that a sealed row names: it is read at once.
const (
	currentFor = time.Minute // then Current looks for a newer version
	// keptFor is how long a loaded version is used without checking whether it was retired.
	keptFor = 10 * time.Minute
	// missingFor is how long a missing version is remembered: a damaged row must not cost a read
	// per call.
	missingFor = time.Second
	// maxMissing bounds how many missing versions are remembered.
	maxMissing = 100
)

// MaxVersions is the maximum number of an environment's pepper versions that are not retired. All
// of them are in one item.
const MaxVersions = 100

// Keyring holds the peppers of all environments that its process may unwrap, each from its first
// use on. It is safe for concurrent use. A caller waits only for a pepper that is still being
// loaded, never for one that is already loaded.
type Keyring struct {
	rows     Rows
	provider Provider
	now      func() time.Time

	mu    sync.Mutex
	rings map[apikey.Environment]*ring
}

type ring struct {
	// held while the stored peppers are read and unwrapped, so that one caller does it for all
	loading sync.Mutex

	mu       sync.RWMutex // held for moments only
	versions map[int]*Pepper
	current  *Pepper
	loadedAt time.Time
	// the last attempt, successful or not, to find out whether a version was retired
	triedAt time.Time
	missing map[int]time.Time
}

// NewKeyring returns a keyring over stored peppers.
func NewKeyring(rows Rows, provider Provider, now func() time.Time) *Keyring {
	return &Keyring{
		rows:     rows,
		provider: provider,
		now:      now,
		rings:    map[apikey.Environment]*ring{},
	}
}

// Version returns a version that a row of the table names. Errors: ErrNotFound, and the errors of
// the rows and the provider.
func (k *Keyring) Version(
	ctx context.Context, env apikey.Environment, version int,
) (*Pepper, error) {
	r := k.ring(env)

	p, missing, old := r.version(version, k.now())
	switch {
	case p != nil && old:
		return k.unlessRetired(ctx, env, r, p)
	case p != nil:
		return p, nil
	case missing:
		return nil, notFound(env, version)
	}

	r.loading.Lock()
	defer r.loading.Unlock()
	// otherwise another caller has read them meanwhile
	if p, missing, _ = r.version(version, k.now()); p == nil && !missing {
		err := k.load(ctx, env, r)
		if p, _, _ = r.version(version, k.now()); p == nil && err != nil {
			// if another version cannot be unwrapped, this one is still valid
			return nil, err
		}

		p = r.orMissing(version, k.now())
	}

	if p == nil {
		return nil, notFound(env, version)
	}

	return p, nil
}

func notFound(env apikey.Environment, version int) error {
	return fmt.Errorf("%s version %d: %w", env, version, ErrNotFound)
}

// version returns a loaded version, and whether it is time to check if it was retired; or that it
// was missing a moment ago.
func (r *ring) version(version int, now time.Time) (p *Pepper, missing, old bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	since, missed := r.missing[version]
	return r.versions[version], missed &&
		cache.Fresh(missingFor, since, now), !cache.Fresh(keptFor, r.triedAt, now)
}

// orMissing returns a version after a load, and remembers it if it was missing.
func (r *ring) orMissing(version int, now time.Time) *Pepper {
	r.mu.Lock()
	defer r.mu.Unlock()

	p := r.versions[version]
	if p == nil {
		if len(r.missing) >= maxMissing {
			clear(r.missing)
		}

		r.missing[version] = now
	}

	return p
}

// unlessRetired checks whether a version was retired since it was read. One caller does so, and
// the others continue. If the check fails, the version remains valid.
func (k *Keyring) unlessRetired(
	ctx context.Context, env apikey.Environment, r *ring, p *Pepper,
) (*Pepper, error) {
	if !r.loading.TryLock() {
		return p, nil
	}

	defer r.loading.Unlock()

	if err := k.load(ctx, env, r); err != nil {
		return p, nil // an outage retires nothing
	}

	if now, _, _ := r.version(p.version, k.now()); now == nil {
		return nil, notFound(env, p.version)
	}

	return p, nil
}

// claimed returns a version named by a text from outside, which may be any number. Peppers are
// read only for a version newer than all loaded ones, and at most once a second, so that made-up
// numbers cannot cause more reads than that.
func (k *Keyring) claimed(
	ctx context.Context, env apikey.Environment, version int,
) (*Pepper, error) {
	newest, err := k.Current(ctx, env)
	if err != nil {
		return nil, err
	}

	r := k.ring(env)

	p, _, _ := r.version(version, k.now())
	if p != nil || version <= newest.version {
		return p, orNotFound(p, env, version)
	}

	r.loading.Lock()
	defer r.loading.Unlock()

	if !r.readWithin(missingFor, k.now()) { // otherwise another caller has read them meanwhile
		if err := k.load(ctx, env, r); err != nil {
			return nil, err
		}
	}

	p, _, _ = r.version(version, k.now())
	return p, orNotFound(p, env, version)
}

func orNotFound(p *Pepper, env apikey.Environment, version int) error {
	if p == nil {
		return notFound(env, version)
	}

	return nil
}

// readWithin reports whether the stored peppers were read within the last d.
func (r *ring) readWithin(d time.Duration, now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return cache.Fresh(d, r.loadedAt, now)
}

// Current returns the newest version, which hashes and seals from now on. If the environment has
// none, the error is ErrNotFound: Ensure makes the first.
func (k *Keyring) Current(ctx context.Context, env apikey.Environment) (*Pepper, error) {
	r := k.ring(env)
	if p := r.newest(k.now()); p != nil {
		return p, nil
	}

	r.loading.Lock()
	defer r.loading.Unlock()

	if p := r.newest(k.now()); p != nil {
		return p, nil // another caller has loaded it meanwhile
	}

	return k.reload(ctx, env, r)
}

// newest returns the newest version if it was read recently.
func (r *ring) newest(now time.Time) *Pepper {
	r.mu.RLock()
	defer r.mu.RUnlock()

	if !cache.Fresh(currentFor, r.loadedAt, now) {
		return nil
	}

	return r.current
}

// reload reads the stored peppers and returns the newest. The caller must hold the ring's lock for
// loading.
func (k *Keyring) reload(ctx context.Context, env apikey.Environment, r *ring) (*Pepper, error) {
	if err := k.load(ctx, env, r); err != nil {
		return nil, err
	}

	r.mu.RLock()
	defer r.mu.RUnlock()

	if r.current == nil {
		return nil, fmt.Errorf("%s: %w", env, ErrNotFound)
	}

	return r.current, nil
}

// Ensure returns the newest version, and makes the first one if there is none.
func (k *Keyring) Ensure(ctx context.Context, env apikey.Environment) (*Pepper, error) {
	p, err := k.Current(ctx, env)
	if !errors.Is(err, ErrNotFound) {
		return p, err
	}

	// another process may have made the first one meanwhile
	if err := k.add(ctx, env, 1); err != nil && !errors.Is(err, ErrExists) {
		return nil, err
	}

	return k.Current(ctx, env)
}

// Add makes another version, used for everything that is hashed or sealed from then on. Older
// versions continue to verify.
func (k *Keyring) Add(ctx context.Context, env apikey.Environment) (*Pepper, error) {
	newest, err := k.Ensure(ctx, env)
	if err != nil {
		return nil, err
	}

	if err := k.add(ctx, env, newest.Version()+1); err != nil {
		return nil, err
	}

	r := k.ring(env)
	r.loading.Lock()
	defer r.loading.Unlock()
	return k.reload(ctx, env, r) // not Version, which may still believe that it is missing
}

func (k *Keyring) add(ctx context.Context, env apikey.Environment, version int) error {
	_, wrapped, err := k.provider.Generate(ctx, Scope{env, version})
	if err != nil {
		return fmt.Errorf("make pepper of %s: %w", env, err)
	}

	if err := k.rows.AddPepper(ctx, env, Wrapped{
		Version:    version,
		Ciphertext: wrapped,
		CreatedAt:  k.now(),
	}); err != nil {
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

// load reads the stored peppers, unwraps those that are new to this process, and forgets those
// that were retired. The caller must hold the ring's lock for loading. Callers whose pepper is
// already loaded do not wait for it.
func (k *Keyring) load(ctx context.Context, env apikey.Environment, r *ring) error {
	known := r.tried(k.now())

	stored, err := k.rows.Peppers(ctx, env)
	if err != nil {
		return fmt.Errorf("read peppers of %s: %w", env, err)
	}

	versions := make(map[int]*Pepper, len(stored))

	var failed []error
	for _, w := range stored {
		if !w.RetiredAt.IsZero() {
			continue
		}

		p := known[w.Version]
		if p == nil {
			if p, err = k.unwrap(ctx, Scope{env, w.Version}, w.Ciphertext); err != nil {
				failed = append(failed, err)
				continue
			}
		}

		versions[w.Version] = p
	}

	// The versions that are loaded stay valid, but the load does not count as recent: the next
	// caller tries again.
	if len(failed) > 0 {
		maps.Copy(versions, known)
		r.unwrapped(versions)
		return errors.Join(failed...)
	}

	r.loaded(versions, k.now())
	return nil
}

func (k *Keyring) unwrap(ctx context.Context, scope Scope, ciphertext []byte) (*Pepper, error) {
	plain, err := k.provider.Unwrap(ctx, scope, ciphertext)
	if err != nil {
		return nil, fmt.Errorf("unwrap pepper of %s, version %d: %w", scope.Environment,
			scope.Version, err)
	}

	return newPepper(scope.Version, plain)
}

// tried records that the stored peppers are being read, and returns the loaded ones, which only
// load changes.
func (r *ring) tried(now time.Time) map[int]*Pepper {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.triedAt = now
	return r.versions
}

// unwrapped keeps what a failed load has unwrapped, so that nothing is unwrapped twice.
func (r *ring) unwrapped(versions map[int]*Pepper) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions = versions
}

func (r *ring) loaded(versions map[int]*Pepper, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions = versions
	r.current = nil

	r.loadedAt = now
	for version, p := range versions {
		delete(r.missing, version)

		if r.current == nil || version > r.current.version {
			r.current = p
		}
	}
}
