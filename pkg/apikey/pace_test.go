package apikey_test

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

var paceStart = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

// A row accepts ten changes at once, then one every 200 ms, and tells the next one how long to
// wait.
func TestPace(t *testing.T) {
	t.Parallel()
	var p apikey.Pace

	spend := func(u apikey.Urgency, at time.Time) time.Duration {
		next, wait := p.Spend(u, at)
		p = next
		return wait
	}
	for i := range 10 {
		if wait := spend(apikey.Ordinary, paceStart); wait != 0 {
			t.Fatalf("change %d waits %v", i, wait)
		}
	}

	if wait := spend(apikey.Ordinary, paceStart); wait != 200*time.Millisecond {
		t.Errorf("the eleventh waits %v", wait)
	}

	for i := range 10 { // which ordinary changes cannot use up
		if wait := spend(apikey.Restriction, paceStart); wait != 0 {
			t.Fatalf("restriction %d waits %v", i, wait)
		}
	}

	if wait := spend(apikey.Restriction, paceStart); wait != 200*time.Millisecond {
		t.Errorf("the eleventh restriction waits %v", wait)
	}

	if wait := spend(apikey.Stop, paceStart); wait != 0 {
		t.Errorf("a stop waits %v", wait)
	}

	if wait := spend(apikey.Ordinary, paceStart.Add(200*time.Millisecond)); wait != 0 {
		t.Errorf("after a stop, the next one waits %v", wait)
	}
}

// While a stop holds a row, only stops change it; and the hold ends.
func TestHeld(t *testing.T) {
	t.Parallel()

	held := apikey.Held(paceStart)
	for _, u := range []apikey.Urgency{apikey.Ordinary, apikey.Restriction} {
		if _, wait := held.Spend(u, paceStart.Add(apikey.HoldFor-time.Millisecond)); wait <= 0 {
			t.Errorf("urgency %d changes a held row", u)
		}
	}

	if _, wait := held.Spend(apikey.Stop, paceStart); wait != 0 {
		t.Errorf("a stop waits %v", wait)
	}

	if _, wait := held.Spend(apikey.Ordinary, paceStart.Add(10*time.Second)); wait != 0 {
		t.Errorf("after an expired hold, a change waits %v", wait)
	}
}

// A row is busy once more than half of its burst is used, and while a stop holds it.
func TestBusy(t *testing.T) {
	t.Parallel()

	var p apikey.Pace
	for n := range 10 {
		if p.Busy(paceStart) != (n > 5) {
			t.Errorf("busy after %d changes: %v", n, p.Busy(paceStart))
		}

		p, _ = p.Spend(apikey.Ordinary, paceStart)
	}

	if p.Busy(paceStart.Add(time.Second)) || !apikey.Held(paceStart).Busy(paceStart) {
		t.Error("a row is busy a second later, or a held one is not")
	}
}

// No period has more changes than a burst and the rate, with any stops in between.
func TestPaceIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p apikey.Pace

		now, taken := paceStart, 0
		for range rapid.IntRange(1, 200).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "ms")) * time.Millisecond)
			u := rapid.SampledFrom([]apikey.Urgency{
				apikey.Ordinary, apikey.Ordinary, apikey.Stop,
			}).Draw(t, "urgency")

			next, wait := p.Spend(u, now)
			if p = next; wait == 0 && u == apikey.Ordinary {
				taken++
			}

			if most := 10 + int(now.Sub(paceStart)/(200*time.Millisecond)) + 1; taken > most {
				t.Fatalf("%d changes within %v", taken, now.Sub(paceStart))
			}
		}
	})
}

// A change that takes a right away is a stop, unless it can be repeated without end.
func TestUrgencyOf(t *testing.T) {
	t.Parallel()

	isAdmin := func(p string) bool { return p == "keys:write" }

	rotating := func(k *apikey.Key) { k.Rotation = &apikey.Rotation{StartedAt: paceStart} }
	for name, test := range map[string]struct {
		before, change func(*apikey.Key)
		want           apikey.Urgency
	}{
		"a description": {nil, func(k *apikey.Key) { k.Description = "a" }, apikey.Ordinary},
		"disabled":      {nil, func(k *apikey.Key) { k.Enabled = false }, apikey.Stop},
		"disabled with a description": {nil, func(k *apikey.Key) {
			k.Enabled = false
			k.Description = "a"
		}, apikey.Stop},
		"a description while disabled": {func(k *apikey.Key) {
			k.Enabled = false
		}, func(k *apikey.Key) { k.Description = "a" }, apikey.Ordinary},
		"enabled": {func(k *apikey.Key) {
			k.Enabled = false
		}, func(k *apikey.Key) { k.Enabled = true }, apikey.Ordinary},
		"revoked": {nil, func(k *apikey.Key) {
			k.Revocation = &apikey.Revocation{
				At: paceStart,
			}
		}, apikey.Stop},
		"compromised": {func(k *apikey.Key) {
			k.Revocation = &apikey.Revocation{
				At: paceStart,
			}
		}, func(k *apikey.Key) {
			k.Revocation.Compromised = true
		}, apikey.Stop},
		"restored": {func(k *apikey.Key) {
			k.Revocation = &apikey.Revocation{
				At: paceStart,
			}
		}, func(k *apikey.Key) { k.Revocation = nil }, apikey.Ordinary},
		"deleted": {nil, func(k *apikey.Key) {
			k.DeletedAt = paceStart
		}, apikey.Stop},
		"exposed": {nil, func(k *apikey.Key) {
			k.Exposure = &apikey.Exposure{}
		}, apikey.Stop},
		"finished": {rotating, func(k *apikey.Key) {
			k.Rotation = nil
		}, apikey.Stop},
		"rotated": {nil, func(k *apikey.Key) {
			k.RenewedAt = paceStart
			rotating(k)
		}, apikey.Ordinary},
		"regenerated": {nil, func(k *apikey.Key) {
			k.RenewedAt = paceStart
		}, apikey.Restriction},
		"fewer permissions": {func(k *apikey.Key) {
			k.Permissions = []string{"a:read", "a:write"}
		}, func(k *apikey.Key) { k.Permissions = []string{"a:read"} }, apikey.Restriction},
		"other permissions": {func(k *apikey.Key) {
			k.Permissions = []string{"a:read", "a:write"}
		}, func(k *apikey.Key) { k.Permissions = []string{"b:read"} }, apikey.Ordinary},
		"some of all permissions": {func(k *apikey.Key) { k.AllPermissions = true }, func(k *apikey.Key) {
			k.AllPermissions = false
			k.Permissions = []string{"a:read"}
		}, apikey.Restriction},
		"an admin permission for all permissions": {func(k *apikey.Key) {
			k.AllPermissions = true
		}, func(k *apikey.Key) {
			k.AllPermissions = false
			k.Permissions = []string{"keys:write"}
		}, apikey.Ordinary},
		"an end": {nil, func(k *apikey.Key) { k.ExpiresAt = paceStart }, apikey.Restriction},
		"a later end": {func(k *apikey.Key) {
			k.ExpiresAt = paceStart
		}, func(k *apikey.Key) { k.ExpiresAt = paceStart.Add(1) }, apikey.Ordinary},
		"an end and one permission more": {nil, func(k *apikey.Key) {
			k.ExpiresAt = paceStart
			k.Permissions = []string{"a:read"}
		}, apikey.Ordinary},
		"a later start": {nil, func(k *apikey.Key) { k.NotBefore = paceStart }, apikey.Restriction},
		"an address with a description": {nil, func(k *apikey.Key) {
			k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			k.Description = "a"
		}, apikey.Restriction},
		"a customer": {nil, func(k *apikey.Key) {
			k.Customers = []string{"c1"}
		}, apikey.Restriction},
		"another customer": {func(k *apikey.Key) {
			k.Customers = []string{"c1"}
		}, func(k *apikey.Key) { k.Customers = []string{"c2"} }, apikey.Ordinary},
		"a limit": {nil, func(k *apikey.Key) {
			k.RateLimits = []apikey.RateLimit{{Name: "a", Limit: 1, Window: time.Minute}}
		}, apikey.Restriction},
		"a quota": {nil, func(k *apikey.Key) {
			k.Quota = &apikey.Quota{Limit: 1, Period: "day"}
		}, apikey.Restriction},
		"a limit for a quota": {func(k *apikey.Key) {
			k.Quota = &apikey.Quota{Limit: 1, Period: "day"}
		}, func(k *apikey.Key) {
			k.Quota = nil
			k.RateLimits = []apikey.RateLimit{{Name: "a", Limit: 1, Window: time.Minute}}
		}, apikey.Ordinary},
		"nothing of the catalogue to hand out": {func(k *apikey.Key) {
			k.Grantable = apikey.GrantCatalogue
		}, func(k *apikey.Key) { k.Grantable = apikey.GrantOwn }, apikey.Restriction},
		"an end while it is restored": {func(k *apikey.Key) {
			k.Revocation = &apikey.Revocation{At: paceStart}
		}, func(k *apikey.Key) {
			k.Revocation = nil
			k.ExpiresAt = paceStart
		}, apikey.Ordinary},
		"an end while it is enabled": {func(k *apikey.Key) { k.Enabled = false }, func(k *apikey.Key) {
			k.Enabled = true
			k.ExpiresAt = paceStart
		}, apikey.Ordinary},
		"an end with another owner's kind": {nil, func(k *apikey.Key) {
			k.Ownership = apikey.Personal
			k.ExpiresAt = paceStart
		}, apikey.Ordinary},
		"an end while it is rotated": {nil, func(k *apikey.Key) {
			k.RenewedAt = paceStart
			k.ExpiresAt = paceStart
			rotating(k)
		}, apikey.Ordinary},
		"regenerated in a rotation": {rotating, func(k *apikey.Key) {
			k.RenewedAt = paceStart
			k.Rotation = nil
		}, apikey.Restriction},
	} {
		before := &apikey.Key{Enabled: true}
		if test.before != nil {
			test.before(before)
		}

		after := before.Clone()
		test.change(after)

		if got := apikey.UrgencyOf(before, after, isAdmin); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
