package adminapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
)

const jobsPath = "/v1/organizations/{org}/jobs"

func (a *API) registerJobs() {
	register(a, operation{
		id:      organization.ListJobs,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    jobsPath,
		summary: "List background jobs",
		about:   "Newest first; those that are over stay for 90 days.",
	}, a.listJobs)
	register(a, operation{
		id:      organization.GetJob,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    jobsPath + "/{job}",
		summary: "Show a background job",
	}, a.getJob)
}

// viewProgress says how far a job is. What a bulk change is about was counted when it was made.
func viewProgress(j *job.Job) api.Progress {
	out := api.Progress{Done: j.Handled}
	if j.Kind == job.Bulk || j.State == job.Done {
		out.Total = &j.Total
	}

	return out
}

// viewJob makes the shape of a job for a caller, who is told nothing of keys that they may not see.
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
		_ = unmarshalParameters(j, &c) // the worker tells where they cannot be read
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

type jobOutput struct {
	Location string `header:"Location"`
	Body     api.JobAnswer
}

func jobPath(j *job.Job) string { return "/v1/organizations/" + j.OrganizationID + "/jobs/" + j.ID }

type getJobInput struct {
	OrganizationPath
	Job string `path:"job" maxLength:"64"`
}

type getJobOutput struct{ Body api.Job }

func (a *API) getJob(ctx context.Context, s *request, in *getJobInput) (*getJobOutput, error) {
	if !s.organization.DeletedAt.IsZero() && !s.caller.Operator() &&
		in.Job != s.organization.DeletionJob {
		return nil, job.ErrNotFound
	}

	if !apikey.ValidID(in.Job) {
		return nil, job.ErrNotFound
	}

	j, err := a.store.Job(ctx, in.Org, in.Job)
	if err != nil {
		return nil, err
	}

	return &getJobOutput{viewJob(j, s.caller)}, nil
}

type listJobsInput struct {
	OrganizationPath
	Page
}

type jobPage api.Page[api.Job]

type listJobsOutput struct{ Body jobPage }

func (a *API) listJobs(
	ctx context.Context, s *request, in *listJobsInput,
) (*listJobsOutput, error) {
	query := scope{List: "jobs", Organization: in.Org}

	after, err := a.readCursor(ctx, query, in.Cursor)
	if err != nil {
		return nil, err
	}

	jobs, next, err := a.store.Jobs(ctx, in.Org, after, in.Limit)
	if err != nil {
		return nil, err
	}

	out := &listJobsOutput{}

	out.Body.Items = make([]api.Job, 0, len(jobs))
	for i := range jobs {
		out.Body.Items = append(out.Body.Items, viewJob(&jobs[i], s.caller))
	}

	out.Body.NextCursor, err = a.nextCursor(ctx, query, next)
	return out, err
}

// newJob makes a job that the caller's own call works on first. total is 0 for one whose keys are
// not counted.
func (a *API) newJob(
	s *request, kind job.Kind, org string, parameters any, total int,
) (*job.Job, error) {
	id, err := job.NewID(s.now, a.random)
	if err != nil {
		return nil, err
	}

	text, err := json.Marshal(parameters)
	if err != nil {
		return nil, err
	}

	j := &job.Job{
		ID:             id,
		OrganizationID: org,
		Kind:           kind,
		Parameters:     text,
		State:          job.Queued,
		Total:          total,
		Errors:         []job.Error{},
		CreatedBy:      s.caller.Actor(),
		SourceIP:       s.caller.SourceIP,
		UserAgent:      s.caller.UserAgent,
		RequestID:      s.caller.RequestID,
		CreatedAt:      s.now,
		UpdatedAt:      s.now,
		Version:        1,
	}
	return j, j.Take(s.worker(), s.now)
}

// worker names the call among those who work on jobs.
func (s *request) worker() string { return "call " + s.caller.RequestID }

// callTime is how long the call that made a job works on it: a small job is done in its answer.
const callTime = 2 * time.Second

// begin works on a new job for a while, and returns it as it is then. What goes wrong is left to
// upkeep: the job was made, which is what the answer says.
func (a *API) begin(ctx context.Context, s *request, j *job.Job, within time.Duration) *job.Job {
	after, err := a.runJob(ctx, j, s.worker(), a.now().Add(within))
	if err != nil {
		a.logger.WarnContext(ctx, "a job is left to upkeep", "job", j.ID, "organization_id",
			j.OrganizationID, "error", err)
	}

	if after == nil {
		return j
	}

	return after
}
