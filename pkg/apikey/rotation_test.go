package apikey_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// What the first use of the new secret does to the end of the old one.
func TestFirstUsed(t *testing.T) {
	t.Parallel()
	start, latest := now, now.Add(24*time.Hour)

	running := func(starts apikey.OverlapStart, overlap time.Duration, used time.Time) *apikey.Key {
		return key(func(k *apikey.Key) {
			k.Rotation = &apikey.Rotation{
				StartedAt:   start,
				StartsAt:    starts,
				Overlap:     overlap,
				FirstUsedAt: used,
				Old:         verifier(0),
				OldEndsAt:   latest,
			}
		})
	}
	for name, test := range map[string]struct {
		from     *apikey.Key
		at       time.Time
		used, to time.Time
	}{
		"counts the overlap from then": {
			running(apikey.StartsFirstUse, time.Hour, time.Time{}), start.Add(time.Hour),
			start.Add(time.Hour), start.Add(2 * time.Hour),
		},
		"at once": {
			running(apikey.StartsFirstUse, 0, time.Time{}), start.Add(time.Hour),
			start.Add(time.Hour), start.Add(time.Hour),
		},
		"never later than the latest end": {
			running(apikey.StartsFirstUse, 2*time.Hour, time.Time{}), latest.Add(-time.Hour),
			latest.Add(-time.Hour), latest,
		},
		"after the end": {
			running(apikey.StartsFirstUse, time.Hour, time.Time{}), latest.Add(time.Hour),
			latest.Add(time.Hour), latest,
		},
		"by a clock that is behind": {
			running(apikey.StartsFirstUse, time.Hour, time.Time{}), start.Add(-9 * time.Hour),
			start, start.Add(time.Hour),
		},
		"what is known stays": {
			running(apikey.StartsFirstUse, time.Hour, start.Add(time.Minute)),
			start.Add(time.Second), start.Add(time.Minute), latest,
		},
		"leaves an overlap from now as it was": {
			running(apikey.StartsNow, time.Hour, time.Time{}), start.Add(time.Minute),
			start.Add(time.Minute), latest,
		},
	} {
		if awaits := test.from.AwaitsFirstUse(
			now,
		); awaits != test.from.Rotation.FirstUsedAt.IsZero() {
			t.Errorf("%s: awaits it: %v", name, awaits)
		}

		test.from.FirstUsed(test.at)

		if diff := cmp.Diff([]time.Time{test.used, test.to}, []time.Time{
			test.from.Rotation.FirstUsedAt, test.from.Rotation.OldEndsAt,
		}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}

		if test.from.AwaitsFirstUse(now) {
			t.Errorf("%s: it still awaits it", name)
		}
	}

	plain := key()
	plain.FirstUsed(now)

	if diff := cmp.Diff(key(), plain); diff != "" {
		t.Errorf("a key without a rotation (-want +got):\n%s", diff)
	}

	if over := running(apikey.StartsFirstUse, time.Hour, time.Time{}); over.AwaitsFirstUse(latest) {
		t.Error("a rotation that is over awaits something")
	}
}
