package store_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

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
		k.OrganizationID = org
		k.Environment = oneOf(random, apikey.Environments()...)
		k.CreatedAt = at.Add(-time.Duration(i/2) * time.Second)
		k.Name = oneOf(random, names...)
		k.Ownership = oneOf(random, apikey.Personal, apikey.Organization)
		k.Owner.ID = oneOf(random, owners...)
		k.Permissions = someOf(random, permissions)
		k.Customers = someOf(random, customers)
		k.Tags = someOf(random, tags)
		k.Enabled = random.IntN(4) > 0

		k.ExpiresAt = oneOf(random, time.Time{}, time.Time{}, at, at.Add(-time.Hour),
			at.Add(time.Hour))
		if random.IntN(6) == 0 {
			k.DeletedAt = at
		}

		if random.IntN(6) == 0 {
			k.Revocation = &apikey.Revocation{At: at}
		}

		keys = append(keys, k)

		writes = append(writes, kit.Store.PutKey(t.Context(), k, 0))
		if store.CountItems(writes...) > store.MaxItems-1-len(customers) || i == n-1 {
			if err := kit.Store.Commit(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}

			writes = nil
		}
	}

	return keys
}

// walk reads a whole list, page by page.
func walk(
	t testing.TB, s *store.Store, org string, f store.Filter, limit int, now time.Time,
) []string {
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

	for _, text := range []string{
		"MAIN", "straße", "été", "", keys[7].ID, strings.ToLower(keys[7].ID), keys[7].ID[:8],
		"nothing",
	} {
		add(store.Filter{Text: text})
	}

	for _, f := range alone {
		want := storetest.Shown(keys, f, now)
		if diff := gocmp.Diff(want, walk(t, kit.Store, "acme", f, 40, now)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", f, diff)
		}
	}

	rapid.Check(t, func(r *rapid.T) {
		maybe := func(name string, values ...string) string {
			return rapid.SampledFrom(append([]string{"", ""}, values...)).Draw(r, name)
		}
		f := store.Filter{
			Status:      apikey.Status(maybe("status", "active", "inactive", "expired")),
			Environment: apikey.Environment(maybe("environment", "production", "staging")),
			Ownership:   apikey.Ownership(maybe("ownership", "personal", "organization")),
			Owner:       maybe("owner", owners...),
			Customer:    maybe("customer", customers...),
			Permission:  maybe("permission", permissions...),
			Tag:         maybe("tag", tags...),
			Text:        maybe("text", "main", "e", "X"),
			Viewer:      maybe("viewer", append(owners, "nobody")...),
			OldestFirst: rapid.Bool().Draw(r, "oldest first"),
		}
		limit := rapid.IntRange(1, 200).Draw(r, "limit")

		at := now.Add(time.Duration(rapid.IntRange(0, 2).Draw(r, "hours")) * time.Hour)
		if diff := gocmp.Diff(storetest.Shown(keys, f, at),
			walk(t, kit.Store, "acme", f, limit, at)); diff != "" {
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

	got, err := kit.Store.CountHolders(t.Context(), []string{
		"messages:write", "licenses:manage", "nobody:holds",
	})
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

		if got, err := kit.Store.CountHolders(t.Context(),
			permissions); !errors.Is(err, store.ErrUnavailable) || got != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// Whoever only lists active keys, as advice does, may be let read two indexes.
func TestActiveKeysAreInTwoIndexes(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	fill(t, kit, "acme", 50)
	kit.Traffic.Reset()

	for _, viewer := range []string{"", "user-1"} {
		walk(t, kit.Store, "acme", store.Filter{
			Status: apikey.Active,
			Viewer: viewer,
		}, 10, kit.Clock.Now())
	}

	got := map[string]bool{}
	for _, r := range kit.Traffic.Requests("Query") {
		var query struct{ IndexName string }
		r.Decode(t, &query)
		got[query.IndexName] = true
	}

	if diff := gocmp.Diff(map[string]bool{
		"byOrganizationAndRank": true,
		"byOwnerAndRank":        true,
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
