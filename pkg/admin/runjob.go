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
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	// stepSize is the most objects that one step takes: with a row and a history entry each, they
	// fit into one transaction.
	stepSize = 45
	// contended and patience are how often a step is tried when its objects are changed meanwhile,
	// but for a stop: from contended on object by object, and after patience without this one.
	contended, patience = 2, 10
	// busyPause is between two tries of a step whose objects are changed faster than they may be:
	// short enough for patience to end within a turn, since the next turn starts counting from
	// zero.
	busyPause = 50 * time.Millisecond
)

// plan reads what a job is to do.
func (s *JobService) plan(j *job.Job) (*plan, error) {
	read := s.plans[j.Kind]
	if read == nil {
		return nil, fmt.Errorf("there is no job of kind %q", j.Kind)
	}

	return read(j)
}

// runJob works on a job as worker, step by step, until it is over, another worker has it or the
// time has come, and returns it as it is then. A step is one transaction: objects, their history,
// and how far the job is, on the version of the job that it started from. So whatever stops a
// worker, an object is changed once and counted once. Errors: those of the store; a job that cannot
// go on fails, and tells why. made is the request that made a bulk change just now: nobody needs to
// be read again for its first step. Else it is nil.
func (s *JobService) runJob(
	ctx context.Context, j *job.Job, worker string, until time.Time, made *Request,
) (*job.Job, error) {
	for tries := 0; j.Open() && ctx.Err() == nil; made = nil {
		after, err := s.step(ctx, j, worker, tries, made)
		switch {
		case err == nil:
			j, tries = after, 0
		case errors.Is(err, job.ErrLost):
			return s.store.Job(ctx, j.OrganizationID, j.ID)
		case errors.Is(err, apikey.ErrStale), errors.Is(err, store.ErrConflict),
			errors.Is(err, organization.ErrNoCustomer):
			// and no longer than until: what is in the way now need not be there at the next turn
			tries++
		case errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil:
			// else its lease ends
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

// saveJob changes a job by itself. It ends even where the work was to stop.
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

// errMaker means that the caller who made a job may no longer do what it does.
var errMaker = errors.New("whoever started the job may no longer do what it does")

// fail ends a job that cannot go on.
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

	return s.saveJob(ctx, j, func(j *job.Job) {
		j.Fail(reason)
		j.Finish(job.Failed, s.now())
	})
}

// step does the next step of a job, and returns the job as it is then. tries is how often it was
// tried without success. r is who acts, nil for whoever that is by now.
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

	// the job first: who lost it hears of nothing else
	writes = append([]store.Write{s.store.PutJob(after, j.Version)}, writes...)
	writes = store.With(writes, s.stillCaller(r)...)

	err = s.store.Commit(ctx, writes...)
	if p.stop && errors.Is(err, apikey.ErrStale) {
		return nil, errors.Join(err, s.store.Hold(ctx, apikey.Held(s.now()), writes[1:]...))
	}

	return after, err
}

// heldPage keeps other changes off the objects of a page, and reads it again.
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

// turn moves on to the next page of a phase, the next phase, or the end of a job, and returns what
// is written with its end.
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

// tooFast reports whether an object was changed faster than it may be, lately.
func tooFast(i item) bool {
	var e *Error
	return errors.As(i.err, &e) && e.Code == api.CodeTooManyChanges
}

// room is what a step leaves in its transaction for the job itself and for what is written with its
// end.
const room = 5

// take notes in the job what becomes of a page, and returns the writes. It is not whole where the
// transaction is full before.
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

// jobError is what is wrong with one object.
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

// acting is a request in the name of whoever made a job. A bulk change is theirs step by step: each
// asks anew what they may, on their row as its transaction finds it. What the other jobs do was
// decided as a whole, by the transaction that made them, and goes on whatever its maker is by now.
func (s *JobService) acting(ctx context.Context, j *job.Job) (*Request, error) {
	r := &Request{
		call:      Call{Organization: j.OrganizationID},
		now:       s.now(),
		limitsOff: s.limitsOff,
	}

	reads := r.call
	switch by := j.CreatedBy; {
	case j.Kind != job.Bulk: // nobody is read
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

// maker is who made a job, as they are now. Error: errMaker, where they are nobody any more.
func (s *JobService) maker(
	ctx context.Context, r *Request, j *job.Job,
) (*organization.Caller, error) {
	by := j.CreatedBy
	if by.Type != apikey.ActorUser {
		// the environment of every key of the admin API
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
