package local_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// once returns a key with a limit of one call an hour.
func once(tb testing.TB, m *localtest.Machine) localtest.Client {
	tb.Helper()
	return m.As(m.Admin().CreateKey(tb, "acme", map[string]any{
		"name":        "Once",
		"environment": "production",
		"permissions": []string{"messages:read"},
		"rateLimits":  []any{map[string]any{"name": "hour", "limit": 1, "window": "1h"}},
	}).Secret)
}

// Over a limit, a REST API answers with the template's gateway response, and an HTTP API with the
// backend's guard. Callers see no difference.
func TestLimitedIs429AtBothKindsOfAPI(t *testing.T) {
	t.Parallel()

	for _, api := range []string{"rest", "http"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.API = api
			runs(t, o, func(m *localtest.Machine) {
				c := once(t, m)

				first := c.Call(t, http.MethodGet, "/production/messages", nil).Want(t,
					http.StatusOK)
				if got := first.Header.Get("RateLimit-Policy") +
					first.Header.Get("Retry-After"); got != `"hour";q=1;w=3600` {
					t.Errorf("headers of an admitted call: %s", got)
				}

				second := c.Call(t, http.MethodGet, "/production/messages", nil,
					"Origin: https://page.example")
				if exposed := second.Header.Get(
					"Access-Control-Expose-Headers",
				); !strings.Contains(exposed, "Retry-After") ||
					!strings.Contains(exposed, "RateLimit") {
					t.Errorf("a page may read %q", exposed)
				}

				p := second.Refused(t, http.StatusTooManyRequests, "rate_limited")
				if after := second.Header.Get("Retry-After"); after != "3600" && after != "3599" ||
					p.Detail != "The key is over its limit hour." ||
					p.Title != "Too many requests" {
					t.Errorf("Retry-After %s, %+v", after, p)
				}

				if policy, left := second.Header.Get(
					"RateLimit-Policy",
				), second.Header.Get("RateLimit"); policy != `"hour";q=1;w=3600` ||
					!strings.HasPrefix(left, `"hour";r=0;t=`) {
					t.Errorf("RateLimit-Policy %s, RateLimit %s", policy, left)
				}
			})
		})
	}
}

// Renaming a limit, removing and restoring it, or changing its value gives nothing back: after any
// changes, 6 calls remain 6.
func TestChangedLimitsGiveNothingBack(t *testing.T) {
	t.Parallel()
	runs(t, options(t.TempDir()), func(m *localtest.Machine) {
		made := m.Admin().CreateKey(t, "acme", map[string]any{
			"name":        "Limited",
			"environment": "production",
			"permissions": []string{"messages:read"},
			"rateLimits":  []any{map[string]any{"name": "hour", "limit": 6, "window": "1h"}},
		})

		path, admitted := "/v1/organizations/acme/keys/"+made.Key.ID, 0
		for _, body := range []string{
			`{}`,
			`{"rateLimits": [{"name": "renamed", "limit": 6, "window": "1h"}]}`,
			`{"rateLimits": [{"name": "renamed", "limit": 5, "window": "1h"}]}`,
			`{"rateLimits": [{"name": "renamed", "limit": 6, "window": "2h"}]}`,
			`{"rateLimits": [], "quota": {"limit": 6, "period": "month"}}`,
			`{"rateLimits": [{"name": "hour", "limit": 6, "window": "1h"}], "quota": null}`,
			`{"rateLimits": []}`,
			`{"rateLimits": [{"name": "hour", "limit": 6, "window": "1h"}]}`,
		} {
			m.Admin().Call(t, http.MethodPatch, path, body).Want(t, http.StatusOK)

			if body == `{"rateLimits": []}` {
				continue // no limit, no end
			}

			for range 8 {
				if m.As(made.Secret).Call(t, http.MethodGet,
					"/production/messages", nil).Status == http.StatusOK {
					admitted++
				}
			}
		}

		if admitted != 6 {
			t.Errorf("%d calls were admitted, want 6", admitted)
		}
	})
}

// API Gateway's cache hides the first use of a new secret for a while. An overlap that starts with
// the first use must therefore be at least as long as an answer is cached.
func TestNoOverlapThatTheCacheOutlives(t *testing.T) {
	t.Parallel()

	for profile, status := range map[string]int{
		"strict": http.StatusOK,
		"cached": http.StatusUnprocessableEntity,
	} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.Profile = profile
			runs(t, o, func(m *localtest.Machine) {
				for body, want := range map[string]int{
					`{"overlap": "299s", "startsAt": "first_use"}`:                 status,
					`{"overlap": "0s", "startsAt": "first_use", "longest": "10m"}`: status,
					`{"overlap": "5m", "startsAt": "first_use"}`:                   http.StatusOK,
					`{"startsAt": "first_use"}`:                                    http.StatusOK,
					`{"overlap": "1s"}`:                                            http.StatusOK,
					`{"overlap": "0s", "startsAt": "now"}`:                         http.StatusOK,
				} {
					made := m.Admin().CreateKey(t, "acme", map[string]any{
						"name":        "Rotated",
						"environment": "production",
					})

					answer := m.Admin().Call(t, http.MethodPost,
						"/v1/organizations/acme/keys/"+made.Key.ID+"/rotate", body)
					if want == http.StatusOK {
						answer.Want(t, want)
						continue
					}

					p := answer.Refused(t, want, "validation")
					if len(p.Errors) != 1 || p.Errors[0].Location != "body.overlap" ||
						!strings.Contains(p.Errors[0].Message, "at least 5m") {
						t.Errorf("%s: %+v", body, p)
					}
				}
			})
		})
	}
}

// Calls cannot be counted behind API Gateway's cache. A key cannot be given limits there. A key
// that has limits is shown them, but not how much remains.
func TestNoLimitsBehindTheCache(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	path, secret := "", ""
	runs(t, o, func(m *localtest.Machine) {
		made := m.Admin().CreateKey(t, "acme", map[string]any{
			"name":        "Before",
			"environment": "production",
			"quota":       map[string]any{"limit": 1, "period": "day"},
		})
		path, secret = "/v1/organizations/acme/keys/"+made.Key.ID, made.Secret
	})
	o.Profile = "cached"
	runs(t, o, func(m *localtest.Machine) {
		limits := []any{map[string]any{"name": "hour", "limit": 1, "window": "1h"}}
		for _, answer := range []localtest.Answer{
			m.Admin().Call(t, http.MethodPost, "/v1/organizations/acme/keys", map[string]any{
				"name":        "Limited",
				"environment": "production",
				"rateLimits":  limits,
			}),
			m.Admin().Call(t, http.MethodPatch, path, map[string]any{"rateLimits": limits}),
		} {
			p := answer.Refused(t, http.StatusUnprocessableEntity, "validation")
			if len(p.Errors) != 1 || p.Errors[0].Location != "body.rateLimits" ||
				!strings.Contains(p.Errors[0].Message, "profile cached") {
				t.Errorf("%+v", p)
			}
		}

		m.Admin().Call(t, http.MethodPatch, path, map[string]any{
			"quota": map[string]any{"limit": 2, "period": "day"},
		}).Refused(t, http.StatusUnprocessableEntity, "validation")
		m.Admin().Call(t, http.MethodPatch, path, map[string]any{
			"name": "Still there",
		}).Want(t, http.StatusOK)

		var me struct {
			Quota struct{ Limit, Remaining *int }
		}
		if m.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK).Into(t,
			&me); *me.Quota.Limit != 1 || me.Quota.Remaining != nil {
			t.Errorf("%+v", me)
		}

		m.Admin().Call(t, http.MethodPatch, path, map[string]any{
			"quota": nil,
		}).Want(t, http.StatusOK)

		if advice := m.Admin().Call(t, http.MethodGet, path+"/advice", nil).Want(t,
			http.StatusOK); strings.Contains(string(advice.Body), "no_limit") {
			t.Errorf("advice to set a limit that is refused: %s", advice.Body)
		}
	})
}
