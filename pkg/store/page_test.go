package store_test

import (
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
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestPagesHaveABound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	fill(t, kit, "acme", 450)
	page, next, err := kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 100_000, kit.Clock.Now())
	if err != nil || len(page) != store.MaxPage || next == "" {
		t.Errorf("%d keys, next %q, %v", len(page), next, err)
	}
	page, next, err = kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 450-store.MaxPage, kit.Clock.Now())
	if err != nil || len(page) != store.MaxPage || next == "" {
		t.Errorf("%d keys, next %q, %v", len(page), next, err)
	}
}

// No page costs more than ten reads, even where nothing matches and DynamoDB answers with one entry at a time.
func TestPageCostsAtMostTenReads(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	fill(t, kit, "acme", 200)
	slow := store.New(store.NewTables(short{kit.SDK}, kit.Core, kit.Hot), kit.Keyring, kit.Log.Logger())
	for name, test := range map[string]struct {
		store  *store.Store
		filter store.Filter
	}{
		"everything": {kit.Store, store.Filter{}}, "some": {kit.Store, store.Filter{Tag: "web"}}, "nothing": {kit.Store, store.Filter{Text: "nothing"}},
		"everything, slowly": {slow, store.Filter{}}, "nothing, slowly": {slow, store.Filter{Text: "nothing"}},
	} {
		kit.Traffic.Reset()
		page, next, err := test.store.Keys(t.Context(), "acme", test.filter, "", store.MaxPage, kit.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := kit.Traffic.Count(); got > 10 {
			t.Errorf("%s: %d reads", name, got)
		}
		if test.store == slow && next == "" {
			t.Errorf("%s: %d keys, and the list has ended", name, len(page))
		}
	}
	// Short pages lose nothing.
	if got := walk(t, slow, "acme", store.Filter{Tag: "web"}, 10, kit.Clock.Now()); len(got) != len(walk(t, kit.Store, "acme", store.Filter{Tag: "web"}, 10, kit.Clock.Now())) {
		t.Errorf("%d keys in short pages", len(got))
	}
}

// Whoever walks a list while keys come and go sees every key that was there all the time, and none twice.
func TestPagesAreCompleteWhileKeysChange(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	stay := fill(t, kit, "acme", 60)
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			// Made among the others, not only before them, and gone again.
			k, _ := kit.MustKey(t, func(k *apikey.Key) { k.CreatedAt = k.CreatedAt.Add(-time.Duration(i%30) * time.Second) })
			if i%2 == 0 {
				kit.Remove(t, "production#"+k.ID, "key")
			} else {
				kit.MustChange(t, k, func(k *apikey.Key) { k.Delete(kit.Clock.Now()) })
			}
		}
	})
	for range 5 {
		got := walk(t, kit.Store, "acme", store.Filter{}, 7, kit.Clock.Now())
		sorted := slices.Clone(got)
		slices.Sort(sorted)
		if len(slices.Compact(sorted)) != len(got) {
			t.Error("a key came twice")
		}
		for _, k := range stay {
			if !slices.Contains(got, k.ID) {
				t.Errorf("%s is missing", k.ID)
			}
		}
	}
	close(stop)
	all.Wait()
}

// The index only finds rows; what a list shows is what the rows say.
func TestListsAskTheRows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	stays, _ := kit.MustKey(t, nil)
	disabled, _ := kit.MustKey(t, func(k *apikey.Key) { k.CreatedAt = k.CreatedAt.Add(time.Second) })
	gone, _ := kit.MustKey(t, nil)
	s := store.New(store.NewTables(&lagging{Client: kit.SDK}, kit.Core, kit.Hot), kit.Keyring, kit.Log.Logger())
	active := store.Filter{Status: apikey.Active}
	if got := walk(t, s, "acme", active, 10, kit.Clock.Now()); len(got) != 3 {
		t.Fatalf("before: %v", got)
	}
	disabled = kit.MustChange(t, disabled, func(k *apikey.Key) { k.Enabled = false })
	kit.Remove(t, "production#"+gone.ID, "key")
	if diff := gocmp.Diff([]string{stays.ID}, walk(t, s, "acme", active, 10, kit.Clock.Now())); diff != "" {
		t.Errorf("active (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]string{disabled.ID, stays.ID}, walk(t, s, "acme", store.Filter{}, 10, kit.Clock.Now())); diff != "" {
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
		"permissions":           {"permissions": &types.AttributeValueMemberL{Value: []types.AttributeValue{text("licenses:manage")}}},
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
		"copied in the list":    {"pk": text("production#1111111111111111"), "listSk": text("2027-01-01T00:00:00.000Z#1111111111111111")},
		"no place at all":       {"pk": text("1111111111111111")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			good, _ := kit.MustKey(t, nil)
			bad, _ := kit.MustKey(t, func(k *apikey.Key) { k.CreatedAt = k.CreatedAt.Add(time.Second) })
			item := kit.Item(t, "production#"+bad.ID, "key")
			want := []string{good.ID}
			for attribute, value := range damage {
				item = with(item, attribute, value)
				if attribute == "pk" {
					want = []string{bad.ID, good.ID} // it is a copy: the row itself is as it was
				}
			}
			kit.Put(t, item)
			if diff := gocmp.Diff(want, walk(t, kit.Store, "acme", store.Filter{}, 10, kit.Clock.Now())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if log := kit.Log.String(); !strings.Contains(log, "a damaged row is left out of a list") && name != "no place at all" {
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
	}{"first query": {"Query", 1}, "second query": {"Query", 2}, "rows": {"BatchGetItem", 1}, "more rows": {"BatchGetItem", 2}} {
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
			page, next, err := kit.Store.Keys(t.Context(), "acme", filter, "", store.MaxPage, kit.Clock.Now())
			if !errors.Is(err, store.ErrUnavailable) || page != nil || next != "" {
				t.Errorf("%d keys, next %q, %v", len(page), next, err)
			}
		})
	}
}

// What DynamoDB leaves for later is asked for again; when it goes on so, the list is unavailable and not shorter.
func TestUnprocessedRows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := fill(t, kit, "acme", 20)
	over := func(c store.Client) *store.Store {
		return store.New(store.NewTables(c, kit.Core, kit.Hot), kit.Keyring, kit.Log.Logger())
	}
	if diff := gocmp.Diff(shown(keys, store.Filter{}, kit.Clock.Now()), walk(t, over(partial{Client: kit.SDK}), "acme", store.Filter{}, 50, kit.Clock.Now())); diff != "" {
		t.Errorf("in halves (-want +got):\n%s", diff)
	}
	stuck := over(partial{kit.SDK, true})
	if page, _, err := stuck.Keys(t.Context(), "acme", store.Filter{}, "", 50, kit.Clock.Now()); !errors.Is(err, store.ErrUnavailable) || page != nil {
		t.Errorf("%d keys, %v", len(page), err)
	}
	if k, err := stuck.FindKey(t.Context(), keys[0].ID); !errors.Is(err, store.ErrUnavailable) || k != nil {
		t.Errorf("%v, %v", k, err)
	}
}
