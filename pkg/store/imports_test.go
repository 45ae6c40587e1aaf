package store_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// An environment's imports only grow: an algorithm keeps the time of its first key, and ids keep
// the pepper of the first import.
func TestImportsGrow(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	start := kit.Clock.Now()
	if got, err := kit.Store.Imports(t.Context(), apikey.Production); got != nil || err != nil {
		t.Errorf("before: %v, %v", got, err)
	}

	for i, step := range []struct {
		algorithms []apikey.Algorithm
		want       *apikey.Imports
	}{
		{[]apikey.Algorithm{apikey.SHA512}, &apikey.Imports{
			Version: 1,
			Pepper:  1,
			Since:   map[apikey.Algorithm]time.Time{apikey.SHA512: start},
		}},
		{[]apikey.Algorithm{apikey.SHA512}, &apikey.Imports{
			Version: 1,
			Pepper:  1,
			Since:   map[apikey.Algorithm]time.Time{apikey.SHA512: start},
		}},
		{apikey.Algorithms(), &apikey.Imports{
			Version: 2,
			Pepper:  1,
			Since: map[apikey.Algorithm]time.Time{
				apikey.SHA512: start,
				apikey.SHA256: start.Add(2 * time.Minute),
			},
		}},
		{[]apikey.Algorithm{apikey.SHA256}, &apikey.Imports{
			Version: 2,
			Pepper:  1,
			Since: map[apikey.Algorithm]time.Time{
				apikey.SHA512: start,
				apikey.SHA256: start.Add(2 * time.Minute),
			},
		}},
	} {
		got, err := kit.Restart().Store.EnsureImports(t.Context(), apikey.Production,
			step.algorithms, kit.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}

		read, err := kit.Restart().Store.Imports(t.Context(), apikey.Production)
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff([]*apikey.Imports{step.want, step.want},
			[]*apikey.Imports{got, read}); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}

		if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
			t.Fatal(err)
		}

		kit.Clock.Advance(time.Minute)
	}

	if got, err := kit.Store.Imports(t.Context(), apikey.Staging); got != nil || err != nil {
		t.Errorf("of another environment: %v, %v", got, err)
	}

	kit.Change(t, "production#imports", "imports", "sha256Since", nil)

	if got, err := kit.Store.EnsureImports(t.Context(), apikey.Production, apikey.Algorithms(),
		kit.Clock.Now()); !errors.Is(err, store.ErrDamaged) || got != nil {
		t.Errorf("over an edited row: %v, %v", got, err)
	}
}

// First imports at once agree on one pepper and lose no algorithm.
func TestFirstImportsAtOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var all sync.WaitGroup
	for i := range 8 {
		process, algorithm := kit.Restart(), apikey.Algorithms()[i%2]
		all.Go(func() {
			got, err := process.Store.EnsureImports(t.Context(), apikey.Production,
				[]apikey.Algorithm{algorithm}, kit.Clock.Now())
			if err != nil || got.Pepper != 1 || got.Since[algorithm].IsZero() {
				t.Errorf("%v, %v", got, err)
			}
		})
	}

	all.Wait()

	got, err := kit.Store.Imports(t.Context(), apikey.Production)
	if err != nil || got.Version != 2 || len(got.By()) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTakenKeys(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	live, _ := kit.MustKey(t, nil)
	deleted, _ := kit.MustKey(t, func(k *apikey.Key) { k.DeletedAt = kit.Clock.Now() })
	elsewhere, _ := kit.MustKey(t, func(k *apikey.Key) { k.Environment = apikey.Staging })

	ids := []string{live.ID, deleted.ID, elsewhere.ID}
	for len(ids) < 250 { // more than one reading takes
		ids = append(ids, kit.Key(t).ID)
	}

	got, err := kit.Store.TakenKeys(t.Context(), apikey.Production, ids)
	if err != nil {
		t.Fatal(err)
	}

	if len(got) != 2 || got[live.ID] == nil || got[deleted.ID] == nil ||
		got[deleted.ID].DeletedAt.IsZero() {
		t.Errorf("%+v", got)
	}
}

// A line behind a secret holds twenty keys in their order, each once. When it is full, deleted ones
// make room; where there is none, a key stands outside. A line that was edited is refused.
func TestClaims(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	first, _ := kit.MustKey(t, nil)
	claim := func(id string) {
		t.Helper()

		writes, err := kit.Store.Claim(t.Context(), apikey.Production, first.ID, id)
		if err == nil && len(writes) > 0 {
			err = kit.Store.Commit(t.Context(), writes...)
		}

		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want []string) {
		t.Helper()

		got, err := kit.Store.Claims(t.Context(), apikey.Production, first.ID)
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	expect(nil)
	var keys []*apikey.Key

	var line []string
	for range store.MaxClaims {
		k, _ := kit.MustKey(t, nil)
		claim(k.ID)
		claim(k.ID)
		keys, line = append(keys, k), append(line, k.ID)
	}

	expect(line)
	outside, _ := kit.MustKey(t, nil)
	claim(outside.ID)
	expect(line)
	kit.MustChange(t, keys[3], func(k *apikey.Key) { k.DeletedAt = kit.Clock.Now() })
	claim(outside.ID)
	line = append(slices.Delete(line, 3, 4), outside.ID)
	expect(line)

	late, err := kit.Store.Claim(t.Context(), apikey.Production, keys[0].ID, outside.ID)
	if err != nil {
		t.Fatal(err)
	}

	for i, want := range []error{nil, apikey.ErrExists} {
		if err := kit.Store.Commit(t.Context(), late...); !errors.Is(err, want) {
			t.Errorf("write %d: %v, want %v", i, err, want)
		}
	}

	kit.Change(t, "production#"+first.ID, "claims", "version", 1)

	if _, err := kit.Store.Claims(t.Context(),
		apikey.Production, first.ID); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("an edited line: %v", err)
	}
}
