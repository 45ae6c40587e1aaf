package check_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// down is a key provider that fails.
type down struct{}

var errDown = errors.New("down")

// Generate implements pepper.Provider.
func (down) Generate(context.Context, pepper.Scope) (plain, wrapped []byte, err error) {
	return nil, nil, errDown
}

// Unwrap implements pepper.Provider.
func (down) Unwrap(context.Context, pepper.Scope, []byte) ([]byte, error) { return nil, errDown }

// Whatever fails of what a check depends on: the call is refused as unavailable. It is never
// allowed, and the key is never blamed.
func TestFailsClosed(t *testing.T) {
	t.Parallel()

	always := func(
		f storetest.Fault,
	) func(*testing.T, *storetest.Kit, *storetest.Process, *apikey.Key) {
		return func(_ *testing.T, _ *storetest.Kit, p *storetest.Process, _ *apikey.Key) {
			p.Traffic.Inject(storetest.Always(f))
		}
	}
	for name, test := range map[string]struct {
		provider pepper.Provider // nil: the kit's
		warm     bool            // the process has checked before
		fail     func(*testing.T, *storetest.Kit, *storetest.Process, *apikey.Key)
	}{
		"refused":       {nil, true, always(storetest.Refused)},
		"refused, cold": {nil, false, always(storetest.Refused)},
		"broken":        {nil, true, always(storetest.Broken)},
		"broken, cold":  {nil, false, always(storetest.Broken)},
		"throttled":     {nil, true, always(storetest.Throttled)},
		"answer lost":   {nil, true, always(storetest.DropAnswer)},
		"silent":        {nil, true, always(storetest.Silent)},
		"silent, cold":  {nil, false, always(storetest.Silent)},
		"KMS down": {
			down{},
			false,
			func(*testing.T, *storetest.Kit, *storetest.Process, *apikey.Key) {},
		},
		"settings": {
			nil, false,
			func(_ *testing.T, _ *storetest.Kit, p *storetest.Process, _ *apikey.Key) {
				p.Traffic.Inject(nth(3))
			},
		},
		"catalogue": {
			nil, false,
			func(_ *testing.T, _ *storetest.Kit, p *storetest.Process, _ *apikey.Key) {
				p.Traffic.Inject(nth(4))
			},
		},
		"pepper not there": {
			nil, false,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, _ *apikey.Key) {
				kit.Remove(t, "pepper#production", "ring")
			},
		},
		"pepper damaged": {
			nil, false,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, _ *apikey.Key) {
				kit.Change(t, "pepper#production", "ring", "v1", map[string]any{
					"ciphertext": make([]byte, 60),
					"createdAt":  "2026-11-24T09:30:00.000Z",
				})
			},
		},
		"pepper of staging": {
			nil, false,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, _ *apikey.Key) {
				kit.Change(t, "pepper#staging", "ring", "pk", "pepper#production")
			},
		},
		"row damaged": {
			nil, true,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, k *apikey.Key) {
				kit.Change(t, "production#"+k.ID, "key", "permissions",
					[]string{"messages:read", "licenses:manage"})
			},
		},
		"row without a seal": {
			nil, true,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, k *apikey.Key) {
				kit.Change(t, "production#"+k.ID, "key", "seal", nil)
			},
		},
		"row damaged, cold": {
			nil, false,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, k *apikey.Key) {
				kit.Change(t, "production#"+k.ID, "key", "enabled", true)
				kit.Change(t, "production#"+k.ID, "key", "extra", true)
			},
		},
		"hash of a pepper that is gone": {
			nil, true,
			func(t *testing.T, kit *storetest.Kit, _ *storetest.Process, k *apikey.Key) {
				kit.MustChange(t, k, func(k *apikey.Key) { k.Secret.Pepper = 9 })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, _ := setup(t)
			k, secret := kit.MustKey(t, nil)

			provider := kit.Provider
			if test.provider != nil {
				provider = test.provider
			}

			process := kit.With(provider)

			c := checker(kit, process, apikey.Production)
			if test.warm {
				if v := c.Check(t.Context(),
					sent(secret.Reveal()), read); v.Outcome != check.Allowed {
					t.Fatal(v.Outcome, v.Err)
				}
			}

			test.fail(t, kit, process, k)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()

			if name != "silent" && name != "silent, cold" {
				ctx = t.Context()
			}

			v := c.Check(ctx, sent(secret.Reveal()), read)
			if v.Outcome != check.Unavailable || v.Err == nil || v.Outcome.Status() != 503 {
				t.Errorf("%s %v", v.Outcome, v.Err)
			}
		})
	}
}

// nth fails every read from the n-th on.
func nth(n int) func(storetest.Request) storetest.Fault {
	return func(r storetest.Request) storetest.Fault {
		if r.N >= n {
			return storetest.Broken
		}

		return storetest.None
	}
}

// One attempt that fails is repeated, and nobody notices.
func TestOneFailureIsNotNoticed(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	_, secret := kit.MustKey(t, nil)
	for _, fault := range []storetest.Fault{
		storetest.Refused, storetest.Broken, storetest.Throttled, storetest.DropAnswer,
		storetest.Slow,
	} {
		kit.Traffic.Reset()
		kit.Traffic.Inject(storetest.Nth(fault, "GetItem", 1))

		if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.Allowed {
			t.Errorf("fault %d: %s %v", fault, v.Outcome, v.Err)
		}
	}
}

// A pepper that cannot be had matters only where the answer hangs on it.
func TestMissingPepperOfAnotherSecret(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k, secret := kit.MustKey(t, nil)
	wrong, _ := kit.Mint(t, apikey.Production, k.ID)
	kit.MustChange(t, k, func(k *apikey.Key) {
		k.Retired = []apikey.Verifier{{
			Hash:   []byte("x"),
			Pepper: 9,
		}}
	})

	if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.Allowed {
		t.Errorf("the current secret: %s %v", v.Outcome, v.Err)
	}

	if v := c.Check(t.Context(), sent(wrong.Reveal()), read); v.Outcome != check.Unavailable ||
		v.Err == nil {
		t.Errorf("a secret that may be the retired one: %s %v", v.Outcome, v.Err)
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, nil)
	kit.Traffic.Inject(storetest.Always(storetest.Broken))

	if v := c.Authenticate(t.Context(), sent(secret.Reveal()),
		netip.Addr{}); !errors.Is(v.Err, store.ErrUnavailable) {
		t.Error(v.Err)
	}
}

// A version of the pepper that is added while calls are checked is picked up by whoever meets it
// first: processes that started before it verify and unseal what is made with it at once, and what
// was made before goes on to work. No check fails in between.
func TestPepperRotationUnderLoad(t *testing.T) {
	t.Parallel()
	kit, old := setup(t, apikey.Production)

	k, first := kit.MustKey(t, nil)
	if v := old.Check(t.Context(), sent(first.Reveal()), read); v.Outcome != check.Allowed {
		t.Fatal(v.Outcome, v.Err)
	}

	var mu sync.Mutex
	secrets := []string{first.Reveal()}
	stop := make(chan struct{})
	var all sync.WaitGroup

	checks := make([]int, 3)
	for i := range checks {
		// has loaded version 1 by its first check
		c := checker(kit, kit.Restart(), apikey.Production)
		if v := c.Check(t.Context(), sent(first.Reveal()), read); v.Outcome != check.Allowed {
			t.Fatal(v.Outcome, v.Err)
		}

		all.Go(func() {
			for ; ; checks[i]++ {
				mu.Lock()
				secret := secrets[checks[i]%len(secrets)]
				mu.Unlock()

				if v := c.Check(t.Context(), sent(secret), read); v.Outcome != check.Allowed {
					t.Errorf("check %d of reader %d: %s %v", checks[i], i, v.Outcome, v.Err)
				}

				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}

	for version := 2; version <= 5; version++ {
		added, err := kit.Keyring.Add(t.Context(), apikey.Production)
		if err != nil || added.Version() != version {
			t.Fatal(added, err)
		}

		// A row that is sealed anew, its hash by an older pepper; and new keys, all of the new one.
		k = kit.MustChange(t, k, func(k *apikey.Key) { k.Name = "sealed again" })
		for range 5 {
			created, secret := kit.MustKey(t, nil)
			if created.Secret.Pepper != version {
				t.Fatalf("a new key has pepper %d", created.Secret.Pepper)
			}

			mu.Lock()
			secrets = append(secrets, secret.Reveal())
			mu.Unlock()

			if v := old.Check(t.Context(),
				sent(secret.Reveal()), read); v.Outcome != check.Allowed {
				t.Errorf("a key of version %d where version 1 was loaded: %s %v", version,
					v.Outcome, v.Err)
			}
		}
	}

	close(stop)
	all.Wait()

	for i, n := range checks {
		if n == 0 {
			t.Errorf("reader %d did nothing", i)
		}
	}
}

// After the answer to a revocation no check that starts allows the key, in whatever process.
func TestRevocationActsAtOnce(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t)

	const readers = 4
	for range 10 {
		k, secret := kit.MustKey(t, nil)
		revoked := make(chan struct{})

		var all sync.WaitGroup
		for range readers {
			c := checker(kit, kit.Restart(), apikey.Production)
			all.Go(func() {
				for {
					over := false
					select {
					case <-revoked:
						over = true
					default:
					}

					v := c.Check(t.Context(), sent(secret.Reveal()), read)
					if over {
						if v.Outcome != check.Inactive {
							t.Errorf("after the revocation: %s %v", v.Outcome, v.Err)
						}

						return
					}

					if v.Outcome != check.Allowed && v.Outcome != check.Inactive {
						t.Errorf("before it: %s %v", v.Outcome, v.Err)
					}
				}
			})
		}

		kit.MustChange(t, k, func(k *apikey.Key) {
			if err := k.Revoke(apikey.Actor{}, "", false, kit.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		})
		close(revoked)
		all.Wait()
	}
}

func BenchmarkCheck(b *testing.B) {
	kit, _ := setup(b)
	k, secret := kit.MustKey(b, nil)
	c := checker(kit, &kit.Process, apikey.Production)
	c.Keys = memory{k}

	headers := sent(secret.Reveal())
	if v := c.Check(b.Context(), headers, read); v.Outcome != check.Allowed {
		b.Fatal(v.Outcome, v.Err)
	}

	b.ReportAllocs()

	for b.Loop() {
		c.Check(b.Context(), headers, read)
	}
}

// memory has one key at hand, to measure the check without its read.
type memory struct{ key *apikey.Key }

// Key implements check.Keys.
func (m memory) Key(context.Context, apikey.Environment, string) (*apikey.Key, error) {
	return m.key, nil
}

func (memory) Claims(context.Context, apikey.Environment, string) ([]string, error) {
	return nil, nil
}
