package localgateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// A cached answer serves the same identity; its policy is evaluated for each request.
func TestCacheOfREST(t *testing.T) {
	t.Parallel()
	type step struct {
		method, path, key string
		after             time.Duration
		status, calls     int // calls of the authorizer so far
	}
	const first = "arn:aws:execute-api:us-east-1:123456789012:plain/live/GET/cached/1"

	tests := map[string]struct {
		authorizer lambda.Handler
		steps      []step
	}{
		"policy of one path": {answers(policyOf("Allow", first)), []step{
			{"GET", "/cached/1", "k", 0, 200, 1},
			{"GET", "/cached/1", "k", 0, 200, 1},
			{"GET", "/cached/2", "k", 0, 403, 1},
		}},
		"other key": {answers(allowAll), []step{
			{"GET", "/cached/1", "k", 0, 200, 1},
			{"GET", "/cached/1", "l", 0, 200, 2},
			{"GET", "/cached/1", "k", 0, 200, 2},
		}},
		"time to live": {answers(allowAll), []step{
			{"GET", "/cached/1", "k", 0, 200, 1}, {
				"GET", "/cached/1", "k", 60*time.Second - 1, 200, 1,
			}, {"GET", "/cached/1", "k", 1, 200, 2},
		}},
		"policy with an end": {answers(strings.Replace(allowAll, `"Effect"`,
			`"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-11-24T12:30:20Z"}},"Effect"`,
			1)), []step{
			{"GET", "/cached/1", "k", 0, 200, 1}, {
				"GET", "/cached/1", "k", 20*time.Second - 1, 200, 1,
			}, {"GET", "/cached/1", "k", 1, 403, 1},
		}},
		"denials": {
			answers(denyAll),
			[]step{{"GET", "/cached/1", "k", 0, 403, 1}, {"GET", "/cached/1", "k", 0, 403, 1}},
		},
		"errors": {
			fails(errors.New("x")),
			[]step{{"GET", "/cached/1", "k", 0, 500, 1}, {"GET", "/cached/1", "k", 0, 500, 2}},
		},
		"Unauthorized": {
			fails(errors.New("Unauthorized")),
			[]step{{"GET", "/cached/1", "k", 0, 401, 1}, {"GET", "/cached/1", "k", 0, 401, 2}},
		},
		"malformed": {
			answers(`{}`),
			[]step{{"GET", "/cached/1", "k", 0, 500, 1}, {"GET", "/cached/1", "k", 0, 500, 2}},
		},
		"malformed policy": {
			answers(`{"principalId":"k","policyDocument":{}}`),
			[]step{{"GET", "/cached/1", "k", 0, 500, 1}, {"GET", "/cached/1", "k", 0, 500, 2}},
		},
		"malformed context": {
			answers(`{"principalId":"k","policyDocument":{"Version":"2012-10-17","Statement":[]},"context":{"a":null}}`),
			[]step{{"GET", "/cached/1", "k", 0, 500, 1}, {"GET", "/cached/1", "k", 0, 500, 2}},
		},
		"missing identity": {
			answers(allowAll),
			[]step{{"GET", "/cached/1", "k", 0, 200, 1}, {"GET", "/cached/1", "", 0, 401, 1}},
		},
		"time to live 0": {
			answers(allowAll),
			[]step{{"GET", "/keys/1", "k", 0, 200, 1}, {"GET", "/keys/1", "k", 0, 200, 2}},
		},
		"per route": {answers(allowAll), []step{
			{"GET", "/perroute/1", "k", 0, 200, 1},
			{"GET", "/perroute/2", "k", 0, 200, 1},
			{"PUT", "/perroute/1", "k", 0, 200, 2},
		}},
		"another authorizer's entries": {
			answers(allowAll),
			[]step{{"GET", "/cached/1", "k", 0, 200, 1}, {"GET", "/twin/1", "k", 0, 200, 2}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := newREST(t, test.authorizer)
			for i, s := range test.steps {
				w.now = w.now.Add(s.after)

				got := w.do(s.method, s.path, "", "X-Api-Key: "+s.key)
				if got.Status != s.status || len(w.authorizer.events) != s.calls {
					t.Errorf("step %d: got %d and %d calls, want %d and %d", i, got.Status,
						len(w.authorizer.events), s.status, s.calls)
				}
			}
		})
	}
}

// REST caches for 300 s by default.
func TestTokenCacheHasTheDefaultTime(t *testing.T) {
	t.Parallel()

	w := newREST(t, answers(allowAll))
	for i, after := range []time.Duration{0, 300*time.Second - 1, 1} {
		w.now = w.now.Add(after)
		w.get("/cachedtoken", "Authorization: abc")

		if want := 1 + i/2; len(w.authorizer.events) != want {
			t.Errorf("request %d: %d calls, want %d", i, len(w.authorizer.events), want)
		}
	}
}

// No two lists of identity values may share an entry.
func TestCacheKeysDoNotCollide(t *testing.T) {
	t.Parallel()
	tenant := function(func(_ context.Context, event []byte) ([]byte, error) {
		var e struct {
			Headers map[string]string
			Query   map[string]string `json:"queryStringParameters"`
		}
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}

		return fmt.Appendf(nil,
			`{"principalId":%q,"policyDocument":{"Version":"2012-10-17","Statement":[]}}`,
			e.Headers["X-Api-Key"]+"/"+e.Query["tenant"]), nil
	})
	tmpl := read(t, "rest.yaml")
	a := tmpl.APIs["Plain"].Authorizers["Header"]
	a.TTL = time.Minute
	tmpl.APIs["Plain"].Authorizers["Header"] = a
	w := newREST(t, tenant)
	w.replaceTemplate(t, tmpl)

	for _, pair := range [][2]string{
		{`a","b`, "c"},
		{"a", `b","c`},
		{"a", "bc"},
		{"ab", "c"},
		{"a,b", "c"},
		{"a", "b,c"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/header", nil)
		r.Header.Set("X-Api-Key", pair[0])
		r.URL.RawQuery = url.Values{"tenant": {pair[1]}}.Encode()
		w.send(r)

		if got, want := w.records[len(w.records)-1].PrincipalID, pair[0]+"/"+pair[1]; got != want {
			t.Errorf("%v was answered with the entry of %s", pair, got)
		}
	}
}

func TestCacheOfHTTP(t *testing.T) {
	t.Parallel()

	w := newHTTP(t, answers(`{"isAuthorized":true,"context":{"list":[1,{"a":"b"}]}}`))
	for range 2 {
		if got := w.get("/simple/1", "X-Api-Key: k"); got.Status != 200 {
			t.Errorf("got %d", got.Status)
		}
	}

	w.get("/simple/2", "X-Api-Key: k") // a simple verdict is replayed for every path

	if len(w.authorizer.events) != 1 {
		t.Errorf("%d calls, want one", len(w.authorizer.events))
	}

	check(t, contextOf(w.backend.events[0]), contextOf(w.backend.events[1]))

	w = newHTTP(t, answers(allowAll))
	// one entry for each route, and ANY is one route
	for _, method := range []string{"GET", "GET", "PUT"} {
		w.do(method, "/perroute/1", "", "X-Api-Key: k")
	}

	if len(w.authorizer.events) != 1 {
		t.Errorf("%d calls, want one", len(w.authorizer.events))
	}
}

func contextOf(event map[string]any) any {
	return event["requestContext"].(map[string]any)["authorizer"]
}
