package check

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Ages of a cached value: the catalogue, an organization's runtime settings. A change of either
// takes effect everywhere within recentUntil.
const (
	recentFresh = 5 * time.Second  // from here on, a check starts a refresh, and does not wait
	recentUntil = 10 * time.Second // from here on, a check waits for the refresh
	recentRead  = time.Second      // timeout of a refresh
)

// errOld is returned if a value was already too old when its refresh ended: the process was
// suspended meanwhile, as Lambda does between calls.
var errOld = errors.New("check: what was read is too old to go by")

// recent caches one value that is refreshed in the background, so that a check does not read it. If
// the clock went back, the value's age is unknown, and it is read again: otherwise it would count
// as fresh until the clock has caught up. It is safe for concurrent use.
type recent[V any] struct {
	now func() time.Time
	// read reads the value; before is the cached one, or the zero value. Calls do not overlap.
	read func(ctx context.Context, before V) (V, error)

	mu      sync.Mutex
	value   V
	has     bool
	readAt  time.Time
	seen    time.Time // the latest time that the clock showed
	reading *reading  // the refresh under way; nil if none is
}

// reading is one refresh, shared by all who wait for it.
type reading struct {
	done chan struct{}
	err  error // set before done is closed
}

// current returns the value as it was at most recentUntil ago, or an error if it could not be read.
func (r *recent[V]) current(ctx context.Context) (V, error) {
	var none V
	// A caller waits for at most one refresh, or for two if the first was held up. Only the first
	// look starts one early.
	for _, old := range []time.Duration{recentFresh, recentUntil} {
		value, age, under := r.look(ctx, old)
		if age < recentUntil {
			return value, nil
		}

		select {
		case <-under.done:
		case <-ctx.Done():
			return none, ctx.Err()
		}

		if under.err != nil {
			return none, under.err
		}
	}

	if value, age, _ := r.look(ctx, recentUntil); age < recentUntil {
		return value, nil
	}

	return none, errOld
}

// look returns the cached value and its age, and the refresh under way. It starts a refresh if the
// value is older than old.
func (r *recent[V]) look(ctx context.Context, old time.Duration) (V, time.Duration, *reading) {
	r.mu.Lock()
	defer r.mu.Unlock()

	now := r.now()
	if now.Before(r.seen) {
		r.has = false
	}

	r.seen = now

	age := recentUntil
	if r.has && !now.Before(r.readAt) {
		age = now.Sub(r.readAt)
	}

	if age >= old && r.reading == nil {
		r.reading = &reading{done: make(chan struct{})}
		// others may wait for the read, so it must not end with this caller
		go r.refresh(context.WithoutCancel(ctx), r.reading, r.value, now)
	}

	return r.value, age, r.reading
}

// refresh reads the value. If that fails, the callers that wait get the error, and the cached value
// stays. The value's age counts from the beginning of the refresh, since a change during the read
// may not be in it.
func (r *recent[V]) refresh(ctx context.Context, under *reading, before V, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, recentRead)
	defer cancel()
	value, err := r.read(ctx, before)
	r.mu.Lock()
	defer r.mu.Unlock()

	if err == nil {
		r.value = value
		r.has = true
		r.readAt = began
	}

	under.err = err
	r.reading = nil
	close(under.done)
}
