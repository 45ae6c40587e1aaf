package usage

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// writesAtOnce is the number of concurrent writes of a flush.
const writesAtOnce = 8

// pendingWrite is one write of a flush. done applies its result to the recorder, which is locked
// then.
type pendingWrite struct {
	do   func(context.Context) error
	done func(error)
	err  error
}

// flushScope is how much a flush writes.
type flushScope int

const (
	nothing flushScope = iota
	// only recorded calls: they must be visible soon, and are no reason to write the counts
	requests
	due // also the counts, and last uses that were not written a moment ago
	all
)

// FlushDue writes what must be written now, and waits for writes in progress: when it returns, none
// is.
func (r *Recorder) FlushDue(ctx context.Context) error {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	r.mu.Lock()
	what := r.due(r.now())
	r.mu.Unlock()

	if what == nothing {
		return nil
	}

	return r.flush(ctx, what)
}

// Flush writes everything that waits. What could not be written waits for the next flush.
func (r *Recorder) Flush(ctx context.Context) error {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	return r.flush(ctx, all)
}

func (r *Recorder) flush(ctx context.Context, what flushScope) error {
	var counted time.Time // what is older is in a row, if all goes well
	if what > requests {
		counted = r.now()
	}

	writes := r.take(what)
	var g errgroup.Group
	g.SetLimit(writesAtOnce)

	for i := range writes {
		g.Go(func() error {
			writes[i].err = writes[i].do(ctx)
			return nil // the others continue
		})
	}

	_ = g.Wait() // each has its own error
	return r.settle(ctx, writes, counted)
}

// settle applies the results of writes. Those of counts took all calls before a time; it is zero if
// there were none.
func (r *Recorder) settle(
	ctx context.Context, writes []pendingWrite, counted time.Time,
) error {
	r.mu.Lock()

	var failed []error
	for _, w := range writes {
		w.done(w.err)

		if w.err != nil {
			failed = append(failed, w.err)
		}
	}

	// written rows can be dropped now
	r.crowded = false
	if len(failed) > 0 {
		r.retryAt = r.now().Add(r.retryIn)
	}

	switch {
	case r.pending == 0:
		r.behind = time.Time{}
	case len(failed) == 0 && !counted.IsZero():
		r.behind = counted
	}

	lost, pending := r.lost, r.pending
	r.lost = 0
	r.mu.Unlock()

	if len(failed) > 0 {
		r.logger.ErrorContext(ctx, "usage is not written yet", slog.Int("writes", len(failed)),
			slog.Int64("pending", pending), slog.Any("error", failed[0]))
	}

	if lost > 0 {
		r.logger.ErrorContext(ctx, "usage is lost", slog.Int64("calls", lost))
	}

	return errors.Join(failed...)
}

// Run flushes what is due, as soon as it is, until ctx ends, and then everything.
func (r *Recorder) Run(ctx context.Context) {
	r.loop(ctx, r.wake)
	r.Stop(context.WithoutCancel(ctx))
}

// Tick flushes what has waited long enough, until ctx ends. It is for callers that call FlushDue
// after each call anyway, and may be without calls for some time.
func (r *Recorder) Tick(ctx context.Context) { r.loop(ctx, nil) }

func (r *Recorder) loop(ctx context.Context, wake <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}

		_ = r.FlushDue(ctx) // it is logged, and retried
	}
}

// stopTime is how long the last flush may take, unless the process is killed earlier: Lambda does
// that half a second after SIGTERM.
const stopTime = 2 * time.Second

// Stop flushes everything, within the time that an instance has to end.
func (r *Recorder) Stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	_ = r.Flush(ctx) // it is logged; there is no time for a retry
}

// take returns the writes of what waits.
func (r *Recorder) take(what flushScope) []pendingWrite {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()

	var writes []pendingWrite
	for _, request := range r.requests {
		writes = append(writes, pendingWrite{
			do: func(ctx context.Context) error { return r.writer.PutRequest(ctx, request) },
			done: func(err error) {
				if err != nil && len(r.requests) < maxRequests {
					r.requests = append(r.requests, request)
				}
			},
		})
	}

	r.requests = nil
	if what == requests {
		return writes
	}

	writes = append(writes, r.takeRows(now)...)
	writes = append(writes, r.takeUses(now, what == all)...)
	writes = append(writes, r.takeSecrets()...)
	r.waiting = 0
	r.oldest = time.Time{}
	r.stranger = time.Time{}
	r.urgent = false

	r.lateUse = time.Time{}
	if len(r.dirtyUse) > 0 {
		r.lateUse = now
	}

	return writes
}

// takeSecrets returns the writes of the use of secrets.
func (r *Recorder) takeSecrets() []pendingWrite {
	var writes []pendingWrite
	for _, s := range r.secrets {
		s.dirty = false
		row := s.snapshot()
		writes = append(writes, pendingWrite{
			do: func(ctx context.Context) error { return r.writer.PutSecretUse(ctx, row) },
			done: func(err error) {
				if err != nil && !s.dirty {
					s.dirty, r.secrets = true, append(r.secrets, s)
				}
			},
		})
	}

	r.secrets = nil
	return writes
}

// takeRows returns the writes of the changed rows, and of the journals of new ones.
func (r *Recorder) takeRows(now time.Time) []pendingWrite {
	var writes []pendingWrite

	fresh := map[hourID][]*rowState{}
	for _, row := range r.dirty {
		row.dirty = false
		// it may have been folded, and would count twice
		if now.Sub(row.id.hour) > time.Hour+LatestWrite {
			r.lost += row.unsaved()
			r.pending -= row.unsaved()
			row.saved = row.calls
			continue
		}

		row.sequence++

		row.inFlight = true
		if row.key != nil {
			row.key.written = now
		}

		if !row.journaled {
			id := hourID{row.id.Environment, row.id.hour}
			fresh[id] = append(fresh[id], row)
		}

		// Rows keep counting while the write is in progress: done must know how many calls it
		// contained.
		calls := row.calls
		kept := Row{
			Scope:    row.id.Scope,
			Hour:     row.id.hour,
			Writer:   row.writer,
			Sequence: row.sequence,
			Counts:   row.counts.clone(),
		}
		writes = append(writes, pendingWrite{
			do: func(ctx context.Context) error { return r.writer.PutUsage(ctx, kept) },
			done: func(err error) {
				row.inFlight = false
				if err != nil {
					r.requeue(row, calls)
					return
				}

				if row.key != nil {
					r.pending -= calls - row.saved
				}

				row.saved = calls
			},
		})
	}

	r.dirty = nil
	for id, rows := range fresh {
		for some := range slices.Chunk(rows, MaxScopes) {
			writes = append(writes, r.journal(id, some))
		}
	}

	return writes
}

// MaxScopes is how many scopes one journal lists: some 50 KB.
const MaxScopes = 1000

// journal returns the write of a journal that lists rows.
func (r *Recorder) journal(id hourID, rows []*rowState) pendingWrite {
	j := Journal{Environment: id.Environment, Hour: id.hour, Writer: r.names.next()}
	for _, row := range rows {
		j.Scopes = append(j.Scopes, row.id.Scope)
	}

	return pendingWrite{
		do: func(ctx context.Context) error { return r.writer.PutJournal(ctx, j) },
		done: func(err error) {
			for _, row := range rows {
				row.journaled = row.journaled || err == nil
			}
		},
	}
}

// requeue makes a row wait again after a failed write.
func (r *Recorder) requeue(row *rowState, calls int64) {
	r.markDirty(row)

	if row.key == nil {
		return
	}

	r.waiting += calls - row.saved
	if r.oldest.IsZero() {
		r.oldest = r.now()
	}
}

// useAge is the shortest interval between two writes of a key's last use.
const useAge = 20 * time.Second

// takeUses returns the writes of last uses. Those of keys whose last use was written a moment ago
// wait, unless all is set.
func (r *Recorder) takeUses(now time.Time, all bool) []pendingWrite {
	var writes []pendingWrite
	uses := r.dirtyUse

	r.dirtyUse = nil
	for _, k := range uses {
		if !all && now.Sub(k.useWritten) < useAge {
			r.dirtyUse = append(r.dirtyUse, k)
			continue
		}

		k.useDirty = false
		k.useWritten = now
		use := LastUse{
			Environment: k.scope.Environment,
			KeyID:       k.scope.ID,
			At:          k.usedAt,
			SourceIP:    address(k.usedFrom),
			UserAgent:   clean(k.usedBy, maxAgent),
		}
		writes = append(writes, pendingWrite{
			do: func(ctx context.Context) error { return r.writer.PutLastUse(ctx, use) },
			done: func(err error) {
				if err == nil {
					return
				}

				// write it at the next flush, unless a later use is waiting already
				if k.useWritten = (time.Time{}); !k.useDirty {
					k.useDirty, r.dirtyUse = true, append(r.dirtyUse, k)
				}
			},
		})
	}

	return writes
}
