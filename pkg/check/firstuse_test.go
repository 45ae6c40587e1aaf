package check_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// awaiting stores a key whose rotation counts an overlap of an hour from the first use of the new
// secret, and ends after a day.
func awaiting(t *testing.T, kit *storetest.Kit) (k *apikey.Key, old, current apikey.Secret) {
	t.Helper()
	k, old = kit.MustKey(t, nil)
	current, fresh := kit.Mint(t, apikey.Production, k.ID)
	return kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.RotateFromFirstUse(fresh, time.Hour, 24*time.Hour,
			kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}), old, current
}

// The old secret of a rotation that starts at the first use ends an overlap after it, as whoever
// saw it recorded, or at the latest end. By the clock.
func TestOldSecretEndsAfterTheFirstUse(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	ask := func(secret apikey.Secret) check.Outcome {
		return c.Check(t.Context(), sent(secret.Reveal()), read).Outcome
	}
	begin := kit.Clock.Now()
	never, neverOld, neverNew := awaiting(t, kit)
	used, usedOld, usedNew := awaiting(t, kit)
	expect := func(after time.Duration, want ...check.Outcome) {
		t.Helper()
		kit.Clock.Set(begin.Add(after))

		if diff := cmp.Diff(want, []check.Outcome{
			ask(neverOld), ask(neverNew), ask(usedOld), ask(usedNew),
		}); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", after, diff)
		}
	}
	expect(10*time.Hour, check.Allowed, check.Allowed, check.Allowed, check.Allowed)

	for _, at := range []time.Duration{10 * time.Hour, 20 * time.Hour} { // the first one counts
		if err := kit.Hot.PutFirstUse(t.Context(), used, begin.Add(at)); err != nil {
			t.Fatal(err)
		}
	}

	expect(11*time.Hour-time.Millisecond, check.Allowed, check.Allowed, check.Allowed,
		check.Allowed)

	v := c.Check(t.Context(), sent(usedOld.Reveal()), read)
	if !v.OldSecret || !v.Key.Rotation.OldEndsAt.Equal(begin.Add(11*time.Hour)) ||
		!v.Key.Rotation.FirstUsedAt.Equal(begin.Add(10*time.Hour)) {
		t.Errorf("the verdict does not know of the first use: %v, %v", v.Key.Rotation.FirstUsedAt,
			v.Key.Rotation.OldEndsAt)
	}

	expect(11*time.Hour, check.Allowed, check.Allowed, check.RetiredSecret, check.Allowed)
	expect(24*time.Hour-time.Millisecond, check.Allowed, check.Allowed, check.RetiredSecret,
		check.Allowed)

	if err := kit.Hot.PutFirstUse(t.Context(), never,
		begin.Add(24*time.Hour-time.Millisecond)); err != nil {
		t.Fatal(err)
	}

	expect(24*time.Hour, check.RetiredSecret, check.Allowed, check.RetiredSecret, check.Allowed)
}

// What was recorded of another rotation of the key says nothing of this one.
func TestFirstUseIsOfOneRotation(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	k, _, second := awaiting(t, kit)
	if err := kit.Hot.PutFirstUse(t.Context(), k, kit.Clock.Now()); err != nil {
		t.Fatal(err)
	}

	kit.Clock.Advance(24 * time.Hour)
	_, fresh := kit.Mint(t, apikey.Production, k.ID)
	kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.RotateFromFirstUse(fresh, time.Hour, 24*time.Hour,
			kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	kit.Clock.Advance(23 * time.Hour)

	if v := c.Check(t.Context(), sent(second.Reveal()), read); v.Outcome != check.Allowed ||
		!v.OldSecret {
		t.Errorf("%s", v.Outcome)
	}
}

// Only the old secret of a rotation whose end nobody knows yet costs a second read, and that one is
// strongly consistent too.
func TestReadsOfARotation(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, old, current := awaiting(t, kit)
	plain, plainOld := kit.MustKey(t, nil)
	_, fresh := kit.Mint(t, apikey.Production, plain.ID)
	kit.MustChange(t, plain, func(k *apikey.Key) {
		if err := k.Rotate(fresh, time.Hour, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	known, knownOld, _ := awaiting(t, kit)
	kit.MustChange(t, known, func(k *apikey.Key) { k.FirstUsed(kit.Clock.Now()) })
	// the catalogue and the pepper are at hand from here on
	c.Check(t.Context(), sent(current.Reveal()), read)

	for name, test := range map[string]struct {
		secret apikey.Secret
		reads  int
	}{
		"old, first use awaited":     {old, 2},
		"new":                        {current, 1},
		"old of an overlap from now": {plainOld, 1},
		"old, first use known":       {knownOld, 1},
	} {
		kit.Traffic.Reset()

		if v := c.Check(t.Context(), sent(test.secret.Reveal()), read); v.Outcome != check.Allowed {
			t.Errorf("%s: %s %v", name, v.Outcome, v.Err)
		}

		strong := 0
		for _, r := range kit.Traffic.Requests("GetItem") {
			var in struct{ ConsistentRead bool }
			if r.Decode(t, &in); in.ConsistentRead {
				strong++
			}
		}

		if strong != test.reads || kit.Traffic.Count() != test.reads {
			t.Errorf("%s: %d strong reads of %d, want %d",
				name, strong, kit.Traffic.Count(), test.reads)
		}
	}
}

// Where nobody can report whether the old secret has ended, it is neither allowed nor called
// retired.
func TestUnknownFirstUseIsUnavailable(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k, old, current := awaiting(t, kit)
	c.Check(t.Context(), sent(current.Reveal()), read)

	for name, fault := range map[string]storetest.Fault{
		"refused":     storetest.Refused,
		"broken":      storetest.Broken,
		"throttled":   storetest.Throttled,
		"answer lost": storetest.DropAnswer,
	} {
		kit.Traffic.Reset()
		kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
			if r.N > 1 { // the key's row is read, and the record is not
				return fault
			}

			return storetest.None
		})

		if v := c.Check(t.Context(), sent(old.Reveal()), read); v.Outcome != check.Unavailable ||
			v.Err == nil {
			t.Errorf("%s: %s %v", name, v.Outcome, v.Err)
		}
	}

	kit.Traffic.Inject(nil)

	for _, attributes := range []map[string]any{{}, {"at": ""}, {"at": "soon"}, {"at": 1}} {
		kit.PutHot(t, "production#"+k.ID,
			"firstUse#"+k.Rotation.StartedAt.Format("2006-01-02T15:04:05.000Z"), attributes)

		if v := c.Check(t.Context(), sent(old.Reveal()), read); v.Outcome != check.Unavailable {
			t.Errorf("%v: %s", attributes, v.Outcome)
		}
	}
}
