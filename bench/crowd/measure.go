package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/http1"
	"github.com/bitting-keys/bitting/pkg/store"
)

// measure takes the times of checks and lists, and counts what they ask of DynamoDB.
type measure struct {
	*crowd

	data    string
	address string // of the stand-in
	rounds  int
}

// page is how many keys a page of the console has.
const page = 50

// organizations is how many the checked keys are of: as many as there are at the first stage, so
// that their settings are in memory at every stage.
const organizations = 10

// stage measures at a number of keys.
func (m *measure) stage(ctx context.Context, many int) error {
	counted, requests, stop, err := m.counted()
	if err != nil {
		return err
	}

	defer stop()

	took, err := m.checks(ctx, m.Deployment, many)
	if err != nil {
		return err
	}

	requests.Store(0)

	if _, err := m.checks(ctx, counted, many); err != nil {
		return err
	}

	m.say("| %d | a check | %s | %.2f |", many, times(took),
		float64(requests.Load())/float64(m.rounds))

	for _, f := range filters() {
		if err := m.list(ctx, many, f, counted, requests); err != nil {
			return err
		}
	}

	return nil
}

// counted returns a deployment whose requests are counted on the way.
func (m *measure) counted() (*full.Deployment, *atomic.Int64, func(), error) {
	target, err := url.Parse(m.address)
	if err != nil {
		return nil, nil, nil, err
	}

	var requests atomic.Int64

	behind := httputil.NewSingleHostReverseProxy(target)
	// By net/http's own, one answer in a thousand is cut: it may still look for the end of a request's
	// body when the answer has come, and the server has closed the body.
	behind.Transport = new(http1.Transport)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		behind.ServeHTTP(w, r)
	}))

	d, err := connect(m.data, proxy.URL)
	if err != nil {
		proxy.Close()
		return nil, nil, nil, err
	}

	return d, &requests, proxy.Close, nil
}

// checks checks calls with random keys of a few random organizations, and returns how long each
// took. What an instance reads once is read before.
func (m *measure) checks(
	ctx context.Context, d *full.Deployment, many int,
) ([]time.Duration, error) {
	random := rand.New(rand.NewPCG(uint64(many), 1)) //nolint:gosec // no secret

	call := func(n int) error {
		if disabled(n) {
			n--
		}

		s, err := m.secret(n)
		if err != nil {
			return err
		}

		v := d.Checker.Check(ctx, check.Headers{APIKey: []string{s.Reveal()}}, check.Call{
			API:    "demo",
			Method: http.MethodGet,
			Path:   "/messages",
		})
		if v.Outcome != check.Allowed {
			return errors.Join(fmt.Errorf("a call with key %s: %s; what it may do is in the catalogue of "+
				"the demo, which `bitting local --no-demo` leaves out", m.id(n), v.Outcome), v.Err)
		}

		return nil
	}

	size := m.each
	if size == 0 {
		size = many
	}

	firsts := make([]int, 0, organizations)
	for range organizations {
		firsts = append(firsts, random.IntN(max(1, many/size))*size)
	}

	for _, first := range firsts {
		if err := call(first); err != nil {
			return nil, err
		}
	}

	took := make([]time.Duration, 0, m.rounds)

	for range m.rounds {
		n := firsts[random.IntN(len(firsts))] + random.IntN(min(size, many))
		began := time.Now()

		if err := call(n); err != nil {
			return nil, err
		}

		took = append(took, time.Since(began))
	}

	return took, nil
}

// filters are one for each index, with and without what narrows it.
func filters() []store.Filter {
	return []store.Filter{
		{},
		{OldestFirst: true},
		{Status: apikey.Active},
		{Status: apikey.Inactive},
		{Environment: apikey.Production},
		{Environment: apikey.Production, Status: apikey.Active},
		{Ownership: apikey.Personal},
		{Owner: "user-2"},
		{Owner: "user-2", Status: apikey.Active, Environment: apikey.Production},
		{Customer: "customer-3"},
		{Customer: "customer-3", Status: apikey.Active, Environment: apikey.Production},
		{Viewer: "user-3"},
		{Viewer: "user-3", Status: apikey.Inactive, Environment: apikey.Production},
	}
}

// list measures the first page of a list, of the organization that the last key is of.
func (m *measure) list(
	ctx context.Context, many int, f store.Filter, counted *full.Deployment, requests *atomic.Int64,
) error {
	org := m.organization(many - 1)
	now := m.Now()

	// what is read once is read before, and the requests are always the same
	if _, _, err := counted.Store.Keys(ctx, org, f, "", page, now); err != nil {
		return err
	}

	requests.Store(0)

	if _, _, err := counted.Store.Keys(ctx, org, f, "", page, now); err != nil {
		return err
	}

	reads, found := requests.Load(), 0

	took := make([]time.Duration, 0, m.rounds/10)
	for range max(1, m.rounds/10) {
		began := time.Now()

		keys, _, err := m.Store.Keys(ctx, org, f, "", page, now)
		if err != nil {
			return err
		}

		took, found = append(took, time.Since(began)), len(keys)
	}

	m.say("| %d | %d keys %s | %s | %d |", many, found, said(f), times(took), reads)

	return nil
}

// times says the median and the 99th percentile.
func times(took []time.Duration) string {
	slices.Sort(took)

	return fmt.Sprintf("%.2f | %.2f", milliseconds(took[len(took)/2]),
		milliseconds(took[len(took)*99/100]))
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// said is a filter as the table names it.
func said(f store.Filter) string {
	var parts []string

	for _, p := range [][2]string{
		{"status", string(f.Status)},
		{"environment", string(f.Environment)},
		{"ownership", string(f.Ownership)},
		{"owner", f.Owner},
		{"customer", f.Customer},
		{"as", f.Viewer},
	} {
		if p[1] != "" {
			parts = append(parts, p[0]+"="+p[1])
		}
	}

	if f.OldestFirst {
		parts = append(parts, "oldest first")
	}

	return strings.Join(parts, " ")
}
