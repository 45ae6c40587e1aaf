package boot

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/extension"
)

// extensionName is how Lambda knows the function's own extension.
const extensionName = "bitting-usage"

// workTime bounds what is done after one answer: the instance takes no other call meanwhile. What
// is not written by then waits for the next.
const workTime = 2 * time.Second

// Serve starts the Lambda function. What it counts is written after its answers, before Lambda
// freezes the instance, and when Lambda ends it, as End does; flush waits for what else the
// function does beside its answers. It returns only when Lambda ends the process.
func (d *Deployment) Serve(handler lambda.Handler, flush func()) {
	ctx := context.Background()

	e, err := extension.Register(ctx, extension.Config{
		Address: os.Getenv("AWS_LAMBDA_RUNTIME_API"),
		Name:    extensionName,
		Work: func(ctx context.Context) {
			d.afterAnswer(ctx, flush)
		},
	}, handler)
	if err != nil {
		d.Logger.WarnContext(ctx, "no work after answers", "error", err)
		go d.countBeside(ctx)
	} else {
		handler = e
		go func() {
			d.Logger.ErrorContext(ctx, "no work after answers", "error", e.Run(ctx))
			d.countBeside(ctx)
		}()

		if d.Recorder != nil {
			// an instance that is not frozen, as one that is kept ready, writes in time without a
			// call
			go d.Recorder.Tick(ctx)
		}
	}

	lambda.StartWithOptions(handler, lambda.WithEnableSIGTERM(func() {
		d.End(ctx, flush)
		os.Exit(0) // a handled signal no longer ends the process by itself
	}))
}

// endTime bounds what is given back when Lambda ends an instance: it leaves some 500 milliseconds
// to all that is done then.
const endTime = 250 * time.Millisecond

// End does what an instance does last: it writes what is counted, gives back what it took of
// limits, and waits for flush.
func (d *Deployment) End(ctx context.Context, flush func()) {
	var beside sync.WaitGroup
	beside.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, endTime)
		defer cancel()

		if err := d.Limits.Release(ctx); err != nil {
			d.Logger.WarnContext(ctx, "leased calls are not given back", "error", err)
		}
	})

	if d.Recorder != nil {
		d.Recorder.Stop(ctx)
	}

	flush()
	beside.Wait()
}

// afterAnswer writes what must be written by now. A recorder logs by itself what fails.
func (d *Deployment) afterAnswer(ctx context.Context, flush func()) {
	if d.Recorder != nil {
		ctx, cancel := context.WithTimeout(ctx, workTime)
		defer cancel()
		_ = d.Recorder.FlushDue(ctx)
	}

	flush()
}

// countBeside writes beside answers where it cannot be done after them: what a frozen instance
// holds, it writes when it is used again.
func (d *Deployment) countBeside(ctx context.Context) {
	if d.Recorder != nil {
		d.Recorder.Run(ctx)
	}
}
