package storetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestKitsShareNothing(t *testing.T) {
	t.Parallel()
	one, other := storetest.New(t), storetest.New(t)

	k, _ := one.MustKey(t, nil)
	if _, err := one.Store.Key(t.Context(), k.Environment, k.ID); err != nil {
		t.Error(err)
	}

	if items := other.Items(t); len(items) != 0 {
		t.Errorf("another kit's table has %d items", len(items))
	}
}

func TestTrafficCountsEveryAttempt(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.Traffic.Reset()
	kit.Traffic.Inject(storetest.Nth(storetest.Broken, "GetItem", 1))

	if _, _, err := kit.Store.Catalogue(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]string{"GetItem", "GetItem"},
		storetest.Operations(kit.Traffic.Requests())); diff != "" {
		t.Errorf("a failed attempt and its repetition (-want +got):\n%s", diff)
	}
}

func TestEveryFaultButSlownessFailsACall(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		fault    storetest.Fault
		attempts int
		fails    bool
	}{
		"none":        {storetest.None, 1, false},
		"refused":     {storetest.Refused, storetest.Attempts, true},
		"answer lost": {storetest.DropAnswer, storetest.Attempts, true},
		"broken":      {storetest.Broken, storetest.Attempts, true},
		"throttled":   {storetest.Throttled, storetest.Attempts, true},
		"slow":        {storetest.Slow, 1, false},
		"silent":      {storetest.Silent, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			kit.Traffic.Inject(storetest.Always(test.fault))

			_, _, err := kit.Store.Catalogue(ctx, apikey.Production)
			if got := errors.Is(err, store.ErrUnavailable); got != test.fails {
				t.Errorf("fails: %v (%v)", got, err)
			}

			if got := kit.Traffic.Count(); got != test.attempts {
				t.Errorf("%d attempts, want %d", got, test.attempts)
			}
		})
	}
}

func TestRestartKnowsWhatIsStoredOnly(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	other := kit.Restart()

	got, err := other.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(k, got); diff != "" {
		t.Errorf("another process reads (-want +got):\n%s", diff)
	}

	if got := other.Traffic.Count("GetItem"); got != 2 {
		t.Errorf("%d reads, want the key and the pepper", got)
	}
}
