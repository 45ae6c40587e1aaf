package adminapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestList(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	gone := o.key(t, map[string]any{"name": "gone"})
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+gone.Key.ID, nil).Want(t, http.StatusNoContent)
	o.key(t, map[string]any{"name": "off", "enabled": false, "environment": "development"})
	revoked := o.key(t, map[string]any{"name": "revoked"})
	o.admin.Call(t, http.MethodPost, o.keys+"/"+revoked.Key.ID+"/revoke", nil).Want(t, http.StatusOK)
	staging := o.key(t, map[string]any{"name": "Staging one", "environment": "staging", "tags": []string{"blue"}, "customers": []string{"c1"}, "permissions": []string{"metrics:read"}})
	tests := map[string][]string{ // newest first
		"":                                   {"Staging one", "Admin", "Default key"},
		"?status=active":                     {"Staging one", "Admin", "Default key"},
		"?status=inactive":                   {"revoked", "off", "gone"},
		"?status=expired":                    nil,
		"?status=all":                        {"Staging one", "revoked", "off", "gone", "Admin", "Default key"},
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

// Pages show every key once, in the one order, whatever their size.
func TestPages(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	var want []string
	for i := range 12 {
		name := fmt.Sprintf("key %02d", i)
		o.key(t, map[string]any{"name": name, "environment": []string{"staging", "development"}[i%2], "tags": []string{"paged"}})
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
		calls[query] = wrong{method: "GET", path: "{keys}?" + query, status: 400, code: "malformed", locations: locations}
	}
	add("limit=0", "query.limit")
	add("limit=-1", "query.limit")
	add("limit=201", "query.limit")
	add("limit=many", "query.limit")
	add("limit=99999999999999999999", "query.limit")
	add("status=deleted", "query.status")
	add("environment=prod", "query.environment")
	add("ownership=mine", "query.ownership")
	add("colour=red", "query.colour")
	add("Status=all", "query.Status")
	add("order", "query.order")
	add("limit=0&status=x", "query.limit", "query.status")
	add("cursor=", "query.cursor")
	add("cursor=garbage", "query.cursor")
	add("cursor=%00", "query.cursor")
	add("cursor="+cursor+"&environment=production", "query.cursor") // of another query
	add("cursor="+cursor+"&status=all", "query.cursor")
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
		add("cursor="+url.QueryEscape(base64.RawURLEncoding.EncodeToString(flipped)), "query.cursor")
	}
	refuseAll(t, o, k, o.admin, calls)
	if names, _ := page(t, o.admin, o.keys+"?limit=1&cursor="+cursor); len(names) != 1 {
		t.Errorf("the cursor itself: %v", names)
	}
	page(t, o.admin, o.keys+"?limit=2&cursor="+cursor) // the size of a page is no part of the query
}
