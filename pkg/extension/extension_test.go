package extension_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/extension"
)

// service is Lambda's Extensions API as an extension sees it. A real one is tested with
// pkg/localgateway/runtimeapi.
type service struct {
	events     chan string // what event/next answers
	asked      chan struct{}
	registered string
	status     int
}

func newService(t *testing.T) (s *service, address string) {
	t.Helper()
	s = &service{events: make(chan string), asked: make(chan struct{}, 10), status: http.StatusOK}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, strings.TrimPrefix(server.URL, "http://")
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /2020-01-01/extension/register":
		body, _ := io.ReadAll(r.Body)
		s.registered = r.Header.Get("Lambda-Extension-Name") + " " + string(body)
		w.Header().Set("Lambda-Extension-Identifier", "id-1")
		w.WriteHeader(s.status)
	case "GET /2020-01-01/extension/event/next":
		if r.Header.Get("Lambda-Extension-Identifier") != "id-1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}

		s.asked <- struct{}{}

		select {
		case event := <-s.events:
			_, _ = io.WriteString(w, event) // the test checks how the extension handles it
		case <-r.Context().Done():
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func invokeEvent(left time.Duration) string {
	text, _ := json.Marshal(map[string]any{
		"eventType":  "INVOKE",
		"deadlineMs": time.Now().Add(left).UnixMilli(),
		"requestId":  "r",
	})
	return string(text)
}

// The work comes after the answer, and the extension asks for its next event after the work.
func TestWorkAfterTheAnswer(t *testing.T) {
	t.Parallel()
	s, address := newService(t)
	working, finish := make(chan context.Context, 1), make(chan struct{})
	handler := lambda.NewHandler(func() (string, error) { return "answer", nil })

	e, err := extension.Register(t.Context(), extension.Config{
		Address: address,
		Name:    "tester",
		Work: func(ctx context.Context) {
			working <- ctx
			<-finish
		},
	}, handler)
	if err != nil {
		t.Fatal(err)
	}

	if want := `tester {"events":["INVOKE"]}`; s.registered != want {
		t.Errorf("registered %s, want %s", s.registered, want)
	}

	ctx, stop := context.WithCancel(t.Context())

	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	for range 3 {
		<-s.asked
		s.events <- invokeEvent(time.Minute)

		select {
		case <-working:
			t.Error("it works before there is an answer")
		case <-time.After(20 * time.Millisecond):
		}

		if out, err := e.Invoke(t.Context(), []byte("{}")); err != nil ||
			string(out) != `"answer"` {
			t.Errorf("%s, %v", out, err)
		}

		work := <-working // the answer has arrived while the work continues
		if end, ok := work.Deadline(); !ok || time.Until(end) > time.Minute {
			t.Errorf("the work may go on until %v", end)
		}

		select {
		case <-s.asked:
			t.Error("it asks for an event while it works")
		default:
		}

		finish <- struct{}{}
	}

	stop()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended: %v", err)
	}
}

// After a function that uses all of its time there is no work, and nothing waits for it. What is to
// be done without time is done.
func TestNoTimeLeft(t *testing.T) {
	t.Parallel()
	s, address := newService(t)
	answered := 0

	e, err := extension.Register(t.Context(), extension.Config{
		Address:  address,
		Name:     "tester",
		Answered: func() { answered++ },
		Work:     func(context.Context) { t.Error("it works") },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())

	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	for range 2 {
		<-s.asked
		s.events <- invokeEvent(100 * time.Millisecond)
	}

	<-s.asked // it asks again
	stop()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	if answered != 2 {
		t.Errorf("%d of 2 were answered", answered)
	}
}

// Without an extension, invocations still work.
func TestExtensionsAPIThatFails(t *testing.T) {
	t.Parallel()
	s, address := newService(t)
	s.status = http.StatusForbidden

	if _, err := extension.Register(t.Context(), extension.Config{
		Address: address,
		Name:    "tester",
	}, nil); err == nil {
		t.Error("registered, and it was refused")
	}

	s.status = http.StatusOK
	handler := lambda.NewHandler(func() (string, error) { return "answer", nil })

	e, err := extension.Register(t.Context(), extension.Config{
		Address: address,
		Name:    "tester",
		Work:    func(context.Context) {},
	}, handler)
	if err != nil {
		t.Fatal(err)
	}

	ended := make(chan error, 1)
	for _, event := range []string{
		"no JSON", `{"eventType":"INVOKE","deadlineMs":"soon"}`, `{"eventType":"INVOKE","deadlineMs":1`,
	} {
		go func() { ended <- e.Run(t.Context()) }()
		<-s.asked
		s.events <- event

		if err := <-ended; err == nil {
			t.Errorf("it continues after an event that it cannot read: %s", event)
		}
	}

	for i := range 3 {
		if _, err := e.Invoke(t.Context(), []byte("{}")); err != nil {
			t.Error(fmt.Errorf("invocation %d: %w", i, err))
		}
	}
}
