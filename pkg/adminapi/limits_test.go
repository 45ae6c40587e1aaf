package adminapi_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// left is what whoami tells of limits.
type left struct {
	RateLimits []struct {
		Name      string
		Limit     int64
		Window    string
		Remaining *int64
		ResetAt   *time.Time
	}
	Quota *struct {
		Limit     int64
		Period    string
		Remaining *int64
		ResetAt   *time.Time
	}
}

// remaining asks whoami what is left of each limit and, last, of the quota.
func remaining(t *testing.T, secret string) (out []int64) {
	t.Helper()
	var l left
	machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK).Into(t, &l)

	for _, one := range l.RateLimits {
		if one.Remaining == nil || one.ResetAt == nil {
			t.Fatalf("%+v", one)
		}

		out = append(out, *one.Remaining)
	}

	if l.Quota != nil {
		if !l.Quota.ResetAt.After(time.Now()) || l.Quota.ResetAt.Day() != 1 {
			t.Errorf("the quota's month ends at %v", l.Quota.ResetAt)
		}

		out = append(out, *l.Quota.Remaining)
	}

	return out
}

// limited fails unless the answer is a 429 that says when to come back.
func limited(t *testing.T, a localtest.Answer, code string) {
	t.Helper()

	p := a.Refused(t, http.StatusTooManyRequests, code)
	if seconds, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || seconds < 1 ||
		p.Detail == "" {
		t.Errorf("Retry-After %q, detail %q", a.Header.Get("Retry-After"), p.Detail)
	}
}

func TestLimitsAreEnforced(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{
		"permissions": []string{"messages:read"},
		"quota":       map[string]any{"limit": 4, "period": "month"},
		"rateLimits": []any{map[string]any{
			"name":   "hour",
			"limit":  2,
			"window": "1h",
		}, map[string]any{
			"name":   "day",
			"limit":  100,
			"window": "1d",
			"burst":  7,
		}},
	})
	call := func(method string) localtest.Answer {
		return machine.As(k.Secret).Call(t, method, "/production/messages", nil)
	}
	expect := func(when string, want ...int64) {
		t.Helper()

		if diff := cmp.Diff(want, remaining(t, k.Secret)); diff != "" {
			t.Errorf("%s: left (-want +got):\n%s", when, diff)
		}
	}
	expect("before", 2, 7, 4)
	call(http.MethodPost).Refused(t, http.StatusForbidden, "permission_denied")
	expect("after a 403", 2, 7, 4)

	for range 2 {
		a := call(http.MethodGet).Want(t, http.StatusOK)
		if a.Header.Get("RateLimit-Policy") != `"hour";q=2;w=3600, "day";q=100;w=86400, "quota";q=4;w=`+month() {
			t.Errorf("RateLimit-Policy %s", a.Header.Get("RateLimit-Policy"))
		}
	}

	limited(t, call(http.MethodGet), "rate_limited")
	expect("used up", 0, 5, 2)

	// A changed limit acts at the next call, and what stays as it was keeps what it used.
	path := o.keys + "/" + k.Key.ID
	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"rateLimits": []any{map[string]any{
			"name":   "day",
			"limit":  100,
			"window": "1d",
			"burst":  7,
		}},
	}).Want(t, http.StatusOK)
	expect("without the first", 5, 2)

	for range 2 {
		call(http.MethodGet).Want(t, http.StatusOK)
	}

	limited(t, call(http.MethodGet), "quota_exceeded")
	k = o.admin.Call(t, http.MethodPost, path+"/regenerate", map[string]any{}).Made(t,
		http.StatusOK)
	limited(t, call(http.MethodGet), "quota_exceeded")
	expect("a new secret", 3, 0)
	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"rateLimits": []any{},
		"quota":      nil,
	}).Want(t, http.StatusOK)

	if a := call(http.MethodGet).Want(t, http.StatusOK); a.Header.Get("RateLimit") != "" {
		t.Errorf("without limits: RateLimit %s", a.Header.Get("RateLimit"))
	}
}

// month is how many seconds this month has.
func month() string {
	now := time.Now().UTC()
	begin := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	return strconv.Itoa(int(begin.AddDate(0, 1, 0).Sub(begin).Seconds()))
}

// The admin API limits its keys too; whoami is for everybody who has one, however often they
// called.
func TestLimitsOnTheAdminAPI(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	admin := func(limits map[string]any) localtest.Made {
		return machine.Operator().CreateKey(t, o.id, merged(map[string]any{
			"name":        "Limited",
			"environment": "production",
			"permissions": []string{"keys:read"},
		}, limits))
	}
	for code, limits := range map[string]map[string]any{
		"rate_limited": {
			"rateLimits": []any{map[string]any{"name": "hour", "limit": 2, "window": "1h"}},
		},
		"quota_exceeded": {"quota": map[string]any{"limit": 2, "period": "month"}},
	} {
		c := machine.As(admin(limits).Secret)
		for range 2 {
			c.Call(t, http.MethodGet, o.keys, nil).Want(t, http.StatusOK)
		}

		limited(t, c.Call(t, http.MethodGet, o.keys, nil), code)
		limited(t, c.Call(t, http.MethodPost, o.keys, "{"), code)

		for range 4 {
			c.Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK)
		}
	}
}
