package check

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How old may be what is kept at hand: the catalogue, the organizations' runtime settings. A change
// of either acts everywhere within recentUntil.
const (
	recentFresh = 5 * time.Second  // then it is read again beside the check that noticed
	recentUntil = 10 * time.Second // then a check waits for it
	recentRead  = time.Second      // the longest that a reading may take
)

// errOld says that what was read was too old when it came: the process was held up meanwhile, as
// Lambda does between calls.
var errOld = errors.New("check: what was read is too old to go by")

// recent keeps one value that is read now and then, so that a check does not read it. Where the
// clock went back, nobody knows how old the value is, and it is read anew: it would be fresh until
// the clock has caught up. It is safe for concurrent use.
type recent[V any] struct {
	now func() time.Time
	// read reads the value; before is the one at hand, the zero value where there is none. It is
	// never called twice at once.
	read func(ctx context.Context, before V) (V, error)

	mu      sync.Mutex
	value   V
	has     bool
	readAt  time.Time
	seen    time.Time // the latest that the clock said
	reading *reading  // under way; nil where none is
}

// reading is one reading, which all who need it share.
type reading struct {
	done chan struct{}
	err  error // set before done is closed
}

// current returns the value as it was at most recentUntil ago, or an error where it could not be
// read.
func (r *recent[V]) current(ctx context.Context) (V, error) {
	var none V
	// who has waited for a reading needs no other, unless that was held up
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

// look returns the value at hand with its age, and sees to it that it is being read where it is
// old.
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
		go r.refresh(context.WithoutCancel(ctx), r.reading, r.value, now)
	}

	return r.value, age, r.reading
}

// refresh reads the value. Where it fails, who waits for it learns why; who does not goes on with
// what is at hand. The age of what was read is that of the beginning, since a change during the
// reading must not count as read.
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
