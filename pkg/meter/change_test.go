package meter_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/meter"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// A change of limits acts at the next call, and forgives nothing of the limits that stay.
func TestLimitsAreChanged(t *testing.T) {
	t.Parallel()
	day := func(limit int64) *apikey.Quota { return &apikey.Quota{Limit: limit, Period: "day"} }
	minute, hour := per("minute", 10, time.Minute), per("hour", 100, time.Hour)
	before := meter.Policy{Limits: []apikey.RateLimit{minute, hour}, Quota: day(50), Version: 1}
	burst := minute
	burst.Burst = 40
	for name, test := range map[string]struct {
		after meter.Policy
		want  []int64 // left after 10 calls of before and one more try
	}{
		"nothing":            {before, []int64{0, 90, 40}},
		"one is removed":     {meter.Policy{Limits: []apikey.RateLimit{hour}, Quota: day(50)}, []int64{89, 39}},
		"the quota goes":     {meter.Policy{Limits: []apikey.RateLimit{hour}}, []int64{89}},
		"one is added":       {meter.Policy{Limits: []apikey.RateLimit{hour, per("second", 7, time.Second)}, Quota: day(50)}, []int64{89, 6, 39}},
		"the order":          {meter.Policy{Limits: []apikey.RateLimit{hour, minute}, Quota: day(50)}, []int64{90, 0, 40}},
		"one has a new name": {meter.Policy{Limits: []apikey.RateLimit{hour, per("other", 10, time.Minute)}, Quota: day(50)}, []int64{89, 9, 39}},
		"raised":             {meter.Policy{Limits: []apikey.RateLimit{per("minute", 15, time.Minute), hour}, Quota: day(50)}, []int64{4, 89, 39}},
		"more burst":         {meter.Policy{Limits: []apikey.RateLimit{burst, hour}, Quota: day(50)}, []int64{29, 89, 39}},
		"lowered below use":  {meter.Policy{Limits: []apikey.RateLimit{per("minute", 4, time.Minute), hour}, Quota: day(50)}, []int64{0, 90, 40}},
		"another window":     {meter.Policy{Limits: []apikey.RateLimit{per("minute", 10, time.Hour), hour}, Quota: day(50)}, []int64{0, 90, 40}},
		"quota lowered":      {meter.Policy{Limits: []apikey.RateLimit{hour}, Quota: day(3)}, []int64{90, 0}},
		"quota of a month":   {meter.Policy{Limits: []apikey.RateLimit{hour}, Quota: &apikey.Quota{Limit: 50, Period: "month"}}, []int64{89, 49}},
	} {
		kit := storetest.New(t)
		for _, l := range []*meter.Limiter{limiter(kit)} { // an instance that knew the limits before
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

// A limit of a month that was used up and becomes one of a minute is one of a minute: what it had taken comes back at the new rate.
func TestAChangedLimitComesBackAtItsOwnRate(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	l := limiter(kit)
	slow, fast := policy(per("l", 60, 30*24*time.Hour)), policy(per("l", 60, time.Minute))
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
	old, young := policy(per("l", 100, time.Minute)), policy(per("l", 5, time.Minute))
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
		"much more burst than limit":    {apikey.RateLimit{Name: "l", Limit: 1, Window: days30, Burst: 1e9}, 30},
		"much less burst than limit":    {apikey.RateLimit{Name: "l", Limit: 1e9, Window: days30, Burst: 1}, 1},
		"no limit at all":               {apikey.RateLimit{Name: "l"}, 0},
		"no window":                     {apikey.RateLimit{Name: "l", Limit: 5}, 0},
		"negative":                      {apikey.RateLimit{Name: "l", Limit: -5, Window: -1, Burst: -1}, 0},
		"the largest numbers":           {apikey.RateLimit{Name: "l", Limit: 1<<63 - 1, Window: 1<<63 - 1, Burst: 1<<63 - 1}, 30},
	} {
		kit := storetest.New(t)
		if got := admitted(t, limiter(kit), policy(test.limit), 30); got != test.want {
			t.Errorf("%s: %d admitted, want %d", name, got, test.want)
		}
	}
}
