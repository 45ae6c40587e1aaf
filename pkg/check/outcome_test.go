package check_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/check"
)

// A constant without a row in the table would be a refusal that is counted nowhere.
func TestEachOutcomeHasARow(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("outcome.go")
	if err != nil {
		t.Fatal(err)
	}

	var want []check.Outcome
	for _, found := range regexp.MustCompile(`(?m)^\t\w+ +Outcome = "(\w+)"`).
		FindAllSubmatch(source, -1) {
		want = append(want, check.Outcome(found[1]))
	}

	if diff := cmp.Diff(slices.Sorted(slices.Values(want)),
		slices.Sorted(slices.Values(check.Outcomes()))); diff != "" {
		t.Errorf("(-constants +rows):\n%s", diff)
	}
}

// What counts in the usage of a key tells why: a refusal without a step or a sentence would be
// explained as if all was well.
func TestCountedRefusalsAreExplained(t *testing.T) {
	t.Parallel()

	for _, outcome := range check.Counted() {
		if outcome == check.Allowed || outcome == check.Unavailable {
			continue
		}

		steps := check.Recorded(outcome, "a:b")
		if last := steps[len(steps)-1]; last.Passed || last.Detail == "" {
			t.Errorf("%s: %+v", outcome, last)
		}
	}
}

func TestKindsOfOutcomes(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		what string
		is   func(check.Outcome) bool
		want []check.Outcome
	}{
		{"not denied", func(o check.Outcome) bool { return !o.Denied() }, []check.Outcome{
			check.Allowed, check.WrongSecret, check.Unavailable,
		}},
		{"good", check.Outcome.Good, []check.Outcome{
			check.Allowed, check.PermissionDenied, check.RateLimited, check.QuotaExceeded,
			check.CustomerNotAllowed, check.PathNotSupported,
		}},
		{"opened", check.Outcome.Opened, []check.Outcome{
			check.Allowed, check.RateLimited, check.QuotaExceeded,
		}},
	} {
		got := slices.DeleteFunc(check.Counted(), func(o check.Outcome) bool { return !test.is(o) })
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.what, diff)
		}
	}
}
