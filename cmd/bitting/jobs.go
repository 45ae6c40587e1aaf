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
	var w watching
	c := &cobra.Command{
		Use:   "show JOB",
		Short: "Show a job",
		Args:  cobra.ExactArgs(1),
		Example: "  bitting jobs show 0Q3kW9aB1cD2eF3g --watch\n" +
			"  bitting jobs show 0Q3kW9aB1cD2eF3g --wait --output json",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			if err := w.check(s); err != nil {
				return err
			}

			if w.on {
				return s.watchJob(ctx, org, args[0], w)
			}

			j, err := s.GetJob(ctx, org, args[0])
			if err != nil {
				return err
			}

			return s.endJob(ctx, org, j, wait)
		}),
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until the job is over")
	w.flags(c)
	c.MarkFlagsMutuallyExclusive("wait", "watch")
	return c
}

// endJob shows a job: as it is, or as it ended. A job that failed is an error.
func (s *session) endJob(ctx context.Context, org string, j api.Job, wait bool) error {
	if wait && !isOver(j) {
		id := j.ID
		s.say("The job %s is running; Ctrl-C stops waiting, not the job.", id)

		err := poll(ctx, s, patient(), func(ctx context.Context) (api.Job, error) {
			return s.GetJob(ctx, org, id)
		}, func(at api.Job) (bool, error) {
			j = at
			s.progress(at.Progress.Done, totalOf(at), "keys")

			return isOver(at), nil
		})
		s.live.Draw("")

		if err != nil {
			return goesOn(ctx, id, err)
		}
	}

	if err := showJob(s, j); err != nil {
		return err
	}

	return failedJob(j)
}

// watchJob shows a job again and again until it is over.
func (s *session) watchJob(ctx context.Context, org, id string, w watching) error {
	var last api.Job

	err := watch(ctx, s, w, func(ctx context.Context) (api.Job, error) {
		return s.GetJob(ctx, org, id)
	}, func(s *session, j api.Job) error {
		if err := showJob(s, j); err != nil || isOver(j) {
			return err
		}

		_, err := fmt.Fprintln(s.out.Out, output.Bar(j.Progress.Done, totalOf(j)), "keys")
		return err
	}, func(j api.Job) bool {
		last = j
		return isOver(j)
	})
	if err != nil {
		return goesOn(ctx, id, err)
	}

	return failedJob(last)
}

// goesOn adds to an interrupt that the job is not interrupted.
func goesOn(ctx context.Context, id string, err error) error {
	if ctx.Err() == nil {
		return err
	}

	return fmt.Errorf("%w\n  The job goes on: bitting jobs show %s --watch looks at it", err, id)
}

func isOver(j api.Job) bool { return j.FinishedAt != nil }

// totalOf returns how many keys a job is about; 0 while that is not known.
func totalOf(j api.Job) int {
	if j.Progress.Total == nil {
		return 0
	}

	return *j.Progress.Total
}

// showJob shows a job with its errors.
func showJob(s *session, j api.Job) error {
	if err := output.Show(s.out, jobColumns(), jobID, j); err != nil || s.out.Format != output.Table {
		return err
	}

	for _, e := range j.Errors {
		if _, err := fmt.Fprintf(s.out.Out, "  %s: %s\n", e.KeyID, s.out.Text(e.Detail)); err != nil {
			return err
		}
	}

	return nil
}

func failedJob(j api.Job) error {
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
		{Name: "total", Of: func(j api.Job) any {
			if j.Progress.Total == nil {
				return nil
			}

			return *j.Progress.Total
		}},
		{Name: "changed", Of: func(j api.Job) any { return j.Result.Changed }},
		{Name: "failed", Of: func(j api.Job) any { return j.Result.Failed }},
		{Name: "createdBy", Of: func(j api.Job) any { return actorOf(j.CreatedBy) }, Wide: true},
		{Name: "createdAt", Of: func(j api.Job) any { return j.CreatedAt.Time }},
	}
}
