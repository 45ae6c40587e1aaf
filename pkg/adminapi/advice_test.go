package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	entries "github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// advised is the answer of advice.
type advised struct {
	ObservedSince time.Time
	Items         []struct {
		Code, Severity, KeyID, KeyName, Detail string
		Evidence                               struct {
			ObservedSince           time.Time
			Window, Permission      string
			Used                    []string
			LastUsedAt, SecretSince time.Time
			Calls                   int64
		}
		Change struct {
			Method, Path string
			Body         any
		}
		Preview *preview
	}
	NextCursor string
}

type preview struct {
	Since             time.Time
	SampleRequests    float64
	Recorded, Refused int
	ByRoute           []struct {
		Route          string
		Calls, Refused int
	}
}

func advise(t *testing.T, c localtest.Client, path string) advised {
	t.Helper()
	var a advised
	c.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &a)
	return a
}

// codes are the codes and permissions of the advice on a key, the latter with how long they are
// unused.
func (a advised) codes(id string) []string {
	out := []string{}
	for _, i := range a.Items {
		if i.KeyID == id {
			if i.Evidence.Permission != "" {
				i.Code += " " + i.Evidence.Permission + " " + i.Evidence.Window
			}

			out = append(out, i.Code)
		}
	}

	return out
}

// past is what a test makes of a key's past, which no call can.
type past struct {
	t     *testing.T
	store *store.Store
	hot   *hot.Table
	key   *apikey.Key
	now   time.Time

	secret string
}

// aged makes a key of the tenant that is as old as it says. Its limit and its end leave nothing to
// say on those.
func (o tenant) aged(t *testing.T, name string, age time.Duration, change func(*apikey.Key)) past {
	t.Helper()
	made := o.key(t, map[string]any{
		"name":        name,
		"permissions": []string{"messages:read", "messages:write", "licenses:manage"},
		"expiresIn":   "365d",
		"quota":       map[string]any{"limit": 1000, "period": "day"},
	})
	d := deployed(t)
	p := past{t, d.Store, d.Hot, nil, time.Now().UTC().Truncate(time.Millisecond), made.Secret}

	before, err := p.store.Key(t.Context(), apikey.Production, made.Key.ID)
	if err != nil {
		t.Fatal(err)
	}

	p.key = before.Clone()
	p.key.CreatedAt = p.now.Add(-age)

	p.key.Version = before.Version + 1
	if change != nil {
		change(p.key)
	}

	p.commit(p.store.PutKey(t.Context(), p.key, before.Version))
	return p
}

func (p past) commit(writes ...store.Write) {
	p.t.Helper()

	if err := p.store.Commit(p.t.Context(), writes...); err != nil {
		p.t.Fatal(err)
	}
}

// counted says that calls were counted some time ago.
func (p past) counted(ago time.Duration, outcome check.Outcome, permission string, n int64) {
	p.t.Helper()

	row := usage.Row{
		Scope:    usage.KeyScope(p.key.Environment, p.key.ID),
		Hour:     p.now.Add(-ago).Truncate(time.Hour),
		Writer:   string(outcome) + permission,
		Sequence: 1,
		Counts: usage.Counts{
			Cells: map[usage.Cell]int64{{Outcome: outcome, Permission: permission}: n},
		},
	}
	if err := p.hot.PutUsage(p.t.Context(), row); err != nil {
		p.t.Fatal(err)
	}
}

// used says that the key was last used some time ago.
func (p past) used(ago time.Duration) {
	p.t.Helper()

	if err := p.hot.PutLastUse(p.t.Context(), usage.LastUse{
		Environment: p.key.Environment,
		KeyID:       p.key.ID,
		At:          p.now.Add(-ago),
	}); err != nil {
		p.t.Fatal(err)
	}
}

// recorded says that a call was recorded some time ago.
func (p past) recorded(ago time.Duration, outcome check.Outcome, method, path string) {
	p.t.Helper()

	r := usage.Request{
		ID:             fmt.Sprintf("%s-%s-%s%s", p.key.ID, ago, method, path),
		At:             p.now.Add(-ago),
		Environment:    p.key.Environment,
		OrganizationID: p.key.OrganizationID,
		KeyID:          p.key.ID,
		API:            "demo",
		Method:         method,
		Route:          path,
		Path:           path,
		Outcome:        outcome,
		SourceIP:       "192.0.2.1",
	}
	if err := p.hot.PutRequest(p.t.Context(), r); err != nil {
		p.t.Fatal(err)
	}
}

// Every piece of advice can be applied as it stands, one after the other, and then there is no more
// of it.
func TestAdviceCanBeApplied(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	want := map[string][]string{}
	expect := func(p past, codes ...string) past {
		want[p.key.ID] = codes
		return p
	}
	narrow := expect(o.aged(t, "Narrow", 100*24*time.Hour, nil),
		"unused_permission messages:write 90d", "unused_permission licenses:manage 30d")
	narrow.used(0)
	narrow.counted(0, "allowed", "messages:read", 5)
	narrow.counted(40*24*time.Hour, "allowed", "licenses:manage", 5)
	expect(o.aged(t, "Never", 40*24*time.Hour, nil), "never_used")
	idle := expect(o.aged(t, "Idle", 500*24*time.Hour, nil), "idle")
	idle.used(100 * 24 * time.Hour)
	all := expect(o.aged(t, "All", 24*time.Hour, func(k *apikey.Key) {
		k.AllPermissions = true
		k.Permissions = nil
	}), "all_permissions")
	all.counted(0, "allowed", "messages:read", 5)
	expect(o.aged(t, "Legacy", 24*time.Hour, func(k *apikey.Key) {
		k.AllPermissions = true
		k.Permissions = nil
		k.Legacy = true
	}), "legacy")
	open := expect(o.aged(t, "Open", 24*time.Hour, func(k *apikey.Key) {
		k.ExpiresAt = time.Time{}
		k.Quota = nil
	}), "no_expiry", "no_limit")
	open.counted(0, "allowed", "messages:read", 4567)
	overdue := expect(o.aged(t, "Overdue", 366*24*time.Hour, func(k *apikey.Key) {
		k.Permissions = nil
	}), "rotation_overdue")
	overdue.used(0)
	expect(o.aged(t, "Rotated", 366*24*time.Hour, func(k *apikey.Key) {
		k.Permissions, k.RenewedAt = nil, k.CreatedAt.Add(2*24*time.Hour)
	})).used(0)
	retired := expect(o.aged(t, "Retired", 24*time.Hour, nil), "retired_secret_used")
	retired.counted(time.Hour, "retired_secret", "", 3)
	expect(o.aged(t, "Disabled", 500*24*time.Hour, func(k *apikey.Key) { k.Enabled = false }))

	got := advise(t, o.admin, o.path("advice")+"?limit=200")
	for id, codes := range want {
		if diff := cmp.Diff(append([]string{}, codes...), got.codes(id)); diff != "" {
			t.Errorf("advice on %v (-want +got):\n%s", codes, diff)
		}

		if alone := advise(t, o.admin,
			o.keys+"/"+id+"/advice"); !slices.Equal(alone.codes(id), got.codes(id)) {
			t.Errorf("%q alone, %q in the list", alone.codes(id), got.codes(id))
		}
	}

	for _, i := range got.Items {
		as := o.admin
		if i.KeyName == "Admin" || i.Code == "rotation_overdue" {
			// A key changes nothing of itself that bounds it, and once advice has limited it, it
			// gets no new secret of a key without limits.
			as = machine.Operator()
		}

		as.Call(t, i.Change.Method, i.Change.Path, i.Change.Body).Want(t, http.StatusOK)

		for _, left := range advise(t, o.admin, o.keys+"/"+i.KeyID+"/advice").Items {
			if left.Code == i.Code && left.Evidence.Permission == i.Evidence.Permission &&
				i.Code != "retired_secret_used" {
				t.Errorf("%s is applied and still there: %s", i.Code, left.Detail)
			}
		}
	}

	var left []string
	for _, i := range advise(t, o.admin, o.path("advice")+"?limit=200").Items {
		left = append(left, i.Code)
	}

	if diff := cmp.Diff([]string{"retired_secret_used"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}

	var k localtest.Key
	o.admin.Call(t, http.MethodGet, o.keys+"/"+narrow.key.ID, nil).Want(t, http.StatusOK).Into(t,
		&k)

	if diff := cmp.Diff([]string{"messages:read"}, k.Permissions); diff != "" {
		t.Errorf("what is left of the permissions (-want +got):\n%s", diff)
	}
}

// What a change would have refused is what the check says, of the recorded calls that were allowed
// and would be again.
func TestAdviceForesees(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p := o.aged(t, "Narrow", 100*24*time.Hour, nil)
	p.used(0)
	p.counted(0, "allowed", "messages:read", 5)
	p.recorded(time.Minute, "allowed", "GET", "/messages")
	p.recorded(time.Hour, "allowed", "GET", "/messages")
	// before its permission counted as unused: the log says otherwise
	p.recorded(6*24*time.Hour, "allowed", "POST", "/messages")
	// what it may do no more, whatever the change
	p.recorded(2*time.Hour, "allowed", "GET", "/metrics")
	p.recorded(3*time.Hour, "permission_denied", "POST", "/messages") // refused as it was
	p.recorded(8*24*time.Hour, "allowed", "POST", "/messages")        // too long ago

	got := advise(t, o.admin, o.keys+"/"+p.key.ID+"/advice")
	if len(got.Items) != 2 || got.Items[0].Preview == nil {
		t.Fatalf("%+v", got)
	}

	var want preview
	want.Since = got.Items[0].Preview.Since
	want.SampleRequests = 0.1
	want.Recorded = 4

	want.Refused = 1
	for route, n := range map[string][2]int{
		"POST /messages": {1, 1},
		"GET /messages":  {2, 0},
		"GET /metrics":   {1, 0},
	} {
		want.ByRoute = append(want.ByRoute, struct {
			Route          string
			Calls, Refused int
		}{route, n[0], n[1]})
	}

	slices.SortFunc(want.ByRoute, func(a, b struct {
		Route          string
		Calls, Refused int
	},
	) int {
		return (b.Refused*10 + b.Calls) - (a.Refused*10 + a.Calls)
	})

	if diff := cmp.Diff(&want, got.Items[0].Preview); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if week := time.Since(want.Since); week < 7*24*time.Hour || week > 7*24*time.Hour+time.Minute {
		t.Errorf("since %s", want.Since)
	}

	full := o.aged(t, "Full", 100*24*time.Hour, func(k *apikey.Key) { k.Quota.Limit = 1 })
	full.counted(0, "allowed", "messages:read", 5)
	full.recorded(time.Second, "allowed", "POST", "/messages")

	for _, status := range []int{http.StatusOK, http.StatusTooManyRequests} {
		machine.As(full.secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t, status)
	}

	if got := advise(t, o.admin, o.keys+"/"+full.key.ID+"/advice"); len(got.Items) != 2 ||
		got.Items[0].Preview.Refused != 1 {
		t.Errorf("with a quota that is used up: %+v", got)
	}

	never := o.aged(t, "Never", 40*24*time.Hour, nil) // nobody used it by its counts, and yet
	never.recorded(time.Minute, "allowed", "GET", "/messages")

	if got := advise(t, o.admin, o.keys+"/"+never.key.ID+"/advice"); len(got.Items) != 1 ||
		got.Items[0].Preview.Refused != 1 {
		t.Errorf("to disable: %+v", got)
	}
}

// Nothing is called unused for longer than it was observed, by what the history says.
func TestAdviceKnowsThePast(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p := o.aged(t, "Granted", 100*24*time.Hour, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "messages:write"}
	})
	p.used(0)
	p.counted(0, "allowed", "messages:read", 5)

	path := o.keys + "/" + p.key.ID
	if diff := cmp.Diff([]string{"unused_permission messages:write 90d"},
		advise(t, o.admin, path+"/advice").codes(p.key.ID)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"permissions": []string{"messages:read"},
	}).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"permissions": []string{"messages:read", "messages:write"},
	}).Want(t, http.StatusOK)

	if got := advise(t, o.admin, path+"/advice").codes(p.key.ID); len(got) != 0 {
		t.Errorf("granted just now: %q", got)
	}

	p = o.aged(t, "Restored", 100*24*time.Hour, nil)

	path = o.keys + "/" + p.key.ID
	if diff := cmp.Diff([]string{"never_used"},
		advise(t, o.admin, path+"/advice").codes(p.key.ID)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	o.admin.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodPost, path+"/restore", nil).Want(t, http.StatusOK)

	got := advise(t, o.admin, path+"/advice")
	if len(got.Items) != 0 || time.Since(got.ObservedSince) > time.Minute {
		t.Errorf("restored just now: %+v", got)
	}

	p = o.aged(t, "Busy", 100*24*time.Hour, nil)

	path = o.keys + "/" + p.key.ID
	for i := range 11 { // of these changes no more than 1,000 are read
		var writes []store.Write
		for j := range 91 {
			n := 91*i + j
			writes = append(writes, p.store.Append(entries.Entry{
				ID:             fmt.Sprintf("%016d", n),
				At:             p.now.Add(-time.Duration(n+1) * time.Second),
				Action:         "key.updated",
				OrganizationID: o.id,
				Object:         entries.Object{Type: "key", ID: p.key.ID},
			}))
		}

		p.commit(writes...)
	}

	if got := advise(t, o.admin, path+"/advice"); len(got.Items) != 0 ||
		time.Since(got.ObservedSince) > time.Hour {
		t.Errorf("changed too often to know: %+v", got)
	}
}
