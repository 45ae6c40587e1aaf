package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Worker continues the jobs that calls began and left unfinished. Several may run at once,
// anywhere.
type Worker struct {
	service *JobService
	name    string
}

// NewWorker returns a worker with a unique name.
func NewWorker(s *Service) *Worker {
	return &Worker{service: s.JobService, name: "worker " + rand.Text()}
}

// turn is how long a worker stays with one organization before the next one's turn.
const turn = 2 * time.Second

// Run works until no job is left that it can take, or ctx ends, and returns how many objects it
// processed. Organizations take turns, so that nobody waits for another's million keys; within one,
// the oldest job comes first. A job that fails does not hold up others.
func (w *Worker) Run(ctx context.Context) (done int, err error) {
	skip := map[store.JobRef]bool{} // jobs of other workers, or failed: for the next run

	var failures []error
	for ctx.Err() == nil {
		refs, err := w.service.store.OpenJobs(ctx)
		if err != nil {
			return done, errors.Join(append(failures, err)...)
		}

		if len(skip) == 0 {
			w.countOpen(refs)
		}

		refs = slices.DeleteFunc(refs, func(ref store.JobRef) bool { return skip[ref] })
		if len(refs) == 0 {
			break
		}

		for _, ref := range turns(refs) {
			n, went, err := w.turn(ctx, ref)
			if done += n; !went || err != nil {
				skip[ref] = true
			}

			if err != nil {
				failures = append(failures,
					fmt.Errorf("job %s of %s: %w", ref.ID, ref.OrganizationID, err))
			}
		}
	}

	return done, errors.Join(failures...)
}

// countOpen records how many jobs are open, and how old the oldest is.
func (w *Worker) countOpen(refs []store.JobRef) {
	w.service.metrics.Raise(metric.JobsOpen, int64(len(refs)))

	for _, ref := range refs {
		if made := job.MadeAt(ref.ID); !made.IsZero() {
			w.service.metrics.Raise(metric.JobAge, int64(w.service.now().Sub(made).Seconds()))
		}
	}
}

// turns returns the oldest job of each organization.
func turns(refs []store.JobRef) []store.JobRef {
	slices.SortFunc(refs, func(x, y store.JobRef) int {
		return cmp.Or(cmp.Compare(x.OrganizationID, y.OrganizationID), cmp.Compare(x.ID, y.ID))
	})
	return slices.CompactFunc(refs, func(x, y store.JobRef) bool {
		return x.OrganizationID == y.OrganizationID
	})
}

// turn works on a job for a while. went is false if there was nothing to do: the job is over, or
// another worker has it.
func (w *Worker) turn(ctx context.Context, ref store.JobRef) (done int, went bool, err error) {
	before, err := w.service.store.Job(ctx, ref.OrganizationID, ref.ID)
	if errors.Is(err, job.ErrNotFound) { // TTL removed it, and the index lags
		before, err = nil, nil
	}

	if before != nil && before.Open() {
		stalled := w.service.now().Sub(latest(before.CreatedAt, before.UpdatedAt))
		w.service.metrics.Raise(metric.JobStalled, int64(stalled.Seconds()))
	}

	if err != nil || before == nil || !before.Free(w.service.now()) {
		return 0, false, err
	}

	after, err := w.service.runJob(ctx, before, w.name, w.service.now().Add(turn), nil)
	if after == nil {
		return 0, true, err
	}

	return after.Handled - before.Handled, after.Open(), err
}

func latest(x, y time.Time) time.Time {
	if x.After(y) {
		return x
	}

	return y
}
