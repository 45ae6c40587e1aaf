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

// viewProgress says how far a job is. What a bulk change is about was counted when it was made.
func viewProgress(j *job.Job) api.Progress {
	out := api.Progress{Done: j.Handled}
	if j.Kind == job.Bulk || j.State == job.Done {
		out.Total = &j.Total
	}

	return out
}

// viewJob makes the shape of a job for a caller, who learns nothing about keys that they may not
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
		_ = unmarshalParameters(j, &c) // the worker reports if they cannot be read
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

// Job shows a job of the request's organization.
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

// Jobs lists jobs of the request's organization from a position on, newest first, and says where it
// goes on: "" at the end.
func (s *JobService) Jobs(
	ctx context.Context, r *Request, after string, limit int,
) (shown []api.Job, next string, err error) {
	jobs, next, err := s.store.Jobs(ctx, r.call.Organization, after, limit)
	for i := range jobs {
		shown = append(shown, viewJob(&jobs[i], r.caller))
	}

	return shown, next, err
}

// newJob makes a job that the caller's own call works on first. total is 0 for one whose keys are
// not counted.
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

// worker names the call among those who work on jobs.
func (r *Request) worker() string { return "call " + r.caller.RequestID }

// callTime is how long the call that made a job works on it: a small job is done in its answer.
const callTime = 2 * time.Second

// begin works on a new job for a while, and returns it as it is then. What goes wrong is left to
// upkeep: the job was made, which is what the answer says.
func (s *JobService) begin(
	ctx context.Context, r *Request, j *job.Job, within time.Duration,
) *job.Job {
	var made *Request
	if j.Kind == job.Bulk { // the other jobs change what the request read, as they are made
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
