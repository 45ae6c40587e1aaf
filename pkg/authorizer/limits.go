package authorizer

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/guard/ratelimit"
	"github.com/bitting-keys/bitting/pkg/limit"
)

// limitedKey is in no usage plan. API Gateway answers INVALID_API_KEY to a call that carries it,
// which the template turns into a 429.
const limitedKey = "bitting-limited-call"

// limited marks the call as over a limit.
func (c *Context) limited(v *check.Verdict) {
	c.Limited = "true"
	c.RetryAfter = strconv.FormatInt(wholeSeconds(v.Allowance.RetryAfter), 10)
	c.DenialCode = v.Outcome.Code()
	c.DenialDetail = cmp.Or(v.Outcome.Detail(), "The key is over its limit "+v.Allowance.Limit+".")
}

// headers formats the state of the limits for a gateway response's headers.
func (c *Context) headers() {
	h := http.Header{}
	ratelimit.Set(h, c.Limits)
	c.RateLimitPolicy = h.Get("RateLimit-Policy")
	c.RateLimit = h.Get("RateLimit")
}

// limitsText formats the state of limits as one text: name;q=limit;w=window;r=remaining;t=seconds
// until it is full again, joined by commas. The quota's name is quota. The text has no quotes, so
// that a gateway response's template can repeat it. Limits that would make it too long are left
// out.
func limitsText(a *limit.Allowance, maxBytes int) string {
	if a == nil {
		return ""
	}

	var out strings.Builder

	add := func(name string, l limit.Left, now time.Time) {
		one := fmt.Sprintf("%s;q=%d;w=%d;r=%d;t=%d", name, l.Limit, wholeSeconds(l.Window),
			l.Remaining, max(0, wholeSeconds(l.ResetAt.Sub(now))))
		if out.Len() > 0 {
			one = "," + one
		}

		if out.Len()+len(one) <= maxBytes {
			out.WriteString(one)
		}
	}
	for _, l := range a.Limits {
		add(text(l.Name, maxBytes), l, a.At)
	}

	if a.Quota != nil {
		add("quota", *a.Quota, a.At)
	}

	return out.String()
}

// wholeSeconds rounds up, so that a caller who waits that long is not too early.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
