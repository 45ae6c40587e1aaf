package limit_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// leased makes an instance that holds calls of a policy which it did not spend: those are what the
// table says is gone, and was not admitted.
func leased(t *testing.T, kit *storetest.Kit, p limit.Policy) *limit.Limiter {
	t.Helper()

	l := limiter(kit)
	for range 100 {
		if take(t, l, p).Verdict != limit.Admitted {
			t.Fatal("refused")
		}
	}

	return l
}

// fast is a limit that is leased, and a quota beside it.
func fast() limit.Policy {
	return limit.Policy{
		Limits:  []apikey.RateLimit{per("minute", 60_000, time.Minute)},
		Quota:   &apikey.Quota{Limit: 100_000, Period: "day"},
		Version: 1,
	}
}

func release(t *testing.T, l *limit.Limiter) {
	t.Helper()

	if err := l.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// An instance that ends gives back what it took and did not spend, once, and no more.
func TestReleaseGivesBackWhatIsLeased(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := leased(t, kit, fast())

	before := left(t, kit, fast())
	if before[0] >= 59_900 || before[1] >= 99_900 {
		t.Fatalf("nothing is leased: %d are left", before)
	}

	release(t, l)

	if diff := cmp.Diff([]int64{59_900, 99_900}, left(t, kit, fast())); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}

	release(t, l)

	if diff := cmp.Diff([]int64{59_900, 99_900}, left(t, kit, fast())); diff != "" {
		t.Errorf("after another one: left (-want +got):\n%s", diff)
	}
}

// What came back by itself meanwhile is not there twice; a quota's calls do not come back by
// themselves.
func TestReleaseAfterAWhile(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := leased(t, kit, fast())
	kit.Clock.Advance(time.Hour)
	release(t, l)

	if diff := cmp.Diff([]int64{60_000, 99_900}, left(t, kit, fast())); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// twice is a store whose every charge is sent twice, as an SDK does that did not hear the first
// answer.
type twice struct{ limit.Store }

func (b twice) ChargeLimits(
	ctx context.Context, s limit.Subject, c limit.Charge,
) (*limit.State, bool, error) {
	if _, _, err := b.Store.ChargeLimits(ctx, s, c); err != nil {
		return nil, false, err
	}

	return b.Store.ChargeLimits(ctx, s, c)
}

func TestReleaseThatIsSentTwiceGivesBackOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	store := &struct{ limit.Store }{kit.Hot}
	l := limit.New(store, kit.Clock.Now, half)
	admitted(t, l, fast(), 100)
	admitted(t, limiter(kit), fast(), 50) // others' calls, that it could take for its own
	store.Store = twice{kit.Hot}
	release(t, l)

	if got := left(t, kit, fast()); got[0] > 59_850 || got[1] > 99_850 {
		t.Errorf("%d are left of 60,000 and 100,000 after 150 calls", got)
	}
}

// Of two instances that hold calls of the same time, one gives back; what the other holds is lost
// with it, since what it knows of the numbers is not so any more. It goes on with what it has, but
// gives nothing back later.
func TestReleaseBesideAnotherLease(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	one, two := leased(t, kit, fast()), leased(t, kit, fast())
	release(t, one)
	after := left(t, kit, fast())
	release(t, two)

	if diff := cmp.Diff(after, left(t, kit, fast())); diff != "" {
		t.Errorf("the other one gave back too (-before +after):\n%s", diff)
	}

	if after[0] > 59_800 || after[1] > 99_800 {
		t.Errorf("%d are left after 200 calls", after)
	}
}

// What an instance holds counts for its next charge only while nobody has given calls back since:
// the limit may have been full in between, and so others' calls would pay for it.
func TestNothingIsPaidForAfterAReturn(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	p := policy(per("minute", 60_000, time.Minute)) // one comes back each millisecond
	charge := func(what limit.RateCharge, of limit.Return) {
		t.Helper()
		state := stored(t, kit)
		what.Name = "minute"

		what.High = 1 << 62
		if _, made, err := kit.Hot.ChargeLimits(t.Context(), subject, limit.Charge{
			Policy:  state.Policy,
			PurgeAt: state.PurgeAt,
			Limits:  []limit.RateCharge{what},
			Return:  of,
		}); !made || err != nil {
			t.Fatal(made, err)
		}
	}
	take(t, limiter(kit), p)
	charge(limit.RateCharge{By: int64(2100 * time.Millisecond)}, limit.Return{})
	l := leased(t, kit, p)
	charge(limit.RateCharge{By: -int64(700 * time.Millisecond)}, limit.Return{Of: limit.Only})

	kit.Clock.Advance(1600 * time.Millisecond)
	now := kit.Clock.Now().UnixNano()
	charge(limit.RateCharge{
		Full: true,
		Low:  now,
		By:   now + int64(10*time.Second),
	}, limit.Return{})
	kit.Clock.Advance(500 * time.Millisecond)
	before := stored(t, kit).TAT["minute"]
	take(t, l, p)

	if after := stored(t, kit).TAT["minute"]; after < before+int64(time.Millisecond) {
		t.Errorf("a call was admitted and cost %v", time.Duration(after-before))
	}
}

// stored is the state of the subject's limits.
func stored(t *testing.T, kit *storetest.Kit) *limit.State {
	t.Helper()

	state, err := kit.Hot.ReadLimits(t.Context(), subject)
	if err != nil || state == nil {
		t.Fatal(state, err)
	}

	return state
}

// A lease of other limits than the key has now is of no use to anybody.
func TestReleaseAfterAChange(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := leased(t, kit, fast())
	changed := policy(per("minute", 50_000, time.Minute))
	changed.Version = 2
	take(t, limiter(kit), changed)
	before := left(t, kit, changed)
	release(t, l)

	if diff := cmp.Diff(before, left(t, kit, changed)); diff != "" {
		t.Errorf("left (-before +after):\n%s", diff)
	}
}

// A table that does not answer keeps nobody from ending.
func TestReleaseWithoutTheTable(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := leased(t, kit, fast())
	kit.Traffic.Inject(storetest.Always(storetest.Broken))

	if err := l.Release(t.Context()); err == nil {
		t.Error("no error")
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := leased(t, storetest.New(t), fast()).Release(ctx); err == nil {
		t.Error("no error though its time was over")
	}
}
