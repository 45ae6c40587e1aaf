package adminapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
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
		about:   "Newest first. Ended jobs are kept for 90 days.",
	}, lists[organizationList](a, "jobs", a.admin.Jobs))
	register(a, operation{
		id:      organization.GetJob,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    jobsPath + "/{job}",
		summary: "Show a background job",
		about:   "Shows how far it is and what came of it. It is kept for 90 days after its end.",
	}, a.getJob)
}

type jobOutput struct {
	Location string `header:"Location"`
	Body     api.JobAnswer
}

func jobPath(j api.Job) string { return "/v1/organizations/" + j.OrganizationID + "/jobs/" + j.ID }

type getJobInput struct {
	OrganizationPath
	Job string `path:"job" maxLength:"64"`
}

func (a *API) getJob(
	ctx context.Context, r *admin.Request, in *getJobInput,
) (*answered[api.Job], error) {
	return answer(a.admin.Job(ctx, r, in.Job))
}

// acceptedOutput is the answer of what is done, 204 without a body, or goes on by itself, 202.
type acceptedOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     *api.JobAnswer
}

// removed are the answers of an operation that answers by accepted.
func removed() []outcome {
	return []outcome{
		{status: http.StatusNoContent, about: "Done"},
		{
			status:  http.StatusAccepted,
			about:   "A job continues",
			body:    reflect.TypeFor[api.JobAnswer](),
			headers: []string{"Location"},
		},
	}
}

func accepted(j api.Job, err error) (*acceptedOutput, error) {
	if j.State == string(job.Done) {
		return &acceptedOutput{Status: http.StatusNoContent}, err
	}

	return &acceptedOutput{
		Status:   http.StatusAccepted,
		Location: jobPath(j),
		Body:     &api.JobAnswer{Job: j},
	}, err
}
