package check

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
)

// Limits are the rate limits and quotas of keys.
type Limits interface {
	// Spend takes one call of every limit of a key, or of none where one of them refuses. An error
	// means that nobody knows whether there is room.
	Spend(ctx context.Context, k *apikey.Key) (*limit.Allowance, error)
	// Peek says what Spend would answer at a time, and takes nothing.
	Peek(ctx context.Context, k *apikey.Key, at time.Time) (*limit.Allowance, error)
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

	switch v.Allowance.Verdict {
	case limit.Admitted:
		return Allowed
	case limit.OverQuota:
		return QuotaExceeded
	default:
		return RateLimited
	}
}
