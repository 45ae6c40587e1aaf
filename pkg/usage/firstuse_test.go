package usage_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// rotating stores a key whose rotation awaits the first use of its new secret.
func rotating(t *testing.T, kit *storetest.Kit) *apikey.Key {
	t.Helper()
	k, _ := kit.MustKey(t, nil)
	_, fresh := kit.Mint(t, apikey.Production, k.ID)
	return kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.RotateFromFirstUse(fresh, time.Hour, 24*time.Hour,
			kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
}

func firstUse(t *testing.T, kit *storetest.Kit, k *apikey.Key) time.Time {
	t.Helper()

	at, err := kit.Hot.FirstUse(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}

	return at
}

// However often the new secret is used, its first use is written once by each instance, and the
// first one of all counts.
func TestFirstUseIsToldOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k := rotating(t, kit)

	begin := kit.Clock.Now()
	for i := range 3 {
		p := kit.Restart()

		instance := usage.NewFirstUses(p.Hot, kit.Log.Logger())
		for n := range 5 {
			instance.Used(t.Context(), k, begin.Add(time.Duration(10*i+n+1)*time.Second))
			instance.Flush()
		}

		if writes := p.Traffic.Count(); writes != 1 {
			t.Errorf("instance %d: %d requests", i, writes)
		}
	}

	if got := firstUse(t, kit, k); !got.Equal(begin.Add(time.Second)) {
		t.Errorf("first used at %v, want %v", got, begin.Add(time.Second))
	}
}

// Of two instances that see a use at once, one writes it, and neither says that something went
// wrong.
func TestFirstUseByManyAtOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k := rotating(t, kit)
	begin := kit.Clock.Now()
	const instances, uses = 8, 8
	var all sync.WaitGroup

	writes := make([]int, instances)
	for i := range instances {
		all.Go(func() {
			p := kit.Restart()
			instance := usage.NewFirstUses(p.Hot, kit.Log.Logger())

			var calls sync.WaitGroup
			for range uses {
				calls.Go(func() {
					instance.Used(t.Context(), k, begin.Add(time.Duration(i)*time.Second))
				})
			}

			calls.Wait()
			instance.Flush()
			writes[i] = p.Traffic.Count()
		})
	}

	all.Wait()

	for i, n := range writes {
		if n != 1 {
			t.Errorf("instance %d: %d requests", i, n)
		}
	}

	if got := firstUse(t, kit, k); got.Before(begin) ||
		!got.Before(begin.Add(instances*time.Second)) {
		t.Errorf("first used at %v", got)
	}

	if log := kit.Log.String(); strings.Contains(log, "not recorded") {
		t.Error(log)
	}
}

// A record that could not be written is written by the next use, which comes later: the old secret
// lives longer then, never shorter.
func TestFirstUseThatIsLost(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k := rotating(t, kit)
	begin := kit.Clock.Now()
	instance := usage.NewFirstUses(kit.Hot, kit.Log.Logger())
	kit.Traffic.Inject(storetest.Always(storetest.Refused))
	instance.Used(t.Context(), k, begin.Add(time.Second))
	instance.Flush()
	kit.Traffic.Inject(nil)

	if got := firstUse(t, kit, k); !got.IsZero() {
		t.Fatalf("recorded all the same: %v", got)
	}

	if log := kit.Log.String(); !strings.Contains(log, "a first use is not recorded") ||
		!strings.Contains(log, k.ID) {
		t.Errorf("nobody was told: %s", log)
	}

	instance.Used(t.Context(), k, begin.Add(time.Minute))
	instance.Flush()

	if got := firstUse(t, kit, k); !got.Equal(begin.Add(time.Minute)) {
		t.Errorf("first used at %v", got)
	}
}

// Nothing is written where nothing is awaited.
func TestUsesThatNeedNoRecord(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	plain, _ := kit.MustKey(t, nil)
	known := rotating(t, kit)
	known.FirstUsed(kit.Clock.Now())
	over := rotating(t, kit)
	kit.Traffic.Reset()
	instance := usage.NewFirstUses(kit.Hot, kit.Log.Logger())
	instance.Used(t.Context(), plain, kit.Clock.Now())
	instance.Used(t.Context(), known, kit.Clock.Now())
	instance.Used(t.Context(), over, over.Rotation.OldEndsAt)
	instance.Flush()

	if n := kit.Traffic.Count(); n != 0 {
		t.Errorf("%d requests", n)
	}
}
