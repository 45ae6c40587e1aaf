package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// recordedCalls reads a list of calls by pages, and returns each call in a word.
func recordedCalls(t *testing.T, c localtest.Client, path string, query url.Values) (found []string) {
	t.Helper()

	for {
		var p struct {
			Items []struct {
				Method, Path, Outcome string
			}
			NextCursor *string
		}

		c.Call(t, http.MethodGet, path+"/requests?"+query.Encode(), nil).Want(t,
			http.StatusOK).Into(t, &p)

		for _, one := range p.Items {
			found = append(found, one.Outcome+" "+one.Method+" "+one.Path)
		}

		if p.NextCursor == nil {
			return found
		}

		query.Set("cursor", *p.NextCursor)
	}
}

// Of many calls the few that match are found, whatever lies between them, and by pages of any size.
func TestCallsAreFiltered(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	o.admin.Call(t, http.MethodPatch, o.path(), `{"settings": {"sampleRequests": 1}}`).Want(t,
		http.StatusOK)

	k := o.key(t, map[string]any{"permissions": []string{"messages:read", "customers:read"}})
	path := o.keys + "/" + k.Key.ID
	holder := machine.As(k.Secret)

	id := refusedCall(t, o, k) // the oldest
	for range 5 {
		holder.Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusOK)
		holder.Call(t, http.MethodGet, "/production/customers/c1", nil).Want(t, http.StatusOK)
	}

	holder.Call(t, http.MethodPost, "/production/messages", nil).Refused(t, http.StatusForbidden,
		"permission_denied")

	eventually(t, 15*time.Second, func() bool {
		return len(recordedCalls(t, o.admin, path, url.Values{"limit": {"200"}})) == 12
	})

	refused := []string{
		"permission_denied POST /messages", "permission_denied GET /licenses",
	}
	messages := slices.Repeat([]string{"allowed GET /messages"}, 5)
	customer := slices.Repeat([]string{"allowed GET /customers/c1"}, 5)

	for query, want := range map[string][]string{
		"outcome=refused":                                  refused,
		"outcome=permission_denied":                        refused,
		"outcome=expired":                                  nil,
		"outcome=allowed&route=GET+/messages":              messages,
		"route=GET+/customers/{customerId}":                customer,
		"route=GET+/customers/{customerId}&outcome=":       customer,
		"route=GET+/customers":                             nil,
		"q=" + id:                                          refused[1:],
		"q=" + id[4:20]:                                    refused[1:],
		"q=" + id + "&outcome=allowed":                     nil,
		"q=127.0.0.1&outcome=refused&route=POST+/messages": refused[:1],
	} {
		for _, limit := range []string{"1", "2", "200"} {
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}

			values.Set("limit", limit)

			if diff := cmp.Diff(want, recordedCalls(t, o.admin, path, values)); diff != "" {
				t.Errorf("%s by %s (-want +got):\n%s", query, limit, diff)
			}
		}
	}

	refuseAll(t, o, k, o.admin, map[string]wrong{
		"an outcome that there is not": {
			method: http.MethodGet, path: "{key}/requests?outcome=lost",
			status: http.StatusBadRequest, code: "malformed", locations: []string{"query.outcome"},
		},
		"an action that there is not": {
			method: http.MethodGet, path: o.path("history") + "?action=key.lost",
			status: http.StatusBadRequest, code: "malformed", locations: []string{"query.action"},
		},
	})
}

// A cursor of one filter fits no other, and a page that found nothing leads on.
func TestFilteredPagesLeadOn(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	first := o.key(t, nil)
	for i := range 8 {
		o.key(t, map[string]any{"name": fmt.Sprint("Between ", i)})
	}

	o.admin.Call(t, http.MethodDelete, o.keys+"/"+first.Key.ID, nil).Want(t, http.StatusNoContent)

	list := o.path("history")

	var p struct {
		Items      []entry
		NextCursor *string
	}

	read := func(query string) {
		p.NextCursor = nil
		o.admin.Call(t, http.MethodGet, list+"?"+query, nil).Want(t, http.StatusOK).Into(t, &p)
	}

	object := "object=" + first.Key.ID
	read(object + "&limit=1")

	if len(p.Items) != 1 || p.Items[0].Action != "key.deleted" || p.NextCursor == nil {
		t.Fatalf("the first page: %+v", p)
	}

	cursor := "&cursor=" + url.QueryEscape(*p.NextCursor)
	for _, other := range []string{"limit=1", "limit=1&action=key.created"} {
		o.admin.Call(t, http.MethodGet, list+"?"+other+cursor, nil).Refused(t,
			http.StatusBadRequest, "malformed")
	}

	actor := p.Items[0].Actor.ID
	read(object + "&limit=1" + cursor)

	if len(p.Items) != 0 || p.NextCursor == nil {
		t.Errorf("between them: %d entries, cursor %v", len(p.Items), p.NextCursor)
	}

	var found []string
	for next := ""; ; next = "&cursor=" + url.QueryEscape(*p.NextCursor) {
		read(object + "&limit=2" + next)

		for _, e := range p.Items {
			found = append(found, e.Action)
		}

		if p.NextCursor == nil {
			break
		}
	}

	if diff := cmp.Diff([]string{"key.deleted", "key.created"}, found); diff != "" {
		t.Errorf("of the object (-want +got):\n%s", diff)
	}

	for query, want := range map[string]int{
		"action=key.deleted":                1,
		"action=key.created&actor=" + actor: 9,
		"actor=nobody":                      0,
		"action=key.deleted&actor=&object=": 1,
		"action=key.deleted&object=" + o.id: 0,
	} {
		read(query + "&limit=200")

		if len(p.Items) != want {
			t.Errorf("%s: %d entries, want %d", query, len(p.Items), want)
		}
	}
}

// The usage of a key says what is left of its limits, as its holder is told.
func TestUsageTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	type left struct {
		Limits *struct {
			RateLimits []struct {
				Name      string
				Remaining *int64
			}
			Quota *struct {
				Limit     int64
				Period    string
				Remaining *int64
				ResetAt   *time.Time
			}
		}
	}

	of := func(id string) (u left) {
		o.admin.Call(t, http.MethodGet, o.keys+"/"+id+"/usage?to=2020-01-01", nil).Want(t,
			http.StatusOK).Into(t, &u)
		return u
	}

	k := o.key(t, map[string]any{
		"permissions": []string{"messages:read"},
		"rateLimits":  []map[string]any{{"name": "burst", "limit": 50, "window": "1d"}},
		"quota":       map[string]any{"limit": 100, "period": "month"},
	})
	for range 3 {
		machine.As(k.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
			http.StatusOK)
	}

	l := of(k.Key.ID).Limits
	if l == nil || l.Quota == nil || len(l.RateLimits) != 1 {
		t.Fatalf("limits: %+v", l)
	}

	if l.Quota.Limit != 100 || l.Quota.Period != "month" || *l.Quota.Remaining != 97 ||
		l.Quota.ResetAt.Day() != 1 {
		t.Errorf("quota: %+v, %d remaining", l.Quota, *l.Quota.Remaining)
	}

	if r := l.RateLimits[0]; r.Name != "burst" || *r.Remaining != 47 {
		t.Errorf("rate limit: %s, %d remaining", r.Name, *r.Remaining)
	}

	if u := of(o.key(t, nil).Key.ID); u.Limits != nil {
		t.Errorf("of a key without limits: %+v", u.Limits)
	}
}

// What a page of the list costs with what its caller may do with each key, and without.
func BenchmarkListKeys(b *testing.B) {
	o := newTenant(b)
	for i := range 50 {
		o.admin.CreateKey(b, o.id, map[string]any{
			"name":        fmt.Sprint("Key ", i),
			"environment": "production",
			"permissions": []string{"messages:read"},
		})
	}

	for name, c := range map[string]localtest.Client{
		"with operations":    o.admin,
		"without operations": o.with(b, map[string]any{"permissions": []string{"keys:read"}}),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.Call(b, http.MethodGet, o.keys+"?include=usage", nil).Want(b, http.StatusOK)
			}
		})
	}
}
