// Package upkeep is the scheduled maintenance of a deployment: a list of tasks.
//
// It promises:
//
//   - Each task is limited in time.
//   - A task that fails, hangs or panics does not keep others from their work.
//   - Two runs at once do no harm.
//
// It does not promise when a task runs: what must happen at once is done by the call that asks for
// it, never here.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Task is one maintenance task.
type Task struct {
	Name string // in the log, such as jobs
	// Run does what is due, returns how many things it did, and stops soon after ctx ends; the
	// next run does the rest. It may be cut off anywhere and may run twice at once, so each of its
	// steps is a conditional write.
	Run func(ctx context.Context) (done int, err error)
}

// Config is what the tasks work with.
type Config struct {
	Store   *store.Store
	Hot     usage.Hours
	Scanner store.Scanner // of the table core
	Worker  *admin.Worker
	Now     func() time.Time
}

// Tasks returns the tasks that the function upkeep runs.
func Tasks(c Config) []Task {
	return []Task{
		{
			Name: "expired keys",
			Run: func(ctx context.Context) (int, error) {
				return c.Store.SweepExpired(ctx, c.Now(), maxExpired)
			},
		},
		{Name: "usage", Run: c.compactUsage},
		{Name: "jobs", Run: c.Worker.Run},
		{Name: "peppers", Run: c.resealPeppers},
	}
}

// compactEvery is how often usage is compacted. Looking for work costs reads, and compaction is
// not urgent.
const compactEvery = 5 // minutes

// compactUsage merges what instances counted in hours that have ended.
func (c Config) compactUsage(ctx context.Context) (done int, err error) {
	now := c.Now()
	if now.Minute()%compactEvery != 0 {
		return 0, nil
	}

	var failures []error
	for _, env := range apikey.Environments() {
		n, err := usage.Compact(ctx, c.Hot, env, now)
		done += n
		failures = append(failures, err)
	}

	return done, errors.Join(failures...)
}

// resealPeppers reseals rows after a pepper was rotated, and counts what still needs an older one.
// It runs as often as compaction.
func (c Config) resealPeppers(ctx context.Context) (done int, err error) {
	if c.Now().Minute()%compactEvery != 0 {
		return 0, nil
	}

	return c.Store.PassPeppers(ctx, c.Scanner, c.Now)
}

// maxExpired is how many expired keys a run moves out of the way of lists, time permitting.
const maxExpired = 5000

// Function is the Lambda function that a schedule invokes.
func Function(d *full.Deployment) lambda.Handler {
	tasks := Tasks(Config{
		Store:   d.Store,
		Hot:     d.Hot,
		Scanner: d.Scanner,
		Worker: admin.NewWorker(admin.New(admin.Config{
			Brand:     d.Brand,
			LimitsOff: d.KeyLimitsOff,
			Store:     d.Store,
			Memory:    d.Memory,
			Hot:       d.Hot,
			Metrics:   d.Metrics,
			Logger:    d.Logger,
			Now:       d.Now,
			Wait:      d.Wait,
		})),
		Now: d.Now,
	})
	return lambda.NewHandler(func(ctx context.Context) error {
		began := d.Now()
		err := Run(ctx, d.Logger, d.Metrics, tasks)
		d.Metrics.Raise(metric.UpkeepDuration, max(1, d.Now().Sub(began).Milliseconds()))
		d.Metrics.Flush() // a run a minute has a line a minute
		return err
	})
}

const (
	// longest is the maximum time of a run: less than the minute after which the next one starts.
	longest = 50 * time.Second
	// margin is how much of Lambda's time a task leaves unused, to end in good order.
	margin = 2 * time.Second
)

// Run runs the tasks in parallel, and waits for all. It logs each that did something or failed.
// The error, which only names those that failed, makes Lambda count the run as failed.
func Run(ctx context.Context, logger *slog.Logger, metrics *metric.Set, tasks []Task) error {
	metrics.Add(metric.UpkeepRuns, 1)

	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
		defer cancel()
	}

	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	var mu sync.Mutex
	var failed []string

	var all sync.WaitGroup
	for _, task := range tasks {
		all.Go(func() {
			done, err := task.safely(ctx)
			switch {
			case err != nil && !stopped(ctx, err):
				metrics.Add(metric.UpkeepFailures, 1)
				logger.ErrorContext(ctx, "upkeep failed",
					"task", task.Name, "done", done, "error", err)
				mu.Lock()
				failed = append(failed, task.Name)
				mu.Unlock()
			case done > 0:
				logger.InfoContext(ctx, "upkeep", "task", task.Name, "done", done)
			}
		})
	}

	all.Wait()

	if len(failed) == 0 {
		return nil
	}

	slices.Sort(failed)
	return fmt.Errorf("upkeep failed: %s", strings.Join(failed, ", "))
}

// stopped reports whether a task ended because the time was over. That is not a failure: it
// continues in the next run.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil &&
		(errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled))
}

// safely turns a panic into an error; otherwise it would end the process and with it the other
// tasks.
func (t Task) safely(ctx context.Context) (done int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return t.Run(ctx)
}
