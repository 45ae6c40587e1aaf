package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer is the longest answer that is read, in bytes: more than API Gateway permits.
	maxAnswer = 16 << 20
	// maxRefusal is the longest problem that is read, in bytes.
	maxRefusal = 256 << 10

	// firstWait and longestWait bound the pause before another attempt, if the answer has no
	// Retry-After.
	firstWait   = 200 * time.Millisecond
	longestWait = 5 * time.Second
	// maxRetryAfter is the longest Retry-After that a call waits for: a longer one is the caller's
	// decision.
	maxRetryAfter = 30 * time.Second
)

// call is a call of an operation.
type call struct {
	operation string
	method    string
	path      []string // segments, below /v1
	query     url.Values
	header    http.Header
	body      []byte // nil for none
	etag      *string
	// sending it twice has the effect of sending it once
	repeatable bool
	err        error // an error in the arguments
}

// newCall returns a call of an operation, by its id in the OpenAPI document.
func newCall(operation, method string, path []string, options []Option) *call {
	c := &call{
		operation: operation,
		method:    method,
		path:      path,
		query:     url.Values{},
	}
	for _, option := range options {
		option(c)
	}

	for _, segment := range path {
		if segment == "" || segment == "." || segment == ".." {
			c.err = ErrAddress
		}
	}

	switch method {
	case http.MethodGet, http.MethodHead:
		c.repeatable = true
	case http.MethodPut, http.MethodDelete:
		// a condition that held for the first attempt no longer holds for the second
		c.repeatable = c.header.Get("If-Match") == ""
	default:
		c.repeatable = c.header.Get("Idempotency-Key") != ""
	}

	return c
}

// ask adds the fields of a struct, by their JSON names, to the query.
func (c *call) ask(query any) *call {
	text, err := json.Marshal(query)
	if err != nil {
		c.err = err
		return c
	}

	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields map[string]any

	c.err = errors.Join(c.err, decoder.Decode(&fields))
	for name, value := range fields {
		c.query.Set(name, fmt.Sprint(value))
	}

	return c
}

// say sets the body, as JSON.
func (c *call) say(body any) *call {
	text, err := json.Marshal(body)
	c.body, c.err = text, errors.Join(c.err, err)
	return c
}

// do makes a call and decodes its answer into a T, or takes it as it is for bytes. An answer without
// a body leaves it zero.
func do[T any](ctx context.Context, c *Client, call *call) (out T, err error) {
	err = c.do(ctx, call, &out)
	return out, err
}

// do makes a call, and repeats it if that is safe and may help.
func (c *Client) do(ctx context.Context, call *call, into any) error {
	if call.err != nil {
		return fmt.Errorf("%s: %w", call.operation, call.err)
	}

	attempts := c.attempts
	if !call.repeatable {
		attempts = 1
	}

	for attempt := 1; ; attempt++ {
		err := c.try(context.WithValue(ctx, attemptKey{}, [2]int{attempt, attempts}), call, into)
		if err == nil || attempt >= attempts || ctx.Err() != nil {
			return err
		}

		wait, again := waitAfter(err, attempt)
		if !again {
			return err
		}

		if end, ends := ctx.Deadline(); ends && time.Until(end) < wait {
			return err // no time is left for another
		}

		if c.sleep(ctx, wait) != nil {
			return err
		}
	}
}

type attemptKey struct{}

// Attempt returns which attempt a request is, from 1 on, and how many there are at most. It is for
// transports, which find it in the request's context; elsewhere it returns zeros.
func Attempt(ctx context.Context) (attempt, of int) {
	counted, _ := ctx.Value(attemptKey{}).([2]int)
	return counted[0], counted[1]
}

// sendError is a request that got no answer.
type sendError struct{ err error }

func (e *sendError) Error() string { return e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

// Is makes it an ErrNoAnswer.
func (e *sendError) Is(target error) bool { return target == ErrNoAnswer }

// waitAfter reports whether an error may be temporary, and how long to wait before another attempt.
func waitAfter(err error, attempt int) (wait time.Duration, again bool) {
	longest := min(firstWait<<(attempt-1), longestWait)
	wait = longest/2 + rand.N(longest/2) //nolint:gosec // it only spreads callers

	var unsent *sendError
	if errors.As(err, &unsent) {
		return wait, true
	}

	var refused *Error
	if !errors.As(err, &refused) || refused.RetryAfter > maxRetryAfter {
		return 0, false
	}

	switch refused.Status {
	case http.StatusTooManyRequests:
		again = refused.RetryAfter > 0
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}

	if refused.RetryAfter > 0 {
		wait = refused.RetryAfter + rand.N(firstWait) //nolint:gosec // it only spreads callers
	}

	return wait, again
}

// try makes one attempt.
func (c *Client) try(ctx context.Context, call *call, into any) error {
	request, err := c.request(ctx, call)
	if err != nil {
		return fmt.Errorf("%s: %w", call.operation, err)
	}

	response, err := c.http.Do(request)
	if err != nil {
		var withURL *url.Error // it shows the address, which may hold a secret by mistake
		if errors.As(err, &withURL) {
			err = withURL.Err
		}

		return fmt.Errorf("%s: %w", call.operation, &sendError{err})
	}

	defer func() { _ = response.Body.Close() }()

	if response.StatusCode == http.StatusNotModified {
		return fmt.Errorf("%s: %w", call.operation, ErrNotModified)
	}

	if response.StatusCode < 200 || response.StatusCode > 299 {
		// an answer that cannot be read completely is not the API's
		body, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
		return c.refusal(call.operation, response, body)
	}

	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: %w", call.operation, &sendError{err})
	}

	if len(body) > maxAnswer {
		return fmt.Errorf("%s: %w: it is too long", call.operation, ErrUnreadable)
	}

	if call.etag != nil {
		*call.etag = response.Header.Get("ETag")
	}

	if len(body) == 0 && response.StatusCode == http.StatusNoContent {
		return nil
	}

	if file, whole := into.(*[]byte); whole {
		*file = body
		return nil
	}

	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w: %w", call.operation, ErrUnreadable, err)
	}

	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) { // which fits into everything
		return fmt.Errorf("%s: %w: it is null", call.operation, ErrUnreadable)
	}

	return nil
}

// request returns the request of an attempt.
func (c *Client) request(ctx context.Context, call *call) (*http.Request, error) {
	var address strings.Builder
	address.WriteString(c.base + "/v1")

	for _, segment := range call.path {
		address.WriteString("/" + url.PathEscape(segment))
	}

	if len(call.query) > 0 {
		address.WriteString("?" + call.query.Encode())
	}

	request, err := http.NewRequestWithContext(ctx, call.method, address.String(),
		bytes.NewReader(call.body))
	if err != nil {
		return nil, ErrAddress
	}

	for name, values := range call.header {
		request.Header[name] = values
	}

	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", c.userAgent)

	if call.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}

	switch {
	case c.key != "":
		request.Header.Set("X-Api-Key", c.key)
	case c.token != nil:
		token, err := c.token(ctx)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}

		request.Header.Set("Authorization", "Bearer "+token)
	}

	return request, nil
}
