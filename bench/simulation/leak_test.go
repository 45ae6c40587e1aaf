package simulation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// gatewayCache keeps answers that allow, as API Gateway does: of each address and path.
type gatewayCache struct {
	lasts time.Duration
	kept  map[string]time.Time // until when
}

// call returns the status of a call whose answer is kept under a name.
func (m *gatewayCache) call(now time.Time, name string, ask func() int) int {
	if now.Before(m.kept[name]) {
		return 200
	}

	got := ask()
	if got == 200 {
		m.kept[name] = now.Add(m.lasts)
	}

	return got
}

// A key that leaks while it is called all the time, by twenty instances and from twenty addresses,
// is refused as soon as its profile promises: counted from when the revocation returned.
func TestLeakedKeyInFullUse(t *testing.T) {
	t.Parallel()

	const (
		parts = 20
		step  = 50 * time.Millisecond // one call
	)

	for profile, promise := range map[string]time.Duration{
		"strict": 0,
		"fast":   5 * time.Second,
		"cached": 300 * time.Second,
	} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()

			kit := deployment(t)
			key, secret := kit.MustKey(t, nil)

			kept := gatewayCache{kept: map[string]time.Time{}}
			if profile == "cached" {
				kept.lasts = promise
			}

			var fleet []*instance
			for n := range parts {
				one := start(kit, fmt.Sprint("i", n))
				if profile == "fast" {
					one.remember(kit.Clock.Now)
				}

				fleet = append(fleet, one)
			}

			var (
				revoked        time.Time
				last           time.Duration
				after, refused int
			)

			begin := kit.Clock.Now()
			warm := promise + 12_340*time.Millisecond // not when what is kept ends anyway

			for n := 0; kit.Clock.Now().Sub(begin) < 2*warm; n++ {
				if revoked.IsZero() && kit.Clock.Now().Sub(begin) >= warm {
					kit.MustChange(t, key, func(k *apikey.Key) {
						k.Revocation = &apikey.Revocation{At: kit.Clock.Now(), Compromised: true}
					})

					revoked = kit.Clock.Now()
				}

				one := fleet[n%parts]
				one.Traffic.Reset()

				got := kept.call(kit.Clock.Now(), fmt.Sprint(n%parts), func() int {
					return status(t, one.Authorizer, secret.Reveal(), fmt.Sprint(n))
				})

				switch {
				case revoked.IsZero() && got != 200:
					t.Fatalf("%d before the revocation", got)
				case !revoked.IsZero() && got == 200:
					after++
					last = kit.Clock.Now().Sub(revoked)
				case !revoked.IsZero():
					refused++
				}

				kit.Clock.Advance(step)
			}

			t.Logf("%s: %d of %d calls after the revocation were admitted, the last after %v", profile,
				after, after+refused, last)

			if last > promise || (profile == "strict") != (after == 0) || refused == 0 {
				t.Errorf("%d calls were admitted, the last after %v; %d refused", after, last, refused)
			}
		})
	}
}
