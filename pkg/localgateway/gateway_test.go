package localgateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// function is an in-process handler that a test scripts.
type function func(ctx context.Context, event []byte) ([]byte, error)

func (f function) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

func answers(payload string) function {
	return func(context.Context, []byte) ([]byte, error) { return []byte(payload), nil }
}

func fails(err error) function {
	return func(context.Context, []byte) ([]byte, error) { return nil, err }
}

// hangs waits until its context ends.
func hangs(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Authorizers' answers.
const (
	allowAll = `{"principalId":"key","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]},"context":{"code":"ok","count":3,"flag":true}}`
	denyAll  = `{"principalId":"key","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"*"}]},"context":{"code":"permission_denied","retryAfter":7}}`
	nothing  = `{"principalId":"key","policyDocument":{"Version":"2012-10-17","Statement":[]}}`
)

// policyOf returns a policy that allows or denies the resources.
func policyOf(effect string, resources ...string) string {
	list, err := json.Marshal(resources)
	if err != nil {
		panic(err)
	}

	return `{"principalId":"key","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"` + effect + `","Resource":` + string(
		list,
	) + `}]}}`
}

// recorder records the events of a function.
type recorder struct {
	next   lambda.Handler
	mu     sync.Mutex
	events []map[string]any
}

func (r *recorder) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var decoded map[string]any
	if err := json.Unmarshal(event, &decoded); err != nil {
		return nil, err
	}

	r.mu.Lock()
	r.events = append(r.events, decoded)
	r.mu.Unlock()
	return r.next.Invoke(ctx, event)
}

func (r *recorder) only(t *testing.T) map[string]any {
	t.Helper()

	if len(r.events) != 1 {
		t.Fatalf("%d calls, want one", len(r.events))
	}

	return r.events[0]
}

// world is a gateway with its scripted functions, clock and access log.
type world struct {
	authorizer, backend *recorder
	config              localgateway.Config
	gateway             *localgateway.Gateway
	now                 time.Time
	records             []localgateway.AccessRecord
}

const ok = `{"statusCode":200,"headers":{"Content-Type":"text/plain"},"body":"backend"}`

// zeros makes request ids predictable.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func read(t testing.TB, file string) *template.Template {
	t.Helper()

	source, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}

	tmpl, err := template.Read(source, nil)
	if err != nil {
		t.Fatal(err)
	}

	return tmpl
}

func newWorld(t *testing.T, file, api string, authorizer, backend lambda.Handler) *world {
	t.Helper()
	w := &world{
		authorizer: &recorder{next: authorizer},
		backend:    &recorder{next: backend},
		now:        time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC),
	}

	functions := map[string]lambda.Handler{"Backend": w.backend}
	if authorizer != nil {
		functions["Authorizer"] = w.authorizer
	}

	w.config = localgateway.Config{
		Template:  read(t, file),
		API:       api,
		Functions: functions,
		Random:    zeros{},
		Now:       func() time.Time { return w.now },
		AccessLog: func(r localgateway.AccessRecord) { w.records = append(w.records, r) },
	}
	w.replaceTemplate(t, w.config.Template)
	return w
}

// replaceTemplate restarts the world's gateway with another template.
func (w *world) replaceTemplate(t *testing.T, tmpl *template.Template) {
	t.Helper()
	w.config.Template = tmpl

	var err error
	if w.gateway, err = localgateway.New(w.config); err != nil {
		t.Fatal(err)
	}
}

// inBubble runs a test on a fake clock, and then lets the functions' instances end.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(time.Second)
	})
}

func newREST(t *testing.T, authorizer lambda.Handler) *world {
	t.Helper()
	return newWorld(t, "rest.yaml", "Plain", authorizer, answers(ok))
}

func newHTTP(t *testing.T, authorizer lambda.Handler) *world {
	t.Helper()
	return newWorld(t, "http.yaml", "Plain", authorizer, answers(ok))
}

// seen is a response as the tests compare it.
type seen struct {
	Status int
	Body   string
	Header map[string]string
}

// do sends a request; headers are "Name: value" lines.
func (w *world) do(method, path, body string, headers ...string) seen {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://api.example"+path,
		strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}

	return w.send(r)
}

func (w *world) send(r *http.Request) seen {
	rec := httptest.NewRecorder()
	w.gateway.ServeHTTP(rec, r)

	s := seen{Status: rec.Code, Body: rec.Body.String(), Header: map[string]string{}}
	for name, values := range rec.Header() {
		s.Header[name] = strings.Join(values, " | ")
	}

	return s
}

func (w *world) get(path string, headers ...string) seen {
	return w.do("GET", path, "", headers...)
}

// The ids that zeros produces, as headers.
func restHeaders(errorType string) map[string]string {
	h := map[string]string{
		"Content-Type":     "application/json",
		"X-Amzn-Requestid": "00000000-0000-4000-8000-000000000000",
		"X-Amz-Apigw-Id":   "AAAAAAAAAAAAAAA=",
	}
	if errorType != "" {
		h["X-Amzn-Errortype"] = errorType
	}

	return h
}

func httpHeaders() map[string]string {
	return map[string]string{
		"Content-Type":    "application/json",
		"Apigw-Requestid": "AAAAAAAAAAAAAAA=",
	}
}

func check(t *testing.T, want, got any) {
	t.Helper()

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// However many calls come at once, only so many run: the others wait for their turn, and each gets
// its answer.
func TestCallsTakeTurns(t *testing.T) {
	t.Parallel()

	most := int64(4 * runtime.GOMAXPROCS(0))

	var running, peak, refused atomic.Int64
	w := newREST(t, answers(allowAll))
	w.config.Functions["Backend"] = function(func(context.Context, []byte) ([]byte, error) {
		now := running.Add(1)
		for before := peak.Load(); now > before && !peak.CompareAndSwap(before, now); {
			before = peak.Load()
		}

		time.Sleep(5 * time.Millisecond)
		running.Add(-1)
		return []byte(ok), nil
	})
	w.config.AccessLog = nil
	w.replaceTemplate(t, w.config.Template)

	var calls sync.WaitGroup
	for range 10 * most {
		calls.Go(func() {
			if w.get("/any", "X-Api-Key: k").Status != http.StatusOK {
				refused.Add(1)
			}
		})
	}

	calls.Wait()

	if peak.Load() > most || peak.Load() < 2 || refused.Load() > 0 {
		t.Errorf("%d at once, %d refused", peak.Load(), refused.Load())
	}
}

// A function that everybody calls at once throttles the calls that would wait for long, with 503 and
// Retry-After by our template, and answers again as soon as an instance is free.
func TestWaitingCallsAreBounded(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}

	tmpl, err := template.Read(source, map[string]string{"DemoApi": "rest"})
	if err != nil {
		t.Fatal(err)
	}

	slow := func(context.Context, []byte) ([]byte, error) {
		time.Sleep(3 * time.Second)
		return nil, errors.New("Unauthorized")
	}

	api := tmpl.APIs["DemoProduction"]
	for name, test := range map[string]struct {
		functions map[string]lambda.Handler
		path      string
		slow      int
	}{
		"authorizer": {
			map[string]lambda.Handler{
				api.Authorizers["strict"].Function: function(slow),
			}, "/messages/42", http.StatusUnauthorized,
		},
		"function behind the route": {
			map[string]lambda.Handler{
				"DemoProductionBackend": function(slow),
			}, "/health", http.StatusServiceUnavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				g, err := localgateway.New(localgateway.Config{
					Template:  tmpl,
					API:       api.ID,
					Mapping:   &localgateway.Mapping{},
					Functions: test.functions,
				})
				if err != nil {
					t.Fatal(err)
				}

				w := &world{gateway: g}

				var calls sync.WaitGroup
				for range 4 * runtime.GOMAXPROCS(0) {
					calls.Go(func() {
						if got := w.get(test.path); got.Status != test.slow {
							t.Errorf("the slow call got %d %s", got.Status, got.Body)
						}
					})
				}

				synctest.Wait()

				began := time.Now()
				got := w.get(test.path)

				if took := time.Since(began); took != time.Second ||
					got.Status != http.StatusServiceUnavailable || got.Header["Retry-After"] != "5" {
					t.Errorf("after %v it got %d %v", took, got.Status, got.Header)
				}

				time.Sleep(1500 * time.Millisecond) // half a second before the slow calls end

				began = time.Now()
				if got, took := w.get(test.path), time.Since(began); got.Status != test.slow ||
					took != 3500*time.Millisecond {
					t.Errorf("afterwards, after %v it got %d %s", took, got.Status, got.Body)
				}

				calls.Wait()
			})
		})
	}
}

// A handler that ends its goroutine, as a failed test within it does, gives its instance back.
func TestEndedGoroutineFreesItsInstance(t *testing.T) {
	t.Parallel()

	var calls atomic.Int64

	instances := 4 * runtime.GOMAXPROCS(0)

	w := newREST(t, function(func(context.Context, []byte) ([]byte, error) {
		if calls.Add(1) <= int64(instances) {
			runtime.Goexit()
		}

		return []byte(allowAll), nil
	}))
	for range instances {
		if got := w.get("/keys/1"); got.Status != http.StatusInternalServerError {
			t.Errorf("it got %d %s", got.Status, got.Body)
		}
	}

	if got := w.get("/keys/1"); got.Status != http.StatusOK {
		t.Errorf("afterwards it got %d %s", got.Status, got.Body)
	}
}
