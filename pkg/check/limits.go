package check

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Limits are the rate limits and quotas of keys.
type Limits interface {
	// Spend takes one call of every limit of a key, or of none where one of them refuses. An error
	// means that nobody knows whether there is room.
	Spend(ctx context.Context, k *apikey.Key) (*Allowance, error)
	// Peek says what Spend would answer at a time, and takes nothing.
	Peek(ctx context.Context, k *apikey.Key, at time.Time) (*Allowance, error)
}

// Allowance is what the limits of a key say of a call.
type Allowance struct {
	Outcome Outcome   // Allowed, RateLimited or QuotaExceeded
	At      time.Time // when that is
	// the name of the limit that refuses; "" for the quota, and where none does
	Limit      string
	RetryAfter time.Duration // for a refusal: how long it lasts at least
	Limits     []Left        // of every rate limit, in the key's order
	Quota      *Left         // nil where there is no quota
}

// Left is what is left of one limit.
type Left struct {
	Name      string // "" for the quota
	Limit     int64
	Window    time.Duration // of the quota: how long its period is
	Remaining int64
	ResetAt   time.Time // when all of it is there again, if nothing more is taken
}

// Limited reports whether a key has limits.
func Limited(k *apikey.Key) bool { return len(k.RateLimits) > 0 || k.Quota != nil }

// Limit is the last step of a check for a key that Authenticate found good: it takes a call of the
// key's limits.
func (c *Checker) Limit(ctx context.Context, v *Verdict) {
	if v.Outcome == Allowed {
		v.Outcome = c.limit(ctx, v, Call{}, c.Now())
	}
}

// limit asks the key's limits.
func (c *Checker) limit(ctx context.Context, v *Verdict, call Call, now time.Time) Outcome {
	if c.Limits == nil || !Limited(v.Key) {
		return Allowed
	}

	var err error
	if call.look {
		v.Allowance, err = c.Limits.Peek(ctx, v.Key, now)
	} else {
		v.Allowance, err = c.Limits.Spend(ctx, v.Key)
	}

	if err != nil {
		v.Err = err
		return Unavailable
	}

	return v.Allowance.Outcome
}
