package store_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

var (
	owners      = []string{"user-1", "user-2", "key-3"}
	customers   = []string{"42", "43", "44"}
	permissions = []string{"messages:read", "messages:write", "licenses:manage"}
	tags        = []string{"web", "mobile"}
	names       = []string{"Main website", "main Backend", "Straße", "ÉTÉ", "x"}
)

// someOf picks some of a few, or none.
func someOf(random *rand.Rand, from []string) []string {
	var out []string
	for _, s := range from {
		if random.IntN(2) == 0 {
			out = append(out, s)
		}
	}
	return out
}

func oneOf[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// fill stores n keys of an organization, of every kind, some made at the same moment.
func fill(t testing.TB, kit *storetest.Kit, org string, n int) []*apikey.Key {
	t.Helper()
	for _, env := range apikey.Environments() {
		if _, err := kit.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	at := kit.Clock.Now()
	var keys []*apikey.Key
	var writes []store.Write
	for i := range n {
		k := kit.Key(t)
		k.OrganizationID, k.Environment, k.CreatedAt = org, oneOf(random, apikey.Environments()...), at.Add(-time.Duration(i/2)*time.Second)
		k.Name, k.Ownership, k.Owner.ID = oneOf(random, names...), oneOf(random, apikey.Personal, apikey.Organization), oneOf(random, owners...)
		k.Permissions, k.Customers, k.Tags = someOf(random, permissions), someOf(random, customers), someOf(random, tags)
		k.Enabled = random.IntN(4) > 0
		k.ExpiresAt = oneOf(random, time.Time{}, time.Time{}, at, at.Add(-time.Hour), at.Add(time.Hour))
		if random.IntN(6) == 0 {
			k.DeletedAt = at
		}
		if random.IntN(6) == 0 {
			k.Revocation = &apikey.Revocation{At: at}
		}
		keys, writes = append(keys, k), append(writes, kit.Store.PutKey(t.Context(), k, 0))
		if len(writes) == 100 || i == n-1 {
			if err := kit.Store.Commit(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}
			writes = nil
		}
	}
	return keys
}

// shown is the oracle: what a list shows, from the contract's words and not from the store's code.
func shown(keys []*apikey.Key, f store.Filter, now time.Time) []string {
	var matching []*apikey.Key
	for _, k := range keys {
		status := apikey.Active
		if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now) {
			status = apikey.Expired
		}
		if !k.Enabled || k.Revocation != nil || !k.DeletedAt.IsZero() {
			status = apikey.Inactive
		}
		keep := f.Status == "" || f.Status == status
		keep = keep && (f.Environment == "" || f.Environment == k.Environment)
		keep = keep && (f.Ownership == "" || f.Ownership == k.Ownership)
		keep = keep && (f.Owner == "" || f.Owner == k.Owner.ID)
		keep = keep && (f.Customer == "" || slices.Index(k.Customers, f.Customer) >= 0)
		keep = keep && (f.Permission == "" || slices.Index(k.Permissions, f.Permission) >= 0)
		keep = keep && (f.Tag == "" || slices.Index(k.Tags, f.Tag) >= 0)
		keep = keep && (f.Text == "" || f.Text == k.ID || strings.Contains(strings.ToLower(k.Name), strings.ToLower(f.Text)))
		if keep {
			matching = append(matching, k)
		}
	}
	slices.SortFunc(matching, func(a, b *apikey.Key) int { // newest first, then by id
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	ids := make([]string, 0, len(matching))
	for _, k := range matching {
		ids = append(ids, k.ID)
	}
	return ids
}

// walk reads a whole list, page by page.
func walk(t testing.TB, s *store.Store, org string, f store.Filter, limit int, now time.Time) []string {
	t.Helper()
	ids, after := []string{}, ""
	for range 1000 {
		page, next, err := s.Keys(t.Context(), org, f, after, limit, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > limit {
			t.Fatalf("a page of %d, asked for %d", len(page), limit)
		}
		for _, k := range page {
			ids = append(ids, k.ID)
		}
		if next == "" {
			return ids
		}
		after = next
	}
	t.Fatal("the list does not end")
	return nil
}

func TestListsShowWhatTheFilterSays(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := fill(t, kit, "acme", 150)
	fill(t, kit, "globex", 30)
	fill(t, kit, "acm", 3)
	now := kit.Clock.Now()
	var alone []store.Filter
	add := func(f store.Filter) { alone = append(alone, f) }
	add(store.Filter{})
	for _, status := range []apikey.Status{apikey.Active, apikey.Inactive, apikey.Expired} {
		add(store.Filter{Status: status})
	}
	for _, env := range apikey.Environments() {
		add(store.Filter{Environment: env})
	}
	add(store.Filter{Ownership: apikey.Personal})
	add(store.Filter{Owner: "user-2"})
	add(store.Filter{Customer: "43"})
	add(store.Filter{Permission: "licenses:manage"})
	add(store.Filter{Tag: "web"})
	for _, text := range []string{"MAIN", "straße", "été", "", keys[7].ID, strings.ToLower(keys[7].ID), keys[7].ID[:8], "nothing"} {
		add(store.Filter{Text: text})
	}
	for _, f := range alone {
		want := shown(keys, f, now)
		if diff := gocmp.Diff(want, walk(t, kit.Store, "acme", f, 40, now)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", f, diff)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		maybe := func(name string, values ...string) string {
			return rapid.SampledFrom(append([]string{"", ""}, values...)).Draw(r, name)
		}
		f := store.Filter{
			Status: apikey.Status(maybe("status", "active", "inactive", "expired")), Environment: apikey.Environment(maybe("environment", "production", "staging")),
			Ownership: apikey.Ownership(maybe("ownership", "personal", "organization")), Owner: maybe("owner", owners...), Customer: maybe("customer", customers...),
			Permission: maybe("permission", permissions...), Tag: maybe("tag", tags...), Text: maybe("text", "main", "e", "X"),
		}
		limit := rapid.IntRange(1, 200).Draw(r, "limit")
		at := now.Add(time.Duration(rapid.IntRange(-2, 2).Draw(r, "hours")) * time.Hour)
		if diff := gocmp.Diff(shown(keys, f, at), walk(t, kit.Store, "acme", f, limit, at)); diff != "" {
			r.Errorf("%+v (-want +got):\n%s", f, diff)
		}
	})
}

func TestListsGiveWholeKeys(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	want, _ := fullKey(t, kit)
	page, next, err := kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 10, kit.Clock.Now())
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	if diff := gocmp.Diff([]*apikey.Key{want}, page, sameKey()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

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
	slow := store.New(store.NewTables(short{kit.SDK}, kit.Core), kit.Keyring, kit.Log.Logger())
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

func TestCountHolders(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	want := map[string]int{}
	for _, org := range []string{"acme", "globex", apikey.OperatorOrganization} {
		if org != apikey.OperatorOrganization {
			o := &organization.Organization{ID: org, Version: 1}
			if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(o, 0)); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range fill(t, kit, org, 120) {
			for _, p := range k.Permissions {
				if k.DeletedAt.IsZero() && p != "messages:read" {
					want[p]++
				}
			}
		}
	}
	got, err := kit.Store.CountHolders(t.Context(), []string{"messages:write", "licenses:manage", "nobody:holds"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, n := range []int{1, 2} {
		kit.Traffic.Reset()
		kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
			if r.N >= n {
				return storetest.Broken
			}
			return storetest.None
		})
		if got, err := kit.Store.CountHolders(t.Context(), permissions); !errors.Is(err, store.ErrUnavailable) || got != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}
