package advice_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

func TestCount(t *testing.T) {
	t.Parallel()
	type facts struct {
		Used        map[string]time.Time
		BusiestHour int64
		Retired     int64
		RetiredAt   time.Time
	}
	count := func(outcome check.Outcome, permission string, n int64) usage.Counts {
		return usage.Counts{
			Cells: map[usage.Cell]int64{{Outcome: outcome, Permission: permission}: n},
		}
	}
	hour := func(ended time.Duration) time.Time { return ago(ended + time.Hour) }

	used := func(at time.Time) map[string]time.Time { return map[string]time.Time{"a:b": at} }
	for name, test := range map[string]struct {
		hours map[time.Time]usage.Counts
		want  facts
	}{
		"nothing": {nil, facts{}},
		"allowed": {map[time.Time]usage.Counts{
			hour(0): count("allowed", "a:b", 7),
		}, facts{
			Used:        used(hour(0)),
			BusiestHour: 7,
		}},
		"allowed in two hours": {map[time.Time]usage.Counts{
			hour(0):   count("allowed", "a:b", 7),
			hour(day): count("allowed", "a:b", 9),
		}, facts{
			Used:        used(hour(0)),
			BusiestHour: 9,
		}},
		"allowed on no route": {map[time.Time]usage.Counts{
			hour(0): count("allowed", "", 7),
		}, facts{
			BusiestHour: 7,
		}},
		"over a limit": {map[time.Time]usage.Counts{
			hour(0): count("rate_limited", "a:b", 7),
		}, facts{
			Used: used(hour(0)),
		}},
		"over a quota": {map[time.Time]usage.Counts{
			hour(0): count("quota_exceeded", "a:b", 7),
		}, facts{
			Used: used(hour(0)),
		}},
		"denied": {map[time.Time]usage.Counts{
			hour(0): count("permission_denied", "a:b", 7),
		}, facts{}},
		"retired": {map[time.Time]usage.Counts{
			hour(0):   count("retired_secret", "", 7),
			hour(day): count("retired_secret", "", 2),
		}, facts{
			Retired:   9,
			RetiredAt: hour(0),
		}},
		"retired long ago": {map[time.Time]usage.Counts{
			hour(30 * day): count("retired_secret", "", 7),
		}, facts{}},
		"retired less long ago": {map[time.Time]usage.Counts{
			hour(30*day - tick): count("retired_secret", "", 7),
		}, facts{
			Retired:   7,
			RetiredAt: hour(30*day - tick),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			f := advice.Facts{Now: now}
			for at, counts := range test.hours {
				f.Count(at, counts)
			}

			if len(f.Used) == 0 {
				f.Used = nil
			}

			if diff := cmp.Diff(test.want, facts{
				f.Used, f.BusiestHour, f.RetiredCalls, f.RetiredAt,
			}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
