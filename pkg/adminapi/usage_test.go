package adminapi_test

import (
	"crypto/rand"
	"flag"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// eventually asks until the answer is as wanted: what is counted is written beside the calls. It is
// bounded by what is promised, not by what is usual.
func eventually(t *testing.T, within time.Duration, done func() bool) {
	t.Helper()

	deadline := time.Now().Add(within)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v", within)
		}

		time.Sleep(20 * time.Millisecond)
	}
}

// refusedCall makes a call with a key that lacks the permission for it, waits until the call is on
// record, and returns its id.
func refusedCall(t *testing.T, o tenant, k localtest.Made) string {
	t.Helper()
	p := machine.As(k.Secret).Call(t, http.MethodGet, "/production/licenses", nil).Refused(t,
		http.StatusForbidden, "permission_denied")
	eventually(t, 15*time.Second, func() bool {
		return o.admin.Call(t, http.MethodGet,
			o.path("requests", p.RequestID), nil).Status == http.StatusOK
	})
	return p.RequestID
}

// mistake is another secret for the same key, which was never its own.
func mistake(t *testing.T, secret string) string {
	t.Helper()

	parts, err := apikey.Brand("bt").Parse(secret)
	if err != nil {
		t.Fatal(err)
	}

	other, err := apikey.Brand("bt").Mint(rand.Reader, parts.Environment, parts.KeyID)
	if err != nil {
		t.Fatal(err)
	}

	return other.Reveal()
}

// usageAnswer is what tests look at of an answer.
type usageAnswer struct {
	From, To, Granularity, Source string
	Totals                        struct{ Allowed, Denied int64 }
	Series                        []struct {
		At     time.Time
		Values map[string]int64
	}
}

// sums adds the series up.
func (u usageAnswer) sums() map[string]int64 {
	out := map[string]int64{}
	for _, p := range u.Series {
		for name, n := range p.Values {
			out[name] += n
		}
	}

	return out
}

func (o tenant) usage(t *testing.T, path, query string) usageAnswer {
	t.Helper()
	var u usageAnswer
	o.admin.Call(t, http.MethodGet, path+"/usage"+query, nil).Want(t, http.StatusOK).Into(t, &u)
	return u
}

// every kind of call that a key of the tenant can make, made a number of times that tells them
// apart.
func (o tenant) traffic(t *testing.T) (k localtest.Made) {
	t.Helper()
	k = o.key(t, map[string]any{
		"permissions": []string{"messages:read", "customers:read"},
		"customers":   []string{"c1", "c.2"},
	})
	path, holder := o.keys+"/"+k.Key.ID, machine.As(k.Secret)
	repeat := func(n int, path string, status int) {
		for range n {
			holder.Call(t, http.MethodGet, path, nil).Want(t, status)
		}
	}
	repeat(5, "/production/messages", http.StatusOK)
	repeat(2, "/production/customers/c1", http.StatusOK)
	repeat(1, "/production/customers/c.2", http.StatusOK)
	repeat(3, "/production/licenses", http.StatusForbidden)
	repeat(4, "/production/customers/c3", http.StatusForbidden)
	o.admin.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
	repeat(6, "/production/messages", http.StatusUnauthorized)
	o.admin.Call(t, http.MethodPost, path+"/regenerate", nil).Made(t, http.StatusOK)
	repeat(2, "/production/messages", http.StatusUnauthorized) // a retired secret by now

	wrong := machine.As(mistake(t, k.Secret))
	for range 7 {
		wrong.Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusUnauthorized)
	}

	return k
}

func TestUsage(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.traffic(t)
	path := o.keys + "/" + k.Key.ID
	outcomes := map[string]int64{
		"allowed":              8,
		"permission_denied":    3,
		"customer_not_allowed": 4,
		"inactive":             6,
		"retired_secret":       2,
	}
	eventually(t, 15*time.Second, func() bool {
		got := o.usage(t, path, "").sums()
		delete(got, "wrong_secret") // it may come later
		return maps.Equal(got, outcomes)
	})

	u := o.usage(t, path, "")
	if len(u.Series) != 14 || u.Granularity != "day" || u.Source != "authorizer" ||
		u.Totals.Allowed != 8 || u.Totals.Denied != 15 {
		t.Errorf("got %d days, %+v", len(u.Series), u)
	}

	if last := u.Series[13]; last.At.After(time.Now()) || time.Since(last.At) > 25*time.Hour ||
		u.From != apikey.FormatTime(u.Series[0].At) {
		t.Errorf("the last day is %v, the first %v, from %s", last.At, u.Series[0].At, u.From)
	}

	for query, want := range map[string]map[string]int64{
		"?by=permission":                           {"messages:read": 5, "customers:read": 3},
		"?by=customer":                             {"c1": 2, "c.2": 1},
		"?by=api":                                  {"demo": 8},
		"?granularity=hour&by=customer":            {"c1": 2, "c.2": 1},
		"?from=2020-01-01&to=2020-01-31":           {},
		"?granularity=hour&from=" + ago(time.Hour): nil,
	} {
		got := o.usage(t, path, query).sums()
		if want == nil {
			delete(got, "wrong_secret")
			want = outcomes
		}

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}

	all := o.usage(t, o.path(), "").sums()
	for outcome, n := range outcomes {
		// the admin key's own calls count too
		if all[outcome] < n || outcome != "allowed" && all[outcome] != n {
			t.Errorf("the organization has %d %s, and its key %d", all[outcome], outcome, n)
		}
	}

	if all["allowed"] <= outcomes["allowed"] {
		t.Errorf("the organization's %d allowed calls lack those of the admin key", all["allowed"])
	}
}

func ago(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }

func TestUsageQueries(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)

	calls := map[string]wrong{}
	for name, test := range map[string]struct{ query, location string }{
		"no time":             {"from=yesterday", "query.from"},
		"end before start":    {"from=2026-11-02&to=2026-11-01", "query.from"},
		"too many hours":      {"granularity=hour&from=2026-01-01&to=2026-02-01", "query.from"},
		"too many days":       {"from=2025-01-01&to=2026-11-01", "query.from"},
		"unknown granularity": {"granularity=week", "query.granularity"},
		"unknown division":    {"by=route", "query.by"},
		"unknown parameter":   {"until=2026-11-01", "query.until"},
	} {
		calls[name] = wrong{
			method:    http.MethodGet,
			path:      "{key}/usage?" + test.query,
			status:    http.StatusBadRequest,
			code:      "malformed",
			locations: []string{test.location},
		}
	}

	refuseAll(t, o, k, o.admin, calls)

	for query, days := range map[string]int{
		"?from=2026-11-01&to=2026-11-23":                            23,
		"?from=2026-11-01T12:00:00Z&to=2026-11-02T00:00:00Z":        1,
		"?from=2026-11-01&to=2026-11-01":                            1,
		"?to=2026-11-14":                                            14,
		"?granularity=hour&from=2026-11-01&to=2026-12-01":           31 * 24,
		"?from=2026-11-01T00:30:00%2B02:00&to=2026-11-01T12:00:00Z": 2,
	} {
		if got := len(o.usage(t, o.keys+"/"+k.Key.ID, query).Series); got != days {
			t.Errorf("%s: %d steps, want %d", query, got, days)
		}
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// The whole CSV, with names that a spreadsheet would take for formulas.
func TestUsageCSV(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	k := o.key(t, map[string]any{"permissions": []string{"customers:read"}})
	for customer, n := range map[string]int{"-1": 2, "c1": 1} {
		for range n {
			machine.As(k.Secret).Call(t, http.MethodGet,
				"/production/customers/"+customer, nil).Want(t, http.StatusOK)
		}
	}

	machine.As(k.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
		http.StatusForbidden)
	path := o.keys + "/" + k.Key.ID + "/usage"
	csv := func(by string) string {
		a := o.admin.Call(t, http.MethodGet, path+".csv?by="+by, nil).Want(t, http.StatusOK)

		byAccept := o.admin.Call(t, http.MethodGet, path+"?by="+by, nil, "Accept: text/csv").Want(t,
			http.StatusOK)
		for _, header := range []http.Header{a.Header, byAccept.Header} {
			if header.Get("Content-Type") != "text/csv; charset=utf-8" ||
				header.Get("Content-Disposition") != `attachment; filename="usage.csv"` {
				t.Errorf("headers %v", header)
			}
		}

		if got := byAccept.Header.Values("Vary"); !slices.Equal(got, []string{
			"Accept", "Accept-Encoding",
		}) {
			t.Errorf("Vary %q", got)
		}

		return string(a.Body)
	}
	eventually(t, 15*time.Second, func() bool {
		return strings.Count(csv("customer"), "\n") == 3 && strings.Count(csv("outcome"), "\n") == 3
	})
	today := apikey.FormatTime(time.Now().Truncate(24 * time.Hour))
	got := strings.ReplaceAll(csv("outcome")+csv("permission")+csv("customer"), today,
		"2026-11-24T00:00:00.000Z")

	golden := filepath.Join("testdata", "usage.csv")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("CSV (-want +got):\n%s", diff)
	}

	for _, accept := range []string{
		"", "*/*", "application/json", "application/json, text/csv;q=0.5",
	} {
		if a := o.admin.Call(t, http.MethodGet, path, nil,
			"Accept: "+accept); a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept %q: %s", accept, a.Header.Get("Content-Type"))
		}
	}
}

// No cell is a formula, whatever the names.
func TestCSVCells(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	values := map[string]int64{
		"=1+1":     1,
		"+1":       2,
		"-1":       3,
		"@SUM(A1)": 4,
		"\t=1":     5,
		"\r=1":     6,
		"a=1":      7,
		"a,b":      8,
		"none":     0,
	}

	var out strings.Builder
	if err := adminapi.WriteCSV(&out, &api.Usage{
		By:     "customer",
		Series: []api.UsagePoint{{At: api.Time{Time: at}, Values: values}},
	}); err != nil {
		t.Fatal(err)
	}

	want := "at,customer,count\n"
	for _, line := range []string{
		"'\t=1,5", "\"'\r=1\",6", "'+1,2", "'-1,3", "'=1+1,1", "'@SUM(A1),4", "\"a,b\",8", "a=1,7",
	} {
		want += "2026-11-24T00:00:00.000Z," + line + "\n"
	}

	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// request is a recorded call.
type request struct {
	RequestID, Method, Route, Path, Outcome, Permission string

	SourceIP, UserAgent, Environment, KeyID, API string

	At         time.Time
	Status     int
	KeyVersion int64
	OldSecret  bool
}

func (o tenant) requests(t *testing.T, id, query string) (items []request, next *string) {
	t.Helper()
	var p struct {
		Items      []request
		NextCursor *string
	}
	o.admin.Call(t, http.MethodGet, o.keys+"/"+id+"/requests"+query, nil).Want(t,
		http.StatusOK).Into(t, &p)
	return p.Items, p.NextCursor
}

func TestRequests(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"permissions": []string{"messages:read"}})

	var ids []string
	for _, path := range []string{"/licenses", "/customers/42", "/nowhere/%3Cscript%3E"} {
		a := machine.As(k.Secret).Call(t, http.MethodGet, "/production"+path, nil,
			"User-Agent: tester/1")
		if a.Status == http.StatusForbidden {
			ids = append(ids, a.Refused(t, http.StatusForbidden, "permission_denied").RequestID)
		}
	}

	o.admin.Call(t, http.MethodPost, o.keys+"/"+k.Key.ID+"/revoke", nil).Want(t, http.StatusOK)
	ids = append(ids,
		machine.As(k.Secret).Call(t, http.MethodGet, "/production/messages/7", nil,
			"User-Agent: tester/1").Refused(t, http.StatusUnauthorized, "invalid_key").RequestID)
	slices.Reverse(ids)
	var got []request
	eventually(t, 15*time.Second, func() bool {
		got, _ = o.requests(t, k.Key.ID, "")
		return len(got) == len(ids)
	})

	for i := range got {
		if got[i].RequestID != ids[i] || time.Since(got[i].At) > time.Minute {
			t.Errorf("request %d is %s at %v, want %s: newest first", i, got[i].RequestID,
				got[i].At, ids[i])
		}

		got[i].RequestID = ""
		got[i].At = time.Time{}
	}

	common := request{
		Method:      "GET",
		SourceIP:    "127.0.0.1",
		UserAgent:   "tester/1",
		Environment: "production",
		KeyID:       k.Key.ID,
		API:         "demo",
		Status:      403,
		Outcome:     "permission_denied",
		KeyVersion:  1,
	}
	last := common
	customer := common
	first := common
	last.Route = "/messages/{messageId}"
	last.Path = "/messages/7"
	last.Outcome = "inactive"
	last.Status = 401
	last.KeyVersion = 2
	customer.Route = "/customers/{customerId}"
	customer.Path = "/customers/42"
	customer.Permission = "customers:read"
	first.Route = "/licenses"
	first.Path = "/licenses"

	first.Permission = "licenses:manage"
	if diff := cmp.Diff([]request{last, customer, first}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	var one request
	o.admin.Call(t, http.MethodGet, o.path("requests", ids[0]), nil).Want(t, http.StatusOK).Into(t,
		&one)

	if one.RequestID != ids[0] || one.Outcome != "inactive" {
		t.Errorf("by its id: %+v", one)
	}

	var paged []string
	for cursor := "?limit=1"; ; {
		items, next := o.requests(t, k.Key.ID, cursor)
		for _, r := range items {
			paged = append(paged, r.RequestID)
		}

		if next == nil {
			break
		}

		cursor = "?limit=1&cursor=" + url.QueryEscape(*next)
	}

	if diff := cmp.Diff(ids, paged); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
}

// A call of another organization is no call, and neither is one that nobody made.
func TestRequestsOfOthers(t *testing.T) {
	t.Parallel()
	o, other := newTenant(t), newTenant(t)
	id := refusedCall(t, o, o.first)
	want := other.admin.Call(t, http.MethodGet,
		other.path("requests", "nobody-made-it"), nil).Refused(t, http.StatusNotFound, "not_found")

	got := other.admin.Call(t, http.MethodGet, other.path("requests", id), nil).Refused(t,
		http.StatusNotFound, "not_found")
	if got.Detail != want.Detail {
		t.Errorf("%q, and %q for no call at all", got.Detail, want.Detail)
	}
}

func TestLastUsed(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"permissions": []string{"messages:read"}})
	path := o.keys + "/" + k.Key.ID
	type used struct {
		LastUsed *struct {
			At                  time.Time
			SourceIP, UserAgent string
		}
		Usage []int64
	}
	show := func() (u used) {
		o.admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &u)
		return u
	}
	version := decoded(t, o.admin.Call(t, http.MethodGet, path, nil).Body)["version"]
	machine.As(mistake(t, k.Secret)).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
		http.StatusUnauthorized)

	if show().LastUsed != nil {
		t.Error("a wrong secret is a use")
	}

	before := time.Now().Add(-time.Second)
	machine.As(k.Secret).Call(t, http.MethodGet, "/production/messages", nil,
		"User-Agent: tester/2").Want(t, http.StatusOK)
	eventually(t, time.Minute, func() bool { return show().LastUsed != nil })

	if u := show().LastUsed; u.At.Before(before) || u.SourceIP != "127.0.0.1" ||
		u.UserAgent != "tester/2" {
		t.Errorf("last used %+v", u)
	}

	if after := decoded(t,
		o.admin.Call(t, http.MethodGet, path, nil).Body)["version"]; after != version {
		t.Errorf("the call made version %v of %v", after, version)
	}

	var list struct {
		Items []struct {
			ID string
			used
		}
	}
	o.admin.Call(t, http.MethodGet, o.keys+"?include=usage", nil).Want(t, http.StatusOK).Into(t,
		&list)

	for _, item := range list.Items {
		if item.ID != k.Key.ID {
			continue
		}

		if want := append(make([]int64, 13), 1); item.LastUsed == nil ||
			!slices.Equal(item.Usage, want) {
			t.Errorf("in the list: %+v, usage %v", item.LastUsed, item.Usage)
		}
	}

	if bare := decoded(t,
		o.admin.Call(t, http.MethodGet,
			o.keys, nil).Body)["items"].([]any)[0].(map[string]any)["usage"]; bare != nil {
		t.Errorf("usage %v, and nobody asked", bare)
	}
}

func TestUnusedSince(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	used := o.key(t, map[string]any{
		"name":        "Used",
		"permissions": []string{"messages:read"},
	})
	never := o.key(t, map[string]any{
		"name": "Never used",
	})
	machine.As(used.Secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t,
		http.StatusOK)
	eventually(t, time.Minute, func() bool {
		return decoded(t,
			o.admin.Call(t, http.MethodGet, o.keys+"/"+used.Key.ID, nil).Body)["lastUsed"] != nil
	})

	for since, want := range map[string]bool{
		"90d":             false,
		"1h":              false,
		"0s":              true,
		ago(time.Hour):    false,
		ago(-time.Minute): true,
	} {
		names, _ := page(t, o.admin, o.keys+"?limit=200&unusedSince="+url.QueryEscape(since))
		if got := slices.Contains(names, "Used"); got != want ||
			!slices.Contains(names, never.Key.Name) {
			t.Errorf("since %s: %q", since, names)
		}
	}

	all, next := page(t, o.admin, o.keys+"?limit=1&unusedSince=90d")
	for cursor := next; cursor != ""; { // a page may be short
		var more []string
		more, cursor = page(t, o.admin,
			o.keys+"?limit=1&unusedSince=90d&cursor="+url.QueryEscape(cursor))
		all = append(all, more...)
	}

	if diff := cmp.Diff([]string{"Never used", "Default key"}, all); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}

	for _, query := range []string{
		"unusedSince=soon", "unusedSince=-1d",
		"limit=1&unusedSince=80d&cursor=" + url.QueryEscape(next),
	} {
		o.admin.Call(t, http.MethodGet, o.keys+"?"+query, nil).Refused(t, http.StatusBadRequest,
			"malformed")
	}
}
