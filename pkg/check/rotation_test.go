package check_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// rotated is a key that is rotated again and again, and what is certain of its secrets at each
// moment. The numbers only grow, so what is certain before and after a check was certain during it.
type rotated struct {
	kit     *storetest.Kit
	key     *apikey.Key
	secrets []apikey.Secret // made beforehand, in the order of their use
	fresh   []apikey.IssuedSecret

	oldest, newest atomic.Int64 // those in between, both included, are accepted
	ended          atomic.Int64 // those up to this one are refused
}

func newRotated(t *testing.T, kit *storetest.Kit, secrets int) *rotated {
	t.Helper()
	r := &rotated{kit: kit}
	k, first := kit.MustKey(t, nil)
	r.key = k
	r.secrets = []apikey.Secret{first}

	r.fresh = []apikey.IssuedSecret{{}}
	for len(r.secrets) < secrets {
		secret, fresh := kit.Mint(t, apikey.Production, k.ID)
		r.secrets, r.fresh = append(r.secrets, secret), append(r.fresh, fresh)
	}

	r.ended.Store(-1)
	return r
}

// round rotates the key, and ends the old secret in one way or another.
func (r *rotated) round(t *testing.T, n int) {
	t.Helper()
	old := r.newest.Load()
	kit, fresh := r.kit, r.fresh[old+1]
	r.key = kit.MustChange(t, r.key, func(k *apikey.Key) {
		rotate := func() error { return k.Rotate(fresh, time.Hour, kit.Clock.Now()) }
		if n%2 == 0 {
			rotate = func() error {
				return k.RotateFromFirstUse(fresh, time.Minute, time.Hour, kit.Clock.Now())
			}
		}

		if err := rotate(); err != nil {
			t.Fatal(err)
		}
	})
	r.newest.Store(old + 1)

	awaits := r.key.Rotation.StartsAt == apikey.StartsFirstUse
	switch {
	case n%3 == 0:
		r.oldest.Store(old + 1)
		r.key = kit.MustChange(t, r.key, func(k *apikey.Key) {
			if err := k.FinishRotation(kit.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		})
	case n%3 == 1 && awaits:
		if err := kit.Hot.PutFirstUse(t.Context(), r.key, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}

		r.key.FirstUsed(kit.Clock.Now()) // whoever changes the key looks there first
		kit.Clock.Advance(time.Minute - time.Millisecond)
		r.oldest.Store(old + 1)
		kit.Clock.Advance(time.Millisecond)
	default:
		kit.Clock.Advance(time.Hour - time.Millisecond)
		r.oldest.Store(old + 1)
		kit.Clock.Advance(time.Millisecond)
	}

	r.ended.Store(old)
}

// look checks one secret, and what must be true of it.
func (r *rotated) look(t *testing.T, c *check.Checker, n int64) {
	t.Helper()
	newest, ended := r.newest.Load(), r.ended.Load()
	oldest := r.oldest.Load()
	v := c.Check(t.Context(), sent(r.secrets[n].Reveal()), read)
	// an hour in the middle of a check makes what others just read too old for it
	for again := 0; v.Outcome == check.Unavailable && again < 20; again++ {
		v = c.Check(t.Context(), sent(r.secrets[n].Reveal()), read)
	}

	switch {
	case v.Outcome == check.Unavailable:
		t.Errorf("secret %d: %v", n, v.Err)
	case n <= ended && v.Outcome == check.Allowed:
		t.Errorf("secret %d was accepted after its end", n)
	case n >= max(oldest, r.oldest.Load()) && n <= newest && v.Outcome != check.Allowed:
		t.Errorf("secret %d was refused as %s, in its time", n, v.Outcome)
	}
}

// Over many rotations, ended by hand, by the clock and by a first use, with checks all the while:
// the new secret is accepted from the moment that the rotation is acknowledged, the old one until
// its end, and never after it. So at no moment is there no valid secret.
func TestSecretsOverManyRotations(t *testing.T) {
	t.Parallel()
	const rotations, instances = 120, 4
	kit, _ := setup(t)
	r := newRotated(t, kit, rotations+1)
	over := make(chan struct{})
	var all sync.WaitGroup
	stop := sync.OnceFunc(func() { close(over); all.Wait() })
	defer stop()

	var checks atomic.Int64
	for range instances {
		c := checker(kit, kit.Restart(), apikey.Production)
		all.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}

				newest := r.newest.Load()
				for n := max(0, newest-2); n <= newest; n++ {
					r.look(t, c, n)
					checks.Add(1)
				}
			}
		})
	}

	for n := range rotations {
		r.round(t, n)
	}

	stop()

	if checks.Load() < rotations {
		t.Errorf("only %d checks beside %d rotations", checks.Load(), rotations)
	}

	t.Logf("%d checks beside %d rotations", checks.Load(), rotations)
}
