package check_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// limited makes a checker that enforces limits, of an instance of its own.
func limited(kit *storetest.Kit, p *storetest.Process) *check.Checker {
	c := checker(kit, p, apikey.Production)
	c.Limits = limit.Keys{
		Limiter: limit.New(p.Hot, kit.Clock.Now, func() float64 { return 0.5 }),
	}
	return c
}

// two is a limit of two calls a minute.
func two(k *apikey.Key) {
	k.RateLimits = []apikey.RateLimit{{Name: "burst", Limit: 2, Window: time.Minute}}
}

func TestLimitsAreTheLastStep(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t)
	c := limited(kit, &kit.Process)

	k, secret := kit.MustKey(t, two)
	for want, call := range map[check.Outcome]check.Call{
		check.PermissionDenied: {API: "demo", Method: "POST", Path: "/messages"},
	} {
		for range 3 { // takes nothing
			if got := c.Check(t.Context(), sent(secret.Reveal()), call); got.Outcome != want ||
				got.Allowance != nil {
				t.Errorf("%s %+v", got.Outcome, got.Allowance)
			}
		}
	}

	wrong, _ := kit.Mint(t, apikey.Production, k.ID)
	for range 3 {
		if got := c.Check(t.Context(),
			sent(wrong.Reveal()), read); got.Outcome != check.WrongSecret {
			t.Errorf("%s", got.Outcome)
		}

		c.Authenticate(t.Context(), sent(secret.Reveal()), read.SourceIP)
		c.Self(t.Context(), sent(secret.Reveal()), read.SourceIP)

		if e := c.Explain(t.Context(), k, apikey.Production, read,
			kit.Clock.Now()); e.Outcome != check.Allowed || e.Allowance.Limits[0].Remaining != 2 {
			t.Errorf("explained: %s %+v", e.Outcome, e.Allowance)
		}
	}

	var got []check.Outcome
	for range 3 {
		got = append(got, c.Check(t.Context(), sent(secret.Reveal()), read).Outcome)
	}

	if diff := cmp.Diff([]check.Outcome{
		check.Allowed, check.Allowed, check.RateLimited,
	}, got); diff != "" {
		t.Errorf("calls that may be made (-want +got):\n%s", diff)
	}

	e := c.Explain(t.Context(), k, apikey.Production, read, kit.Clock.Now())
	if last := e.Steps[len(e.Steps)-1]; e.Outcome != check.RateLimited || last.Check != "limits" ||
		last.Detail != "The key is over its limit burst, for another 30s." {
		t.Errorf("explained: %s %+v", e.Outcome, last)
	}

	if e := c.Explain(t.Context(), k, apikey.Production, read,
		kit.Clock.Now().Add(30*time.Second)); e.Outcome != check.Allowed {
		t.Errorf("explained for later: %s", e.Outcome)
	}

	// A call that is refused for another reason is refused for that one, over the limit or not.
	if got := c.Check(t.Context(), sent(secret.Reveal()), check.Call{
		API:    "demo",
		Method: "POST",
		Path:   "/messages",
	}); got.Outcome != check.PermissionDenied {
		t.Errorf("%s", got.Outcome)
	}
}

// A new secret does not give back what the old one used: limits are the key's.
func TestLimitsAreSharedByTheSecretsOfAKey(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t)
	c := limited(kit, &kit.Process)
	k, first := kit.MustKey(t, two)
	second, fresh := kit.Mint(t, apikey.Production, k.ID)
	k = kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Rotate(fresh, time.Hour, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	third, fresh := kit.Mint(t, apikey.Production, k.ID)
	checks := func(secret apikey.Secret, want check.Outcome) {
		t.Helper()

		if got := c.Check(t.Context(), sent(secret.Reveal()), read); got.Outcome != want {
			t.Errorf("%s %v, want %s", got.Outcome, got.Err, want)
		}
	}
	checks(first, check.Allowed)
	checks(second, check.Allowed)
	checks(first, check.RateLimited)
	kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Regenerate(fresh, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	checks(third, check.RateLimited)
}

func TestKeysWithoutLimitsCostNothing(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t)
	c := limited(kit, &kit.Process)
	_, secret := kit.MustKey(t, nil)
	c.Check(t.Context(), sent(secret.Reveal()), read) // reads what is kept
	kit.Traffic.Reset()

	if got := c.Check(t.Context(), sent(secret.Reveal()), read); got.Outcome != check.Allowed ||
		got.Allowance != nil || kit.Traffic.Count() != 1 {
		t.Errorf("%s, %v", got.Outcome, storetest.Operations(kit.Traffic.Requests()))
	}
}

// broken are limits that nobody can ask.
type broken struct{}

// Spend implements check.Limits.
func (broken) Spend(context.Context, *apikey.Key) (*limit.Allowance, error) {
	return nil, errors.New("no answer")
}

// Peek implements check.Limits.
func (broken) Peek(context.Context, *apikey.Key, time.Time) (*limit.Allowance, error) {
	return nil, errors.New("no answer")
}

func TestLimitsThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t)
	c := limited(kit, &kit.Process)
	c.Limits = broken{}

	k, secret := kit.MustKey(t, two)
	if got := c.Check(t.Context(), sent(secret.Reveal()), read); got.Outcome != check.Unavailable ||
		got.Err == nil {
		t.Errorf("%s %v", got.Outcome, got.Err)
	}

	if got := c.Explain(t.Context(), k, apikey.Production, read,
		kit.Clock.Now()); got.Outcome != check.Unavailable {
		t.Errorf("explained: %s", got.Outcome)
	}

	_, free := kit.MustKey(t, nil)
	if got := c.Check(t.Context(), sent(free.Reveal()), read); got.Outcome != check.Allowed {
		t.Errorf("a key without limits: %s %v", got.Outcome, got.Err)
	}
}

func BenchmarkCheckOfALimit(b *testing.B) {
	kit, _ := setup(b)
	k, secret := kit.MustKey(b, func(k *apikey.Key) {
		k.RateLimits = []apikey.RateLimit{{Name: "l", Limit: 50_000, Window: time.Second}}
	})
	c := limited(kit, &kit.Process)
	c.Keys = memory{k}
	b.ReportAllocs()

	for b.Loop() {
		c.Check(b.Context(), sent(secret.Reveal()), read)
	}
}
