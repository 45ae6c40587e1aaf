package limit_test

import (
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// subject is whose limits the tests are about.
var subject = limit.Subject{Environment: apikey.Production, KeyID: "7Qm2Xb0aVd91KtZs"}

// half is no randomness at all.
func half() float64 { return 0.5 }

// limiter is a new instance over the kit's table.
func limiter(kit *storetest.Kit) *limit.Limiter {
	return limit.New(kit.Hot, kit.Clock.Now, half)
}

// per is a limit of so many calls in a window.
func per(name string, limit int64, window time.Duration) apikey.RateLimit {
	return apikey.RateLimit{Name: name, Limit: limit, Window: window}
}

// policy is a policy of rate limits only.
func policy(limits ...apikey.RateLimit) limit.Policy {
	return limit.Policy{Limits: limits, Version: 1}
}

// take takes one call.
func take(t testing.TB, l *limit.Limiter, p limit.Policy) *limit.Allowance {
	t.Helper()

	a, err := l.Spend(t.Context(), subject, p)
	if err != nil {
		t.Fatal(err)
	}

	return a
}

// admitted takes so many calls and returns how many were admitted.
func admitted(t testing.TB, l *limit.Limiter, p limit.Policy, calls int) (n int) {
	t.Helper()

	for range calls {
		if take(t, l, p).Verdict == limit.Admitted {
			n++
		}
	}

	return n
}

// left is what a limit has left, as somebody who takes nothing sees it.
func left(t testing.TB, kit *storetest.Kit, p limit.Policy) []int64 {
	t.Helper()

	a, err := limiter(kit).Peek(t.Context(), subject, p, kit.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}

	var out []int64
	for _, l := range a.Limits {
		out = append(out, l.Remaining)
	}

	if a.Quota != nil {
		out = append(out, a.Quota.Remaining)
	}

	return out
}
