package operator_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// deployment returns a process of the kit's deployment.
func deployment(kit *storetest.Kit, p *storetest.Process) operator.Config {
	return operator.Config{
		Brand:   storetest.Brand,
		Store:   p.Store,
		Keyring: p.Keyring,
		Now:     kit.Clock.Now,
	}
}

// keys returns the existing operator keys.
func keys(t *testing.T, kit *storetest.Kit) []*apikey.Key {
	t.Helper()

	keys, _, err := kit.Restart().Store.Keys(t.Context(), apikey.OperatorOrganization,
		store.Filter{}, "", store.MaxPage, kit.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}

	return keys
}

// stored returns the key of a secret, and checks the secret's hash.
func stored(t *testing.T, kit *storetest.Kit, secret apikey.Secret) *apikey.Key {
	t.Helper()

	parts, err := storetest.Brand.Parse(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}

	k, err := kit.Store.Key(t.Context(), apikey.Production, parts.KeyID)
	if err != nil {
		t.Fatal(err)
	}

	pepper, err := kit.Keyring.Version(t.Context(), apikey.Production, k.Secret.Pepper)
	if err != nil || !slices.Equal(pepper.Hash(parts), k.Secret.Hash) {
		t.Errorf("the key is not that of the secret: %v", err)
	}

	return k
}

// Of any number of concurrent calls, one makes the first key, and the others get ErrBootstrapped.
func TestFirstIsMadeOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	var mu sync.Mutex
	var made []apikey.Secret

	var starts sync.WaitGroup
	for range 10 {
		d := deployment(kit, kit.Restart())
		starts.Go(func() {
			secret, err := operator.First(t.Context(), d)
			mu.Lock()
			defer mu.Unlock()

			switch {
			case err == nil:
				made = append(made, secret)
			case !errors.Is(err, operator.ErrBootstrapped):
				t.Error(err)
			}
		})
	}

	starts.Wait()

	if len(made) != 1 {
		t.Fatalf("%d first keys", len(made))
	}

	if got := keys(t, kit); len(got) != 1 {
		t.Fatalf("%d keys are stored", len(got))
	}

	stored(t, kit, made[0])
	kit.Clock.Advance(48 * time.Hour) // also long after the first one has ended

	if _, err := operator.First(t.Context(),
		deployment(kit, kit.Restart())); !errors.Is(err, operator.ErrBootstrapped) {
		t.Errorf("later: %v", err)
	}
}

func TestFirstEndsAfterADay(t *testing.T) {
	t.Parallel()

	for name, renew := range map[string]func(
		k *apikey.Key, fresh apikey.IssuedSecret, now time.Time,
	) error{
		"regenerated": func(k *apikey.Key, fresh apikey.IssuedSecret, now time.Time) error {
			return k.Regenerate(fresh, now)
		},
		"rotated": func(k *apikey.Key, fresh apikey.IssuedSecret, now time.Time) error {
			return k.Rotate(fresh, time.Hour, now)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)

			secret, err := operator.First(t.Context(), deployment(kit, &kit.Process))
			if err != nil {
				t.Fatal(err)
			}

			k, start := stored(t, kit, secret), kit.Clock.Now()
			for after, want := range map[time.Duration]apikey.Status{
				0:                                apikey.Active,
				operator.Life - time.Millisecond: apikey.Active,
				operator.Life:                    apikey.Expired,
			} {
				if got := k.Status(start.Add(after)); got != want {
					t.Errorf("after %v: %s, want %s", after, got, want)
				}
			}

			kit.Clock.Advance(operator.Life - time.Minute)
			_, fresh := kit.Mint(t, k.Environment, k.ID)

			after := kit.MustChange(t, k, func(k *apikey.Key) {
				if err := renew(k, fresh, kit.Clock.Now()); err != nil {
					t.Error(err)
				}
			})
			if got := after.Status(start.Add(100 * 365 * operator.Life)); got != apikey.Active ||
				after.Provisional {
				t.Errorf("with a new secret it is %s, provisional %v", got, after.Provisional)
			}
		})
	}
}

func TestFirstIsAnOperators(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	secret, err := operator.First(t.Context(), deployment(kit, &kit.Process))
	if err != nil {
		t.Fatal(err)
	}

	k := stored(t, kit, secret)
	if !k.Operator() || k.Grantable != apikey.GrantCatalogue || k.AllPermissions ||
		len(k.Customers) != 0 {
		t.Errorf("%+v", k)
	}

	empty, err := permission.NewCatalogue(nil)
	if err != nil {
		t.Fatal(err)
	}

	want := empty.BuiltIn()

	got := slices.Sorted(slices.Values(k.Permissions))
	if slices.Sort(want); !cmp.Equal(want, got) {
		t.Errorf("permissions (-built in +its):\n%s", cmp.Diff(want, got))
	}

	for _, env := range apikey.Environments() {
		if _, err := kit.Restart().Keyring.Current(t.Context(), env); err != nil {
			t.Errorf("no pepper of %s: %v", env, err)
		}
	}

	entries, _, err := kit.Store.History(t.Context(),
		apikey.OperatorOrganization, "key", k.ID, "", 10)
	if err != nil || len(entries) != 1 || entries[0].Action != history.KeyCreated ||
		entries[0].Actor.Type != apikey.ActorSystem {
		t.Errorf("history: %+v, %v", entries, err)
	}
}

// On a developer's machine any number of keys can be made, and they stay.
func TestLocalIsMadeOften(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for range 2 {
		secret, err := operator.Local(t.Context(), deployment(kit, &kit.Process))
		if err != nil {
			t.Fatal(err)
		}

		if k := stored(t, kit, secret); k.Provisional || !k.ExpiresAt.IsZero() {
			t.Errorf("it ends: %+v", k)
		}
	}

	if got := keys(t, kit); len(got) != 2 {
		t.Errorf("%d keys", len(got))
	}
}

// A failure leaves no trace, so that it can be tried again.
func TestFirstOverAnUnavailableTable(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	if _, err := operator.First(t.Context(),
		deployment(kit, kit.Elsewhere("http://127.0.0.1:1"))); !errors.Is(err,
		store.ErrUnavailable) {
		t.Errorf("nothing listens: %v", err)
	}

	if _, err := operator.First(t.Context(), deployment(kit, &kit.Process)); err != nil {
		t.Errorf("then: %v", err)
	}
}

// Who missed the day of the first key, or lost its secret, makes another one, as often as needed.
func TestAnotherOperatorKeyIsMade(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	for range 2 {
		secret, err := operator.Again(t.Context(), deployment(kit, kit.Restart()))
		if err != nil {
			t.Fatal(err)
		}

		if k := stored(t, kit, secret); k.Status(kit.Clock.Now().Add(operator.Life)) != apikey.Expired {
			t.Errorf("it does not end: %+v", k)
		}
	}

	if got := keys(t, kit); len(got) != 2 {
		t.Errorf("%d keys are stored", len(got))
	}
}
