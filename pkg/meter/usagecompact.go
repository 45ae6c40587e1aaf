package meter

import (
	"context"
	"slices"
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
	// Journal returns the scopes that have rows of an hour.
	Journal(ctx context.Context, env apikey.Environment, hour time.Time) ([]Scope, error)
	// Stages returns how far hours are put together, in their order.
	Stages(ctx context.Context, env apikey.Environment, hours []time.Time) ([]Stage, error)
	// SetStage notes how far an hour is put together, unless it is further already.
	SetStage(ctx context.Context, env apikey.Environment, hour time.Time, stage Stage) error
	// CompactUsage puts the rows of a scope's hour together, and folds the hour where that is asked for. It can be stopped and repeated at any point.
	CompactUsage(ctx context.Context, s Scope, hour time.Time, fold bool) error
}

// lookBack is for how long hours are looked after: one that is not put together by then stays as it is, and counts as it is.
const lookBack = 3 * 24 * time.Hour

// compactAtOnce is how many scopes are put together at once.
const compactAtOnce = 4

// Compact puts together what instances wrote in the hours that have ended: one row for each scope and hour once it is CompactAfter, and one sum once it is
// FoldAfter. It goes on until all is done or ctx ends, returns how many hours it saw to, and can be run anew at any time, by several at once too.
func Compact(ctx context.Context, h Hours, env apikey.Environment, now time.Time) (done int, err error) {
	var hours []time.Time
	for at := hourOf(now).Add(-time.Hour); now.Sub(at) <= lookBack; at = at.Add(-time.Hour) {
		hours = append(hours, at)
	}
	slices.Reverse(hours) // the oldest first: they would be the first to be too old
	stages, err := h.Stages(ctx, env, hours)
	if err != nil {
		return 0, err
	}
	for i, hour := range hours {
		want := stageAt(hour, now)
		if stages[i] >= want {
			continue
		}
		if err := compactHour(ctx, h, env, hour, want); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
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

func compactHour(ctx context.Context, h Hours, env apikey.Environment, hour time.Time, stage Stage) error {
	scopes, err := h.Journal(ctx, env, hour)
	if err != nil {
		return err
	}
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(compactAtOnce)
	for _, s := range scopes {
		g.Go(func() error { return h.CompactUsage(each, s, hour, stage == Folded) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return h.SetStage(ctx, env, hour, stage)
}
