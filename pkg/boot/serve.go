package boot

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

// Serve starts the Lambda function, and writes what is counted beside its answers. flush waits for what else the function does beside them. It returns only
// when Lambda ends the process.
func (d *Deployment) Serve(handler lambda.Handler, flush func()) {
	if d.Recorder != nil {
		go d.Recorder.Run(context.Background())
	}
	lambda.StartWithOptions(handler, lambda.WithEnableSIGTERM(func() {
		if d.Recorder != nil {
			d.Recorder.Stop(context.Background())
		}
		flush()
		os.Exit(0) // a handled signal no longer ends the process by itself
	}))
}
