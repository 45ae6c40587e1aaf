package runtimeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// maxPayload is Lambda's limit for a response, in bytes: 6 MB and a little.
// See https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPayload = 6_291_556

// traceID is a trace id that is not sampled.
const traceID = "Root=1-00000000-000000000000000000000000;Sampled=0"

// invocation is one event on its way through an instance.
type invocation struct {
	id       string
	arn      string
	payload  []byte
	deadline time.Time
	allowed  time.Duration
	result   chan result // holds one, so that answering never blocks
}

type result struct {
	payload []byte
	err     error
}

// newInvocation takes the request id and the ARN from the caller's Lambda context, where a gateway
// put them, and the deadline from ctx.
func newInvocation(ctx context.Context, payload []byte) *invocation {
	inv := &invocation{
		id:      "00000000-0000-4000-8000-000000000000",
		payload: payload,
		result:  make(chan result, 1),
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		inv.id = lc.AwsRequestID
		inv.arn = lc.InvokedFunctionArn
	}

	inv.deadline, _ = ctx.Deadline()
	inv.allowed = time.Until(inv.deadline)
	return inv
}

// api serves the Runtime API to one process.
type api struct {
	arn        string
	next       chan *invocation
	initErrors chan *Error

	extensions *extensions
	started    func() // runs when the process has asked for its first event

	mu      sync.Mutex
	current *invocation
}

func newAPI(arn string, started func()) *api {
	return &api{
		arn:        arn,
		started:    sync.OnceFunc(started),
		next:       make(chan *invocation),
		initErrors: make(chan *Error, 1),
		extensions: newExtensions(),
	}
}

// routes returns the handler of a bootstrap's requests.
func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", a.serveResponse)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", a.serveError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.serveInitError)
	mux.HandleFunc("POST /2020-01-01/extension/register", a.extensions.serveRegister)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", a.extensions.serveNext)
	return mux
}

// serveNext blocks until there is an invocation and every extension is done with the previous one.
// A process that dies meanwhile closes its connection, so the invocation is never given to a dead
// process.
func (a *api) serveNext(w http.ResponseWriter, r *http.Request) {
	a.started()

	select {
	case <-a.extensions.done():
	case <-r.Context().Done():
		return
	}

	select {
	case inv := <-a.next:
		a.mu.Lock()
		a.current = inv
		a.mu.Unlock()

		arn := inv.arn
		if arn == "" {
			arn = a.arn
		}

		a.extensions.notify(inv, arn)
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(inv.payload)))
		header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", arn)
		header.Set("Lambda-Runtime-Trace-Id", traceID)
		_, _ = w.Write(inv.payload) // the process's death is noticed by its exit
	case <-r.Context().Done():
	}
}

func (a *api) serveResponse(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		http.Error(w, "response was cut off", http.StatusBadRequest)
		return
	}

	if len(payload) > maxPayload {
		// a runtime that is still sending would not read the answer
		_, _ = io.Copy(io.Discard, r.Body)
		a.answer(w, r, http.StatusRequestEntityTooLarge, result{
			err: &Error{
				"Function.ResponseSizeTooLarge",
				fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d "+
					"bytes).", maxPayload),
			},
		})
		return
	}

	a.answer(w, r, http.StatusAccepted, result{payload: payload})
}

func (a *api) serveError(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, http.StatusAccepted, result{err: readError(r.Body)})
}

// answer sets the result of the current invocation, once.
func (a *api) answer(w http.ResponseWriter, r *http.Request, status int, res result) {
	a.mu.Lock()

	inv := a.current
	if inv == nil || inv.id != r.PathValue("id") {
		a.mu.Unlock()
		http.Error(w, "no such invocation", http.StatusBadRequest)
		return
	}

	a.current = nil
	a.mu.Unlock()
	w.WriteHeader(status)
	inv.result <- res
}

func (a *api) serveInitError(w http.ResponseWriter, r *http.Request) {
	failure := readError(r.Body)
	w.WriteHeader(http.StatusAccepted)

	select {
	case a.initErrors <- failure:
	default: // the first one counts
	}
}

func readError(body io.Reader) *Error {
	var e struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxPayload)).Decode(&e); err != nil {
		return &Error{"Runtime.Unknown", "Unknown application error occurred"}
	}

	return &Error{Type: e.ErrorType, Message: e.ErrorMessage}
}
