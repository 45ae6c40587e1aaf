// Bootstrap is the function that the tests of package runtimeapi run.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct{ Do, Value string }

func main() {
	switch os.Getenv("START") {
	case "exit":
		os.Exit(7)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "panic":
		panic("cannot start")
	case "extended":
		extended()
		return
	case "report":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		body := strings.NewReader(`{"errorType":"Runtime.NoConfig","errorMessage":"no table"}`)
		if r, err := http.Post(url, "application/json", body); err == nil { //nolint:gosec // the address comes from the test
			r.Body.Close()
		}
		os.Exit(1)
	}
	if os.Getenv("SIGTERM_SAYS") == "" {
		lambda.Start(handle)
		return
	}
	lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
		fmt.Println(os.Getenv("SIGTERM_SAYS"))
		os.Exit(0)
	}))
}

func handle(ctx context.Context, r request) (map[string]any, error) {
	if order := os.Getenv("DO"); order != "" { // for events without an order, such as API Gateway's
		r.Do = order
		r.Value = os.Getenv("VALUE")
	}
	switch r.Do {
	case "fail":
		return nil, errors.New(r.Value)
	case "panic":
		panic(r.Value)
	case "exit":
		os.Exit(3)
	case "hang":
		fmt.Println("hanging")
		select {}
	case "print":
		fmt.Println(r.Value)
		fmt.Fprintln(os.Stderr, "error:", r.Value)
	case "environment":
		return map[string]any{"environment": os.Environ()}, nil
	case "stale":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") +
			"/2018-06-01/runtime/invocation/another/response"
		r, err := http.Post(url, "application/json", strings.NewReader(`{"echo":"stale"}`)) //nolint:gosec,noctx // the address comes from the test
		if err != nil {
			return nil, err
		}
		r.Body.Close()
		return map[string]any{"echo": r.Status}, nil
	case "large":
		return map[string]any{"body": string(make([]byte, 7<<20))}, nil
	}
	lc, _ := lambdacontext.FromContext(ctx)
	_, hasDeadline := ctx.Deadline()
	return map[string]any{
		"pid":       os.Getpid(),
		"echo":      r.Value,
		"requestId": lc.AwsRequestID,
		"arn":       lc.InvokedFunctionArn,
		"deadline":  hasDeadline,
	}, nil
}
