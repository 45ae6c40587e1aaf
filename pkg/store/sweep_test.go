package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// sweep sweeps until nothing is left, a few at a time.
func sweep(t *testing.T, s *store.Store, now time.Time) (moved int) {
	t.Helper()

	for range 100 {
		n, err := s.SweepExpired(t.Context(), now, 3)
		if err != nil {
			t.Fatal(err)
		}

		if moved += n; n < 3 {
			return moved
		}
	}

	t.Fatal("the sweep does not end")
	return 0
}

// expiring stores keys of every environment that expire in an hour, some of them of a customer.
func expiring(t *testing.T, kit *storetest.Kit, n int) (keys []*apikey.Key) {
	t.Helper()

	for i := range n {
		k, _ := kit.MustKey(t, func(k *apikey.Key) {
			k.Environment, k.ExpiresAt = apikey.Environments()[i%3], k.CreatedAt.Add(time.Hour)
			k.Name = fmt.Sprintf("key %d", i)
			k.Customers = customers[:i%2]
		})
		keys = append(keys, k)
	}

	return keys
}

// The sweep changes where lists find a key, and nothing else: not its version, not its history, not
// what any list shows.
func TestSweepMovesExpiredKeys(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := expiring(t, kit, 10)
	stays, _ := kit.MustKey(t, nil)
	later, _ := kit.MustKey(t, func(k *apikey.Key) { k.ExpiresAt = k.CreatedAt.Add(2 * time.Hour) })
	all := append([]*apikey.Key{stays, later}, keys...)

	if n := sweep(t, kit.Store, kit.Clock.Now()); n != 0 {
		t.Errorf("%d keys moved before their end", n)
	}

	kit.Clock.Advance(time.Hour) // the moment itself is too late
	before := len(kit.Items(t))
	shows := func(when string) {
		t.Helper()

		for _, f := range []store.Filter{{}, {
			Status: apikey.Active,
		}, {
			Status: apikey.Inactive,
		}, {
			Status: apikey.Expired,
		}, {
			Status:   apikey.Active,
			Customer: customers[0],
		}} {
			if diff := gocmp.Diff(storetest.Shown(all, f, kit.Clock.Now()),
				walk(t, kit.Store, "acme", f, 4, kit.Clock.Now())); diff != "" {
				t.Errorf("%s, %+v (-want +got):\n%s", when, f, diff)
			}
		}
	}
	shows("before the sweep")

	if n := sweep(t, kit.Store, kit.Clock.Now()); n != len(keys) {
		t.Errorf("%d keys moved, want %d", n, len(keys))
	}

	shows("after the sweep")

	if n := sweep(t, kit.Store, kit.Clock.Now()); n != 0 {
		t.Errorf("%d keys moved twice", n)
	}

	if got := len(kit.Items(t)); got != before {
		t.Errorf("%d items, there were %d", got, before)
	}

	for _, k := range keys {
		got, err := kit.Restart().Store.Key(t.Context(), k.Environment, k.ID)
		if err != nil {
			t.Fatal(err)
		}

		if diff := gocmp.Diff(k, got, sameKey()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		item := kit.Item(t, string(k.Environment)+"#"+k.ID, "key")
		if rank, _ := item["listRankSk"].(*types.AttributeValueMemberS); !strings.HasPrefix(
			rank.Value, "rest#",
		) || item["listExpiringPk"] != nil {
			t.Errorf("%s stands at %s, %v", k.Name, rank.Value, item["listExpiringPk"])
		}

		for _, customer := range k.Customers {
			of := kit.Item(t, "customerKeys#acme#"+customer, string(k.Environment)+"#"+k.ID)
			if rank, _ := of["listRankSk"].(*types.AttributeValueMemberS); rank == nil ||
				!strings.HasPrefix(rank.Value, "rest#") {
				t.Errorf("%s stands at %v among the keys of customer %s",
					k.Name, of["listRankSk"], customer)
			}
		}
	}

	// Given more time, it is live again.
	revived := kit.MustChange(t, keys[1], func(k *apikey.Key) {
		k.ExpiresAt = kit.Clock.Now().Add(time.Hour)
	})
	all[3] = revived
	shows("after one is given more time")
	kit.Clock.Advance(time.Hour)
	// it, and the one that ended later than the others
	if n := sweep(t, kit.Store, kit.Clock.Now()); n != 2 {
		t.Errorf("%d keys moved in the next hour", n)
	}

	shows("in the next hour")
}

// Without the sweep a page of active keys passes over those that expired; after it, none is in the
// way.
func TestSweepKeepsPagesCheap(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	expiring(t, kit, 60)
	kit.MustKey(t, func(k *apikey.Key) { k.CreatedAt = k.CreatedAt.Add(-time.Second) })
	kit.Clock.Advance(time.Hour)
	// what an hour makes due is no list's
	if _, err := kit.Keyring.Current(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	reads := func() int {
		kit.Traffic.Reset()

		page, _, err := kit.Store.Keys(t.Context(), "acme", store.Filter{
			Status: apikey.Active,
		}, "", 1, kit.Clock.Now())
		if err != nil || len(page) != 1 {
			t.Errorf("%d keys, %v", len(page), err)
		}

		return kit.Traffic.Count()
	}
	if got := reads(); got != 5 {
		t.Errorf("%d reads before the sweep, want two rounds of two queries, and the row", got)
	}

	sweep(t, kit.Store, kit.Clock.Now())

	if got := reads(); got != 3 {
		t.Errorf("%d reads after the sweep, want two queries and the row", got)
	}
}

// between does something between the reading and the writing of a sweep.
type between struct {
	store.Client
	once func()
}

// Transact implements store.Client.
func (b *between) Transact(ctx context.Context, writes []dynamo.Request) error {
	if do := b.once; do != nil {
		b.once = nil
		do()
	}

	return b.Client.Transact(ctx, writes)
}

// A change that comes between stays: the sweep writes on the version that it read.
func TestSweepLosesNoChange(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k := expiring(t, kit, 1)[0]
	kit.Clock.Advance(time.Hour)
	var changed *apikey.Key
	client := &between{kit.Connection, func() {
		changed = kit.MustChange(t, k, func(k *apikey.Key) {
			k.ExpiresAt = kit.Clock.Now().Add(time.Hour)
			k.Name = "more time"
		})
	}}

	s := store.New(store.NewPeppers(client, kit.CoreTable), kit.Keyring, kit.Log.Logger())
	if n, err := s.SweepExpired(t.Context(), kit.Clock.Now(), 10); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}

	got, err := kit.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil {
		t.Fatal(err)
	}

	if diff := gocmp.Diff(changed, got, sameKey()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if got := walk(t, kit.Store, "acme", store.Filter{
		Status: apikey.Active,
	}, 5, kit.Clock.Now()); len(got) != 1 {
		t.Errorf("%d active keys", len(got))
	}
}

// A damaged row is told of and stays as it is, and does not keep the others from being swept,
// however few are swept at a time.
func TestSweepPassesOverDamagedRows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	keys := expiring(t, kit, 12)
	for _, k := range keys[:6] {
		kit.Change(t, string(k.Environment)+"#"+k.ID, "key", "name", "another")
	}

	kit.Clock.Advance(time.Hour)

	if n := sweep(t, kit.Store, kit.Clock.Now()); n != 6 {
		t.Errorf("%d keys moved, want 6", n)
	}

	if log := kit.Log.String(); !strings.Contains(log, keys[0].ID) {
		t.Errorf("nobody is told: %q", log)
	}

	for name, operation := range map[string]string{
		"index": "Query",
		"row":   "GetItem",
		"write": "TransactWriteItems",
	} {
		expiring(t, kit, 1)
		kit.Clock.Advance(time.Hour)
		kit.Traffic.Reset()
		kit.Traffic.Inject(storetest.Always(storetest.Broken, operation))

		if n, err := kit.Store.SweepExpired(t.Context(), kit.Clock.Now(), 10); n != 0 ||
			!errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %d, %v", name, n, err)
		}

		kit.Traffic.Inject(nil)
	}
}

// What an import writes is spread over the index: one partition would throttle it, and with it the
// table.
func TestExpiringKeysAreSpread(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := expiring(t, kit, 60)

	partitions := map[string]int{}
	for _, k := range keys {
		name, _ := kit.Item(t, string(k.Environment)+"#"+k.ID,
			"key")["listExpiringPk"].(*types.AttributeValueMemberS)
		partitions[name.Value]++
	}

	for name, n := range partitions {
		if n > len(keys)/6 { // a third is what one partition for an environment would have
			t.Errorf("%s has %d of %d keys", name, n, len(keys))
		}
	}

	kit.Clock.Advance(time.Hour)

	if n, err := kit.Store.SweepExpired(t.Context(), kit.Clock.Now(), 45); n != 45 || err != nil {
		t.Errorf("moved %d of 45: %v", n, err)
	}

	if n, err := kit.Store.SweepExpired(t.Context(), kit.Clock.Now(), 45); n != 15 || err != nil {
		t.Errorf("moved %d of the other 15: %v", n, err)
	}
}
