package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// viewProgress returns the progress of a job. Only a bulk change has a total from the start.
func viewProgress(j *job.Job) api.Progress {
	out := api.Progress{Done: j.Handled}
	if j.Kind == job.Bulk || j.State == job.Done {
		out.Total = &j.Total
	}

	return out
}

// viewJob converts a job to its API form for a caller, without errors about keys that they may not
// see.
func viewJob(j *job.Job, to *organization.Caller) api.Job {
	out := api.Job{
		ID:             j.ID,
		Object:         "job",
		OrganizationID: j.OrganizationID,
		Kind:           string(j.Kind),
		State:          string(j.State),
		Progress:       viewProgress(j),
		Errors:         []api.JobError{},
		Result:         api.Result(j.Result),
		CreatedBy:      viewActor(j.CreatedBy),
		CreatedAt:      api.Time{Time: j.CreatedAt},
		UpdatedAt:      api.Time{Time: j.UpdatedAt},
		FinishedAt:     orNull(j.FinishedAt),
	}
	if j.Kind == job.Bulk {
		var c bulkChange
		_ = unmarshalParameters(j, &c) // if they cannot be read, the worker reports it
		out.Action = c.Action
	}

	for _, e := range j.Errors {
		if e.KeyID == "" || to.Member == nil && to.Owner == nil || to.SeesKey(&apikey.Key{
			ID:        e.KeyID,
			Ownership: e.Ownership,
			Owner:     e.Owner,
		}) {
			out.Errors = append(out.Errors, api.JobError{
				KeyID:  e.KeyID,
				Code:   api.Code(e.Code),
				Detail: e.Detail,
			})
		}
	}

	return out
}

func unmarshalParameters(j *job.Job, into any) error {
	if err := json.Unmarshal(j.Parameters, into); err != nil {
		return fmt.Errorf("parameters of job %s: %w", j.ID, err)
	}

	return nil
}

// Job returns a job of the request's organization.
func (s *JobService) Job(ctx context.Context, r *Request, id string) (api.Job, error) {
	if !r.organization.DeletedAt.IsZero() && !r.caller.Operator() &&
		id != r.organization.DeletionJob {
		return api.Job{}, job.ErrNotFound
	}

	if !apikey.ValidID(id) {
		return api.Job{}, job.ErrNotFound
	}

	j, err := s.store.Job(ctx, r.call.Organization, id)
	if err != nil {
		return api.Job{}, err
	}

	return viewJob(j, r.caller), nil
}

// Jobs returns jobs of the request's organization after a position, newest first, and the position
// of the next page: "" at the end.
func (s *JobService) Jobs(
	ctx context.Context, r *Request, after string, limit int,
) (shown []api.Job, next string, err error) {
	jobs, next, err := s.store.Jobs(ctx, r.call.Organization, after, limit)
	for i := range jobs {
		shown = append(shown, viewJob(&jobs[i], r.caller))
	}

	return shown, next, err
}

// newJob makes a job that the current call works on first. total is 0 if its keys are not counted.
func (s *core) newJob(
	r *Request, kind job.Kind, parameters any, total int,
) (*job.Job, error) {
	id, err := job.NewID(r.now, s.random)
	if err != nil {
		return nil, err
	}

	text, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}

	j := &job.Job{
		ID:             id,
		OrganizationID: r.call.Organization,
		Kind:           kind,
		Parameters:     text,
		State:          job.Queued,
		Total:          total,
		Errors:         []job.Error{},
		CreatedBy:      r.caller.Actor(),
		SourceIP:       r.caller.SourceIP,
		UserAgent:      r.caller.UserAgent,
		RequestID:      r.caller.RequestID,
		CreatedAt:      r.now,
		UpdatedAt:      r.now,
		Version:        1,
	}
	return j, j.Take(r.worker(), r.now)
}

// worker returns the call's name as a worker.
func (r *Request) worker() string { return "call " + r.caller.RequestID }

// callTime is how long a call works on the job that it made: a small job is done by its answer.
const callTime = 2 * time.Second

// begin works on a new job for a while, and returns its new state. Errors are left to upkeep: the
// job exists, and that is what the answer says.
func (s *JobService) begin(
	ctx context.Context, r *Request, j *job.Job, within time.Duration,
) *job.Job {
	var made *Request
	if j.Kind == job.Bulk { // other jobs change what the request has read
		made = r
	}

	after, err := s.runJob(ctx, j, r.worker(), s.now().Add(within), made)
	if err != nil {
		s.logger.WarnContext(ctx, "a job is left to upkeep", "job", j.ID, "organization_id",
			j.OrganizationID, "error", err)
	}

	if after == nil {
		return j
	}

	return after
}
