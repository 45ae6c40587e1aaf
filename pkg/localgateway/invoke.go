package localgateway

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

var (
	// errTimedOut means that API Gateway stopped waiting for the function.
	errTimedOut = errors.New("the function did not answer within API Gateway's limit")
	// errFunctionTimedOut means that the function's own Timeout expired.
	errFunctionTimedOut = errors.New("the function did not answer within its Timeout")
	errNoFunction       = errors.New("there is no such function")
	// errThrottled means that the function has no instance free, and had none for a while.
	errThrottled = errors.New("too many calls of the function at once")
)

// invoke calls a function as Lambda would: with a deadline, a request id of its own, and
// independently of the client's connection. A panic becomes an error. An in-process function that
// ignores its context keeps running after the time-out, and its result is discarded. As on Lambda,
// a function that has no instance free throttles, if only after maxWait.
func (g *Gateway) invoke(
	c *call, id string, limit time.Duration, event func() []byte,
) ([]byte, error) {
	handler, ok := g.handlers[id]
	if !ok || handler == nil {
		return nil, fmt.Errorf("%w: %s", errNoFunction, id)
	}

	requestID, _, err := g.newIDs()
	if err != nil {
		return nil, fmt.Errorf("request id: %w", err)
	}

	began := time.Now()

	instances := g.instances[id]
	if err := instances.acquire(context.WithoutCancel(c.request.Context())); err != nil {
		g.throttle(c, id)
		return nil, err
	}

	// waiting counts against API Gateway's limit, not against the function's own
	limit -= time.Since(began)

	// made only for a call that has an instance: refusing the others must cost little
	payload := event()
	function := g.functions[id]

	timedOut := errTimedOut
	if function.Timeout > 0 && function.Timeout <= limit {
		limit, timedOut = function.Timeout, errFunctionTimedOut
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.request.Context()), limit)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       requestID,
		InvokedFunctionArn: function.ARN,
	})

	type result struct {
		payload []byte
		err     error
	}

	// Buffered, so that a function that answers too late can still end.
	done := make(chan result, 1)
	instances.run(func() {
		var r result
		defer func() {
			// only the log gets the stack: as on Lambda, the error's text is the panic's
			if p := recover(); p != nil {
				g.logger.ErrorContext(ctx, "function panicked", "function", id, "panic", p, "stack",
					string(debug.Stack()))
				r = result{err: fmt.Errorf("%v", p)}
			}

			done <- r
		}()
		r.payload, r.err = handler.Invoke(ctx, payload)
	})

	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			return nil, timedOut
		}

		return r.payload, asReported(r.err)
	case <-ctx.Done():
		return nil, timedOut
	}
}

// throttle logs that a function has no instance free: one line a second, since there may be thousands
// of such calls.
func (g *Gateway) throttle(c *call, id string) {
	if now := time.Now().Unix(); g.throttled.Swap(now) != now {
		g.logger.WarnContext(c.request.Context(), "function throttled", "function", id)
	}
}

// asReported returns an error whose text is what Lambda would report as errorMessage.
func asReported(err error) error {
	var reported messages.InvokeResponse_Error
	if errors.As(err, &reported) {
		return errors.New(reported.Message)
	}

	return err
}

// integrationLimit returns how long API Gateway waits for the function behind a route.
func integrationLimit(kind template.APIKind) time.Duration {
	if kind == template.REST {
		return 29 * time.Second
	}

	return 30 * time.Second
}
