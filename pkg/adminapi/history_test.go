package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// change is one field of a history entry.
type change struct {
	Field         string
	Before, After any
}

// entry is a history entry in an answer.
type entry struct {
	ID, At, Action, OrganizationID, SourceIP, UserAgent, Reason, RequestID string
	Actor                                                                  struct {
		Type, ID, Email, KeyName string
	}
	Object  struct{ Type, ID, Name string }
	Changes []change
}

// history reads all of a history by pages, newest first, and the text of the answers.
func history(
	t *testing.T, c localtest.Client, path string, limit int,
) (entries []entry, text string) {
	t.Helper()

	for cursor := ""; ; {
		var p struct {
			Items      []entry
			NextCursor *string
		}
		a := c.Call(t, http.MethodGet,
			fmt.Sprintf("%s?limit=%d%s", path, limit, cursor), nil).Want(t, http.StatusOK)
		a.Into(t, &p)

		if len(p.Items) > limit {
			t.Errorf("%d on a page of %d", len(p.Items), limit)
		}

		entries, text = append(entries, p.Items...), text+string(a.Body)
		if p.NextCursor == nil {
			return entries, text
		}

		cursor = "&cursor=" + url.QueryEscape(*p.NextCursor)
	}
}

// told is what an entry tells, on one line.
func told(e entry) string {
	var fields []string
	for _, c := range e.Changes {
		fields = append(fields, c.Field)
	}

	return e.Action + " " + e.Object.ID + " [" + strings.Join(fields, " ") + "]"
}

// Each acknowledged change makes exactly one entry, a change of nothing or a refused one makes
// none, and pages of any size tell the same.
func TestHistoryHasEachChangeOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	_, admin := history(t, o.admin, o.path("history"), 200)
	if !strings.Contains(admin, `"organization.created"`) {
		t.Errorf("no entry of the organization:\n%s", admin)
	}

	start, _ := history(t, o.admin, o.path("history"), 200)
	k := o.key(t, map[string]any{"description": "first"}).Key
	key, erin := o.keys+"/"+k.ID, address("erin")
	want := []string{
		"key.created " + k.ID + " [createdBy description enabled environment grantable name " +
			"owner ownership permissions]",
	}
	step := func(method, path string, body any, status int, entry string) {
		t.Helper()
		o.admin.Call(t, method, path, body).Want(t, status)

		if entry != "" {
			want = append(want, entry)
		}
	}
	patch := http.MethodPatch
	post := http.MethodPost
	put := http.MethodPut
	del := http.MethodDelete
	step(patch, key, `{"description": "second", "tags": ["a"]}`, 200,
		"key.updated "+k.ID+" [description tags]")
	step(patch, key, `{"description": "second", "tags": ["a"]}`, 200, "")
	step(patch, key, `{"name": ""}`, 422, "")
	step(post, key+"/rotate", nil, 200, "key.rotation_started "+k.ID+" [rotation]")
	step(post, key+"/rotation/finish", nil, 200, "key.rotation_finished "+k.ID+" [rotation]")
	step(post, key+"/regenerate", nil, 200, "key.regenerated "+k.ID+" []")
	step(post, key+"/revoke", `{"reason": "lost"}`, 200, "key.revoked "+k.ID+" [revocation]")
	step(post, key+"/revoke", `{"reason": "lost"}`, 200, "")
	step(post, key+"/restore", nil, 200, "key.restored "+k.ID+" [revocation]")
	step(post, key+"/restore", nil, 200, "")
	step(put, o.path("members", erin), `{"role": "viewer"}`, 201,
		"member.added "+erin+" [email role]")
	step(put, o.path("members", erin), `{"role": "viewer"}`, 200, "")
	step(put, o.path("members", erin), `{"role": "member", "grants": ["manage_others_keys"]}`, 200,
		"member.updated "+erin+" [grants role]")
	step(del, o.path("members", erin), nil, 204, "member.removed "+erin+" [email grants role]")
	step(post, o.path("customers"), `{"id": "x", "name": "X"}`, 201, "customer.created x [name]")
	step(patch, o.path("customers", "x"), `{"name": "Y"}`, 200, "customer.updated x [name]")
	step(patch, o.path("customers", "x"), `{"name": "Y"}`, 200, "")
	step(del, o.path("customers", "x"), nil, 204, "customer.deleted x [name]")
	step(patch, o.path(), `{"name": "Other"}`, 200, "organization.updated "+o.id+" [name]")
	step(patch, o.path(), `{"settings": {"sampleRequests": 0.5}}`, 200,
		"organization.updated "+o.id+" [settings]")
	step(patch, o.path(), `{"settings": {"sampleRequests": 0.5}}`, 200, "")
	step(del, key, nil, 204, "key.deleted "+k.ID+" [deletedAt]")
	step(del, key, nil, 204, "")

	for _, limit := range []int{1, 3, 200} {
		entries, _ := history(t, o.admin, o.path("history"), limit)

		var got []string
		for _, e := range entries[:len(entries)-len(start)] {
			got = append(got, told(e))
		}

		slices.Reverse(got)

		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %d (-want +got):\n%s", limit, diff)
		}
	}

	var got, ofKey []string

	entries, _ := history(t, o.admin, key+"/history", 2) // long after the key
	for _, e := range entries {
		got = append(got, told(e))
	}

	slices.Reverse(got)

	for _, line := range want {
		if strings.HasPrefix(line, "key.") {
			ofKey = append(ofKey, line)
		}
	}

	if diff := cmp.Diff(ofKey, got); diff != "" {
		t.Errorf("of the key (-want +got):\n%s", diff)
	}
}

// An entry says what was before and what is after, by whom, from where and in which call; of
// secrets it says nothing.
func TestHistoryTellsWhoDidWhat(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	p := o.join(t, "actor", "admin")
	made := o.key(t, map[string]any{"permissions": []string{"messages:read"}, "description": "old"})
	key := o.keys + "/" + made.Key.ID
	renewed := p.Call(t, http.MethodPost, key+"/regenerate", nil).Made(t, http.StatusOK)
	p.Call(t, http.MethodPatch, key,
		`{"description": null, "permissions": ["messages:read", "messages:write"]}`,
		"User-Agent: test/1").Want(t, http.StatusOK)
	p.Call(t, http.MethodPost, key+"/revoke", map[string]any{
		"reason": "found in a log",
	}).Want(t, http.StatusOK)

	entries, text := history(t, p.Client, key+"/history", 200)
	if len(entries) != 4 {
		t.Fatalf("%d entries", len(entries))
	}

	e := entries[1]

	want := []change{
		{"description", "old", ""},
		{"permissions", []any{"messages:read"}, []any{"messages:read", "messages:write"}},
	}
	if diff := cmp.Diff(want, e.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}

	if e.Actor.Type != "user" || e.Actor.ID != p.id || e.Actor.Email != p.email ||
		e.UserAgent != "test/1" || e.SourceIP == "" || e.RequestID == "" ||
		e.OrganizationID != o.id ||
		e.Object.Type != "key" || e.Object.Name != made.Key.Name || e.At == "" {
		t.Errorf("%+v", e)
	}

	if e := entries[3]; e.Actor.Type != "key" || e.Actor.KeyName != "Admin" || e.Actor.ID == "" {
		t.Errorf("by a key: %+v", e)
	}

	whole, more := history(t, p.Client, o.path("history"), 200)
	for _, hint := range []string{made.Key.Hint, renewed.Key.Hint} {
		if hint == "" || strings.Contains(text+more, hint) {
			t.Errorf("the hint %q stands in the history", hint)
		}
	}

	for _, secret := range []string{made.Secret, renewed.Secret} {
		if strings.Contains(text+more, secret[strings.LastIndexByte(secret, '_')+1:]) {
			t.Error("a secret stands in the history")
		}
	}

	for _, word := range []string{`"hash"`, `"pepper"`, `"hint"`, `"seal"`, `"Hash"`, `"Secret"`} {
		if strings.Contains(text+more, word) {
			t.Errorf("%s stands in the history", word)
		}
	}

	if i := slices.IndexFunc(whole, func(e entry) bool {
		return e.Action == "member.updated" && e.Object.ID == p.email
	}); i < 0 || whole[i].Actor.ID != p.id {
		t.Error("no entry of the person's joining")
	}
}

func TestHistoryIsHiddenFromStrangers(t *testing.T) {
	t.Parallel()
	o, other := newTenant(t), newTenant(t)

	stranger := other.join(t, "stranger", "admin")
	for _, path := range []string{
		o.path("history"), o.keys + "/" + o.first.Key.ID + "/history",
		other.keys + "/" + o.first.Key.ID + "/history",
	} {
		stranger.Call(t, http.MethodGet, path, nil).Refused(t, http.StatusNotFound, "not_found")
		other.admin.Call(t, http.MethodGet, path, nil).Refused(t, http.StatusNotFound, "not_found")
	}

	_, next := page(t, o.admin, o.path("history")+"?limit=1")
	other.admin.Call(t, http.MethodGet, other.path("history")+"?cursor="+url.QueryEscape(next),
		nil).Refused(t, http.StatusBadRequest, "malformed")
}
