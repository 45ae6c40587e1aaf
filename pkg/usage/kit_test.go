package usage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

var errNetwork = errors.New("the network failed")

// shelf keeps what recorders write as pkg/store does, behind a network that loses, delays, repeats
// and reorders. It is here for a million calls; the real store has tests of its own.
type shelf struct {
	mu       sync.Mutex
	random   *rand.Rand
	lossy    bool // writes fail: some arrive all the same
	fails    bool // no write arrives
	echoes   []func()
	rows     map[usage.Scope]map[time.Time]map[string]usage.Row
	hours    map[usage.Scope]map[time.Time]usage.Hour
	journals map[time.Time][]usage.Scope
	stages   map[time.Time]usage.Stage
	crash    float64 // how often putting together stops in between
	uses     map[string]usage.LastUse
	requests []usage.Request
	secrets  map[string]usage.SecretUse
	writes   int
}

func newShelf(seed uint64) *shelf {
	return &shelf{
		random:   rand.New(rand.NewPCG(seed, 1)),
		rows:     map[usage.Scope]map[time.Time]map[string]usage.Row{},
		hours:    map[usage.Scope]map[time.Time]usage.Hour{},
		journals: map[time.Time][]usage.Scope{},
		stages:   map[time.Time]usage.Stage{},
		uses:     map[string]usage.LastUse{},
		secrets:  map[string]usage.SecretUse{},
	}
}

// carry delivers a write: once, twice, late, or with its answer lost.
func (s *shelf) carry(deliver func()) error {
	s.writes++
	if s.fails {
		return errNetwork
	}

	if !s.lossy {
		deliver()
		return nil
	}

	switch s.random.IntN(10) {
	case 0: // lost
		return errNetwork
	case 1: // arrived, and the answer lost
		deliver()
		return errNetwork
	case 2: // on its way: it arrives when nobody waits for it anymore
		s.echoes = append(s.echoes, deliver)
		return errNetwork
	case 3: // twice, the second time much later
		deliver()
		s.echoes = append(s.echoes, deliver)
	default:
		deliver()
	}

	if len(s.echoes) > 0 && s.random.IntN(6) == 0 { // some take hours
		s.echo()
	}

	return nil
}

// echo delivers one of the writes that are under way.
func (s *shelf) echo() {
	i := s.random.IntN(len(s.echoes))
	s.echoes[i]()
	s.echoes[i] = s.echoes[len(s.echoes)-1]
	s.echoes = s.echoes[:len(s.echoes)-1]
}

func (s *shelf) PutUsage(_ context.Context, row usage.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carry(func() {
		byHour := s.rows[row.Scope]
		if byHour == nil {
			byHour = map[time.Time]map[string]usage.Row{}
			s.rows[row.Scope] = byHour
		}

		if byHour[row.Hour] == nil {
			byHour[row.Hour] = map[string]usage.Row{}
		}

		if known, ok := byHour[row.Hour][row.Writer]; !ok || known.Sequence < row.Sequence {
			byHour[row.Hour][row.Writer] = row
		}
	})
}

func (s *shelf) PutJournal(_ context.Context, j usage.Journal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carry(func() { s.journals[j.Hour] = append(s.journals[j.Hour], j.Scopes...) })
}

func (s *shelf) PutLastUse(_ context.Context, use usage.LastUse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carry(func() {
		if s.uses[use.KeyID].At.Before(use.At) {
			s.uses[use.KeyID] = use
		}
	})
}

func (s *shelf) PutRequest(_ context.Context, r usage.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carry(func() { s.requests = append(s.requests, r) })
}

func (s *shelf) PutSecretUse(_ context.Context, use usage.SecretUse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.carry(func() {
		if s.secrets[use.Writer].Sequence < use.Sequence {
			s.secrets[use.Writer] = use
		}
	})
}

func (s *shelf) Journal(
	_ context.Context, _ apikey.Environment, hour time.Time,
) ([]usage.Scope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journals[hour], nil
}

func (s *shelf) Stages(
	_ context.Context, _ apikey.Environment, hours []time.Time,
) ([]usage.Stage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	var out []usage.Stage
	for _, hour := range hours {
		out = append(out, s.stages[hour])
	}

	return out, nil
}

func (s *shelf) SetStage(
	_ context.Context, _ apikey.Environment, hour time.Time, stage usage.Stage,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stages[hour] = max(s.stages[hour], stage)
	return nil
}

// CompactUsage does what the store does, and stops in between at times.
func (s *shelf) CompactUsage(
	_ context.Context, scope usage.Scope, hour time.Time, fold bool,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	h, taken := s.hour(scope, hour), map[string]int64{}
	for writer, row := range s.rows[scope][hour] {
		taken[writer] = row.Sequence
	}

	if fold {
		h.Fold()
	}

	if s.hours[scope] == nil {
		s.hours[scope] = map[time.Time]usage.Hour{}
	}

	s.hours[scope][hour] = h
	for writer, sequence := range taken {
		if s.random.Float64() < s.crash {
			return errNetwork
		}

		if s.rows[scope][hour][writer].Sequence == sequence {
			delete(s.rows[scope][hour], writer)
		}
	}

	return nil
}

// hour reads an hour as the store does.
func (s *shelf) hour(scope usage.Scope, hour time.Time) usage.Hour {
	kept := s.hours[scope][hour]
	h := usage.Hour{Folded: kept.Folded}
	h.Sum.Add(kept.Sum)

	for writer, p := range kept.Parts {
		h.Take(writer, p)
	}

	for writer, row := range s.rows[scope][hour] {
		h.Take(writer, usage.Part{Sequence: row.Sequence, Counts: row.Counts})
	}

	return h
}

// counts are those of a scope in all hours.
func (s *shelf) counts(scope usage.Scope) usage.Counts {
	var sum usage.Counts

	hours := map[time.Time]bool{}
	for hour := range s.rows[scope] {
		hours[hour] = true
	}

	for hour := range s.hours[scope] {
		hours[hour] = true
	}

	for hour := range hours {
		h := s.hour(scope, hour)
		sum.Add(h.Counts())
	}

	return sum
}

// clock is one that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)} }

// instances counts, to give each recorder a name of its own.
var instances struct {
	sync.Mutex
	n int
}

func newRecorder(w usage.Writer, c *clock) *usage.Recorder {
	instances.Lock()
	defer instances.Unlock()
	instances.n++
	return usage.NewRecorder(w, fmt.Sprintf("i%d", instances.n), c.Now,
		slog.New(slog.DiscardHandler))
}

// aCall is a call of a key of the organization acme, allowed by a permission.
func aCall(at time.Time, key string) usage.Call {
	return usage.Call{
		At:             at,
		Environment:    apikey.Production,
		OrganizationID: "acme",
		KeyID:          key,
		KeyVersion:     1,
		Outcome:        check.Allowed,
		Permission:     "messages:read",
		Secret:         apikey.Current,
		RequestID:      "r",
		API:            "demo",
		Method:         "GET",
		Route:          "/messages",
		Path:           "/messages",
	}
}

var (
	acme = usage.OrganizationScope(apikey.Production, "acme")
	key1 = usage.KeyScope(apikey.Production, "key1")
)

// allowed is how many allowed calls a scope has.
func (s *shelf) allowed(scope usage.Scope) int64 {
	c := s.counts(scope)
	return c.Totals().Allowed
}

func flush(t testing.TB, r *usage.Recorder) {
	t.Helper()

	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}
