package check

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// Ages of a cached value: the catalogue, an organization's runtime settings. A change of either
// takes effect everywhere within recentUntil. Rows of keys have their own: see Memory.
const (
	recentFresh = 5 * time.Second
	recentUntil = 10 * time.Second
	recentRead  = time.Second

	never time.Duration = math.MaxInt64
)

// errOld is returned if a value was already too old when its refresh ended: the process was
// suspended meanwhile, as Lambda does between calls.
var errOld = errors.New("check: what was read is too old to go by")

// recent caches one value that is refreshed in the background, so that a check does not read it. If
// the clock went back, the value's age is unknown, and it is read again: otherwise it would count
// as fresh until the clock has caught up. It is safe for concurrent use.
type recent[V any] struct {
	now func() time.Time
	// running returns how long the process has run, by a clock that nobody sets. It may stand still
	// while the process is suspended. nil if only the clock tells ages.
	running func() time.Duration
	// read reads the value; before is the cached one, or the zero value. Calls do not overlap.
	read func(ctx context.Context, before V) (V, error)

	fresh   time.Duration // from this age on, a check starts a refresh, and does not wait
	until   time.Duration // from this age on, a check waits for the refresh
	timeout time.Duration // of a refresh

	mu      sync.Mutex
	value   V
	has     bool
	readAt  moment
	seen    time.Time // the latest time that the clock showed
	reading *reading  // the refresh under way; nil if none is
}

// newRecent returns a cache of the usual ages that has no value yet.
func newRecent[V any](
	now func() time.Time, read func(ctx context.Context, before V) (V, error),
) *recent[V] {
	return &recent[V]{
		now:     now,
		read:    read,
		fresh:   recentFresh,
		until:   recentUntil,
		timeout: recentRead,
	}
}

// moment is a time by both clocks.
type moment struct {
	time    time.Time
	running time.Duration
}

// to returns the time from a moment to a later one: the longer one, as either clock may have missed
// some of it.
func (m moment) to(later moment) time.Duration {
	return max(later.time.Sub(m.time), later.running-m.running)
}

// reading is one refresh, shared by all who wait for it.
type reading struct {
	began time.Time
	done  chan struct{}
	err   error // set before done is closed
}

// current returns the value as it was at most until ago, or an error if it could not be read. mine is
// the refresh that the caller's check began before; nil for none.
func (r *recent[V]) current(ctx context.Context, mine *reading) (V, error) {
	value, _, err := r.get(ctx, r.read, mine)
	return value, err
}

// begin begins a refresh if one is due, and returns it; nil if it began none.
func (r *recent[V]) begin(ctx context.Context) *reading {
	if _, _, under, began := r.look(ctx, r.fresh, r.read); began {
		return under
	}

	return nil
}

// kept returns the value if current need not wait for it. Otherwise there is a refresh under way, or
// the caller's own has failed. It returns the one that the caller is to pass on.
func (r *recent[V]) kept(ctx context.Context, mine *reading) (value V, has bool, own *reading) {
	old := r.fresh
	if mine.failed() {
		old = never
	}

	value, age, under, began := r.look(ctx, old, r.read)
	if began {
		mine = under
	}

	return value, age < r.until, mine
}

// get is current with another way to read. own reports whether the read of the value, or of the
// error, began after the call of get, or the caller's check began one before: otherwise it is another
// caller's or an earlier one.
func (r *recent[V]) get(
	ctx context.Context, read func(ctx context.Context, before V) (V, error), mine *reading,
) (value V, own bool, err error) {
	var none V
	if mine.failed() {
		if value, age, _, _ := r.look(ctx, never, read); age < r.until {
			return value, true, nil
		}

		return none, true, mine.err
	}

	own = mine != nil

	// A caller waits for at most one refresh, or for two if the first was held up. Only the first
	// look starts one early.
	for i, old := range [...]time.Duration{r.fresh, r.until} {
		value, age, under, began := r.look(ctx, old, read)
		if age < r.until {
			return value, own, nil
		}

		own = own || began
		heldUp := i == 0 && !own && r.now().Sub(under.began) > r.timeout

		select {
		case <-under.done:
		case <-ctx.Done():
			return none, own, ctx.Err()
		}

		if under.err != nil && !heldUp {
			return none, own, under.err
		}
	}

	if value, age, _, _ := r.look(ctx, r.until, read); age < r.until {
		return value, own, nil
	}

	return none, own, errOld
}

// look returns the cached value and its age, and the refresh under way. It starts a refresh if the
// value is older than old and there is none.
func (r *recent[V]) look(
	ctx context.Context, old time.Duration, read func(ctx context.Context, before V) (V, error),
) (value V, age time.Duration, under *reading, began bool) {
	r.mu.Lock()
	defer r.mu.Unlock()

	now := moment{time: r.now()}
	if r.running != nil {
		now.running = r.running()
	}

	if now.time.Before(r.seen) {
		r.has = false
	}

	r.seen = now.time

	age = r.until
	if r.has && !now.time.Before(r.readAt.time) {
		age = r.readAt.to(now)
	}

	if age >= old && r.reading == nil {
		r.reading = &reading{began: now.time, done: make(chan struct{})}
		began = true
		// others may wait for the read, so it must not end with this caller
		go r.refresh(context.WithoutCancel(ctx), r.reading, read, r.value, now)
	}

	return r.value, age, r.reading, began
}

// failed reports whether a refresh has ended without a value. One that was never begun has not.
func (r *reading) failed() bool {
	if r == nil {
		return false
	}

	select {
	case <-r.done:
		return r.err != nil
	default:
		return false
	}
}

// refresh reads the value. If that fails, the callers that wait get the error, and the cached value
// stays. The value's age counts from the beginning of the refresh, since a change during the read
// may not be in it.
func (r *recent[V]) refresh(
	ctx context.Context, under *reading, read func(ctx context.Context, before V) (V, error),
	before V, began moment,
) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	value, err := read(ctx, before)
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
