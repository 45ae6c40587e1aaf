package boot

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/extension"
)

// extensionName is the name of the function's own extension in Lambda.
const extensionName = "bitting-usage"

// workTime limits the work after one answer, since the instance takes no other call meanwhile.
// What is not written by then is written after a later answer.
const workTime = 2 * time.Second

// Serve starts the Lambda function. Its counts are written after its answers, before Lambda
// freezes the instance, and when Lambda ends it, as End does; flush waits for the function's other
// work in the background. Serve returns only when Lambda ends the process.
func (d *Deployment) Serve(handler lambda.Handler, flush func()) {
	ctx := context.Background()
	registered := make(chan lambda.Handler, 1)

	// First, so that the rest is done while DynamoDB answers: some two hundredths of a cold start, by
	// make bench.
	d.connect(ctx)

	go d.workAfterAnswers(ctx, handler, flush, registered)

	if d.Metrics != nil {
		go d.tickMetrics(ctx)
	}

	d.Warm(ctx) // in Lambda, the start of an instance has a whole processor
	lambda.Start(<-registered)
}

// workAfterAnswers registers the function's extension, sends the handler that calls are then for,
// and does the extension's work as long as there is any.
func (d *Deployment) workAfterAnswers(
	ctx context.Context, handler lambda.Handler, flush func(), registered chan<- lambda.Handler,
) {
	endOnSIGTERM := sync.OnceFunc(func() { d.endOnSIGTERM(ctx, flush) })

	e, err := extension.Register(ctx, extension.Config{
		Address:  os.Getenv("AWS_LAMBDA_RUNTIME_API"),
		Name:     extensionName,
		Answered: endOnSIGTERM,
		Work: func(ctx context.Context) {
			d.afterAnswer(ctx, flush)
		},
	}, handler)
	if err != nil {
		registered <- counted{handler, d}
	} else {
		registered <- e

		if d.Recorder != nil {
			// an instance that is not frozen, such as one with provisioned concurrency, writes in
			// time without a call
			go d.Recorder.Tick(ctx)
		}

		err = e.Run(ctx)
	}

	// Without an extension Lambda sends no SIGTERM, either: what is still in memory at the end is lost.
	d.Logger.ErrorContext(ctx, "no work after answers", "error", err)
	endOnSIGTERM()
	d.countInBackground(ctx)
}

// endOnSIGTERM lets the instance end as End does when Lambda sends SIGTERM, which it does to every
// function with an extension, while that has no work. lambda.WithEnableSIGTERM would register one
// more: two requests at every start.
//
// It begins after the first answer, before which there is nothing to write: to wait for a signal
// takes a thread of its own, which is a twentieth of a cold start, by make bench.
func (d *Deployment) endOnSIGTERM(ctx context.Context, flush func()) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)

	go func() {
		<-terminated
		d.End(ctx, flush)
		os.Exit(0) // a handled signal no longer ends the process by itself
	}()
}

// endTime limits the last work when Lambda ends an instance: Lambda allows about 500 milliseconds
// for everything.
const endTime = 250 * time.Millisecond

// End does an instance's last work: it writes metrics and counts, returns unused leases of limits,
// and waits for flush.
func (d *Deployment) End(ctx context.Context, flush func()) {
	var background sync.WaitGroup
	background.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, endTime)
		defer cancel()

		if err := d.Limits.Release(ctx); err != nil {
			d.Logger.WarnContext(ctx, "leased calls are not given back", "error", err)
		}
	})

	// first, as the rest may take more time than there is, and again for what it counted
	d.measure()
	d.Metrics.Flush()

	if d.Recorder != nil {
		d.Recorder.Stop(ctx)
	}

	flush()
	background.Wait()
	d.measure()
	d.Metrics.Flush()
}

// afterAnswer writes what is due. A recorder logs its own failures.
func (d *Deployment) afterAnswer(ctx context.Context, flush func()) {
	if d.Recorder != nil {
		ctx, cancel := context.WithTimeout(ctx, workTime)
		defer cancel()
		_ = d.Recorder.FlushDue(ctx)
	}

	d.flushMetrics()
	flush()
}

// countInBackground writes in parallel with answers if it cannot be done after them: what a frozen
// instance holds is written when it is used again.
func (d *Deployment) countInBackground(ctx context.Context) {
	if d.Recorder != nil {
		d.Recorder.Run(ctx)
	}
}
