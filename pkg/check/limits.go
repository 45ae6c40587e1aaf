package check

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
)

// Limits keeps the rate limits and quotas of keys.
type Limits interface {
	// Spend takes one call from every limit of a key, or from none if one of them refuses. On error
	// the state is unknown; deny the call.
	Spend(ctx context.Context, k *apikey.Key) (*limit.Allowance, error)
	// Peek returns what Spend would return at a time, and takes nothing.
	Peek(ctx context.Context, k *apikey.Key, at time.Time) (*limit.Allowance, error)
}

// Limited reports whether a key has limits.
func Limited(k *apikey.Key) bool { return len(k.RateLimits) > 0 || k.Quota != nil }

// Limit takes the last step of a check, for a key that Authenticate accepted: it spends a call of
// the key's limits.
func (c *Checker) Limit(ctx context.Context, v *Verdict) {
	if v.Outcome == Allowed {
		v.Outcome = c.limit(ctx, v, Call{}, c.Now())
	}
}

// limit spends a call of the key's limits, or only looks at them for an explanation.
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
