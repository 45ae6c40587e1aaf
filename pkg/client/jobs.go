package client

import (
	"context"
	"iter"

	"github.com/bitting-keys/bitting/pkg/api"
)

// ListJobs returns an organization's jobs, newest first.
func (c *Client) ListJobs(
	ctx context.Context, org string, query api.List,
) iter.Seq2[api.Job, error] {
	return walk(ctx, org, query, c.ListJobsPage)
}

// ListJobsPage returns a page of ListJobs.
func (c *Client) ListJobsPage(
	ctx context.Context, org string, query api.List,
) (api.Page[api.Job], error) {
	return get[api.Page[api.Job]](ctx, c, "listJobs", in(org, "jobs"), query)
}

// GetJob returns a job.
func (c *Client) GetJob(ctx context.Context, org, job string) (api.Job, error) {
	return get[api.Job](ctx, c, "getJob", in(org, "jobs", job), nil)
}

// WaitJob polls a job until it is over, or the context is done. Its State tells whether it is done
// or failed.
func (c *Client) WaitJob(ctx context.Context, org, job string) (api.Job, error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		j, err := c.GetJob(ctx, org, job)
		if err != nil || j.FinishedAt != nil {
			return j, err
		}

		if err := c.sleep(ctx, wait); err != nil {
			return j, err
		}
	}
}

// jobOrDone returns the job of an answer; nil if nothing is left to do.
func jobOrDone(answer *api.JobAnswer, err error) (*api.Job, error) {
	if err != nil || answer == nil {
		return nil, err
	}

	return &answer.Job, nil
}
