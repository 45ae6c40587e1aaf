package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answers is a server whose answers are made to be wrong.
func answers(t *testing.T, status int, header string) *load {
	t.Helper()

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if header != "" {
			w.Header().Set(header, "1")
		}

		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)

	return newLoad(s.URL, nil, 10, t.Output())
}

// What a call may come to, by its key.
func TestWrongAnswersAreNoticed(t *testing.T) {
	t.Parallel()

	good, revoked, limited := caller{want: 200}, caller{want: 401}, caller{want: 200, limited: true}

	for _, test := range []struct {
		status int
		header string
		caller caller
		wrong  bool
	}{
		{200, "", good, false},
		{200, "", revoked, true},
		{401, "", good, true},
		{401, "", revoked, false},
		{403, "", good, true},
		{429, "", good, true},
		{429, "", limited, false},
		{500, "", good, true},
		{503, "Retry-After", good, false},
		{503, "Retry-After", revoked, false},
		{503, "", good, true},
	} {
		l := answers(t, test.status, test.header)
		l.call(t.Context(), test.caller)

		if got := l.since().wrongs > 0; got != test.wrong {
			t.Errorf("%d %s for %+v: wrong %v", test.status, test.header, test.caller, got)
		}
	}
}

// A soak fails if a call went wrong, if memory grows, and if the times do.
func TestSoakIsJudged(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		last  sample
		wrong int
		fails string
	}{
		"all well":      {sample{100, time.Second}, 0, ""},
		"a wrong call":  {sample{100, time.Second}, 1, "1 calls went wrong"},
		"memory grows":  {sample{130, time.Second}, 0, "memory in MiB grew"},
		"it gets slow":  {sample{100, 2 * time.Second}, 0, "percentile in ms grew"},
		"a little more": {sample{110, 1200 * time.Millisecond}, 0, ""},
	} {
		samples := make([]sample, 0, parts)
		for n := range parts {
			s := sample{100, time.Second}
			if n >= parts*3/4 {
				s = test.last
			}

			samples = append(samples, s)
		}

		err := newLoad("", nil, 1, t.Output()).judge(samples, test.wrong)
		if (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// It is well when twenty calls in a row are right, and not before.
func TestRecoveryIsTwentyRightCalls(t *testing.T) {
	t.Parallel()

	var n atomic.Int64

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 15 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()

	keys := make([]caller, 20)
	for i := range keys {
		keys[i].want = http.StatusOK
	}

	if _, err := newLoad(s.URL, keys, 10, t.Output()).well(t.Context()); err != nil || n.Load() != 15+20 {
		t.Errorf("%d calls, %v", n.Load(), err)
	}
}
