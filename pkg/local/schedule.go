package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// speedup is how much more often scheduled functions run here than in the template: developers
// should not have to wait for them.
const speedup = 60

// startSchedules invokes the functions that have a schedule, as EventBridge would. stop cancels
// running invocations and waits for them.
func (m *machine) startSchedules(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)

	var running sync.WaitGroup
	for _, f := range m.template.Functions {
		for _, s := range f.Schedules {
			running.Go(func() { m.runSchedule(ctx, f, s) })
		}
	}

	return func() {
		cancel()
		running.Wait()
	}
}

// runSchedule invokes a function at every tick. A run that takes longer than the interval delays
// the next one; two never overlap.
func (m *machine) runSchedule(ctx context.Context, f template.Function, s template.Schedule) {
	tick := time.NewTicker(s.Every / speedup)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			if err := m.runScheduled(ctx, f, s, at); err != nil && ctx.Err() == nil {
				m.logger.WarnContext(ctx, "scheduled function failed", "function", f.ID, "schedule",
					s.Name, "error", err)
			}
		}
	}
}

// runScheduled invokes a function once, within its Timeout.
func (m *machine) runScheduled(
	ctx context.Context, f template.Function, s template.Schedule, at time.Time,
) error {
	payload := []byte(s.Input)
	if s.Input == "" {
		var err error

		payload, err = json.Marshal(events.CloudWatchEvent{
			Version:    "0",
			ID:         rand.Text(),
			DetailType: "Scheduled Event",
			Source:     "aws.events",
			AccountID:  "123456789012",
			Time:       at.UTC().Truncate(time.Second),
			Region:     "us-east-1",
			Resources:  []string{},
			Detail:     json.RawMessage("{}"),
		})
		if err != nil {
			return err
		}
	}

	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       rand.Text(),
		InvokedFunctionArn: f.ARN,
	})
	_, err := m.functions[f.ID].Invoke(ctx, payload)
	return err
}
