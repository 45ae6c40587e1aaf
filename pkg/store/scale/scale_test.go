// Package scale_test holds lists to their price in an organization of 100,000 keys. It stands apart
// since storing them takes a while.
package scale_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

var (
	owners      = []string{"user-1", "user-2", "key-3"}
	permissions = []string{"messages:read", "messages:write", "licenses:manage"}
	names       = []string{"Main website", "main Backend", "Straße", "ÉTÉ", "x"}
)

func oneOf[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// mostReads is what a page may cost, so that the request that asks for it stays at ten: its
// authorizer reads the key, and the gate the catalogue, the organization and who calls.
const mostReads = 6

// many is how many keys the organization of this file has.
const many = 100_000

// crowd makes the keys of a large organization, newest first, of which most are in the way of
// whoever looks for the few: mira is a person with a few keys, of each kind, and so are the
// environment development, the customer "rare" and the tag "rare".
func crowd(t *testing.T, kit *storetest.Kit) []*apikey.Key {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	now := kit.Clock.Now()
	keys := make([]*apikey.Key, 0, many)
	one := kit.Key(t)

	_, fresh := kit.Mint(t, apikey.Production, one.ID)
	for i := range many {
		k := *one
		k.ID = fmt.Sprintf("%016d", i) // in order, which the stand-in stores faster
		k.Secret = fresh.Verifier
		k.Hint = fresh.Hint
		k.CreatedAt = now.Add(-time.Duration(i/3) * time.Second)
		k.Name = fmt.Sprintf("%s %d", oneOf(random, names...), i%1000)
		k.Environment = oneOf(random, apikey.Production, apikey.Staging)
		k.Ownership = oneOf(random, apikey.Personal, apikey.Organization)
		k.Owner.ID = oneOf(random, owners...)

		k.Permissions = permissions[random.IntN(3):]
		switch random.IntN(20) {
		case 0, 1:
			k.Enabled = false
		case 2:
			k.Revocation = &apikey.Revocation{At: now}
		case 3:
			k.DeletedAt = now
		case 4, 5:
			k.ExpiresAt = now.Add(-time.Hour) // known when it was written
		case 6:
			k.ExpiresAt = now.Add(time.Hour)
		}

		if random.IntN(20) == 0 {
			k.Customers = []string{"42"}
		}

		if random.IntN(50) == 0 {
			k.Tags = []string{"web"}
		}

		if i%2500 == 1200 {
			k.Owner.ID = "mira"
			k.Environment = apikey.Development
			k.Ownership = []apikey.Ownership{apikey.Personal, apikey.Organization}[i/2500%2]
			k.Customers = []string{"rare"}
			k.Tags = []string{"rare"}
			k.Permissions = []string{"rare:read"}
			k.Name = "Needle"
			k.Enabled = i%5000 < 2500
			k.Revocation = nil
			k.DeletedAt = time.Time{}
			k.ExpiresAt = time.Time{}
		}

		keys = append(keys, &k)
	}

	return keys
}

// keep stores keys by transactions of as many as go into one, several at once.
func keep(t *testing.T, kit *storetest.Kit, keys []*apikey.Key) {
	t.Helper()

	for _, env := range apikey.Environments() {
		if _, err := kit.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	const workers = 3

	var all sync.WaitGroup
	for part := range slices.Chunk(keys, (len(keys)+workers-1)/workers) {
		process := kit.Restart()
		all.Go(func() {
			var writes []store.Write
			for i, k := range part {
				writes = append(writes, process.Store.PutKey(t.Context(), k, 0))
				if store.CountItems(writes...) >= store.MaxItems-1 || i == len(part)-1 {
					if err := process.Store.Commit(t.Context(), writes...); err != nil {
						t.Error(err)
						return
					}

					process.Traffic.Reset()
					writes = nil
				}
			}
		})
	}

	all.Wait()

	if t.Failed() {
		t.FailNow()
	}
}

// lists are the filters of this file: each alone and with another status, and all together that an
// index knows; in either order.
func lists() []store.Filter {
	out := []store.Filter{
		{},
		{Status: apikey.Active},
		{Status: apikey.Inactive},
		{Status: apikey.Expired},
		{
			Permission: "messages:read",
		},
		{
			Permission: "rare:read",
			Status:     apikey.Active,
		},
		{
			Tag: "web",
		},
		{
			Tag:    "rare",
			Status: apikey.Inactive,
		},
		{
			Text:   "MAIN",
			Status: apikey.Active,
		},
		{
			Text: "needle",
		},
		{
			Text:        "needle",
			Tag:         "rare",
			Environment: apikey.Development,
			Status:      apikey.Active,
		},
		{
			Owner:      "user-1",
			Permission: "messages:read",
			Tag:        "web",
		},
		{
			Customer: "42",
			Status:   apikey.Expired,
		},
		{
			Environment: apikey.Staging,
			Status:      apikey.Inactive,
		},
	}
	for _, status := range []apikey.Status{apikey.Active, ""} {
		for _, viewer := range []string{"mira", "nobody"} {
			for _, owner := range []string{"", "mira", "user-1"} {
				out = append(out, store.Filter{
					Viewer: viewer,
					Owner:  owner,
					Status: status,
				}, store.Filter{
					Viewer:    viewer,
					Owner:     owner,
					Status:    status,
					Ownership: apikey.Personal,
				},
					store.Filter{
						Viewer:      viewer,
						Owner:       owner,
						Status:      status,
						Environment: apikey.Development,
					}, store.Filter{
						Viewer:   viewer,
						Owner:    owner,
						Status:   status,
						Customer: "rare",
					})
			}
		}
	}

	for i := range 2 * 3 * 3 * 3 * 3 {
		pick := func(from ...string) string {
			value := from[i%len(from)]
			i /= len(from)
			return value
		}
		out = append(out, store.Filter{
			Status:      apikey.Status(pick("active", "")),
			Environment: apikey.Environment(pick("", "production", "development")),
			Ownership:   apikey.Ownership(pick("", "personal", "organization")),
			Owner:       pick("", "user-1", "mira"),
			Customer:    pick("", "42", "rare"),
		})
	}

	for i := range out {
		out[i].OldestFirst = i%2 == 1
	}

	return out
}

// loose reports whether pages may be short: the filter asks for what no index knows.
func loose(f store.Filter) bool {
	return f.Permission != "" || f.Tag != "" || f.Text != "" || f.Status == apikey.Expired ||
		f.Status == apikey.Inactive
}

// cost is what the pages of a list took.
type cost struct{ pages, reads, short int }

// walkCounted reads a list, at most so many pages of it.
func walkCounted(
	t *testing.T, kit *storetest.Kit, f store.Filter, limit, pages int,
) (ids []string, whole bool, c cost) {
	t.Helper()

	for after := ""; c.pages < pages && !whole; c.pages++ {
		kit.Traffic.Reset()

		page, next, err := kit.Store.Keys(t.Context(), "acme", f, after, limit, kit.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}

		for _, k := range page {
			ids = append(ids, k.ID)
		}

		if c.reads = max(c.reads, kit.Traffic.Count()); next != "" && len(page) < limit {
			c.short++
		}

		after, whole = next, next == ""
	}

	return ids, whole, c
}

// Whatever is asked of a large organization costs at most ten reads a page and is right; what an
// index knows comes in full pages, however many keys are in the way.
func TestPagesOfAHundredThousandKeys(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	keys := crowd(t, kit)
	begun := time.Now()
	keep(t, kit, keys)
	t.Logf("stored after %v", time.Since(begun))
	slices.SortFunc(keys, func(a, b *apikey.Key) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})

	for _, f := range lists() {
		want := storetest.Shown(keys, f, kit.Clock.Now())
		limit := 50

		pages := 2
		if len(want) < 500 {
			limit, pages = store.MaxPage, 20
		}

		ids, whole, c := walkCounted(t, kit, f, limit, pages)
		if c.reads > mostReads {
			t.Errorf("%s: %d reads for a page of %d", said(f), c.reads, limit)
		}

		if !loose(f) && c.short > 0 {
			t.Errorf("%s: %d short pages", said(f), c.short)
		}

		if part := want[:min(len(ids), len(want))]; !slices.Equal(ids, part) ||
			whole != (len(ids) == len(want)) {
			t.Errorf("%s: whole %v, %d of %d keys (-want +got):\n%s", said(f), whole, len(ids),
				len(want), gocmp.Diff(part, ids))
		}

		t.Logf("%-70s limit %3d: %d reads at most, %d keys of %d, %d of %d pages short", said(f),
			limit, c.reads, len(ids), len(want), c.short, c.pages)
	}

	t.Logf("filters after %v", time.Since(begun))

	for _, f := range []store.Filter{{
		Status:      apikey.Active,
		Environment: apikey.Staging,
		Ownership:   apikey.Personal,
	}, {
		Status:      apikey.Expired,
		OldestFirst: true,
	}} { // to the end
		ids, whole, c := walkCounted(t, kit, f, store.MaxPage, many)
		if want := storetest.Shown(keys, f, kit.Clock.Now()); !slices.Equal(ids, want) || !whole ||
			c.reads > mostReads {
			t.Errorf("%s: whole %v, %d reads, %d of %d keys", said(f), whole, c.reads, len(ids),
				len(want))
		}
	}

	t.Logf("done after %v", time.Since(begun))
}

// said is a filter as a query says it.
func said(f store.Filter) string {
	var parts []string
	for _, p := range [][2]string{
		{"status", string(f.Status)},
		{"environment", string(f.Environment)},
		{"ownership", string(f.Ownership)},
		{"owner", f.Owner},
		{"customer", f.Customer},
		{"permission", f.Permission},
		{"tag", f.Tag},
		{"q", f.Text},
		{"viewer", f.Viewer},
	} {
		if p[1] != "" {
			parts = append(parts, p[0]+"="+p[1])
		}
	}

	if f.OldestFirst {
		parts = append(parts, "sort=createdAt")
	}

	return strings.Join(parts, " ")
}
