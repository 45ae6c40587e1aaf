package usage_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// When a recorder writes: the first call of a key at once, then at 64 calls or 10 seconds; a call
// with a wrong secret hurries nobody.
func TestWhenItWrites(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	record := func(change func(*usage.Call)) {
		call := aCall(c.Now(), "key1")
		if change != nil {
			change(&call)
		}

		r.Record(call)

		if err := r.FlushDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, n int64) {
		t.Helper()

		if got := s.allowed(key1); got != n {
			t.Errorf("%s: %d calls are written, want %d", what, got, n)
		}
	}
	wrong := func(c *usage.Call) { c.Outcome, c.Secret = check.WrongSecret, apikey.Unknown }
	record(wrong)

	if got := s.counts(key1).Cells; len(got) != 0 {
		t.Errorf("a wrong secret was written at once: %v", got)
	}

	record(nil)
	want("the first call", 1)

	for range usage.MaxPending - 1 {
		record(nil)
	}

	for range 1000 {
		record(wrong)
	}

	want("one call less than are written", 1)
	record(nil)
	want("that many calls", 1+usage.MaxPending)
	record(nil)
	c.advance(usage.MaxAge - time.Millisecond)
	record(nil)
	want("a moment before the time", 1+usage.MaxPending)
	c.advance(time.Millisecond)
	record(nil)
	want("at the time", 4+usage.MaxPending)
	record(func(c *usage.Call) { c.KeyID = "key2" })

	if got := s.allowed(usage.KeyScope(apikey.Production, "key2")); got != 1 {
		t.Errorf("another key's first call: %d", got)
	}

	if got := r.Pending(); got != 0 {
		t.Errorf("%d are pending", got)
	}

	counts := s.counts(key1)
	if got := counts.Values(usage.ByOutcome)[string(check.WrongSecret)]; got != 1001 {
		t.Errorf("%d calls with a wrong secret", got)
	}

	if got := counts.Totals(); got != (usage.Totals{Allowed: 4 + usage.MaxPending}) {
		t.Errorf("a wrong secret is in a total: %+v", got)
	}
}

// Calls with a wrong secret are written within a minute, though no other call comes.
func TestWrongSecretsAreWritten(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	call := aCall(c.Now(), "key1")
	call.Outcome = check.WrongSecret
	call.Secret = apikey.Unknown
	r.Record(call)
	c.advance(time.Minute)

	if err := r.FlushDue(t.Context()); err != nil {
		t.Fatal(err)
	}

	counts := s.counts(key1)
	if got := counts.Values(usage.ByOutcome)[string(check.WrongSecret)]; got != 1 {
		t.Errorf("%d calls", got)
	}
}

// Whatever is counted for a key is counted for its organization, and divided as it was.
func TestCounts(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()

	r := newRecorder(s, c)
	for i, outcome := range check.Counted() {
		for range i + 1 {
			call := aCall(c.Now(), "key1")
			call.Outcome = outcome
			call.Customer = "42"
			r.Record(call)
		}
	}

	call := aCall(c.Now(), "key1")
	call.Permission = "messages:write"
	call.Customer = "not a customer"
	call.API = "Not An API"
	r.Record(call)
	flush(t, r)

	for _, scope := range []usage.Scope{key1, acme} {
		counts := s.counts(scope)

		want := map[string]int64{}
		for i, outcome := range check.Counted() {
			want[string(outcome)] = int64(i + 1)
		}

		want[string(check.Allowed)]++
		for by, want := range map[usage.By]map[string]int64{
			usage.ByOutcome:    want,
			usage.ByPermission: {"messages:read": 1, "messages:write": 1},
			usage.ByCustomer:   {"42": 1, usage.Others: 1},
			usage.ByAPI:        {"demo": 1, usage.Others: 1},
		} {
			if diff := cmp.Diff(want, counts.Values(by)); diff != "" {
				t.Errorf("%v by %s (-want +got):\n%s", scope, by, diff)
			}
		}

		if got, want := counts.Totals(), (usage.Totals{
			Allowed: 2,
			Denied:  2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 12,
		}); got != want {
			t.Errorf("totals %+v, want %+v", got, want)
		}
	}
}

// No caller makes a row or the memory grow without end: what is beyond a hundred is counted
// together, and the sums are right.
func TestWhatCallersSendIsBounded(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)

	long := strings.Repeat("x", 10_000)
	for i := range 1000 {
		call := aCall(c.Now(), "key1")
		call.Customer = fmt.Sprint("c", i)
		call.API = fmt.Sprint("a", i)
		call.Permission = fmt.Sprint("p:", i)
		call.SampleRate = 1
		call.Path = long + "\x00"
		call.UserAgent = long + "\n"
		call.RequestID = long
		call.Method = long
		call.Secret = apikey.Old
		call.SourceIP = netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		call.Rotation = c.Now()
		r.Record(call)
	}

	flush(t, r)
	counts := s.counts(key1)
	permissions := counts.Values(usage.ByPermission)

	customers := counts.Values(usage.ByCustomer)

	apis := counts.Values(usage.ByAPI)
	if len(permissions) != 101 || len(customers) != 101 || len(apis) != 101 ||
		permissions[usage.Others] != 900 || customers[usage.Others] != 900 ||
		apis[usage.Others] != 900 {
		t.Errorf("%d permissions, %d customers and %d APIs, %d, %d and %d beyond", len(permissions),
			len(customers), len(apis), permissions[usage.Others], customers[usage.Others],
			apis[usage.Others])
	}

	for _, q := range s.requests {
		if len(q.Path) > 1024 || len(q.UserAgent) > 256 || len(q.ID) > 128 || len(q.Method) > 20 {
			t.Errorf("%d bytes of path, %d of agent, %d of id, %d of method", len(q.Path),
				len(q.UserAgent), len(q.ID), len(q.Method))
		}
	}

	for _, use := range s.secrets {
		if len(use.Sources) != 21 || use.Sources[usage.Source{
			SourceIP:  usage.Others,
			UserAgent: usage.Others,
		}].Calls != 980 || use.OldCalls != 1000 {
			t.Errorf("%d sources of %d calls", len(use.Sources), use.OldCalls)
		}
	}
}

// What a caller says of itself may be as long as API Gateway lets it; what is remembered of it is
// short. Not beside other tests, since it looks at the heap.
func TestLongTextsAreNotRemembered(t *testing.T) {
	c := newClock()
	r := newRecorder(newShelf(1), c)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()

	const keys, length = 3000, 10_000
	for i := range keys {
		call := aCall(c.Now(), fmt.Sprint("key", i))
		call.Path = strings.Repeat("p", length)
		call.UserAgent = strings.Repeat("x", length)
		call.SampleRate = 1
		r.Record(call)
	}

	if grown := heap() - before; grown > keys*length/2 {
		t.Errorf("%d bytes for %d keys", grown, keys)
	}

	runtime.KeepAlive(r)
}

// Many keys, and a store that takes nothing: the memory stays bounded, and what is counted stays
// right.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)

	const keys = 25_000
	for round := range 2 {
		for i := range keys {
			c.advance(time.Millisecond)
			r.Record(aCall(c.Now(), fmt.Sprint("key", i)))

			if i%1000 == 0 {
				flush(t, r)
			}
		}

		flush(t, r)

		if got := s.allowed(acme); got != int64((round+1)*keys) {
			t.Errorf("round %d: the organization has %d calls", round, got)
		}
	}

	for i := range keys { // each key's row was put out of memory between its calls
		if got := s.allowed(usage.KeyScope(apikey.Production, fmt.Sprint("key", i))); got != 2 {
			t.Fatalf("key%d has %d calls", i, got)
		}
	}

	silent := newShelf(2)
	silent.fails = true

	r = newRecorder(silent, c)
	for i := range keys {
		r.Record(aCall(c.Now(), fmt.Sprint("key", i)))
	}

	if got := r.Pending(); got > 10_000 {
		t.Errorf("%d calls of as many keys are remembered", got)
	}
}

// What could not be written is written later, and the recorder doesn't try at each call.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	s.fails = true

	for range 200 {
		r.Record(aCall(c.Now(), "key1"))
		_ = r.FlushDue(t.Context()) // it fails
	}

	if tries := s.writes; tries > 10 {
		t.Errorf("%d writes were tried in no time", tries)
	}

	s.fails = false
	c.advance(10 * time.Second)

	if err := r.FlushDue(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got, pending := s.allowed(key1), r.Pending(); got != 200 || pending != 0 {
		t.Errorf("%d calls are written, and %d pending", got, pending)
	}

	if use := s.uses["key1"]; use.At.IsZero() {
		t.Error("the last use was forgotten")
	}
}

// A call that could not be written is, though no other call comes.
func TestOneCallThatFailed(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	s.fails = true
	r.Record(aCall(c.Now(), "key1"))

	if err := r.FlushDue(t.Context()); err == nil {
		t.Error("written, and the store fails")
	}

	s.fails = false
	c.advance(15 * time.Second)

	if err := r.FlushDue(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got, pending := s.allowed(key1), r.Pending(); got != 1 || pending != 0 {
		t.Errorf("%d calls are written, and %d pending", got, pending)
	}
}

// A row is not written when its hour may have been folded: what is not written by then is lost, and
// never counted twice.
func TestTooLateForItsHour(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	r.Record(aCall(c.Now(), "key1"))
	flush(t, r)
	r.Record(aCall(c.Now(), "key1"))
	c.advance(time.Hour + usage.LatestWrite)
	flush(t, r)

	if got, pending := s.allowed(key1), r.Pending(); got != 1 || pending != 0 {
		t.Errorf("%d calls are written, and %d pending", got, pending)
	}
}

func TestCallsOfManyAtOnce(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)

	var callers sync.WaitGroup
	for n := range 8 {
		callers.Go(func() {
			for i := range 1000 {
				c.advance(time.Millisecond)
				r.Record(aCall(c.Now(), fmt.Sprint("key", n%3)))

				if i%100 == n {
					_ = r.Flush(t.Context())
				}
			}
		})
	}

	callers.Wait()
	flush(t, r)

	if got := s.allowed(acme); got != 8000 {
		t.Errorf("%d calls", got)
	}
}

func TestLastUseIsThatOfAGoodKey(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)

	for _, outcome := range check.Counted() {
		call := aCall(c.Now(), "key-"+string(outcome))
		call.Outcome = outcome
		call.SourceIP = netip.MustParseAddr("::ffff:192.0.2.7")
		call.UserAgent = "curl/8"
		r.Record(call)
	}

	flush(t, r)

	for _, outcome := range check.Counted() {
		want := usage.LastUse{}
		if outcome.Good() {
			want = usage.LastUse{
				Environment: apikey.Production,
				KeyID:       "key-" + string(outcome),
				At:          c.Now(),
				SourceIP:    "192.0.2.7",
				UserAgent:   "curl/8",
			}
		}

		if diff := cmp.Diff(want, s.uses["key-"+string(outcome)]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", outcome, diff)
		}
	}
}

// However a key's calls are spread, what is known of its last use is never older than a minute
// beside the truth, though nothing is written while no call comes.
func TestLastUseWithinAMinute(t *testing.T) {
	t.Parallel()

	for _, every := range []time.Duration{
		time.Second, 7 * time.Second, 19 * time.Second, 29 * time.Second, 31 * time.Second,
		5 * time.Minute,
	} {
		s, c := newShelf(1), newClock()

		r := newRecorder(s, c)
		for range 200 {
			c.advance(every)
			r.Record(aCall(c.Now(), "key1"))

			if err := r.FlushDue(t.Context()); err != nil {
				t.Fatal(err)
			}

			// and now it is frozen
			if behind := c.Now().Sub(s.uses["key1"].At); behind > time.Minute {
				t.Fatalf("a call every %v: the last use is %v behind", every, behind)
			}
		}
	}
}

func TestRequestsAreSampled(t *testing.T) {
	t.Parallel()

	for _, rate := range []float64{0, 0.1, 0.5, 1} {
		s, c := newShelf(1), newClock()
		r := newRecorder(s, c)

		const calls = 10_000
		for i := range calls {
			c.advance(10 * time.Second)
			call := aCall(c.Now(), "key1")
			call.RequestID = fmt.Sprintf("request-%d", i)
			call.SampleRate = rate
			r.Record(call)

			if i%100 == 0 {
				flush(t, r)
			}
		}

		flush(t, r)

		if got, want := float64(len(s.requests)), rate*calls; got < want*0.9 || got > want*1.1 {
			t.Errorf("rate %v: %v of %d calls are kept", rate, got, calls)
		}
	}
}

// Refusals are all kept until they come too fast; then it is said how many were left out. Outsiders
// with a wrong secret take nobody's place.
func TestRefusalsAreKept(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	refuse := func(n int, outcome check.Outcome) {
		for range n {
			call := aCall(c.Now(), "key1")
			call.Outcome = outcome
			call.RequestID = ""
			r.Record(call)
		}

		if err := r.FlushDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refuse(1000, check.WrongSecret)
	refuse(10, "inactive")

	if got := len(s.requests); got != 13 {
		t.Errorf("%d are kept of a flood of strangers and ten refusals", got)
	}

	refuse(500, "inactive")
	c.advance(time.Second)
	refuse(1, "inactive")

	if got := s.requests[len(s.requests)-1]; len(s.requests) != 14 || got.Omitted != 500 {
		t.Errorf("%d are kept, the last says that %d are not", len(s.requests), got.Omitted)
	}

	for range 600 { // ten minutes of a flood
		c.advance(time.Second)
		refuse(100, "inactive")
	}

	if got := len(s.requests); got > 14+600 {
		t.Errorf("%d are kept of ten minutes", got)
	}

	ids := map[string]bool{}
	for _, q := range s.requests {
		ids[q.ID] = true
	}

	if len(ids) != len(s.requests) {
		t.Errorf("%d ids of %d calls that had none", len(ids), len(s.requests))
	}
}

func TestWhoSendsWhichSecret(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	started := c.Now()
	sum := usage.SecretUse{}

	for n := range 2 {
		r := newRecorder(s, c)
		for i, secret := range []apikey.SecretMatch{
			apikey.Old, apikey.Old, apikey.Current, apikey.Current, apikey.Retired,
		} {
			c.advance(time.Second)
			call := aCall(c.Now(), "key1")
			call.Secret = secret
			call.Rotation = started
			call.UserAgent = "job"
			call.SourceIP = netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
			r.Record(call)

			if i == 1 {
				flush(t, r)
			}
		}

		r.Record(aCall(c.Now(), "key2")) // no rotation: nothing to tell
		flush(t, r)
	}

	if len(s.secrets) != 2 {
		t.Errorf("%d rows of two instances", len(s.secrets))
	}

	for _, use := range s.secrets {
		sum.Take(use)
	}

	want := usage.SecretUse{
		At:           started.Add(10 * time.Second),
		OldCalls:     4,
		RetiredCalls: 2,
		NewFirstAt:   started.Add(3 * time.Second),
		Sources: map[usage.Source]usage.SourceUse{
			{
				SourceIP:  "192.0.2.0",
				UserAgent: "job",
			}: {
				Calls:  3,
				LastAt: started.Add(5 * time.Second),
			},
			{
				SourceIP:  "192.0.2.1",
				UserAgent: "job",
			}: {
				Calls:  3,
				LastAt: started.Add(10 * time.Second),
			},
		},
	}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// BenchmarkRecord is what counting adds to a call.
func BenchmarkRecord(b *testing.B) {
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	call := aCall(c.Now(), "key1")
	call.Customer = "42"
	call.SourceIP = netip.MustParseAddr("192.0.2.7")
	call.UserAgent = "curl/8.14.1"
	r.Record(call)
	b.ReportAllocs()

	for b.Loop() {
		r.Record(call)
	}
}

// How many writes a call costs, where keys are busy and where they are not.
func TestWritesPerCountedCall(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		keys  int
		every time.Duration
		most  float64
	}{
		"one key, 100 a second":  {1, 10 * time.Millisecond, 0.1},
		"ten keys, 100 a second": {10, 10 * time.Millisecond, 0.4},
		"one key, one a second":  {1, time.Second, 0.6},
		"one key, one a minute":  {1, time.Minute, 3.5},
	} {
		s, c := newShelf(1), newClock()
		r := newRecorder(s, c)

		const calls = 5000
		for i := range calls {
			c.advance(test.every)
			call := aCall(c.Now(), fmt.Sprint("key", i%test.keys))
			call.RequestID = fmt.Sprint("r", i)
			call.SampleRate = usage.DefaultSampleRate
			r.Record(call)

			if err := r.FlushDue(t.Context()); err != nil {
				t.Fatal(err)
			}
		}

		writes := float64(s.writes+len(s.requests)) / calls // a request is two writes
		if writes > test.most {
			t.Errorf("%s: %.3f writes a call, and at most %v are planned", name, writes, test.most)
		}

		t.Logf("%s: %.3f writes a call, %.3f of them for the log of requests", name, writes,
			2*float64(len(s.requests))/calls)
	}
}

// However many keys are new at once, as they are after an outage, no journal names more than fit.
func TestJournalsAreBounded(t *testing.T) {
	t.Parallel()
	shelf, clock := newShelf(1), newClock()
	journals := &journals{shelf: shelf}
	r := newRecorder(journals, clock)

	const keys = 2500
	for i := range keys {
		r.Record(aCall(clock.Now(), fmt.Sprintf("key%d", i)))
	}

	flush(t, r)

	sum := 0
	for _, n := range journals.lengths {
		if sum += n; n > usage.MaxScopes {
			t.Errorf("a journal of %d scopes", n)
		}
	}

	if sum != keys+1 {
		t.Errorf("%d scopes in journals, want %d keys and their organization", sum, keys)
	}

	flush(t, r)

	if len(journals.lengths) != 3 {
		t.Errorf("%d journals", len(journals.lengths))
	}
}

// journals notes how many scopes journals name.
type journals struct {
	*shelf
	mu      sync.Mutex
	lengths []int
}

// PutJournal implements usage.Writer.
func (j *journals) PutJournal(ctx context.Context, journal usage.Journal) error {
	j.mu.Lock()
	j.lengths = append(j.lengths, len(journal.Scopes))
	j.mu.Unlock()
	return j.shelf.PutJournal(ctx, journal)
}

// How far the counts are behind is the age of the oldest call that is in none: it grows while writes
// fail, whatever comes meanwhile, and a write that succeeds ends it.
func TestHowFarCountsAreBehind(t *testing.T) {
	t.Parallel()
	s, c := newShelf(1), newClock()
	r := newRecorder(s, c)
	want := func(what string, d time.Duration) {
		t.Helper()

		if got := r.Behind(); got != d {
			t.Errorf("%s: %v, want %v", what, got, d)
		}
	}

	want("nothing was counted", 0)
	s.fails = true

	for range 10 {
		r.Record(aCall(c.Now(), "key1"))

		if err := r.FlushDue(t.Context()); err == nil && c.Now().Second() == 0 {
			t.Error("the store does not fail")
		}

		c.advance(10 * time.Second)
	}

	want("the store failed", 100*time.Second)
	s.fails = false

	if err := r.FlushDue(t.Context()); err != nil {
		t.Fatal(err)
	}

	want("all is written", 0)
	r.Record(aCall(c.Now(), "key1"))
	c.advance(3 * time.Second)

	if err := r.FlushDue(t.Context()); err != nil {
		t.Fatal(err)
	}

	want("it waits for others", 3*time.Second)
	r.Record(func() usage.Call {
		refused := aCall(c.Now(), "key1")
		refused.Outcome = check.Inactive
		return refused
	}())

	writes := s.writes
	if err := r.FlushDue(t.Context()); err != nil || s.writes == writes {
		t.Errorf("the refusal is not in the log of requests: %v", err)
	}

	want("the log of requests was written, and no count", 3*time.Second)
	flush(t, r)
	want("it waits no more", 0)
}
