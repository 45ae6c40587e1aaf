package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// changed is the key at its next version.
func changed(k *apikey.Key, name string) *apikey.Key {
	after := k.Clone()
	after.Name = name
	after.Version = k.Version + 1
	return after
}

// What was read before a hold cannot be written after it; whoever holds can; and it takes nothing
// off the seal.
func TestHold(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	put := func(name string) store.Write {
		return kit.Store.PutKey(t.Context(), changed(k, name), k.Version)
	}

	held := apikey.Held(kit.Clock.Now())
	if err := kit.Store.Hold(t.Context(), held, put("stop")); err != nil {
		t.Fatal(err)
	}

	if err := kit.Store.Commit(t.Context(),
		put("another").At(k.Pace)); !errors.Is(err, apikey.ErrStale) {
		t.Errorf("a change beside a stop: %v", err)
	}

	again, err := kit.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil || again.Pace != held || again.Version != k.Version {
		t.Fatalf("%+v, %v", again, err)
	}

	if err := kit.Store.Commit(t.Context(), put("stop")); err != nil {
		t.Errorf("the stop: %v", err)
	}
}

// A hold of rows that are not there makes none.
func TestHoldOfNothing(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	k := kit.Key(t)
	before := len(kit.Items(t))

	writes := []store.Write{
		kit.Store.PutKey(t.Context(), changed(k, "a"), k.Version),
		kit.Store.PutKey(t.Context(), k, 0),
	}
	if err := kit.Store.Hold(t.Context(), apikey.Held(kit.Clock.Now()), writes...); err != nil {
		t.Error(err)
	}

	if got := len(kit.Items(t)); got != before {
		t.Errorf("%d items, were %d", got, before)
	}
}

// A transaction writes a row that it looks at only at the version that was looked at.
func TestWith(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	other, _ := kit.MustKey(t, nil)
	newer := changed(k, "newer")
	put := kit.Store.PutKey(t.Context(), changed(k, "a"), k.Version)

	if err := kit.Store.Commit(t.Context(),
		store.With([]store.Write{put}, kit.Store.StillKey(newer))...); !errors.Is(err,
		apikey.ErrStale) {
		t.Errorf("who decided by another version: %v", err)
	}

	if err := kit.Store.Commit(t.Context(),
		store.With([]store.Write{put}, kit.Store.StillKey(changed(other, "b")))...); !errors.Is(err,
		apikey.ErrStale) {
		t.Errorf("another row that was changed: %v", err)
	}

	looks := []store.Write{kit.Store.StillKey(k), kit.Store.StillKey(other)}
	if err := kit.Store.Commit(t.Context(),
		store.With([]store.Write{put}, looks...)...); err != nil {
		t.Error(err)
	}
}

// A row that other transactions are at is held as soon as they let it.
func TestHoldIsTriedAgain(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	k, _ := kit.MustKey(t, nil)
	for conflicts, want := range map[int]error{3: nil, 1e6: store.ErrConflict} {
		client := &conflicting{Client: kit.Connection, left: conflicts}

		s := store.New(store.NewPeppers(client, kit.CoreTable), kit.Keyring, kit.Log.Logger())
		if err := s.Hold(t.Context(), apikey.Pace(time.Now().UnixMilli()),
			s.StillKey(k)); !errors.Is(err, want) {
			t.Errorf("%d conflicts: %v, want %v", conflicts, err, want)
		}
	}
}
