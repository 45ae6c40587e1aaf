package limit_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// writes counts what an instance wrote to the table of limits.
func writes(kit *storetest.Kit) int { return kit.Traffic.Count("UpdateItem", "PutItem") }

func TestExactlyTheLimitIsAdmitted(t *testing.T) {
	t.Parallel()

	for name, p := range map[string]limit.Policy{
		"a limit":               policy(per("l", 10, time.Minute)),
		"a quota":               {Quota: &apikey.Quota{Limit: 10, Period: "day"}, Version: 1},
		"a limit of a fast one": policy(per("fast", 1000, time.Second), per("l", 10, time.Minute)),
	} {
		kit := storetest.New(t)

		var instances []*limit.Limiter
		for range 4 {
			instances = append(instances,
				limit.New(kit.Restart().Hot, kit.Clock.Now, half))
		}

		for _, l := range instances { // all know the state of before, and none what the others take
			if _, err := l.Peek(t.Context(), subject, p, kit.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		}

		var n atomic.Int64

		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				a, err := instances[i%len(instances)].Spend(t.Context(), subject, p)
				if err != nil {
					t.Error(err)
				} else if a.Verdict == limit.Admitted {
					n.Add(1)
				}
			})
		}

		all.Wait()

		if n.Load() != 10 {
			t.Errorf("%s: %d admitted of 1,000 at once, want 10", name, n.Load())
		}
	}
}

// What came back by itself while an instance held a lease is not there twice: what it gives back
// then is lost, however many instances do.
func TestGivingBackAfterTheBurstCameBack(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	p := policy(per("l", 100, time.Second))

	var instances []*limit.Limiter
	for range 20 {
		l := limiter(kit)
		admitted(t, l, p, 33) // by leases of 1, 2, 4, … calls, of which some are left
		instances = append(instances, l)
		kit.Clock.Advance(1500 * time.Millisecond)
	}

	total := 0
	for range 20 {
		for _, l := range instances {
			total += admitted(t, l, p, 1)
		}
	}

	if total > 100 || total < 50 { // some may be held for calls to come
		t.Errorf("%d admitted at one moment, of a burst of 100", total)
	}
}

// Of a limit that does not come back so soon, what is given back is not lost.
func TestGivingBack(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := limiter(kit)
	p := policy(per("l", 1000, 30*24*time.Hour))

	total := 0
	for range 40 {
		total += admitted(t, l, p, 30) // by leases, of which some is left
		kit.Clock.Advance(2 * time.Second)
	}

	if total != 1000 {
		t.Errorf("%d admitted of 1,000", total)
	}
}

// What is told of a refusal is true: not before, and then at once.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	l, p := limiter(kit), policy(per("l", 3, time.Minute))
	if got := admitted(t, l, p, 3); got != 3 {
		t.Fatal(got)
	}

	a := take(t, l, p)

	want := &limit.Allowance{
		Verdict:    limit.OverRate,
		At:         kit.Clock.Now(),
		Limit:      "l",
		RetryAfter: 20 * time.Second,
		Limits: []limit.Left{{
			Name:    "l",
			Limit:   3,
			Window:  time.Minute,
			ResetAt: kit.Clock.Now().Add(time.Minute),
		}},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	kit.Clock.Advance(a.RetryAfter - time.Millisecond)

	if got := admitted(t, l, p, 1); got != 0 {
		t.Error("admitted too early")
	}

	kit.Clock.Advance(time.Millisecond)

	if got := admitted(t, l, p, 2); got != 1 {
		t.Errorf("%d admitted at the time that was told", got)
	}
}

// An admitted call is one write, a refused one none.
func TestWritesOfSlowLimits(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := limiter(kit)
	p := policy(per("l", 10, time.Second), per("slow", 100, time.Hour))
	admitted(t, l, p, 1)
	kit.Traffic.Reset()

	if got := admitted(t, l, p, 200); got != 9 || writes(kit) != 9 ||
		kit.Traffic.Count("GetItem") != 0 {
		t.Errorf("%d admitted by %d writes and %d reads", got, writes(kit),
			kit.Traffic.Count("GetItem"))
	}
}

func TestNothingIsTakenFromOneLimitWhereAnotherRefuses(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	p := policy(per("minute", 2, time.Minute), per("hour", 100, time.Hour))

	p.Quota = &apikey.Quota{Limit: 50, Period: "month"}
	if got := admitted(t, limiter(kit), p, 2); got != 2 {
		t.Fatal(got)
	}

	for range 3 { // instances that know nothing yet
		if a := take(t, limiter(kit), p); a.Verdict != limit.OverRate || a.Limit != "minute" {
			t.Errorf("%+v", a)
		}
	}

	if diff := cmp.Diff([]int64{0, 98, 48}, left(t, kit, p)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestQuotaAtTheEndOfTheMonth(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	kit.Clock.Set(end.Add(-time.Second))
	l := limiter(kit)

	p := limit.Policy{Quota: &apikey.Quota{Limit: 5, Period: "month"}, Version: 1}
	if got := admitted(t, l, p, 8); got != 5 {
		t.Fatalf("%d admitted", got)
	}

	a := take(t, l, p)
	if a.Verdict != limit.OverQuota || a.RetryAfter != time.Second ||
		!a.Quota.ResetAt.Equal(end) || a.Quota.Window != 30*24*time.Hour {
		t.Errorf("%+v %+v", a, a.Quota)
	}

	kit.Clock.Set(end.Add(-time.Millisecond))

	if got := admitted(t, limiter(kit), p, 2); got != 0 {
		t.Errorf("%d admitted in the month's last moment", got)
	}

	kit.Clock.Set(end)

	if got := admitted(t, l, p, 8); got != 5 {
		t.Errorf("%d admitted in the new month", got)
	}

	// An instance whose clock is late counts in the month that has begun: the old one is full, and
	// the new one is too.
	kit.Clock.Set(end.Add(-50 * time.Millisecond))

	if got := admitted(t, limiter(kit), p, 3); got != 0 {
		t.Errorf("%d admitted by a clock that is late", got)
	}
}

// What is leased of a quota in one month is not spent in the next, where it would come on top of
// that month's own.
func TestALeaseEndsWithThePeriodOfTheQuota(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	end := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	kit.Clock.Set(end.Add(-100 * time.Millisecond))
	l := limiter(kit)
	p := limit.Policy{Quota: &apikey.Quota{Limit: 1000, Period: "day"}, Version: 1}
	admitted(t, l, p, 50)
	kit.Clock.Set(end)

	if got := admitted(t, l, p, 2000); got != 1000 {
		t.Errorf("%d admitted in the new day", got)
	}
}

// However many instances lease of a quota and lose what they hold, it is never exceeded; and what
// is given back in time is not lost.
func TestQuotaUnderLeases(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	p := limit.Policy{
		Limits:  []apikey.RateLimit{per("l", 1_000_000, time.Minute)},
		Quota:   &apikey.Quota{Limit: 3000, Period: "day"},
		Version: 1,
	}
	instances := []*limit.Limiter{limiter(kit), limiter(kit), limiter(kit)}

	total := 0
	for range 60 {
		for _, l := range instances {
			total += admitted(t, l, p, 37)
		}

		kit.Clock.Advance(700 * time.Millisecond)
	}

	if total != 3000 {
		t.Errorf("%d admitted of a quota of 3,000", total)
	}

	if spent := writes(kit); spent > 1000 {
		t.Errorf("%d writes for 6,660 calls", spent)
	}
}

func TestLimitsAreTheKeysInItsEnvironment(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	l, p := limiter(kit), policy(per("l", 1, time.Minute))
	for _, env := range apikey.Environments() {
		for _, id := range []string{"a", "b"} {
			if a, err := l.Spend(t.Context(), limit.Subject{
				Environment: env,
				KeyID:       id,
			}, p); err != nil || a.Verdict != limit.Admitted {
				t.Errorf("%s %s: %v %v", env, id, a, err)
			}
		}
	}
}

// Without an answer of the store nothing is admitted, and what it did in spite of that is not
// forgotten.
func TestStoreFails(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]storetest.Fault{
		"refused":      storetest.Refused,
		"broken":       storetest.Broken,
		"throttled":    storetest.Throttled,
		"lost answers": storetest.DropAnswer,
	} {
		kit := storetest.New(t)
		l, p := limiter(kit), policy(per("l", 10, time.Minute))
		admitted(t, l, p, 2)
		kit.Traffic.Inject(storetest.Always(fault))

		for range 2 {
			if a, err := l.Spend(t.Context(), subject, p); err == nil {
				t.Errorf("%s: %+v", name, a)
			}
		}

		kit.Traffic.Inject(nil)
		kit.Clock.Advance(time.Second)

		if got := admitted(t, l, p, 20); got > 8 || fault != storetest.DropAnswer && got != 8 {
			t.Errorf("%s: %d admitted afterwards", name, got)
		}
	}
}

// An answer that gets lost on the way makes the SDK ask twice: too much is taken then, never too
// little.
func TestOneLostAnswer(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l, p := limiter(kit), policy(per("l", 10, time.Minute))
	admitted(t, l, p, 1)
	kit.Traffic.Reset()
	kit.Traffic.Inject(storetest.Nth(storetest.DropAnswer, "UpdateItem", 1))

	if got := admitted(t, l, p, 20); got != 8 {
		t.Errorf("%d admitted, want 8: one was taken twice", got)
	}
}

// A throttled store is left alone for a moment, and then asked for longer leases.
func TestThrottled(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l, p := limiter(kit), policy(per("l", 1000, time.Second))
	admitted(t, l, p, 1)
	kit.Traffic.Inject(storetest.Always(storetest.Throttled))
	kit.Clock.Advance(time.Second)

	if _, err := l.Spend(t.Context(), subject, p); err == nil {
		t.Error("admitted")
	}

	kit.Traffic.Inject(nil)
	kit.Traffic.Reset()

	if _, err := l.Spend(t.Context(), subject, p); err == nil || kit.Traffic.Count() != 0 {
		t.Errorf("asked again at once: %v", err)
	}

	kit.Clock.Advance(time.Second)

	if got := admitted(t, l, p, 30); got != 30 {
		t.Errorf("%d admitted afterwards", got)
	}
}

// A clock that went back to before a lease was taken ends it; its calls were paid for, and can be
// had by another one.
func TestClockGoesBackUnderALease(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l, p := limiter(kit), policy(per("l", 50, time.Second))
	before := admitted(t, l, p, 40)
	kit.Clock.Advance(-time.Hour)
	kit.Traffic.Reset()

	if got := before + admitted(t, l, p, 100); got > 50 || got == before || writes(kit) != 1 {
		t.Errorf("%d admitted of a burst of 50, with %d writes after the clock went back", got,
			writes(kit))
	}
}

func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l, p := limiter(kit), policy(per("l", 50, time.Second))
	before := admitted(t, l, p, 200)
	kit.Clock.Advance(-time.Hour)

	if got := admitted(t, l, p, 200); before != 50 || got != 0 {
		t.Errorf("%d admitted, then %d by a clock that went back", before, got)
	}

	kit.Clock.Advance(time.Hour + time.Second)

	if got := admitted(t, l, p, 200); got != 50 {
		t.Errorf("%d admitted when the clock was right again", got)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	l, p := limiter(kit), policy(per("l", 1, time.Minute))
	for _, test := range []struct {
		address string
		want    limit.Verdict
	}{
		{"192.0.2.1", limit.Admitted},
		{"::ffff:192.0.2.1", limit.OverRate},
		{"192.0.2.2", limit.Admitted},
		{"2001:db8::1", limit.Admitted},
		{"2001:db8::2", limit.OverRate},
		{
			"2001:db8:0:0:ffff::%eth0", limit.OverRate,
		},
		{"2001:db8:0:1::1", limit.Admitted},
	} {
		a, err := l.Spend(t.Context(), limit.AddressSubject(netip.MustParseAddr(test.address)), p)
		if err != nil || a.Verdict != test.want {
			t.Errorf("%s: %+v %v, want %d", test.address, a, err, test.want)
		}
	}

	for _, want := range []limit.Verdict{limit.Admitted, limit.OverRate} {
		if a, err := l.Spend(t.Context(), limit.AddressSubject(netip.Addr{}), p); err != nil ||
			a.Verdict != want {
			t.Errorf("an address that is not known: %+v %v, want %d", a, err, want)
		}
	}
}
