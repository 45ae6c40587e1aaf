package authorizer_test

import (
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// The first use of a new secret is its first admitted call: not one with the old secret, and not
// one that was refused.
func TestFirstUseIsTheFirstAdmittedCall(t *testing.T) {
	t.Parallel()
	var recorder *usage.FirstUses
	kit, _ := setup(t, nil)
	a := build(kit, func(c *authorizer.Config) {
		recorder = usage.NewFirstUses(kit.Hot, kit.Log.Logger())
		c.FirstUses = recorder
	})
	k, old := kit.MustKey(t, nil)
	current, fresh := kit.Mint(t, apikey.Production, k.ID)
	k = kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.RotateFromFirstUse(fresh, time.Hour, 24*time.Hour,
			kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	call := func(event string) time.Time {
		t.Helper()
		kit.Clock.Advance(time.Minute)
		_, _, _ = invoke(t, a, event) // the answer is checked by another test
		recorder.Flush()

		at, err := kit.Hot.FirstUse(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}

		return at
	}

	good := sample(t, "rest-request", current.Reveal())
	if at := call(sample(t, "rest-request", old.Reveal())); !at.IsZero() {
		t.Errorf("a call with the old secret counts, at %v", at)
	}

	if at := call(elsewhere(good, "POST", "/messages", "/messages")); !at.IsZero() {
		t.Errorf("a call without the permission counts, at %v", at)
	}

	if at := call(good); !at.Equal(kit.Clock.Now()) {
		t.Errorf("first used at %v, want %v", at, kit.Clock.Now())
	}

	first := kit.Clock.Now()
	if at := call(good); !at.Equal(first) {
		t.Errorf("another use changed it to %v", at)
	}
}
