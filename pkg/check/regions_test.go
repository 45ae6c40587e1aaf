package check_test

import (
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// replicate copies the rows of one region's table core to another's, as a global table does a moment
// after a write: row by row, whole, whatever condition it was written on.
func replicate(t *testing.T, from, to *storetest.Kit) {
	t.Helper()

	for _, item := range from.Items(t) {
		to.Put(t, item)
	}
}

// What docs/regions.md promises of a second region: it checks by the rows and the peppers of the
// first, refuses what was revoked as soon as the row has arrived and not before, and has limits of
// its own. And why only one region may write: a change in the other, made before the revocation has
// arrived, brings the key back.
func TestSecondRegion(t *testing.T) {
	t.Parallel()
	home, _ := setup(t, apikey.Production)
	replica := storetest.New(t)
	replica.Provider = home.Provider // a replica of the multi-region key
	replica.Process = *replica.Restart()

	checkers := map[string]*check.Checker{
		"home":    limited(home, &home.Process),
		"replica": limited(replica, &replica.Process),
	}

	k, secret := home.MustKey(t, two)
	want := func(what, region string, outcome check.Outcome) {
		t.Helper()

		got := checkers[region].Check(t.Context(), sent(secret.Reveal()), read)
		if got.Outcome != outcome {
			t.Errorf("%s: %s, want %s (%v)", what, got.Outcome, outcome, got.Err)
		}
	}

	// Without any row there is no pepper yet, let alone the key.
	if got := checker(replica, replica.Restart(), apikey.Production).Check(t.Context(),
		sent(secret.Reveal()), read); got.Outcome == check.Allowed {
		t.Error("a region without rows allows a call")
	}

	replicate(t, home, replica)

	for range 2 {
		want("at home", "home", check.Allowed)
	}

	want("over the limit at home", "home", check.RateLimited)

	for range 2 {
		want("in the replica", "replica", check.Allowed)
	}

	want("over the limit in the replica", "replica", check.RateLimited)

	revoke := func(k *apikey.Key) {
		if err := k.Revoke(apikey.Actor{}, "", false, home.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	home.MustChange(t, k, revoke)
	checkers["home"] = checker(home, home.Restart(), apikey.Production)
	checkers["replica"] = checker(replica, replica.Restart(), apikey.Production)

	want("revoked at home", "home", check.Inactive)
	want("revoked at home, not yet replicated", "replica", check.Allowed)
	replicate(t, home, replica)
	want("revoked at home, replicated", "replica", check.Inactive)

	// The replica writes, which it must not: it has the row as it was, so no condition stops it.
	k, secret = home.MustKey(t, nil)
	replicate(t, home, replica)
	home.MustChange(t, k, revoke)
	replica.MustChange(t, k, func(k *apikey.Key) { k.Description = "changed" })
	want("another key, revoked at home", "home", check.Inactive)
	replicate(t, replica, home) // the later of two writes of a row wins
	want("revoked at home, changed in the replica since", "home", check.Allowed)
}
