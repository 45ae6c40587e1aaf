package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

const testKey = "bt_prod_test_key"

// served returns a client of a server, and what the client waited.
func served(
	t *testing.T, serve http.HandlerFunc, change ...func(*client.Config),
) (*client.Client, *[]time.Duration) {
	t.Helper()

	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	waits := &[]time.Duration{}

	config := client.Config{
		URL: server.URL,
		Key: testKey,
		Sleep: func(_ context.Context, d time.Duration) error {
			*waits = append(*waits, d)
			return nil
		},
	}
	for _, c := range change {
		c(&config)
	}

	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}

	return c, waits
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// cut ends a connection without an answer.
func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// status answers a problem of a status.
func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}

		answer(w, code, fmt.Sprintf(`{"status": %d, "code": "unavailable"}`, code))
	}
}

func TestOnlyWhatIsSafeIsSentAgain(t *testing.T) {
	t.Parallel()

	read := func(c *client.Client) error {
		_, err := c.GetKey(t.Context(), "acme", "k")
		return err
	}
	create := func(c *client.Client) error {
		_, err := c.CreateKey(t.Context(), "acme", api.CreateKey{Name: "n"})
		return err
	}
	update := func(c *client.Client) error {
		_, err := c.UpdateKey(t.Context(), "acme", "k", api.UpdateKey{})
		return err
	}
	remove := func(options ...client.Option) func(c *client.Client) error {
		return func(c *client.Client) error {
			return c.DeleteKey(t.Context(), "acme", "k", options...)
		}
	}
	report := func(c *client.Client) error {
		return c.ReportLeak(t.Context(), api.ReportLeak{Secret: "s"})
	}
	explain := func(c *client.Client) error {
		_, err := c.ExplainKey(t.Context(), "acme", "k", api.ExplainKey{Method: "GET", Path: "/"})
		return err
	}

	for name, test := range map[string]struct {
		call  func(*client.Client) error
		first func(http.ResponseWriter)
		want  int32 // requests
	}{
		"a read whose connection ends":          {read, cut, 2},
		"a read, 502":                           {read, status(502), 2},
		"a read, 503":                           {read, status(503), 2},
		"a read, 504":                           {read, status(504), 2},
		"a read, 500":                           {read, status(500), 1},
		"a read, 404":                           {read, status(404), 1},
		"a read, 429 with Retry-After":          {read, status(429, "Retry-After", "3"), 2},
		"a read, 429 without":                   {read, status(429), 1},
		"a read, 429 for an hour":               {read, status(429, "Retry-After", "3600"), 1},
		"a read, 503 for an hour":               {read, status(503, "Retry-After", "3600"), 1},
		"a POST with an Idempotency-Key":        {create, status(503), 2},
		"a POST without":                        {report, status(503), 1},
		"a POST without, 429 with Retry-After":  {report, status(429, "Retry-After", "3"), 1},
		"a POST that only reads":                {explain, status(503), 2},
		"a PATCH":                               {update, status(503), 1},
		"a DELETE":                              {remove(), status(503), 2},
		"a DELETE whose condition is met once":  {remove(client.IfVersion(3)), status(503), 1},
		"a PATCH whose connection ends":         {update, cut, 1},
		"a POST whose connection ends":          {report, cut, 1},
		"a POST with a key, connection ends":    {create, cut, 2},
		"a conditional DELETE, connection ends": {remove(client.IfMatch("*")), cut, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32

			c, waits := served(t, func(w http.ResponseWriter, _ *http.Request) {
				if requests.Add(1) == 1 {
					test.first(w)
					return
				}

				answer(w, http.StatusOK, `{}`)
			}, func(config *client.Config) {
				// net/http sends again by itself on connections that it kept
				config.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			})

			err := test.call(c)
			if got := requests.Load(); got != test.want || (err == nil) != (test.want == 2) {
				t.Errorf("%d requests, want %d: %v", got, test.want, err)
			}

			if len(*waits) != int(test.want)-1 {
				t.Errorf("waited %v", *waits)
			}
		})
	}
}

func TestWaitsGrowAndEnd(t *testing.T) {
	t.Parallel()
	c, waits := served(t, func(w http.ResponseWriter, _ *http.Request) { status(503)(w) },
		func(config *client.Config) { config.Attempts = 9 })

	if _, err := c.Whoami(t.Context()); !errors.Is(err, client.ErrUnavailable) {
		t.Error(err)
	}

	if len(*waits) != 8 {
		t.Fatalf("waited %v", *waits)
	}

	longest := 200 * time.Millisecond
	for i, wait := range *waits {
		if wait < longest/2 || wait >= longest {
			t.Errorf("wait %d: %v, want %v to %v", i, wait, longest/2, longest)
		}

		longest = min(2*longest, 5*time.Second)
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	t.Parallel()
	c, waits := served(t, func(w http.ResponseWriter, _ *http.Request) {
		status(429, "Retry-After", "7")(w)
	})

	_, err := c.Whoami(t.Context())

	var refused *client.Error
	if !errors.As(err, &refused) || refused.RetryAfter != 7*time.Second {
		t.Errorf("%v", err)
	}

	if len(*waits) != 3 {
		t.Fatalf("waited %v", *waits)
	}

	for _, wait := range *waits {
		if wait < 7*time.Second || wait > 8*time.Second {
			t.Errorf("waited %v", wait)
		}
	}
}

func TestNoWaitGoesBeyondTheContext(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32

	c, waits := served(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		status(429, "Retry-After", "29")(w)
	})

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	if _, err := c.Whoami(ctx); err == nil || requests.Load() != 1 || len(*waits) != 0 {
		t.Errorf("%v after %d requests and waits of %v", err, requests.Load(), *waits)
	}

	c, _ = served(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		status(503)(w)
	}, func(config *client.Config) { config.Sleep = nil })

	ctx, cancel = context.WithCancel(t.Context())
	requests.Store(0)
	time.AfterFunc(20*time.Millisecond, cancel)

	if _, err := c.Whoami(ctx); err == nil || requests.Load() > 2 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// The repeated request is the same as the first, also its Idempotency-Key; another call has another.
func TestAnAttemptIsTheSameRequest(t *testing.T) {
	t.Parallel()
	var keys, bodies []string

	c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, string(body))

		if len(keys) == 1 {
			status(503)(w)
			return
		}

		answer(w, http.StatusCreated, `{"key": {"id": "k"}, "secret": null, "replayed": true}`)
	})

	made, err := c.CreateKey(t.Context(), "acme", api.CreateKey{Name: "n", Environment: "staging"})
	if err != nil || made.Key.ID != "k" || made.Secret != nil || !made.Replayed {
		t.Errorf("%v: replayed %v", err, made.Replayed)
	}

	if keys[0] == "" || keys[0] != keys[1] ||
		bodies[0] != `{"name":"n","environment":"staging"}` || bodies[0] != bodies[1] {
		t.Errorf("Idempotency-Key and body: %q, %q", keys, bodies)
	}

	for _, options := range [][]client.Option{nil, {client.IdempotencyKey("mine")}} {
		if _, err := c.RegenerateKey(t.Context(), "acme", "k", options...); err != nil {
			t.Error(err)
		}
	}

	if keys[2] == "" || keys[2] == keys[0] || keys[3] != "mine" {
		t.Errorf("Idempotency-Key: %q", keys)
	}
}

func TestARefusalIsAnError(t *testing.T) {
	t.Parallel()
	c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusUnprocessableEntity, `{"type": "https://…/problems#validation",
			"title": "The request is not valid", "status": 422, "code": "validation",
			"detail": "Some fields are not valid.", "requestId": "r-1", "errors": [
			{"location": "body.name", "message": "expected a name", "value": "hush"}]}`)
	})

	_, err := c.CreateKey(t.Context(), "acme", api.CreateKey{})

	want := "createKey: 422 validation Some fields are not valid.; body.name: expected a name " +
		"(request r-1)"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}

	err = fmt.Errorf("wrapped: %w", err)
	if !errors.Is(err, client.ErrValidation) || errors.Is(err, client.ErrNotFound) ||
		!errors.Is(err, client.Sentinel(api.CodeValidation)) {
		t.Errorf("%v is not what its code says", err)
	}

	var refused *client.Error
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}

	got := client.Error{
		Problem: api.Problem{
			Type:      "https://…/problems#validation",
			Title:     "The request is not valid",
			Status:    422,
			Code:      api.CodeValidation,
			Detail:    "Some fields are not valid.",
			RequestID: "r-1",
			Errors: []api.FieldError{{
				Location: "body.name",
				Message:  "expected a name",
				Value:    "hush",
			}},
		},
		Operation: "createKey",
	}
	if diff := cmp.Diff(got, *refused); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryCodeIsRestored(t *testing.T) {
	t.Parallel()

	sentinels := []client.Sentinel{
		client.ErrMalformed, client.ErrUnauthenticated, client.ErrInvalidKey,
		client.ErrPermissionDenied, client.ErrNotFound, client.ErrNotActive, client.ErrNoRotation,
		client.ErrRotationRunning, client.ErrCompromised, client.ErrDeleted, client.ErrInUse,
		client.ErrLastAdmin, client.ErrDuplicate, client.ErrConflict, client.ErrStale,
		client.ErrTooLarge, client.ErrUnsupportedMediaType, client.ErrValidation,
		client.ErrImmutable, client.ErrEscalation, client.ErrIdempotencyMismatch,
		client.ErrRateLimited, client.ErrTooManyChanges, client.ErrTooManyJobs,
		client.ErrQuotaExceeded, client.ErrInternal, client.ErrUnavailable,
	}

	var got []api.Code
	for _, s := range sentinels {
		got = append(got, api.Code(s))
	}

	if diff := cmp.Diff(api.Codes(), got); diff != "" {
		t.Errorf("(-codes +sentinels):\n%s", diff)
	}
}

// What stands before the API answers in its own form, or in none, and is not repeated.
func TestAnswersThatAreNotTheAPIs(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a gateway":            {403, `{"message": "Forbidden"}`, "whoami: 403"},
		"a page":               {400, "<html>" + testKey, "whoami: 400"},
		"an echo in a problem": {400, `{"code": "malformed", "detail": "` + testKey + `"}`, "whoami: 400 malformed [secret]"},
		"nothing":              {500, "", "whoami: 500"},
		"a success that is none": {
			200, "", "whoami: client: the answer cannot be read: unexpected end of JSON input",
		},
		"too long a success": {200, `{"name": "` + strings.Repeat("x", 16<<20) + `"}`, "whoami: client: the answer cannot be read: it is too long"},
		"too long a refusal": {400, `{"code": "malformed", "detail": "` + strings.Repeat("x", 1<<20) + `"}`, "whoami: 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) {
				answer(w, test.status, test.body)
			})

			if _, err := c.Whoami(t.Context()); err == nil || err.Error() != test.want {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTheKeyGoesNowhereElse(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32

	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		elsewhere.Add(1)
	}))
	defer other.Close()

	for _, code := range []int{301, 302, 303, 307, 308} {
		c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, code)
		}, func(config *client.Config) { config.HTTPClient = http.DefaultClient })

		_, err := c.Whoami(t.Context())

		var refused *client.Error
		if !errors.As(err, &refused) || refused.Status != code || elsewhere.Load() != 0 {
			t.Errorf("%d: %v", code, err)
		}
	}

	if http.DefaultClient.CheckRedirect != nil {
		t.Error("the client that was given is changed")
	}
}

func TestNoErrorHasTheKey(t *testing.T) {
	t.Parallel()
	c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) { cut(w) })

	_, err := c.GetKey(t.Context(), testKey, testKey) // as an id, by mistake
	if err == nil || strings.Contains(err.Error(), testKey) {
		t.Errorf("%v", err)
	}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, testKey) {
			t.Errorf("%s: %s", verb, text)
		}
	}

	for _, config := range []client.Config{
		{URL: "https://a:" + testKey + "@example.com"},
		{URL: "https://" + testKey + "\x7f"},
		{URL: "ftp://example.com"},
		{URL: "example.com"},
		{},
		{URL: "https://example.com?key=" + testKey},
		{URL: "https://example.com", Key: testKey + "\n"},
		{
			URL:   "https://example.com",
			Key:   testKey,
			Token: func(context.Context) (string, error) { return "", nil },
		},
	} {
		if _, err := client.New(config); err == nil || strings.Contains(err.Error(), testKey) {
			t.Errorf("%v", err)
		}
	}
}

func TestNamesCannotLeadElsewhere(t *testing.T) {
	t.Parallel()
	var paths []string

	c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.RequestURI)
		answer(w, http.StatusOK, `{}`)
	})

	for _, name := range []string{"", ".", ".."} {
		if _, err := c.GetKey(t.Context(), "acme", name); !errors.Is(err, client.ErrAddress) {
			t.Errorf("%q: %v", name, err)
		}
	}

	for _, name := range []string{"a/../b", "a?b#c", "a b%2f", "é@x"} {
		if _, err := c.GetMember(t.Context(), "acme", name); err != nil {
			t.Error(err)
		}
	}

	want := []string{
		"/v1/organizations/acme/members/a%2F..%2Fb",
		"/v1/organizations/acme/members/a%3Fb%23c",
		"/v1/organizations/acme/members/a%20b%252f",
		"/v1/organizations/acme/members/%C3%A9@x",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListsArePaged(t *testing.T) {
	t.Parallel()
	var queries []string

	pages := map[string]string{
		"":  `{"items": [{"id": "1"}, {"id": "2"}], "nextCursor": "a"}`,
		"a": `{"items": [], "nextCursor": "b"}`,
		"b": `{"items": [{"id": "3"}], "nextCursor": null}`,
		"x": `{"items": [{"id": "4"}], "nextCursor": "y"}`,
		"l": `{"items": [{"id": "5"}], "nextCursor": "l"}`,
	}

	c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)

		page, found := pages[r.URL.Query().Get("cursor")]
		if !found {
			answer(w, http.StatusBadRequest, `{"code": "malformed"}`)
			return
		}

		answer(w, http.StatusOK, page)
	})

	walk := func(query api.ListKeys) (ids string, err error) {
		for k, err := range c.ListKeys(t.Context(), "acme", query) {
			if err != nil {
				return ids, err
			}

			ids += k.ID
		}

		return ids, nil
	}

	ids, err := walk(api.ListKeys{
		KeyFilter: api.KeyFilter{Text: "a&b", Tag: "t"},
		List:      api.List{Limit: 2},
	})
	if ids != "123" || err != nil {
		t.Errorf("%q, %v", ids, err)
	}

	want := []string{
		"limit=2&q=a%26b&tag=t", "cursor=a&limit=2&q=a%26b&tag=t", "cursor=b&limit=2&q=a%26b&tag=t",
	}
	if diff := cmp.Diff(want, queries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	ids, err = walk(api.ListKeys{List: api.List{Cursor: "x"}})
	if ids != "4" || !errors.Is(err, client.ErrMalformed) {
		t.Errorf("%q, %v", ids, err)
	}

	ids, err = walk(api.ListKeys{List: api.List{Cursor: "l"}})
	if ids != "5" || !errors.Is(err, client.ErrUnreadable) {
		t.Errorf("%q, %v", ids, err)
	}

	queries = nil

	for _, err := range c.ListKeys(t.Context(), "acme", api.ListKeys{}) {
		if err != nil {
			t.Error(err)
		}

		break
	}

	if len(queries) != 1 {
		t.Errorf("a walk that ended asked for %q", queries)
	}
}

func TestHeadersOfACall(t *testing.T) {
	t.Parallel()
	var got http.Header

	serve := func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.Header().Set("ETag", `"8"`)

		if r.Header.Get("If-None-Match") == `"8"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}

		answer(w, http.StatusOK, `{}`)
	}

	c, _ := served(t, serve, func(config *client.Config) { config.UserAgent = "mine/1" })
	var etag string

	_, err := c.GetOrganization(t.Context(), "acme", client.ETag(&etag))
	if err != nil || etag != `"8"` || got.Get("X-Api-Key") != testKey ||
		got.Get("User-Agent") != "mine/1" || got.Get("Content-Type") != "" {
		t.Errorf("%v, ETag %s", err, etag)
	}

	_, err = c.GetOrganization(t.Context(), "acme", client.IfNoneMatch(etag))
	if !errors.Is(err, client.ErrNotModified) {
		t.Error(err)
	}

	_, err = c.UpdateOrganization(t.Context(), "acme", api.UpdateOrganization{}, client.IfVersion(8))
	if err != nil || got.Get("If-Match") != `"8"` ||
		got.Get("Content-Type") != "application/json" {
		t.Errorf("%v, If-Match %s", err, got.Get("If-Match"))
	}

	broken := errors.New("signed out")
	tokens := []string{"t1", "t2"}

	c, _ = served(t, serve, func(config *client.Config) {
		config.Key = ""
		config.Token = func(context.Context) (string, error) {
			if len(tokens) == 0 {
				return "", broken
			}

			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}
	})

	for _, want := range []string{"Bearer t1", "Bearer t2"} {
		if _, err := c.GetMe(t.Context()); err != nil || got.Get("Authorization") != want ||
			got.Get("X-Api-Key") != "" {
			t.Errorf("%v, want %s", err, want)
		}
	}

	if _, err := c.GetMe(t.Context()); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestJobsAreWaitedFor(t *testing.T) {
	t.Parallel()

	states := []string{`"queued", "finishedAt": null`, `"running"`, `"done", "finishedAt": "2026-11-01T00:00:00.000Z"`}
	c, waits := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			answer(w, http.StatusAccepted, `{"job": {"id": "j"}}`)
			return
		}

		answer(w, http.StatusOK, `{"id": "j", "state": `+states[0]+`}`)
		states = states[1:]
	})

	j, err := c.DeleteMember(t.Context(), "acme", "bob@acme.test")
	if err != nil || j == nil || j.ID != "j" {
		t.Fatalf("%v, %v", j, err)
	}

	done, err := c.WaitJob(t.Context(), "acme", j.ID)
	if err != nil || done.State != "done" || len(*waits) != 2 {
		t.Errorf("%v, %v after %v", done.State, err, *waits)
	}

	c, _ = served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})

	if j, err := c.DeleteCustomer(t.Context(), "acme", "c", client.Force()); j != nil || err != nil {
		t.Errorf("%v, %v", j, err)
	}
}

func TestAChangeSaysWhatItChanges(t *testing.T) {
	t.Parallel()
	var body json.RawMessage

	c, _ := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		answer(w, http.StatusOK, `{}`)
	})

	_, err := c.UpdateKey(t.Context(), "acme", "k", api.UpdateKey{
		Description: api.Set(""),
		Enabled:     api.Set(false),
		Quota:       api.Null[api.Quota](),
		Customers:   api.Set([]string{}),
	})
	if want := `{"description":"","enabled":false,"customers":[],"quota":null}`; err != nil ||
		string(body) != want {
		t.Errorf("%v, %s", err, body)
	}
}

// What is no answer is told from an answer that cannot be read: the former may be mended by waiting.
func TestNoAnswer(t *testing.T) {
	t.Parallel()

	c, _ := served(t, func(w http.ResponseWriter, _ *http.Request) { cut(w) })
	if _, err := c.GetJob(t.Context(), "acme", "j"); !errors.Is(err, client.ErrNoAnswer) ||
		errors.Is(err, client.ErrUnreadable) {
		t.Error(err)
	}

	for _, body := range []string{"null", " null\n", "[]", "x", ""} {
		c, _ = served(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, body) })
		if _, err := c.GetJob(t.Context(), "acme", "j"); !errors.Is(err, client.ErrUnreadable) ||
			errors.Is(err, client.ErrNoAnswer) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
