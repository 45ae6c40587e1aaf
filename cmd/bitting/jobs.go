package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
)

func newJobs(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "jobs",
		Short:   "Look at what runs in the background",
		Example: "  bitting jobs list",
	}
	return group(c, newJobsList(o), newJobsShow(o))
}

func newJobsList(o *options) *cobra.Command {
	var p pages
	c := &cobra.Command{
		Use:     "list",
		Short:   "List jobs, newest first",
		Args:    cobra.NoArgs,
		Example: "  bitting jobs list --limit 5",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}

			return output.List(s.out, jobColumns(), jobID,
				first(s, p, s.ListJobs(ctx, org, api.List{Limit: p.size()})))
		}),
	}
	p.flags(c)
	return c
}

func newJobsShow(o *options) *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use:     "show JOB",
		Short:   "Show a job",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting jobs show 0Q3kW9aB1cD2eF3g --wait",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			j, err := s.GetJob(ctx, org, args[0])
			if err != nil {
				return err
			}

			return s.showJob(ctx, org, j, wait)
		}),
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until the job is over")
	return c
}

// showJob shows a job: as it is, or as it ended. A job that failed is an error.
func (s *session) showJob(ctx context.Context, org string, j api.Job, wait bool) (err error) {
	if wait && j.FinishedAt == nil {
		s.say("The job %s is running; Ctrl-C stops waiting, not the job.", j.ID)

		if j, err = s.WaitJob(ctx, org, j.ID); err != nil {
			return err
		}
	}

	if err := output.Show(s.out, jobColumns(), jobID, j); err != nil {
		return err
	}

	for _, e := range j.Errors {
		s.say("  %s: %s", e.KeyID, s.out.Text(e.Detail))
	}

	if j.State == "failed" {
		return fmt.Errorf("the job %s failed", j.ID)
	}

	return nil
}

func jobID(j api.Job) string { return j.ID }

func jobColumns() []output.Column[api.Job] {
	return []output.Column[api.Job]{
		{Name: "id", Of: func(j api.Job) any { return j.ID }},
		{Name: "kind", Of: func(j api.Job) any { return j.Kind }},
		{Name: "action", Of: func(j api.Job) any { return j.Action }},
		{Name: "state", Of: func(j api.Job) any { return j.State }, Look: func(j api.Job) output.Look {
			return map[string]output.Look{"done": output.Good, "failed": output.Bad}[j.State]
		}},
		{Name: "done", Of: func(j api.Job) any { return j.Progress.Done }},
		{Name: "changed", Of: func(j api.Job) any { return j.Result.Changed }},
		{Name: "failed", Of: func(j api.Job) any { return j.Result.Failed }},
		{Name: "createdBy", Of: func(j api.Job) any { return actorOf(j.CreatedBy) }, Wide: true},
		{Name: "createdAt", Of: func(j api.Job) any { return j.CreatedAt.Time }},
	}
}
