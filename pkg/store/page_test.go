package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestPagesHaveABound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	fill(t, kit, "acme", 450)

	page, next, err := kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 100_000,
		kit.Clock.Now())
	if err != nil || len(page) != store.MaxPage || next == "" {
		t.Errorf("%d keys, next %q, %v", len(page), next, err)
	}

	page, next, err = kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 450-store.MaxPage,
		kit.Clock.Now())
	if err != nil || len(page) != store.MaxPage || next == "" {
		t.Errorf("%d keys, next %q, %v", len(page), next, err)
	}
}

// mostReads is what a page may cost, so that the request that asks for it stays at ten: its
// authorizer reads the key, and the gate the catalogue, the organization and who calls.
const mostReads = 6

// No page costs more, even where nothing matches and DynamoDB answers with one entry at a time.
func TestPageCostsAtMostTenReads(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	fill(t, kit, "acme", 200)

	slow := store.New(store.NewPeppers(short{kit.Connection, 1}, kit.CoreTable), kit.Keyring,
		kit.Log.Logger())
	for name, test := range map[string]struct {
		store  *store.Store
		filter store.Filter
	}{
		"everything":         {kit.Store, store.Filter{}},
		"some":               {kit.Store, store.Filter{Tag: "web"}},
		"nothing":            {kit.Store, store.Filter{Text: "nothing"}},
		"everything, slowly": {slow, store.Filter{}},
		"nothing, slowly":    {slow, store.Filter{Text: "nothing"}},
	} {
		kit.Traffic.Reset()

		page, next, err := test.store.Keys(t.Context(), "acme", test.filter, "", store.MaxPage,
			kit.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}

		if got := kit.Traffic.Count(); got > mostReads {
			t.Errorf("%s: %d reads", name, got)
		}

		if test.store == slow && next == "" {
			t.Errorf("%s: %d keys, and the list has ended", name, len(page))
		}
	}

	// Short pages lose nothing.
	if got := walk(t, slow, "acme", store.Filter{
		Tag: "web",
	}, 10, kit.Clock.Now()); len(got) != len(walk(t, kit.Store, "acme", store.Filter{
		Tag: "web",
	}, 10, kit.Clock.Now())) {
		t.Errorf("%d keys in short pages", len(got))
	}
}

// restless changes keys of an organization until the test's walks are over: it makes some, deletes
// some, and revokes and restores, disables and enables those that it is given. It returns what ends
// it.
func restless(t *testing.T, kit *storetest.Kit, keys []*apikey.Key) (end func()) {
	stop := make(chan struct{})
	var all sync.WaitGroup
	until := func(work func(i int)) {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					work(i)
				}
			}
		})
	}
	until(func(i int) {
		// Made among the others, not only before them, and gone again.
		k, _ := kit.MustKey(t, func(k *apikey.Key) {
			k.CreatedAt = k.CreatedAt.Add(-time.Duration(i%30) * time.Second)
			k.Customers = customers[:i%3]
			k.Ownership = []apikey.Ownership{apikey.Personal, apikey.Organization}[i%2]
		})
		if i%2 == 0 {
			kit.Remove(t, "production#"+k.ID, "key")
		} else {
			kit.MustChange(t, k, func(k *apikey.Key) { k.Delete(kit.Clock.Now()) })
		}
	})
	until(func(i int) {
		n := i % len(keys)
		keys[n] = kit.MustChange(t, keys[n], func(k *apikey.Key) {
			switch at := kit.Clock.Now(); {
			case i/len(keys)%2 == 0:
				k.Revocation = nil
				k.Enabled = !k.Enabled
			case k.Revocation == nil:
				k.Revocation = &apikey.Revocation{At: at}
			default:
				k.Revocation = nil
			}
		})
	})
	return func() { close(stop); all.Wait() }
}

// Whoever walks a list while keys come and go, are revoked and restored, sees every key once that
// was in it all the time, in order, and none twice.
func TestPagesAreCompleteWhileKeysChange(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := fill(t, kit, "acme", 90)
	moving := slices.Clone(keys[30:60]) // whatever their status
	defer restless(t, kit, moving)()

	stay := append(slices.Clone(keys[:30]), keys[60:]...)
	for i, f := range []store.Filter{
		{},
		{
			Status: apikey.Active,
		},
		{
			Status: apikey.Inactive,
		},
		{
			Status: apikey.Expired,
		},
		{
			Environment: apikey.Production,
		},
		{
			Ownership: apikey.Personal,
		},
		{
			Owner: owners[0],
		},
		{
			Customer: customers[0],
		},
		{
			Viewer: owners[1],
		},
		{
			Owner:       owners[0],
			Environment: apikey.Staging,
			Status:      apikey.Active,
		},
		{
			Tag: "web",
		},
	} {
		f.OldestFirst = i%2 == 0
		at := kit.Clock.Now()
		got := walk(t, kit.Store, "acme", f, 3+i, at)

		sorted := slices.Clone(got)
		if slices.Sort(sorted); len(slices.Compact(sorted)) != len(got) {
			t.Errorf("%+v: a key came twice", f)
		}

		here := stay
		if f.Status == "" {
			here = keys // those that move are in it too
		}

		want, known := storetest.Shown(here, f, at), map[string]bool{}
		for _, k := range here {
			known[k.ID] = true
		}

		if diff := gocmp.Diff(want, slices.DeleteFunc(got, func(id string) bool {
			return !known[id]
		})); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", f, diff)
		}
	}
}

// A sieve narrows the page, in batches that count as reads, and short pages lose nothing.
func TestSieve(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := fill(t, kit, "acme", 450)
	calls, fails := 0, false
	f := store.Filter{
		PostFilter: func(_ context.Context, keys []*apikey.Key) ([]*apikey.Key, error) {
			if calls++; len(keys) > 100 {
				t.Errorf("%d keys at once", len(keys))
			}

			if fails {
				return nil, store.ErrUnavailable
			}

			return slices.DeleteFunc(keys, func(k *apikey.Key) bool { return k.ID[0] < 'a' }), nil
		},
	}

	want := slices.DeleteFunc(storetest.Shown(keys, store.Filter{},
		kit.Clock.Now()), func(id string) bool {
		return id[0] < 'a'
	})
	for _, limit := range []int{1, 30, 200} {
		got, after := []string{}, ""
		for more := true; more; more = after != "" {
			kit.Traffic.Reset()
			calls = 0

			page, next, err := kit.Store.Keys(t.Context(), "acme", f, after, limit, kit.Clock.Now())
			if err != nil {
				t.Fatal(err)
			}

			if reads := kit.Traffic.Count() + calls; reads > mostReads {
				t.Errorf("%d reads for a page of %d", reads, limit)
			}

			for _, k := range page {
				got = append(got, k.ID)
			}

			after = next
		}

		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}

	// It is afforded before the indexes are read again.
	calls = 0
	kit.Traffic.Reset()

	some := store.New(store.NewPeppers(short{kit.Connection, 60}, kit.CoreTable), kit.Keyring,
		kit.Log.Logger())
	if _, _, err := some.Keys(t.Context(), "acme", f, "", 200, kit.Clock.Now()); err != nil ||
		kit.Traffic.Count()+calls > mostReads {
		t.Errorf("%d reads, %d of them the sieve's, %v", kit.Traffic.Count()+calls, calls, err)
	}

	fails = true

	if page, next, err := kit.Store.Keys(t.Context(), "acme", f, "", 10,
		kit.Clock.Now()); !errors.Is(err, store.ErrUnavailable) || page != nil || next != "" {
		t.Errorf("%d keys, %q, %v", len(page), next, err)
	}
}

// The index only finds rows; what a list shows is what the rows say.
func TestListsAskTheRows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	stays, _ := kit.MustKey(t, nil)
	disabled, _ := kit.MustKey(t, func(k *apikey.Key) {
		k.CreatedAt = k.CreatedAt.Add(time.Second)
	})
	gone, _ := kit.MustKey(t, nil)
	s := store.New(store.NewPeppers(&lagging{
		Client: kit.Connection,
		first:  map[string]func() ([]dynamo.Item, dynamo.Item, error){},
	}, kit.CoreTable), kit.Keyring, kit.Log.Logger())

	active := store.Filter{Status: apikey.Active}
	if got := walk(t, s, "acme", active, 10, kit.Clock.Now()); len(got) != 3 {
		t.Fatalf("before: %v", got)
	}

	disabled = kit.MustChange(t, disabled, func(k *apikey.Key) { k.Enabled = false })
	kit.Remove(t, "production#"+gone.ID, "key")

	if diff := gocmp.Diff([]string{stays.ID},
		walk(t, s, "acme", active, 10, kit.Clock.Now())); diff != "" {
		t.Errorf("active (-want +got):\n%s", diff)
	}

	if diff := gocmp.Diff([]string{disabled.ID, stays.ID},
		walk(t, s, "acme", store.Filter{}, 10, kit.Clock.Now())); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}

	if got := walk(t, s, "globex", store.Filter{}, 10, kit.Clock.Now()); len(got) != 0 {
		t.Errorf("another organization sees %v", got)
	}
}

// A damaged row is left out and told of, and takes no other row with it, whatever is damaged.
func TestListsLeaveDamagedRowsOut(t *testing.T) {
	t.Parallel()

	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	for name, damage := range map[string]map[string]types.AttributeValue{
		"permissions": {
			"permissions": &types.AttributeValueMemberL{
				Value: []types.AttributeValue{text("licenses:manage")},
			},
		},
		"enabled is a text":     {"enabled": text("true")},
		"permissions is a map":  {"permissions": &types.AttributeValueMemberM{}},
		"expiresAt is no time":  {"expiresAt": text("tomorrow")},
		"environment":           {"environment": text("staging")},
		"unknown environment":   {"environment": text("moon")},
		"id":                    {"id": text("0000000000000000")},
		"name is bytes":         {"name": &types.AttributeValueMemberB{Value: []byte("x")}},
		"seal":                  {"seal": &types.AttributeValueMemberB{Value: make([]byte, 32)}},
		"no seal":               {"seal": nil},
		"another organization":  {"organizationId": text("globex")},
		"copied to another key": {"pk": text("production#1111111111111111")},
		"copied in the list": {
			"pk":     text("production#1111111111111111"),
			"listSk": text("2027-01-01T00:00:00.000Z#1111111111111111"),
		},
		"no place at all": {"pk": text("1111111111111111")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			good, _ := kit.MustKey(t, nil)
			bad, _ := kit.MustKey(t, func(k *apikey.Key) {
				k.CreatedAt = k.CreatedAt.Add(time.Second)
			})
			item := kit.Item(t, "production#"+bad.ID, "key")

			want := []string{good.ID}
			for attribute, value := range damage {
				item = with(item, attribute, value)
				if attribute == "pk" {
					want = []string{bad.ID, good.ID} // it is a copy: the row itself is as it was
				}
			}

			kit.Put(t, item)

			if diff := gocmp.Diff(want,
				walk(t, kit.Store, "acme", store.Filter{}, 10, kit.Clock.Now())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			if log := kit.Log.String(); !strings.Contains(log,
				"a damaged row is left out of a list") && name != "no place at all" {
				t.Errorf("nobody is told: %q", log)
			}
		})
	}
}

// A list that cannot be read is no list, not a shorter one.
func TestListsFailWhole(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		operation string
		n         int
	}{
		"first query":  {"Query", 1},
		"second query": {"Query", 2},
		"rows":         {"BatchGetItem", 1},
		"more rows":    {"BatchGetItem", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			fill(t, kit, "acme", 300)
			kit.Traffic.Reset()
			kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
				if r.Operation == test.operation && r.N >= test.n {
					return storetest.Broken
				}

				return storetest.None
			})

			filter := store.Filter{}
			if test.operation == "Query" {
				filter.Tag = "web" // so that one query does not fill the page
			}

			page, next, err := kit.Store.Keys(t.Context(), "acme", filter, "", store.MaxPage,
				kit.Clock.Now())
			if !errors.Is(err, store.ErrUnavailable) || page != nil || next != "" {
				t.Errorf("%d keys, next %q, %v", len(page), next, err)
			}
		})
	}
}

// What DynamoDB leaves for later is asked for again; when it goes on so, the list is unavailable
// and not shorter.
func TestUnprocessedRows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := fill(t, kit, "acme", 20)

	over := func(c store.Client) *store.Store {
		return store.New(store.NewPeppers(c, kit.CoreTable), kit.Keyring, kit.Log.Logger())
	}
	if diff := gocmp.Diff(storetest.Shown(keys, store.Filter{}, kit.Clock.Now()),
		walk(t, over(partial{
			Client: kit.Connection,
		}), "acme", store.Filter{}, 50, kit.Clock.Now())); diff != "" {
		t.Errorf("in halves (-want +got):\n%s", diff)
	}

	stuck := over(partial{kit.Connection, true})
	if page, _, err := stuck.Keys(t.Context(), "acme", store.Filter{}, "", 50,
		kit.Clock.Now()); !errors.Is(err, store.ErrUnavailable) || page != nil {
		t.Errorf("%d keys, %v", len(page), err)
	}

	if k, err := stuck.FindKey(t.Context(), keys[0].ID); !errors.Is(err, store.ErrUnavailable) ||
		k != nil {
		t.Errorf("%v, %v", k, err)
	}
}
