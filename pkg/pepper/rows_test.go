package pepper_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

// rows keeps wrapped peppers in memory, counts reads and can fail. The real ones are tested in
// pkg/store.
type rows struct {
	mu     sync.Mutex
	stored map[apikey.Environment][]pepper.Wrapped
	reads  int
	err    error
	// if not nil, each read sends on it, and then waits until it is closed
	held chan struct{}
}

func newRows() *rows { return &rows{stored: map[apikey.Environment][]pepper.Wrapped{}} }

// Peppers implements pepper.Rows.
func (r *rows) Peppers(_ context.Context, env apikey.Environment) ([]pepper.Wrapped, error) {
	r.mu.Lock()
	held := r.held
	r.mu.Unlock()

	if held != nil {
		held <- struct{}{}
		<-held
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	return slices.Clone(r.stored[env]), r.err
}

// hold makes reads wait. begun waits until a read has begun, and release ends the hold.
func (r *rows) hold() (begun, release func()) {
	held := make(chan struct{})
	r.mu.Lock()
	r.held = held
	r.mu.Unlock()
	return func() { <-held }, func() {
		r.mu.Lock()
		r.held = nil
		r.mu.Unlock()
		close(held)
	}
}

// retire replaces a version by the record that it existed.
func (r *rows) retire(env apikey.Environment, version int, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()

	for i, w := range r.stored[env] {
		if w.Version == version {
			r.stored[env][i].Ciphertext = nil
			r.stored[env][i].RetiredAt = at
		}
	}
}

// AddPepper implements pepper.Rows.
func (r *rows) AddPepper(_ context.Context, env apikey.Environment, w pepper.Wrapped) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	if slices.ContainsFunc(r.stored[env], func(s pepper.Wrapped) bool {
		return s.Version == w.Version
	}) {
		return pepper.ErrExists
	}

	r.stored[env] = append(r.stored[env], w)
	return r.err
}

// fail makes every read fail; nil ends that.
func (r *rows) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *rows) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads
}

// provider counts what another provider unwraps, and can fail.
type provider struct {
	pepper.Provider
	mu       sync.Mutex
	unwraps  map[pepper.Scope]int
	failures map[pepper.Scope]error
}

func watch(p pepper.Provider) *provider {
	return &provider{
		Provider: p,
		unwraps:  map[pepper.Scope]int{},
		failures: map[pepper.Scope]error{},
	}
}

// Unwrap implements pepper.Provider.
func (p *provider) Unwrap(ctx context.Context, scope pepper.Scope, wrapped []byte) ([]byte, error) {
	p.mu.Lock()
	p.unwraps[scope]++
	err := p.failures[scope]
	p.mu.Unlock()

	if err != nil {
		return nil, err
	}

	return p.Provider.Unwrap(ctx, scope, wrapped)
}

func (p *provider) fail(scope pepper.Scope, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures[scope] = err
}

func (p *provider) count(scope pepper.Scope) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unwraps[scope]
}

var errDown = errors.New("down")
