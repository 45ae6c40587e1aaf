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

// Error is an answer that refuses a call. Its Code is "" if the answer is not from the API, but
// from something in front of it.
type Error struct {
	api.Problem

	// Operation is the id of the operation in the OpenAPI document.
	Operation string
	// RetryAfter is how long to wait before the next call; 0 if the answer does not say.
	RetryAfter time.Duration
}

// Error implements error. It repeats none of the values that were sent.
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

// Is implements errors.Is: an error matches the sentinel of its code.
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

// Errors about answers that a call cannot return.
var (
	// ErrNoAnswer means that nothing answered, or not to the end.
	ErrNoAnswer = errors.New("client: no answer")
	// ErrNotModified means that the object still has the ETag that was sent.
	ErrNotModified = errors.New("client: not modified")
	// ErrUnreadable means that an answer is too long, or is not the expected JSON.
	ErrUnreadable = errors.New("client: the answer cannot be read")
	// ErrAddress means that a name in an address is empty, or leads elsewhere, as ".." does.
	ErrAddress = errors.New("client: a name that an address cannot have")
)

// refusal returns the error of an answer that is not a success.
func (c *Client) refusal(operation string, response *http.Response, body []byte) *Error {
	e := &Error{Operation: operation}
	if json.Unmarshal(body, &e.Problem) != nil || e.Code == "" {
		// not the API's: its text is not repeated
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

// maxSeconds is the longest Retry-After that is reported: a year.
const maxSeconds = 365 * 24 * 60 * 60

// redact removes the client's key from a text of the server's, which should not contain it.
func (c *Client) redact(text string) string {
	if c.key == "" {
		return text
	}

	return strings.ReplaceAll(text, c.key, "[secret]")
}
