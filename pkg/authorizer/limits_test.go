package authorizer_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// An authorizer cannot answer 429. It allows the call, with an answer that makes the gateway or
// the backend refuse it.
func TestLimited(t *testing.T) {
	t.Parallel()
	once := func(k *apikey.Key) {
		k.RateLimits = []apikey.RateLimit{{
			Name:   "burst",
			Limit:  1,
			Window: time.Minute,
		}}
	}

	month := func(k *apikey.Key) { k.Quota = &apikey.Quota{Limit: 1, Period: "month"} }
	for name, test := range map[string]struct {
		event    string
		simple   bool
		noKey    bool // methods need none
		change   func(*apikey.Key)
		admitted any // usageIdentifierKey
		limited  any
		first    map[string]any
		second   map[string]any
	}{
		"REST REQUEST": {
			event:    "rest-request",
			change:   once,
			admitted: admit,
			limited:  "bitting-limited-call",
			first:    map[string]any{"limits": "burst;q=1;w=60;r=0;t=60"},
			second: map[string]any{
				"limits":          "burst;q=1;w=60;r=0;t=60",
				"limited":         "true",
				"retryAfter":      "60",
				"denialCode":      "rate_limited",
				"denialDetail":    "The key is over its limit burst.",
				"rateLimitPolicy": `"burst";q=1;w=60`,
				"rateLimit":       `"burst";r=0;t=60`,
			},
		},
		"REST TOKEN, a quota": {
			event:    "rest-token",
			change:   month,
			admitted: admit,
			limited:  "bitting-limited-call",
			first:    map[string]any{"limits": "quota;q=1;w=2592000;r=0;t=570600"},
			second: map[string]any{
				"limits":          "quota;q=1;w=2592000;r=0;t=570600",
				"limited":         "true",
				"retryAfter":      "570600",
				"denialCode":      "quota_exceeded",
				"denialDetail":    "The key has used up its quota.",
				"rateLimitPolicy": `"quota";q=1;w=2592000`,
				"rateLimit":       `"quota";r=0;t=570600`,
			},
		},
		"REST, methods without a key": {
			event:  "rest-request",
			noKey:  true,
			change: once,
			first:  map[string]any{"limits": "burst;q=1;w=60;r=0;t=60"},
			second: map[string]any{
				"limits":       "burst;q=1;w=60;r=0;t=60",
				"limited":      "true",
				"retryAfter":   "60",
				"denialCode":   "rate_limited",
				"denialDetail": "The key is over its limit burst.",
			},
		},
		"HTTP 2.0, simple": {
			event:  "http-2",
			simple: true,
			change: once,
			first:  map[string]any{"limits": "burst;q=1;w=60;r=0;t=60"},
			second: map[string]any{
				"limits":       "burst;q=1;w=60;r=0;t=60",
				"limited":      "true",
				"retryAfter":   "60",
				"denialCode":   "rate_limited",
				"denialDetail": "The key is over its limit burst.",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, a := setup(t, func(c *authorizer.Config) {
				if c.SimpleResponses = test.simple; test.noKey {
					c.AdmitKey = ""
				}
			})

			_, secret := kit.MustKey(t, func(k *apikey.Key) { k.ID = sampleID; test.change(k) })
			for i, want := range []map[string]any{test.first, test.second} {
				got, text, err := invoke(t, a, sample(t, test.event, secret.Reveal()))
				if err != nil {
					t.Fatal(err)
				}

				if diff := cmp.Diff(said(want), got.Fields["context"]); diff != "" {
					t.Errorf("call %d: context (-want +got):\n%s", i+1, diff)
				}

				if key := []any{
					test.admitted, test.limited,
				}[i]; got.Fields["usageIdentifierKey"] != key {
					t.Errorf("call %d: usageIdentifierKey %v, want %v", i+1,
						got.Fields["usageIdentifierKey"], key)
				}

				if test.simple && got.Fields["isAuthorized"] != true {
					t.Errorf("call %d: %s", i+1, text)
				}
			}
		})
	}
}

// On the admin API a key's limits apply as elsewhere. A key that may not use it uses up nothing,
// and a person has no limits.
func TestAdminAPILimits(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, func(c *authorizer.Config) {
		c.API = permission.AdminAPI
		c.AdmitKey = ""
		c.Checker.Environments = apikey.Environments()
	})
	k, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.ID = sampleID
		k.RateLimits = []apikey.RateLimit{{
			Name:   "burst",
			Limit:  1,
			Window: time.Minute,
		}}
	})

	limited := func() any {
		t.Helper()

		got, _, err := invoke(t, a, sample(t, "rest-request", secret.Reveal()))
		if err != nil {
			t.Fatal(err)
		}

		return got.Fields["context"].(map[string]any)["limited"]
	}
	for range 2 {
		if got := limited(); got != "false" {
			t.Errorf("a key without admin permissions: limited %v", got)
		}
	}

	kit.MustChange(t, k, func(k *apikey.Key) { k.Permissions = []string{"keys:read"} })

	if first, second := limited(), limited(); first != "false" || second != "true" {
		t.Errorf("limited %v, then %v", first, second)
	}

	kit.Traffic.Inject(storetest.Always(storetest.Broken, "UpdateItem", "PutItem"))
	kit.Clock.Advance(time.Hour)

	if _, _, err := invoke(t, a, sample(t, "rest-request", secret.Reveal())); err == nil ||
		err.Error() == "Unauthorized" {
		t.Errorf("limits that cannot be asked: %v", err)
	}
}
