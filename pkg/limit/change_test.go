package limit_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// A change of limits acts at the next call, and forgives nothing of the limits that stay.
func TestLimitsAreChanged(t *testing.T) {
	t.Parallel()
	day := func(limit int64) *apikey.Quota { return &apikey.Quota{Limit: limit, Period: "day"} }
	minute := per("minute", 10, time.Minute)
	hour := per("hour", 100, time.Hour)
	before := limit.Policy{Limits: []apikey.RateLimit{minute, hour}, Quota: day(50), Version: 1}
	burst := minute

	burst.Burst = 40
	for name, test := range map[string]struct {
		after limit.Policy
		want  []int64 // left after 10 calls of before and one more try
	}{
		"nothing": {before, []int64{0, 90, 40}},
		"one is removed": {limit.Policy{
			Limits: []apikey.RateLimit{hour},
			Quota:  day(50),
		}, []int64{89, 39}},
		"the quota goes": {limit.Policy{Limits: []apikey.RateLimit{hour}}, []int64{89}},
		"one is added": {limit.Policy{
			Limits: []apikey.RateLimit{hour, per("second", 7, time.Second)},
			Quota:  day(50),
		}, []int64{90, 0, 40}}, // it may stand in for the one that went
		"the order": {limit.Policy{
			Limits: []apikey.RateLimit{hour, minute},
			Quota:  day(50),
		}, []int64{90, 0, 40}},
		"one comes along": {limit.Policy{
			Limits: []apikey.RateLimit{minute, hour, per("second", 7, time.Second)},
			Quota:  day(50),
		}, []int64{0, 90, 7, 40}},
		"one has a new name": {limit.Policy{
			Limits: []apikey.RateLimit{hour, per("other", 10, time.Minute)},
			Quota:  day(50),
		}, []int64{90, 0, 40}},
		"names are swapped": {limit.Policy{
			Limits: []apikey.RateLimit{per("hour", 10, time.Minute), per("minute", 100, time.Hour)},
			Quota:  day(50),
		}, []int64{0, 90, 40}},
		"name and value": {limit.Policy{
			Limits: []apikey.RateLimit{hour, per("other", 12, time.Minute)},
			Quota:  day(50),
		}, []int64{89, 1, 39}},
		"a quota for all": {limit.Policy{Quota: day(12)}, []int64{1}},
		"a month for all": {limit.Policy{
			Quota: &apikey.Quota{Limit: 12, Period: "month"},
		}, []int64{1}},
		"a limit for all": {limit.Policy{
			Limits: []apikey.RateLimit{per("week", 12, 7*24*time.Hour)},
		}, []int64{1}},
		"raised": {limit.Policy{
			Limits: []apikey.RateLimit{per("minute", 15, time.Minute), hour},
			Quota:  day(50),
		}, []int64{4, 89, 39}},
		"more burst": {limit.Policy{
			Limits: []apikey.RateLimit{burst, hour},
			Quota:  day(50),
		}, []int64{29, 89, 39}},
		"lowered below use": {limit.Policy{
			Limits: []apikey.RateLimit{per("minute", 4, time.Minute), hour},
			Quota:  day(50),
		}, []int64{0, 90, 40}},
		"another window": {limit.Policy{
			Limits: []apikey.RateLimit{per("minute", 10, time.Hour), hour},
			Quota:  day(50),
		}, []int64{0, 90, 40}},
		"quota lowered": {limit.Policy{
			Limits: []apikey.RateLimit{hour},
			Quota:  day(3),
		}, []int64{90, 0}},
		"quota of a month": {limit.Policy{
			Limits: []apikey.RateLimit{hour},
			Quota:  &apikey.Quota{Limit: 50, Period: "month"},
		}, []int64{89, 39}},
	} {
		kit := storetest.New(t)
		// an instance that knew the limits before
		for _, l := range []*limit.Limiter{limiter(kit)} {
			if got := admitted(t, l, before, 10); got != 10 {
				t.Fatalf("%s: %d", name, got)
			}

			test.after.Version = 2
			take(t, l, test.after)

			if diff := cmp.Diff(test.want, left(t, kit, test.after)); diff != "" {
				t.Errorf("%s: left (-want +got):\n%s", name, diff)
			}
		}
	}
}

// A limit of a month that was used up and becomes one of a minute is one of a minute: what it had
// taken comes back at the new rate.
func TestAChangedLimitComesBackAtItsOwnRate(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := limiter(kit)
	slow := policy(per("l", 60, 30*24*time.Hour))
	fast := policy(per("l", 60, time.Minute))
	fast.Version = 2

	if got := admitted(t, l, slow, 100); got != 60 {
		t.Fatal(got)
	}

	if got := admitted(t, l, fast, 100); got != 0 {
		t.Errorf("%d admitted by the change", got)
	}

	for range 5 {
		kit.Clock.Advance(2 * time.Second)

		if got := admitted(t, l, fast, 100); got != 2 {
			t.Errorf("%d admitted after two seconds", got)
		}
	}
}

// Who read the key a moment before its limits were changed does not change them back.
func TestLimitsOfAMomentAgo(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	old := policy(per("l", 100, time.Minute))
	young := policy(per("l", 5, time.Minute))
	young.Version = 2
	late, prompt := limiter(kit), limiter(kit)
	admitted(t, late, old, 1)
	admitted(t, prompt, young, 1)

	if got := admitted(t, late, old, 50) + admitted(t, prompt, young, 50); got != 3 {
		t.Errorf("%d more admitted than the two before, want 3", got)
	}

	// Nobody knows a key of so long ago: it was made anew, under the same id.
	kit.Clock.Advance(10 * time.Second)

	if got := admitted(t, late, old, 50); got < 40 {
		t.Errorf("%d admitted by the limits that the key has now", got)
	}
}

func TestExtremeLimits(t *testing.T) {
	t.Parallel()

	const days30 = 30 * 24 * time.Hour
	for name, test := range map[string]struct {
		limit apikey.RateLimit
		want  int // of 30 calls
	}{
		"a thousand million in 30 days": {per("l", 1e9, days30), 30},
		"a thousand million a second":   {per("l", 1e9, time.Second), 30},
		"one in 30 days":                {per("l", 1, days30), 1},
		"much more burst than limit": {apikey.RateLimit{
			Name:   "l",
			Limit:  1,
			Window: days30,
			Burst:  1e9,
		}, 30},
		"much less burst than limit": {apikey.RateLimit{
			Name:   "l",
			Limit:  1e9,
			Window: days30,
			Burst:  1,
		}, 1},
		"no limit at all": {apikey.RateLimit{Name: "l"}, 0},
		"no window":       {apikey.RateLimit{Name: "l", Limit: 5}, 0},
		"negative": {apikey.RateLimit{
			Name:   "l",
			Limit:  -5,
			Window: -1,
			Burst:  -1,
		}, 0},
		"the largest numbers": {apikey.RateLimit{
			Name:   "l",
			Limit:  1<<63 - 1,
			Window: 1<<63 - 1,
			Burst:  1<<63 - 1,
		}, 30},
	} {
		kit := storetest.New(t)
		if got := admitted(t, limiter(kit), policy(test.limit), 30); got != test.want {
			t.Errorf("%s: %d admitted, want %d", name, got, test.want)
		}
	}
}

// Whatever is done to a limit, what was used of it is not there again: taken away and set again,
// under another name, beside another, as a quota and back, in one step or in many, a sequence of
// limits admits no more than the loosest of them would have.
func TestNoSequenceOfChangesRefills(t *testing.T) {
	t.Parallel()
	kinds := []string{"a", "b", "c"}
	rapid.Check(t, func(r *rapid.T) {
		clock := time.Date(2026, 11, 24, 21, 0, 0, 0, time.UTC)
		start, store := clock, newMemory()
		instances := []*limit.Limiter{
			limit.New(store, func() time.Time {
				return clock
			}, half), limit.New(store, func() time.Time { return clock }, half),
		}
		var total int64
		var p limit.Policy
		change := func(r *rapid.T) {
			p = limit.Policy{Version: p.Version + 1}
			for _, name := range kinds[:rapid.IntRange(0, 3).Draw(r, "limits")] {
				limit := per(name, rapid.Int64Range(5, 8).Draw(r, "limit"), time.Hour)
				if rapid.Bool().Draw(r, "renamed") {
					limit.Name = "not " + name
				}

				p.Limits = append(p.Limits, limit)
			}

			if len(p.Limits) == 0 || rapid.Bool().Draw(r, "quota") {
				p.Quota = &apikey.Quota{
					Limit:  rapid.Int64Range(5, 8).Draw(r, "calls"),
					Period: rapid.SampledFrom([]string{"day", "month"}).Draw(r, "period"),
				}
			}
		}
		change(r)
		r.Repeat(map[string]func(*rapid.T){
			"change": change,
			"call": func(r *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(r, "calls") {
					if take(t, rapid.SampledFrom(instances).Draw(r, "instance"),
						p).Verdict == limit.Admitted {
						total++
					}
				}
			},
			"wait": func(r *rapid.T) {
				clock = clock.Add(time.Duration(rapid.Int64Range(int64(time.Second),
					int64(40*time.Minute)).Draw(r, "wait")))
			},
			"": func(r *rapid.T) {
				if most := 8 + int64(8*clock.Sub(start)/time.Hour); total > most {
					r.Fatalf("%d calls after %v, and no limit admits more than %d", total,
						clock.Sub(start), most)
				}
			},
		})
	})
}

// A key that had no limits for a while, or whose limits are as they were, has what it had left.
func TestLimitsThatAreSetAgain(t *testing.T) {
	t.Parallel()
	hour := per("hour", 6, time.Hour)
	month := func(limit int64) *apikey.Quota { return &apikey.Quota{Limit: limit, Period: "month"} }

	other := limit.Policy{Limits: []apikey.RateLimit{per("second", 1000, time.Second)}}
	for name, steps := range map[string][]limit.Policy{
		// between them the key had none, so nobody was asked
		"set again":     {policy(hour), policy(hour)},
		"after another": {policy(hour), other, policy(hour)},
		"after many": {policy(hour), other, {
			Quota: month(1000),
		}, other, {
			Quota: &apikey.Quota{Limit: 900, Period: "day"},
		}, policy(hour)},
		"beside another": {
			policy(hour), policy(hour, per("same", 6, time.Hour)),
			policy(per("same", 6, time.Hour)),
		},
		"beside a looser one": {
			policy(hour), policy(hour, per("other", 6, time.Hour)),
			policy(per("hour", 60, time.Second), per("other", 6, time.Hour)),
		},
		"a quota, set again": {{Quota: month(6)}, other, {Quota: month(6)}},
		"a quota, by the day": {{
			Quota: month(6),
		}, {
			Quota: &apikey.Quota{Limit: 6, Period: "day"},
		}, {
			Quota: month(6),
		}},
		"a quota, of a value": {{Quota: month(6)}, {Quota: month(1000)}, {Quota: month(6)}},
		"a quota beside another": {policy(hour), {
			Limits: []apikey.RateLimit{hour},
			Quota:  month(6),
		}, {
			Quota: month(6),
		}},
	} {
		kit := storetest.New(t)

		l := limiter(kit)
		for i, p := range steps {
			p.Version = int64(i + 1)

			want := 0
			switch i {
			case 0:
				want = 6
			case len(steps) - 1:
			default:
				take(t, l, p) // so that the change is met, whatever becomes of the call
				kit.Clock.Advance(time.Second)
				continue
			}

			if got := admitted(t, l, p, 10); got != want {
				t.Errorf("%s, step %d: %d admitted, want %d", name, i, got, want)
			}
		}
	}
}

// What an instance saw of a quota is of its period: where another instance counted in the next one
// already, as many calls as were in the one before, those stay.
func TestChangeAtTheEdgeOfAPeriod(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]limit.Policy{
		"a value":        {Quota: &apikey.Quota{Limit: 3, Period: "day"}},
		"another period": {Quota: &apikey.Quota{Limit: 3, Period: "month"}},
		"a limit beside": {
			Quota:  &apikey.Quota{Limit: 3, Period: "day"},
			Limits: []apikey.RateLimit{per("l", 100, time.Hour)},
		},
	} {
		kit := storetest.New(t)
		kit.Clock.Set(time.Date(2026, 11, 28, 23, 59, 59, 0, time.UTC))
		one, two := limiter(kit), limiter(kit)
		before := limit.Policy{Quota: &apikey.Quota{Limit: 2, Period: "day"}, Version: 1}
		admitted(t, one, before, 1)
		kit.Clock.Advance(time.Second)

		if got := admitted(t, two, before, 1); got != 1 {
			t.Fatalf("%s: %d admitted in the new period", name, got)
		}

		change.Version = 2
		if got := admitted(t, one, change, 10); got != 2 {
			t.Errorf("%s: %d more admitted, want 2", name, got)
		}
	}
}
