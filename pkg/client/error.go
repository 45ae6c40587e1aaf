package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
)

// Error is an answer that refuses a call. Its Code is "" where the answer is not the API's own, but
// of something before it.
type Error struct {
	api.Problem

	// Operation is the id of the operation in the OpenAPI document.
	Operation string
	// RetryAfter is how long to wait before the next call; 0 where the answer does not say.
	RetryAfter time.Duration
}

// Error implements error. It repeats no value that was sent.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d", e.Operation, e.Status)

	for _, part := range []string{string(e.Code), e.Detail} {
		if part != "" {
			text.WriteString(" " + part)
		}
	}

	for _, f := range e.Errors {
		fmt.Fprintf(&text, "; %s: %s", f.Location, f.Message)
	}

	if e.RequestID != "" {
		text.WriteString(" (request " + e.RequestID + ")")
	}

	return text.String()
}

// Is implements what errors.Is asks: an error is the sentinel of its code.
func (e *Error) Is(target error) bool {
	s, ok := target.(Sentinel)
	return ok && s != "" && api.Code(s) == e.Code
}

// Sentinel is the error of a code, for errors.Is: Sentinel(api.CodeStale) is [ErrStale].
type Sentinel api.Code

// Error implements error.
func (s Sentinel) Error() string { return "client: " + string(s) }

// The errors of the API's codes.
const (
	ErrMalformed            = Sentinel(api.CodeMalformed)
	ErrUnauthenticated      = Sentinel(api.CodeUnauthenticated)
	ErrInvalidKey           = Sentinel(api.CodeInvalidKey)
	ErrPermissionDenied     = Sentinel(api.CodePermissionDenied)
	ErrNotFound             = Sentinel(api.CodeNotFound)
	ErrNotActive            = Sentinel(api.CodeNotActive)
	ErrNoRotation           = Sentinel(api.CodeNoRotation)
	ErrRotationRunning      = Sentinel(api.CodeRotationRunning)
	ErrCompromised          = Sentinel(api.CodeCompromised)
	ErrDeleted              = Sentinel(api.CodeDeleted)
	ErrInUse                = Sentinel(api.CodeInUse)
	ErrLastAdmin            = Sentinel(api.CodeLastAdmin)
	ErrDuplicate            = Sentinel(api.CodeDuplicate)
	ErrConflict             = Sentinel(api.CodeConflict)
	ErrStale                = Sentinel(api.CodeStale)
	ErrTooLarge             = Sentinel(api.CodeTooLarge)
	ErrUnsupportedMediaType = Sentinel(api.CodeUnsupportedMediaType)
	ErrValidation           = Sentinel(api.CodeValidation)
	ErrImmutable            = Sentinel(api.CodeImmutable)
	ErrEscalation           = Sentinel(api.CodeEscalation)
	ErrIdempotencyMismatch  = Sentinel(api.CodeIdempotencyMismatch)
	ErrRateLimited          = Sentinel(api.CodeRateLimited)
	ErrTooManyChanges       = Sentinel(api.CodeTooManyChanges)
	ErrTooManyJobs          = Sentinel(api.CodeTooManyJobs)
	ErrQuotaExceeded        = Sentinel(api.CodeQuotaExceeded)
	ErrInternal             = Sentinel(api.CodeInternal)
	ErrUnavailable          = Sentinel(api.CodeUnavailable)
)

// Why an answer is none that a call can return.
var (
	// ErrNotModified says that what was read is still as the caller has it.
	ErrNotModified = errors.New("client: not modified")
	// ErrUnreadable says that an answer is longer than one may be, or not the JSON that it should be.
	ErrUnreadable = errors.New("client: the answer cannot be read")
	// ErrAddress says that a name in an address is empty, or one that leads elsewhere, as ".." does.
	ErrAddress = errors.New("client: a name that an address cannot have")
)

// refusal makes the error of an answer that is not a success.
func (c *Client) refusal(operation string, response *http.Response, body []byte) *Error {
	e := &Error{Operation: operation}
	if json.Unmarshal(body, &e.Problem) != nil || e.Code == "" {
		// not the API's: what it says is not repeated
		e.Problem = api.Problem{Title: http.StatusText(response.StatusCode)}
	}

	e.Status = response.StatusCode
	e.Title, e.Detail = c.redact(e.Title), c.redact(e.Detail)

	for i := range e.Errors {
		f := &e.Errors[i]
		f.Location, f.Message = c.redact(f.Location), c.redact(f.Message)
	}

	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, maxSeconds)) * time.Second
	}

	return e
}

// maxSeconds is the longest Retry-After that is told: a year.
const maxSeconds = 365 * 24 * 60 * 60

// redact takes the client's key out of a text of the server's, which should not have it.
func (c *Client) redact(text string) string {
	if c.key == "" {
		return text
	}

	return strings.ReplaceAll(text, c.key, "[secret]")
}
