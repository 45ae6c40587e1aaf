package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	// stepSize is the most objects in one step: with a row and a history entry each, they fit into
	// one transaction.
	stepSize = 45
	// A step whose objects are changed meanwhile is tried again, unless it is a stop: after
	// contended tries one object at a time, and after patience tries without the first object.
	contended, patience = 2, 10
	// busyPause is the pause between two tries of a step whose objects change faster than their
	// pace allows: short enough for patience to be reached within a turn, since the next turn
	// starts counting from zero.
	busyPause = 50 * time.Millisecond
)

// plan returns what a job does.
func (s *JobService) plan(j *job.Job) (*plan, error) {
	read := s.plans[j.Kind]
	if read == nil {
		return nil, fmt.Errorf("there is no job of kind %q", j.Kind)
	}

	return read(j)
}

// runJob works on a job as worker, step by step, and returns its new state. It ends when the job is
// over, when another worker has it, or at until. A step is one transaction: objects, their history,
// and the job's progress, on the version of the job that it started from. So however a worker ends,
// an object is changed once and counted once.
//
// made is the request that made a bulk change just now, whose first step need not read the caller
// again; else it is nil. Errors: those of the store. A job that cannot continue fails, and records
// why.
func (s *JobService) runJob(
	ctx context.Context, j *job.Job, worker string, until time.Time, made *Request,
) (*job.Job, error) {
	for tries := 0; j.Open() && ctx.Err() == nil; made = nil {
		after, err := s.step(ctx, j, worker, tries, made)
		switch {
		case err == nil:
			s.countEnd(after)
			j, tries = after, 0
		case errors.Is(err, job.ErrLost):
			return s.store.Job(ctx, j.OrganizationID, j.ID)
		case errors.Is(err, apikey.ErrStale), errors.Is(err, store.ErrConflict),
			errors.Is(err, organization.ErrNoCustomer):
			// but not beyond until: what is in the way now may be gone at the next turn
			tries++
		case errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil:
			// release the job for others; if that fails, its lease ends
			if free, freed := s.saveJob(ctx, j, (*job.Job).Release); freed == nil {
				j = free
			}

			return j, err
		default:
			return s.fail(ctx, j, err)
		}

		if j.Open() && !s.now().Before(until) {
			break
		}
	}

	if !j.Open() {
		return j, nil
	}

	return s.saveJob(ctx, j, (*job.Job).Release)
}

// saveJob changes a job outside of a step. It completes even if ctx has ended.
func (s *JobService) saveJob(
	ctx context.Context, j *job.Job, change func(*job.Job)) (*job.Job, error,
) {
	after := j.Clone()
	change(after)
	after.Version++

	err := s.store.Commit(context.WithoutCancel(ctx), s.store.PutJob(after, j.Version))
	if errors.Is(err, job.ErrLost) {
		return s.store.Job(ctx, j.OrganizationID, j.ID)
	}

	if err != nil {
		return j, err
	}

	return after, nil
}

// errMaker means that the maker of a job may no longer do what the job does.
var errMaker = errors.New("whoever started the job may no longer do what it does")

// fail ends a job that cannot continue.
func (s *JobService) fail(ctx context.Context, j *job.Job, err error) (*job.Job, error) {
	reason := job.Error{
		Code:   string(api.CodeInternal),
		Detail: "This is a bug in Bitting. It is logged with the job's id.",
	}
	if errors.Is(err, errMaker) {
		reason = job.Error{
			Code:   string(api.CodePermissionDenied),
			Detail: sentence(errMaker.Error()),
		}
	} else {
		s.logger.ErrorContext(ctx, "a job cannot go on", "job", j.ID, "organization_id",
			j.OrganizationID, "error", err)
	}

	ended, err := s.saveJob(ctx, j, func(j *job.Job) {
		j.Fail(reason)
		j.Finish(job.Failed, s.now())
	})
	if err == nil {
		s.countEnd(ended)
	}

	return ended, err
}

// countEnd counts a job that ended just now.
func (s *JobService) countEnd(j *job.Job) {
	switch j.State {
	case job.Done:
		s.metrics.Add(metric.JobsDone, 1)
	case job.Failed:
		s.metrics.Add(metric.JobsFailed, 1)
	}
}

// step makes the next step of a job, and returns the job's new state. tries counts its failed
// attempts. r is the acting request; if it is nil, step reads the job's maker as they are now.
func (s *JobService) step(
	ctx context.Context, j *job.Job, worker string, tries int, r *Request,
) (*job.Job, error) {
	p, err := s.plan(j)
	if err != nil {
		return nil, err
	}

	if r == nil {
		if r, err = s.acting(ctx, j); err != nil {
			return nil, err
		}
	}

	after := j.Clone()
	if err := after.Step(worker, r.now); err != nil {
		return nil, err
	}

	after.Version++

	limit := stepSize
	if tries >= contended && !p.stop {
		limit = 1
	}

	r.busy = false

	page, next, err := p.phases[j.Phase](ctx, r, j, limit)
	if err == nil && r.busy && p.stop && tries == 0 { // it would lose: hold the others off at once
		page, next, err = s.heldPage(ctx, r, j, page, p.phases[j.Phase], limit)
	}

	if err != nil {
		return nil, err
	}

	if !p.stop && len(page) > 0 {
		switch {
		case tries >= patience:
			// the first object changed at every try: record it as failed, and continue
			page[0].writes = nil
			page[0].err = store.ErrConflict
		case slices.ContainsFunc(page, tooFast):
			s.wait(ctx, busyPause)
			return nil, store.ErrConflict
		}
	}

	writes, whole := s.take(ctx, after, page)
	if whole {
		ending, err := s.turn(ctx, r, p, after, next)
		if err != nil {
			return nil, err
		}

		writes = append(writes, ending...)
	}

	// the job first: a worker that lost it must see that error and no other
	writes = append([]store.Write{s.store.PutJob(after, j.Version)}, writes...)
	writes = store.With(writes, s.stillCaller(r)...)

	err = s.commit(ctx, writes...)
	if p.stop && errors.Is(err, apikey.ErrStale) {
		// writes[0] is the job itself
		return nil, errors.Join(err, s.store.Hold(ctx, apikey.Held(s.now()), writes[1:]...))
	}

	return after, err
}

// heldPage holds other changes off the objects of a page, and reads it again.
func (s *JobService) heldPage(
	ctx context.Context, r *Request, j *job.Job, page []item, of phase, limit int,
) ([]item, string, error) {
	var writes []store.Write
	for _, i := range page {
		writes = append(writes, i.writes...)
	}

	if err := s.store.Hold(ctx, apikey.Held(s.now()), writes...); err != nil {
		return nil, "", err
	}

	return of(ctx, r, j, limit)
}

// turn advances a job to the next page of a phase, the next phase, or its end, and returns what is
// written with its end.
func (s *JobService) turn(
	ctx context.Context, r *Request, p *plan, after *job.Job, next string,
) (ending []store.Write, err error) {
	if after.Position = next; next != "" {
		return nil, nil
	}

	if after.Phase++; after.Phase < len(p.phases) {
		return nil, nil
	}

	if p.last != nil {
		if ending, err = p.last(ctx, r, after); err != nil {
			return nil, err
		}
	}

	state := job.Done
	if p.stop && after.Result.Failed > 0 {
		state = job.Failed
	}

	after.Finish(state, r.now)
	return ending, nil
}

// tooFast reports whether an object changes faster than its pace allows.
func tooFast(i item) bool {
	var e *Error
	return errors.As(i.err, &e) && e.Code == api.CodeTooManyChanges
}

// room is what a step leaves free in its transaction for the job itself and for what is written
// with its end.
const room = 5

// take records the results of a page in the job, and returns the writes. whole is false if the
// transaction is full before the end of the page.
func (s *JobService) take(
	ctx context.Context, j *job.Job, page []item,
) (writes []store.Write, whole bool) {
	for _, i := range page {
		if len(writes) > 0 &&
			store.CountItems(writes...)+store.CountItems(i.writes...) > store.MaxItems-room {
			return writes, false
		}

		switch {
		case i.err != nil:
			j.Fail(s.jobError(ctx, i))
		case i.key == nil:
		case len(i.writes) == 0:
			j.Result.Unchanged++
		default:
			j.Result.Changed++
		}

		if i.key != nil {
			j.Handled++
		}

		writes = append(writes, i.writes...)
		j.Position = i.after
	}

	return writes, true
}

// jobError returns the job's record of an error with one object.
func (s *JobService) jobError(ctx context.Context, i item) job.Error {
	told := s.Error(ctx, i.err)

	e := job.Error{Code: string(told.Code), Detail: told.Detail}
	if len(told.Fields) > 0 {
		e.Detail = sentence(told.Fields[0].Message)
	}

	if i.key != nil {
		e.KeyID = i.key.ID
		e.Ownership = i.key.Ownership
		e.Owner = i.key.Owner
	}

	return e
}

// acting returns a request in the name of a job's maker. Each step of a bulk change checks again
// what the maker may do, and its transaction fails if their row has changed. Other jobs were
// decided as a whole by the transaction that made them, and continue regardless of their maker.
func (s *JobService) acting(ctx context.Context, j *job.Job) (*Request, error) {
	r := &Request{
		call:      Call{Organization: j.OrganizationID},
		now:       s.now(),
		limitsOff: s.limitsOff,
	}

	reads := r.call
	switch by := j.CreatedBy; {
	case j.Kind != job.Bulk: // no caller to read
	case by.Type == apikey.ActorUser:
		reads.Person.Email = by.Email
	default:
		reads.KeyID, reads.Environment = by.ID, apikey.Production
	}

	ctx, err := s.readAhead(ctx, reads)
	if err != nil {
		return nil, err
	}

	r.catalogue, r.version, err = s.catalogue(ctx)
	if err != nil {
		return nil, err
	}

	if r.organization, err = s.organization(ctx, j.OrganizationID); err != nil {
		return nil, err
	}

	r.caller = organization.ActingAs(j.CreatedBy, j.OrganizationID)
	if j.Kind == job.Bulk {
		if r.caller, err = s.maker(ctx, r, j); err != nil {
			return nil, err
		}
	}

	r.caller.SourceIP = j.SourceIP
	r.caller.UserAgent = j.UserAgent
	r.caller.RequestID = j.RequestID
	return r, nil
}

// maker returns the maker of a job, as they are now. Error: errMaker if they are no longer a
// caller.
func (s *JobService) maker(
	ctx context.Context, r *Request, j *job.Job,
) (*organization.Caller, error) {
	by := j.CreatedBy
	if by.Type != apikey.ActorUser {
		// every key of the admin API is a production key
		c, err := s.keyCaller(ctx, r, apikey.Production, by.ID)

		var no *Error
		if errors.As(err, &no) {
			err = fmt.Errorf("%w: %w", errMaker, err)
		}

		return c, err
	}

	m, err := s.store.Member(ctx, j.OrganizationID, by.Email)
	if errors.Is(err, organization.ErrNoMember) ||
		err == nil && (m.ID != by.ID || !m.LeavingAt.IsZero()) {
		return nil, errMaker
	}

	return &organization.Caller{
		Person: &organization.Person{ID: by.ID, Email: by.Email},
		Member: m,
	}, err
}
