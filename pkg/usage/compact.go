package usage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Stage is how far the rows of an hour are put together.
type Stage int

// The stages.
const (
	Written   Stage = iota // each instance's row stands by itself
	Compacted              // one row for each scope; rows that come late still count
	Folded                 // one sum for each scope, for good
)

// Hours is where usage is kept.
type Hours interface {
	// Journal returns the scopes that have rows of an hour; with ErrStuck, those that are known,
	// where part of the journal is damaged.
	Journal(ctx context.Context, env apikey.Environment, hour time.Time) ([]Scope, error)
	// Stages returns how far hours are put together, in their order.
	Stages(ctx context.Context, env apikey.Environment, hours []time.Time) ([]Stage, error)
	// SetStage notes how far an hour is put together, unless it is further already.
	SetStage(ctx context.Context, env apikey.Environment, hour time.Time, stage Stage) error
	// CompactUsage puts the rows of a scope's hour together, as far as they fit, and folds the hour
	// where that is asked for. It can be stopped and repeated at any point. It returns ErrStuck
	// where repeating it is of no use.
	CompactUsage(ctx context.Context, s Scope, hour time.Time, fold bool) error
}

// ErrStuck says of rows that nothing can be done with them, now or later: they are damaged, or what
// they would become is refused.
var ErrStuck = errors.New("usage: rows cannot be worked with")

// lookBack is for how long hours are looked after: one that is not put together by then stays as it
// is, and counts as it is.
const lookBack = 3 * 24 * time.Hour

// compactAtOnce is how many scopes are put together at once.
const compactAtOnce = 4

// Compact puts together what instances wrote in the hours that have ended: one row for each scope
// and hour once it is CompactAfter, and one sum once it is FoldAfter. It continues until all is
// done or ctx ends, returns how many hours it compacted, and can be run again at any time, by
// several at once too. What fails is passed over: the error says what, when all others are done.
func Compact(
	ctx context.Context, h Hours, env apikey.Environment, now time.Time,
) (done int, err error) {
	var hours []time.Time
	for at := hourOf(now).Add(-time.Hour); now.Sub(at) <= lookBack; at = at.Add(-time.Hour) {
		hours = append(hours, at)
	}

	slices.Reverse(hours) // the oldest first: they would be the first to be too old

	stages, err := h.Stages(ctx, env, hours)
	if err != nil {
		return 0, err
	}

	var failures []error
	for i, hour := range hours {
		want := stageAt(hour, now)
		if stages[i] >= want {
			continue
		}

		err := compactHour(ctx, h, env, hour, want)
		if ctx.Err() != nil {
			return done, errors.Join(append(failures, ctx.Err())...)
		}

		if err != nil {
			failures = append(failures,
				fmt.Errorf("usage of %s in the hour %s: %w", env, hour.Format(time.RFC3339), err))
			continue
		}

		done++
	}

	return done, errors.Join(failures...)
}

// stageAt is how far an hour should be put together by now.
func stageAt(hour, now time.Time) Stage {
	switch since := now.Sub(hour.Add(time.Hour)); {
	case since >= FoldAfter:
		return Folded
	case since >= CompactAfter:
		return Compacted
	default:
		return Written
	}
}

// failing is how many scopes of an hour may fail before the rest waits for another run: what fails
// so often is not the scopes.
const failing = 20

// compactHour puts together the scopes of an hour. One that fails keeps no other from it. Where
// repeating it is of use the hour is not done yet; a scope that is stuck stays as it is, and counts
// as it is.
func compactHour(
	ctx context.Context, h Hours, env apikey.Environment, hour time.Time, stage Stage,
) error {
	scopes, err := h.Journal(ctx, env, hour)
	if err != nil && !errors.Is(err, ErrStuck) {
		return err
	}

	var f scopeFailures
	if err != nil {
		f.add(Scope{ID: "the journal"}, err)
	}

	g := errgroup.Group{}
	g.SetLimit(compactAtOnce)

	for _, s := range scopes {
		if ctx.Err() != nil || f.tooMany() {
			break
		}

		g.Go(func() error {
			if err := h.CompactUsage(ctx, s, hour, stage == Folded); err != nil {
				f.add(s, err)
			}

			return nil // the others go on
		})
	}

	_ = g.Wait() // the errors are f's

	if ctx.Err() == nil && f.passing == 0 {
		if err := h.SetStage(ctx, env, hour, stage); err != nil {
			return errors.Join(f.err(), err)
		}
	}

	return f.err()
}

// scopeFailures is what failed of an hour.
type scopeFailures struct {
	mu      sync.Mutex
	stuck   int
	passing int // may succeed when they are repeated
	first   error
}

func (f *scopeFailures) add(s Scope, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if errors.Is(err, ErrStuck) {
		f.stuck++
	} else {
		f.passing++
	}

	if f.first == nil {
		f.first = fmt.Errorf("%s: %w", s.ID, err)
	}
}

func (f *scopeFailures) tooMany() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.passing >= failing
}

func (f *scopeFailures) err() error {
	if f.first == nil {
		return nil
	}

	return fmt.Errorf("%d are passed over for good and %d until the next run, the first %w",
		f.stuck, f.passing, f.first)
}
