package main_test

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestEndToEndLimits loads a limit by several processes of the authorizer at once, and checks that
// admitted calls stay within the bound in every window. A slow machine makes the test weaker, but
// never fail: an admission lies somewhere between its call and its answer, and counts for a window
// only if both do.
func TestEndToEndLimits(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "--functions", "process")

	const lasts, callers = 4 * time.Second, 16
	for name, limit := range map[string]struct{ rate, lease float64 }{
		"taken one by one": {10, 0},
		"leased":           {50, 1},
	} {
		key := p.Admin().CreateKey(t, "acme", map[string]any{
			"name":        name,
			"environment": "production",
			"permissions": []string{"messages:read"},
			"rateLimits":  []any{map[string]any{"name": "l", "limit": limit.rate, "window": "1s"}},
		})
		type span struct{ sent, answered float64 }
		var mu sync.Mutex
		var admitted []span
		var slowest float64
		calls := 0
		begin := time.Now()

		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for time.Since(begin) < lasts {
					sent := time.Since(begin).Seconds()
					a, err := p.As(key.Secret).Try(t, http.MethodGet, "/production/messages", nil)
					answered := time.Since(begin).Seconds()
					mu.Lock()
					calls++

					slowest = max(slowest, answered-sent)
					switch {
					case err != nil:
						t.Error(err)
					case a.Status == http.StatusOK:
						admitted = append(admitted, span{sent, answered})
					case a.Status != http.StatusTooManyRequests &&
						a.Status != http.StatusServiceUnavailable:
						// too much concurrency for this machine
						t.Errorf("status %d", a.Status)
					}

					mu.Unlock()
				}
			})
		}

		all.Wait()

		ends := make([]float64, 0, len(admitted))
		for _, a := range admitted {
			ends = append(ends, a.answered)
		}

		closest := math.Inf(1)
		for _, from := range admitted {
			for _, to := range ends {
				within := 0
				for _, a := range admitted {
					if a.sent >= from.sent && a.answered <= to {
						within++
					}
				}

				if bound := limit.rate + limit.rate*(to-from.sent+limit.lease); within > 0 {
					closest = min(closest, bound-float64(within))
				}
			}
		}

		t.Logf("%s: %d calls, %d admitted in %v, %.1f below the bound of the worst window, the "+
			"slowest call %.2f s", name, calls, len(admitted), lasts, closest, slowest)

		if closest < 0 {
			t.Errorf("%s: %.1f over the bound", name, -closest)
		}

		if len(admitted) < int(limit.rate) {
			t.Errorf("%s: %d admitted of a burst of %v", name, len(admitted), limit.rate)
		}
	}

	instances := 0
	for _, line := range running(t, p.data) {
		if strings.Contains(line, "build/authorizer/bootstrap") {
			instances++
		}
	}

	if instances < 4 {
		t.Errorf("%d processes of authorizers shared the limit", instances)
	}

	t.Logf("%d processes of authorizers", instances)
}
