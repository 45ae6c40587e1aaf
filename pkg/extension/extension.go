// Package extension lets a Lambda function continue to work after it has answered, before Lambda
// freezes its instance.
//
// It is an internal extension: a goroutine in the function's own process that is registered with
// the Extensions API for INVOKE events. Lambda freezes an instance, and gives it its next event,
// only when the runtime and every extension have asked for theirs. So this one asks when its work
// is done: no answer waits for the work, and the work is not cut off in the middle. Its time is
// billed, and the instance takes no other call meanwhile.
//
// An internal extension gets no shutdown event. Final work is done at SIGTERM, which Lambda sends
// to functions that have an extension.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
package extension

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/http1"
	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// Config configures an Extension.
type Config struct {
	Address string // of the Runtime and Extensions APIs
	Name    string // unique among the function's extensions
	// Answered runs after each answer, before Work, and also when there is no time for that; nil for
	// nothing.
	Answered func()
	// Work runs after each answer; its context ends before the function's time does.
	Work func(context.Context)
}

// Extension is a function with work after its answers. It implements lambda.Handler.
type Extension struct {
	config    Config
	handler   lambda.Handler
	transport http1.Transport
	id        string
	answered  chan struct{} // holds one: until the work is done, Lambda sends no second event
}

// registerTime bounds the registration, which is a call within the instance.
const registerTime = 2 * time.Second

// Register registers an extension, which must happen before the runtime asks for its first event.
// The caller must run it.
func Register(ctx context.Context, c Config, handler lambda.Handler) (*Extension, error) {
	ctx, cancel := context.WithTimeout(ctx, registerTime)
	defer cancel()

	e := &Extension{
		config:   c,
		handler:  handler,
		answered: make(chan struct{}, 1),
	}

	header, _, err := e.call(ctx, http.MethodPost, "register", []byte(`{"events":["INVOKE"]}`))
	if err != nil {
		return nil, fmt.Errorf("register an extension: %w", err)
	}

	e.id = header.Get("Lambda-Extension-Identifier")
	return e, nil
}

// Invoke implements lambda.Handler.
func (e *Extension) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	defer func() {
		select {
		case e.answered <- struct{}{}:
		default: // nothing waits: the extension has ended
		}
	}()
	return e.handler.Invoke(ctx, payload)
}

// eventMembers are the members of an event that are read. The deadline is in Unix milliseconds.
var eventMembers = []string{"eventType", "deadlineMs"}

// readEvent reads an event of the Extensions API. Its first one comes while the function makes its
// first answer, whom encoding/json would hold up.
func readEvent(body string) (kind string, deadline time.Time, err error) {
	s := jsonstring.New(body)
	s.Members(eventMembers, func(name string) {
		if name == "eventType" {
			s.TextInto(&kind)
			return
		}

		var at int64
		if at, err = strconv.ParseInt(s.Raw(), 10, 64); err == nil {
			deadline = time.UnixMilli(at)
		}
	})

	return kind, deadline, cmp.Or(s.End(), err)
}

// margin is how much of the function's time the work must leave.
const margin = 200 * time.Millisecond

// Run does the work after each answer, until ctx ends or the Extensions API fails, which is an
// error.
func (e *Extension) Run(ctx context.Context) error {
	for {
		_, body, err := e.call(ctx, http.MethodGet, "event/next", nil)
		if err != nil {
			return fmt.Errorf("next event of an extension: %w", err)
		}

		kind, deadline, err := readEvent(string(body))
		if err != nil {
			return fmt.Errorf("next event of an extension: %w", err)
		}

		if kind == "INVOKE" {
			e.after(ctx, deadline.Add(-margin))
		}
	}
}

// after waits for the answer and does the work.
func (e *Extension) after(ctx context.Context, end time.Time) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()

	select {
	case <-e.answered:
	case <-ctx.Done(): // the function uses all of its time: Lambda ends it
	}

	if e.config.Answered != nil {
		e.config.Answered()
	}

	if ctx.Err() == nil {
		e.config.Work(ctx)
	}
}

// maxEvent is the maximum size of an event, in bytes.
const maxEvent = 64 << 10

func (e *Extension) call(
	ctx context.Context, method, path string, body []byte,
) (http.Header, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method,
		"http://"+e.config.Address+"/2020-01-01/extension/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}

	request.Header.Set("Lambda-Extension-Name", e.config.Name)

	if e.id != "" {
		request.Header.Set("Lambda-Extension-Identifier", e.id)
	}

	response, err := e.transport.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}

	answer, err := io.ReadAll(io.LimitReader(response.Body, maxEvent))
	if closing := response.Body.Close(); err == nil {
		err = closing
	}

	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s: %s", response.Status, answer)
	}

	return response.Header, answer, err
}
