package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// Traffic is the HTTP client between a client and DynamoDB. It records every request and can inject
// the faults of a network and a service.
type Traffic struct {
	mu       sync.Mutex
	requests []Request
	fault    func(Request) Fault
	answer   func(*http.Request) *http.Response
}

// Request is one attempt at an operation.
type Request struct {
	Operation string // such as GetItem, from the header X-Amz-Target
	Body      []byte // JSON
	Type      string // of the body
	N         int    // 1 for the first request with this operation since Reset
}

// Fault is an injected fault of a request.
type Fault int

// The faults.
const (
	None       Fault = iota
	Refused          // the connection is refused: the request does not arrive
	DropAnswer       // the request is carried out, the answer is lost
	Broken           // 500, not carried out
	Throttled        // ProvisionedThroughputExceededException, not carried out
	Invalid          // ValidationException, not carried out
	Contended        // TransactionConflictException, not carried out
	Slow             // carried out 50 ms late
	Silent           // never answered, not carried out: the caller's deadline ends it
	Unreadable       // carried out, and the answer does not have its checksum
	Cut              // carried out, and the connection ends within the answer
)

// slowness is the delay of a slow answer.
const slowness = 50 * time.Millisecond

// errCut is the connection error of a fault.
var errCut = errors.New("storetest: connection reset")

// Inject makes requests fail as fault returns, until the next call; nil ends it.
func (t *Traffic) Inject(fault func(Request) Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = fault
}

// Always returns a fault for every request of these operations; of all if none is given.
func Always(f Fault, operations ...string) func(Request) Fault {
	return func(r Request) Fault {
		if len(operations) == 0 || slices.Contains(operations, r.Operation) {
			return f
		}

		return None
	}
}

// Nth returns a fault for the n-th request of an operation, counted from 1, and none for the
// others.
func Nth(f Fault, operation string, n int) func(Request) Fault {
	return func(r Request) Fault {
		if r.Operation == operation && r.N == n {
			return f
		}

		return None
	}
}

// Reset forgets the requests so far.
func (t *Traffic) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests = nil
}

// Requests returns the requests since Reset, of these operations or of all, in their order.
func (t *Traffic) Requests(operations ...string) []Request {
	t.mu.Lock()
	defer t.mu.Unlock()

	var out []Request
	for _, r := range t.requests {
		if len(operations) == 0 || slices.Contains(operations, r.Operation) {
			out = append(out, r)
		}
	}

	return out
}

// Count returns how many requests of these operations, or of all, there were since Reset.
func (t *Traffic) Count(operations ...string) int { return len(t.Requests(operations...)) }

// Decode decodes the request's JSON.
func (r Request) Decode(t testing.TB, into any) {
	t.Helper()

	if err := json.Unmarshal(r.Body, into); err != nil {
		t.Fatal(err)
	}
}

// RoundTrip implements http.RoundTripper, for the client of package awsjson.
func (t *Traffic) RoundTrip(request *http.Request) (*http.Response, error) { return t.Do(request) }

// Do implements the SDK's HTTP client.
func (t *Traffic) Do(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}

	request.Body = io.NopCloser(bytes.NewReader(body))
	if answer := t.given(request); answer != nil {
		return answer, nil
	}

	fault := t.note(request, body)
	switch fault {
	case Refused:
		return nil, errCut
	case Silent:
		<-request.Context().Done()
		return nil, request.Context().Err()
	case Broken:
		return answer(request, http.StatusInternalServerError, "InternalServerError"), nil
	case Throttled:
		return answer(request, http.StatusBadRequest, "ProvisionedThroughputExceededException"), nil
	case Contended:
		return answer(request, http.StatusBadRequest, "TransactionConflictException"), nil
	case Invalid:
		return answer(request, http.StatusBadRequest, "ValidationException"), nil
	case DropAnswer:
		response, err := send(request)
		if err != nil {
			return nil, err
		}

		_, err = io.Copy(io.Discard, response.Body)
		return nil, errors.Join(errCut, err, response.Body.Close())
	case Slow:
		time.Sleep(slowness)
	case Unreadable, Cut:
		return damaged(request, fault == Cut)
	case None:
	}

	return send(request)
}

// damaged sends the request, and damages the answer.
func damaged(request *http.Request, cut bool) (*http.Response, error) {
	response, err := send(request)
	if err != nil {
		return nil, err
	}

	if !cut {
		response.Header.Set("X-Amz-Crc32", "1")
		return response, nil
	}

	body := response.Body
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(`{"It`), iotest.ErrReader(io.ErrUnexpectedEOF)), body}

	return response, nil
}

// Answer makes all requests be answered like that, and not carried out.
func (t *Traffic) Answer(status int, body string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answer = func(r *http.Request) *http.Response { return respond(r, status, body) }
}

// given returns the answer that all requests get; nil if they are carried out.
func (t *Traffic) given(request *http.Request) *http.Response {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.answer == nil {
		return nil
	}

	return t.answer(request)
}

// send sends the request to the address that the test chose.
func send(request *http.Request) (*http.Response, error) {
	return http.DefaultClient.Do(request) //nolint:gosec // the SDK made it
}

// note records the request and returns its fault.
func (t *Traffic) note(request *http.Request, body []byte) Fault {
	_, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	t.mu.Lock()

	r := Request{
		Operation: operation,
		Body:      body,
		Type:      request.Header.Get("Content-Type"),
		N:         1,
	}
	for _, earlier := range t.requests {
		if earlier.Operation == operation {
			r.N++
		}
	}

	t.requests = append(t.requests, r)
	fault := t.fault
	t.mu.Unlock()

	if fault == nil {
		return None
	}

	return fault(r)
}

// answer returns an error in DynamoDB's JSON protocol.
func answer(request *http.Request, status int, code string) *http.Response {
	text := fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"injected"}`,
		code)
	return respond(request, status, text)
}

func respond(request *http.Request, status int, text string) *http.Response {
	return &http.Response{
		StatusCode:    status,
		Status:        http.StatusText(status),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Request:       request,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:          io.NopCloser(strings.NewReader(text)),
		ContentLength: int64(len(text)),
	}
}
