package adminapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/store"
)

func TestList(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	gone := o.key(t, map[string]any{"name": "gone"})
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+gone.Key.ID, nil).Want(t, http.StatusNoContent)
	o.key(t, map[string]any{"name": "off", "enabled": false, "environment": "development"})
	revoked := o.key(t, map[string]any{"name": "revoked"})
	o.admin.Call(t, http.MethodPost, o.keys+"/"+revoked.Key.ID+"/revoke", nil).Want(t,
		http.StatusOK)
	staging := o.key(t, map[string]any{
		"name":        "Staging one",
		"environment": "staging",
		"tags":        []string{"blue"},
		"customers":   []string{"c1"},
		"permissions": []string{"metrics:read"},
	})

	tests := map[string][]string{ // newest first
		"":                 {"Staging one", "Admin", "Default key"},
		"?status=active":   {"Staging one", "Admin", "Default key"},
		"?status=inactive": {"revoked", "off", "gone"},
		"?status=expired":  nil,
		"?status=all": {
			"Staging one", "revoked", "off", "gone", "Admin", "Default key",
		},
		"?status=all&environment=production": {"revoked", "gone", "Admin", "Default key"},
		"?environment=staging":               {"Staging one"},
		"?ownership=organization":            {"Staging one", "Admin", "Default key"},
		"?ownership=personal":                nil,
		"?owner=nobody":                      nil,
		"?customer=c1":                       {"Staging one"},
		"?permission=metrics%3Aread":         {"Staging one"},
		"?permission=keys%3Aread":            {"Admin"},
		"?tag=blue":                          {"Staging one"},
		"?tag=blu":                           nil,
		"?q=STAGING":                         {"Staging one"},
		"?q=" + staging.Key.ID:               {"Staging one"},
		"?q=" + staging.Key.ID[:8]:           nil,
		"?tag=blue&environment=production":   nil,
	}
	for query, want := range tests {
		got, next := page(t, o.admin, o.keys+query)
		if diff := cmp.Diff(want, got); diff != "" || next != "" {
			t.Errorf("%s: next %q (-want +got):\n%s", query, next, diff)
		}
	}
}

// A key is found by what is seen of its secret: in a list, in a log, or on somebody's screen.
func TestListByHint(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	ours := o.key(t, map[string]any{"name": "Ours", "customers": []string{"c1"}})
	theirs := foreign("the secret of "+o.id, map[string]any{
		"name":        "Theirs",
		"permissions": []string{},
	})
	o.admin.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": []any{theirs},
	}).Want(t, http.StatusOK)
	hint := ours.Key.Hint
	front, last, _ := strings.Cut(hint, "…")

	find := func(text, more string) []string {
		t.Helper()
		names, _ := page(t, o.admin, o.keys+"?q="+url.QueryEscape(text)+more)
		return names
	}
	for _, text := range []string{
		hint, front + "..." + last, front, strings.TrimSuffix(front, "_"), "…" + last, last,
	} {
		if got := find(text, ""); !slices.Equal(got, []string{"Ours"}) {
			t.Errorf("by %s: %q", text, got)
		}

		if got := find(text,
			"&customer=c1&environment=production"); !slices.Equal(got, []string{"Ours"}) {
			t.Errorf("of a customer by %s: %q", text, got)
		}
	}

	for _, text := range []string{
		"bt_prod", "bt_prod_", "…", "...", "_…" + last, "x" + front, last[1:],
		strings.ToUpper(hint),
	} {
		if got := find(text, ""); got != nil {
			t.Errorf("by %s, which is no hint: %q", text, got)
		}
	}

	var foreign struct{ Items []localtest.Key }
	o.admin.Call(t, http.MethodGet, o.keys+"?q=Theirs", nil).Want(t, http.StatusOK).Into(t,
		&foreign)

	if got := find(foreign.Items[0].Hint, ""); !slices.Equal(got, []string{"Theirs"}) {
		t.Errorf("an imported key by %s: %q", foreign.Items[0].Hint, got)
	}

	o.admin.Call(t, http.MethodPost, o.keys+"/"+ours.Key.ID+"/regenerate", nil).Want(t,
		http.StatusOK)

	if got := find(hint, ""); !slices.Equal(got, []string{"Ours"}) {
		t.Errorf("by the hint of the secret before: %q", got)
	}

	if got := find(last, ""); got != nil {
		t.Errorf("by the last letters of the secret before: %q", got)
	}
}

// Filters work together, in either order of the list.
func TestListCombined(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for _, k := range []map[string]any{
		{
			"name":        "One",
			"environment": "staging",
			"customers":   []string{"c1"},
			"tags":        []string{"blue"},
		},
		{
			"name":        "Two",
			"environment": "staging",
			"customers":   []string{"c1", "c2"},
			"enabled":     false,
		},
		{
			"name":        "Three",
			"environment": "development",
			"customers":   []string{"c1"},
			"permissions": []string{"metrics:read"},
			"tags":        []string{"blue"},
		},
		{
			"name":        "Four",
			"environment": "staging",
			"customers":   []string{"c2"},
			"permissions": []string{"metrics:read"},
		},
	} {
		o.key(t, k)
	}

	five := o.key(t, map[string]any{"name": "Five"})
	of, _ := decoded(t,
		o.admin.Call(t, http.MethodGet, o.keys+"/"+five.Key.ID, nil).Want(t,
			http.StatusOK).Body)["owner"].(map[string]any)

	owner, _ := of["id"].(string)
	for query, want := range map[string][]string{
		"?sort=createdAt":  {"Default key", "Admin", "One", "Three", "Four", "Five"},
		"?sort=-createdAt": {"Five", "Four", "Three", "One", "Admin", "Default key"},
		"?status=all&sort=createdAt&environment=staging": {"One", "Two", "Four"},
		"?customer=c1":                 {"Three", "One"},
		"?customer=c1&status=all":      {"Three", "Two", "One"},
		"?customer=c2&status=inactive": {"Two"},
		"?customer=c1&environment=staging&status=all&sort=createdAt":             {"One", "Two"},
		"?customer=c1&environment=development&permission=metrics%3Aread":         {"Three"},
		"?customer=c2&owner=" + owner + "&ownership=organization&status=all":     {"Four", "Two"},
		"?customer=c1&owner=" + owner + "&environment=staging&tag=blue&q=ONE":    {"One"},
		"?owner=" + owner + "&environment=production":                            {"Five"},
		"?owner=" + owner + "&sort=createdAt&permission=metrics%3Aread":          {"Three", "Four"},
		"?owner=" + owner + "&ownership=personal&status=all":                     nil,
		"?environment=staging&permission=metrics%3Aread&q=fo":                    {"Four"},
		"?environment=staging&status=expired":                                    nil,
		"?tag=blue&sort=createdAt&ownership=organization&q=e&status=all&limit=2": {"One", "Three"},
	} {
		got, next := page(t, o.admin, o.keys+query)
		if diff := cmp.Diff(want, got); diff != "" || next != "" {
			t.Errorf("%s: next %q (-want +got):\n%s", query, next, diff)
		}
	}
}

// A change of a key is in the next list, also of the customers that it had and has.
func TestListAfterAChange(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"name": "Moves", "customers": []string{"c1"}, "expiresIn": "1h"})
	path := o.keys + "/" + k.Key.ID
	lists := func(when string, want map[string]bool) {
		t.Helper()

		for query, there := range want {
			names, _ := page(t, o.admin, o.keys+query)
			if got := slices.Contains(names, "Moves"); got != there {
				t.Errorf("%s, %s: %v, want %v", when, query, got, there)
			}
		}
	}
	lists("at first", map[string]bool{
		"":                 true,
		"?customer=c1":     true,
		"?customer=c2":     false,
		"?status=inactive": false,
	})
	o.admin.Call(t, http.MethodPatch, path, `{"customers": ["c2", "c3"]}`).Want(t, http.StatusOK)
	lists("with other customers", map[string]bool{
		"?customer=c1":            false,
		"?customer=c1&status=all": false,
		"?customer=c2":            true,
		"?customer=c3":            true,
	})
	o.admin.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
	lists("revoked", map[string]bool{
		"":                             false,
		"?customer=c2":                 false,
		"?customer=c2&status=inactive": true,
		"?customer=c2&status=all":      true,
	})
	o.admin.Call(t, http.MethodPost, path+"/restore", nil).Want(t, http.StatusOK)
	lists("restored", map[string]bool{"": true, "?customer=c2": true, "?status=inactive": false})
	o.admin.Call(t, http.MethodPatch, path, `{"customers": null}`).Want(t, http.StatusOK)
	lists("without customers", map[string]bool{"": true, "?customer=c2": false})
	o.admin.Call(t, http.MethodDelete, path, nil).Want(t, http.StatusNoContent)
	lists("deleted", map[string]bool{"": false, "?status=inactive": true, "?status=all": true})
}

// All customers of a key change at once, within one transaction.
func TestKeyOfManyCustomers(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	ids := func(letter string) (out []string) {
		for i := range store.MaxCustomers {
			out = append(out, fmt.Sprintf("%s%d", letter, i))
		}

		return out
	}
	for _, id := range append(ids("a"), ids("b")...) {
		o.admin.Call(t, http.MethodPost, o.path("customers"), map[string]any{
			"id":   id,
			"name": id,
		}).Want(t, http.StatusCreated)
	}

	k := o.key(t, map[string]any{"name": "Many", "customers": ids("a")})
	// whose change looks at the member too
	member := o.join(t, "ann", "member", "manage_organization_keys")
	member.Call(t, http.MethodPatch, o.keys+"/"+k.Key.ID, map[string]any{
		"customers": ids("b"),
	}, "Idempotency-Key: once").Want(t, http.StatusOK)

	for query, want := range map[string][]string{
		"?customer=a0":  nil,
		"?customer=a29": nil,
		"?customer=b0":  {"Many"},
		"?customer=b29": {"Many"},
	} {
		if got, _ := page(t, o.admin, o.keys+query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}

	if _, next, err := deployed(t).Store.KeysOfCustomer(t.Context(), o.id, "a0", "", 1); next != "" ||
		err != nil {
		t.Errorf("there is something left of a customer that the key had: %q, %v", next, err)
	}

	o.admin.CreateKey(t, o.id, map[string]any{
		"name":        "More",
		"environment": "production",
		"customers":   ids("b"),
	})

	schema := decoded(t,
		o.admin.Call(t, http.MethodGet, "/v1/openapi.json", nil).Want(t, http.StatusOK).Body)
	if text := fmt.Sprint(schema); !strings.Contains(text,
		fmt.Sprintf("maxItems:%d", store.MaxCustomers)) {
		t.Error("the document does not say how many customers a key may have")
	}
}

// A person sees organization keys and their own personal keys, whatever they filter by; who manages
// others' keys sees all.
func TestListOfAPerson(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	bob := o.join(t, "bob", "member")
	eve := o.join(t, "eve", "member")
	carol := o.join(t, "carol", "member", "manage_others_keys")
	o.key(t, map[string]any{
		"name":        "shared",
		"customers":   []string{"c1"},
		"environment": "staging",
	})

	for name, p := range map[string]someone{"bob's": bob, "eve's": eve} {
		p.CreateKey(t, o.id, map[string]any{
			"name":        name,
			"environment": "staging",
			"ownership":   "personal",
			"customers":   []string{"c1"},
		})
	}

	for query, want := range map[string]struct{ bob, carol []string }{
		"?environment=staging": {
			[]string{"bob's", "shared"},
			[]string{"bob's", "eve's", "shared"},
		},
		"?environment=staging&status=all": {
			[]string{"bob's", "shared"},
			[]string{"bob's", "eve's", "shared"},
		},
		"?ownership=personal": {[]string{"bob's"}, []string{"bob's", "eve's"}},
		"?ownership=personal&environment=staging&customer=c1": {
			[]string{"bob's"},
			[]string{"bob's", "eve's"},
		},
		"?ownership=organization&environment=staging": {[]string{"shared"}, []string{"shared"}},
		"?customer=c1": {
			[]string{"bob's", "shared"},
			[]string{"bob's", "eve's", "shared"},
		},
		"?owner=" +
			url.QueryEscape(bob.id): {[]string{"bob's"}, []string{"bob's"}},
		"?owner=" + url.QueryEscape(eve.id):                       {nil, []string{"eve's"}},
		"?owner=" + url.QueryEscape(eve.id) + "&customer=c1":      {nil, []string{"eve's"}},
		"?owner=" + url.QueryEscape(eve.id) + "&status=all&q=eve": {nil, []string{"eve's"}},
		"?q=eve": {nil, []string{"eve's"}},
	} {
		for by, p := range map[string]struct {
			as   someone
			want []string
		}{"bob": {bob, want.bob}, "carol": {carol, want.carol}} {
			got, _ := page(t, p.as.Client, o.keys+query)
			slices.Sort(got)

			if diff := cmp.Diff(p.want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", by, query, diff)
			}
		}
	}

	// A cursor is of what its reader may see.
	_, cursor := page(t, carol.Client, o.keys+"?limit=1")
	bob.Call(t, http.MethodGet, o.keys+"?limit=1&cursor="+cursor, nil).Refused(t,
		http.StatusBadRequest, "malformed")
}

// Pages show every key once, in the one order, whatever their size.
func TestPages(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	var want []string
	for i := range 12 {
		name := fmt.Sprintf("key %02d", i)
		o.key(t, map[string]any{
			"name":        name,
			"environment": []string{"staging", "development"}[i%2],
			"tags":        []string{"paged"},
		})
		want = append(want, name)
	}

	slices.Reverse(want)

	for _, size := range []int{1, 3, 5, 11, 12, 13, 200} {
		var got []string

		cursor := ""
		for range 20 {
			path := fmt.Sprintf("%s?tag=paged&limit=%d", o.keys, size)
			if cursor != "" {
				path += "&cursor=" + cursor
			}

			names, next := page(t, o.admin, path)
			if len(names) > size {
				t.Errorf("a page of %d has %d", size, len(names))
			}

			if got, cursor = append(got, names...), next; next == "" {
				break
			}
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
}

// Every list comes in pages, whatever it is of: limit is its most, the cursor goes on, and is of
// that list alone.
func TestEveryListHasPages(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for _, name := range []string{"ann", "bea", "cai"} {
		o.invite(t, address(name), "member")
	}

	for range 3 {
		o.startJob(t)
	}

	lists := []string{
		o.keys, o.path("members"), o.path("customers"), o.path("jobs"), o.path("history"),
		o.keys + "/" + o.first.Key.ID + "/history",
	}
	o.admin.Call(t, http.MethodPatch, o.keys+"/"+o.first.Key.ID, `{"tags": ["one"]}`).Want(t,
		http.StatusOK)

	cursors := map[string]string{}
	for _, list := range lists {
		whole, _ := items(t, o.admin, list+"?limit=200")

		first, next := items(t, o.admin, list+"?limit=1")
		if len(whole) < 2 || len(first) != 1 || next == "" {
			t.Errorf("%s: %d items, of which a page of one has %d, and goes on at %q", list,
				len(whole), len(first), next)
			continue
		}

		cursors[list] = next

		rest, end := items(t, o.admin, list+"?limit=200&cursor="+next)
		if diff := cmp.Diff(whole, append(first, rest...)); diff != "" || end != "" {
			t.Errorf("%s: goes on at %q (-whole +pages):\n%s", list, end, diff)
		}

		empty, _ := items(t, o.admin, list+"?limit=&cursor=")
		if diff := cmp.Diff(whole, empty); diff != "" {
			t.Errorf("%s: an empty cursor (-absent +empty):\n%s", list, diff)
		}

		for _, query := range []string{
			"limit=0", "limit=201", "limit=x", "limit=1&limit=2", "cursor=garbage", "page=2",
		} {
			name, _, _ := strings.Cut(query, "=")

			p := o.admin.Call(t, http.MethodGet, list+"?"+query, nil).Refused(t,
				http.StatusBadRequest, "malformed")
			if got := p.Locations(); !slices.Equal(got, []string{"query." + name}) {
				t.Errorf("%s?%s: %q", list, query, got)
			}
		}
	}

	for of, cursor := range cursors {
		for _, list := range lists {
			if list != of {
				o.admin.Call(t, http.MethodGet, list+"?cursor="+cursor, nil).Refused(t,
					http.StatusBadRequest, "malformed")
			}
		}
	}
}

// items reads a page of any list, without what goes on changing by itself.
func items(t *testing.T, c localtest.Client, path string) (all []map[string]any, next string) {
	t.Helper()
	var p struct {
		Items      []map[string]any
		NextCursor *string
	}
	c.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &p)

	for _, item := range p.Items {
		delete(item, "lastUsed")
	}

	if p.NextCursor != nil {
		next = *p.NextCursor
	}

	return p.Items, next
}

// startJob has the tenant's keys disabled by a job that finds none.
func (o tenant) startJob(t *testing.T) {
	t.Helper()
	o.admin.Call(t, http.MethodPost, o.keys+"/bulk", map[string]any{
		"action":   "disable",
		"filter":   map[string]any{"tag": "none"},
		"dryRun":   false,
		"expected": 0,
	}).Want(t, http.StatusAccepted)
}

func TestWrongQueries(t *testing.T) {
	t.Parallel()
	o, other := newTenant(t), newTenant(t)
	k := o.key(t, nil)
	other.key(t, nil)
	_, cursor := page(t, o.admin, o.keys+"?limit=1")

	_, elsewhere := page(t, other.admin, other.keys+"?limit=1")
	if cursor == "" || elsewhere == "" {
		t.Fatal("the first pages have no next ones")
	}

	calls := map[string]wrong{}
	add := func(query string, locations ...string) {
		calls[query] = wrong{
			method:    "GET",
			path:      "{keys}?" + query,
			status:    400,
			code:      "malformed",
			locations: locations,
		}
	}
	add("limit=0", "query.limit")
	add("limit=-1", "query.limit")
	add("limit=201", "query.limit")
	add("limit=many", "query.limit")
	add("limit=99999999999999999999", "query.limit")
	add("status=deleted", "query.status")
	add("environment=prod", "query.environment")
	add("ownership=mine", "query.ownership")
	add("sort=name", "query.sort")
	add("owner="+strings.Repeat("o", 201), "query.owner")
	add("customer="+strings.Repeat("c", 65), "query.customer")
	add("permission="+strings.Repeat("p", 66), "query.permission")
	add("tag="+strings.Repeat("t", 51), "query.tag")
	add("q="+strings.Repeat("q", 101), "query.q")
	add("colour=red", "query.colour")
	add("Status=all", "query.Status")
	add("order", "query.order")
	add("limit=0&status=x", "query.limit", "query.status")
	add("cursor=garbage", "query.cursor")
	add("cursor=%00", "query.cursor")
	add("cursor="+cursor+"&environment=production", "query.cursor") // of another query
	add("cursor="+cursor+"&status=all", "query.cursor")
	add("cursor="+cursor+"&sort=createdAt", "query.cursor")
	add("cursor="+elsewhere, "query.cursor") // of another organization
	add("cursor="+cursor[:len(cursor)-2], "query.cursor")
	add("cursor="+cursor+cursor, "query.cursor")

	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}

	for i := range sealed {
		flipped := slices.Clone(sealed)
		flipped[i] ^= 1 << (i % 8)
		add("cursor="+url.QueryEscape(base64.RawURLEncoding.EncodeToString(flipped)),
			"query.cursor")
	}

	refuseAll(t, o, k, o.admin, calls)

	if names, _ := page(t, o.admin, o.keys+"?limit=1&cursor="+cursor); len(names) != 1 {
		t.Errorf("the cursor itself: %v", names)
	}

	page(t, o.admin, o.keys+"?limit=2&cursor="+cursor) // the size of a page is no part of the query
}
