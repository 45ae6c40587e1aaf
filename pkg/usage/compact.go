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

// Stage is how far the rows of an hour are compacted.
type Stage int

// The stages.
const (
	Written   Stage = iota // each instance's row is separate
	Compacted              // one row for each scope; late rows still count
	Folded                 // one sum for each scope, final
)

// Hours stores usage.
type Hours interface {
	// Journal returns the scopes that have rows of an hour. If part of the journal is damaged, it
	// returns ErrStuck with the scopes that are readable.
	Journal(ctx context.Context, env apikey.Environment, hour time.Time) ([]Scope, error)
	// Stages returns the stages of hours, in their order.
	Stages(ctx context.Context, env apikey.Environment, hours []time.Time) ([]Stage, error)
	// SetStage records the stage of an hour. It never lowers one.
	SetStage(ctx context.Context, env apikey.Environment, hour time.Time, stage Stage) error
	// CompactUsage compacts the rows of a scope's hour, as far as they fit, and folds the hour if
	// fold is set. It can be stopped and repeated at any point. It returns ErrStuck if repeating
	// does not help.
	CompactUsage(ctx context.Context, s Scope, hour time.Time, fold bool) error
}

// ErrStuck means that rows can never be processed: they are damaged, or the result would be
// refused.
var ErrStuck = errors.New("usage: rows cannot be worked with")

// lookBack is for how long hours are compacted: one that is not done by then stays as it is, and
// still counts.
const lookBack = 3 * 24 * time.Hour

// compactAtOnce is how many scopes are compacted concurrently.
const compactAtOnce = 4

// Compact compacts what instances wrote in the hours that have ended: to one row for each scope and
// hour after CompactAfter, and to one sum after FoldAfter. It continues until all is done or ctx
// ends, and returns how many hours it compacted. It can be run again at any time, also
// concurrently. Hours that fail are skipped, and reported in the error at the end.
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

// stageAt returns the stage that an hour should have by now.
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

// failing is how many scopes of an hour may fail before the rest waits for another run: so many
// failures are not due to the scopes.
const failing = 20

// compactHour compacts the scopes of an hour. One that fails does not hold up the others. The hour
// is done unless a failed scope may succeed later; a scope that is stuck stays as it is, and still
// counts.
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

			return nil // the others continue
		})
	}

	_ = g.Wait() // the errors are in f

	if ctx.Err() == nil && f.passing == 0 {
		if err := h.SetStage(ctx, env, hour, stage); err != nil {
			return errors.Join(f.err(), err)
		}
	}

	return f.err()
}

// scopeFailures are the failures of an hour.
type scopeFailures struct {
	mu      sync.Mutex
	stuck   int
	passing int // may succeed when repeated
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
