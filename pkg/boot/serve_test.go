package boot_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// An instance that Lambda ends returns its unused leases of limits, and ends even if it cannot.
func TestEndReturnsLeases(t *testing.T) {
	t.Parallel()
	subject := limit.Subject{Environment: apikey.Production, KeyID: "7Qm2Xb0aVd91KtZs"}
	policy := limit.Policy{
		Limits:  []apikey.RateLimit{{Name: "minute", Limit: 60_000, Window: time.Minute}},
		Version: 1,
	}

	half := func() float64 { return 0.5 }
	for name, broken := range map[string]bool{"well": false, "without its tables": true} {
		kit := storetest.New(t)
		var log strings.Builder

		d := &boot.Deployment{
			Limits: limit.New(kit.Hot, kit.Clock.Now, half),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Now:    kit.Clock.Now,
		}
		for range 100 {
			if a, err := d.Limits.Spend(t.Context(), subject, policy); err != nil ||
				a.Verdict != limit.Admitted {
				t.Fatal(a, err)
			}
		}

		if broken {
			kit.Traffic.Inject(storetest.Always(storetest.Broken))
		}

		flushed := false
		d.End(t.Context(), func() { flushed = true })

		if !flushed {
			t.Errorf("%s: it did not flush", name)
		}

		if logged := strings.Contains(log.String(),
			"leased calls are not given back"); logged != broken {
			t.Errorf("%s: logged: %s", name, &log)
		}

		other := limit.New(kit.Restart().Hot, kit.Clock.Now, half)

		a, err := other.Peek(t.Context(), subject, policy, kit.Clock.Now())
		if err != nil || (a.Limits[0].Remaining == 59_900) == broken {
			t.Errorf("%s: %d are left, %v", name, a.Limits[0].Remaining, err)
		}
	}
}
