package adminapi_test

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
)

// rotation reads what is shown of the rotation: the state, and the key's own field by three ways
// that show a key.
func (o *timed) rotation(t *testing.T) (state, shown map[string]any) {
	t.Helper()

	if status, answer := o.call(t, adminapi.GroupRotation, http.MethodGet, o.path+"/rotation",
		""); status == http.StatusOK {
		state = answer
	} else if answer["code"] != "no_rotation" {
		t.Fatalf("%d %v", status, answer)
	}

	_, k := o.call(t, adminapi.GroupKeys, http.MethodGet, o.path, "")
	shown, _ = k["rotation"].(map[string]any)

	_, list := o.call(t, adminapi.GroupKeys, http.MethodGet, o.keys, "")
	for _, item := range list["items"].([]any) {
		if k := item.(map[string]any); k["id"] == o.key.ID {
			if listed, _ := k["rotation"].(map[string]any); !cmp.Equal(listed, shown) {
				t.Errorf("listed with %v, shown with %v", listed, shown)
			}
		}
	}

	return state, shown
}

func stamp(at time.Time) string { return apikey.FormatTime(at) }

// A rotation that starts at the first use: what is shown and what is accepted, by the clock.
func TestRotationFromTheFirstUse(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	begin := o.advance(0)
	latest := stamp(begin.Add(10 * day))
	started := o.renew(t, "/rotate", `{"overlap": "1d", "startsAt": "first_use", "longest": "10d"}`)

	awaiting := map[string]any{
		"startedAt":       stamp(begin),
		"startsAt":        "first_use",
		"overlap":         "1d",
		"firstUsedAt":     nil,
		"oldSecretEndsAt": latest,
	}
	if diff := cmp.Diff(awaiting, started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}

	o.advance(2 * day)

	if got := o.opens(t, o.secrets[0]); !got[0] {
		t.Error("the old secret ended before the first use of the new one")
	}

	if status, answer := o.call(t, adminapi.GroupRotation, http.MethodPost, o.path+"/rotate",
		""); status != http.StatusConflict || answer["code"] != "rotation_running" {
		t.Errorf("a second rotation: %d %v", status, answer)
	}

	state, shown := o.rotation(t)
	if diff := cmp.Diff(awaiting, shown); diff != "" {
		t.Errorf("before the first use (-want +got):\n%s", diff)
	}

	if state["oldSecret"].(map[string]any)["endsAt"] != latest ||
		state["newSecret"].(map[string]any)["firstUsedAt"] != nil {
		t.Errorf("before the first use: %v", state)
	}

	first := o.advance(day)
	if got := o.opens(t, o.secrets...); !got[0] || !got[1] {
		t.Fatalf("at the first use: %v", got)
	}

	ends := stamp(first.Add(day))
	o.advance(time.Hour)

	state, shown = o.rotation(t)
	if shown["oldSecretEndsAt"] != ends || shown["firstUsedAt"] != stamp(first) {
		t.Errorf("after the first use: %v", shown)
	}

	if state["oldSecret"].(map[string]any)["endsAt"] != ends ||
		state["newSecret"].(map[string]any)["firstUsedAt"] != stamp(first) {
		t.Errorf("after the first use: %v", state)
	}

	for i, secret := range o.secrets {
		status, me := o.call(t, adminapi.GroupUsage, http.MethodGet, "/v1/whoami", "",
			"X-Api-Key: "+secret)
		if status != http.StatusOK || me["oldSecret"] != (i == 0) ||
			me["rotation"].(map[string]any)["oldSecretEndsAt"] != ends {
			t.Errorf("whoami with secret %d: %d %v", i, status, me)
		}
	}

	o.advance(day - time.Hour - time.Millisecond)

	if got := o.opens(t, o.secrets...); !got[0] || !got[1] {
		t.Errorf("at the last moment: %v", got)
	}

	o.advance(time.Millisecond)

	if got := o.opens(t, o.secrets...); got[0] || !got[1] {
		t.Errorf("at its end: %v", got)
	}

	if state, shown := o.rotation(t); state != nil || shown != nil {
		t.Errorf("it is over, and shown as %v and %v", state, shown)
	}

	if status, answer := o.call(t, adminapi.GroupRotation, http.MethodPost,
		o.path+"/rotation/finish", ""); status != http.StatusConflict ||
		answer["code"] != "no_rotation" {
		t.Errorf("finish: %d %v", status, answer)
	}

	o.renew(t, "/rotate", `{"startsAt": "first_use"}`)

	if got := o.opens(t, o.secrets[0], o.secrets[1]); got[0] || !got[1] {
		t.Errorf("in the next rotation: %v", got)
	}
}

// whoami with the new secret is no use of it: it asks about the key, and consumes nothing.
func TestWhoamiIsNoUse(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	o.renew(t, "/rotate", `{"overlap": "0s", "startsAt": "first_use"}`)

	if status, me := o.call(t, adminapi.GroupUsage, http.MethodGet, "/v1/whoami", "",
		"X-Api-Key: "+o.secrets[1]); status != http.StatusOK || me["oldSecret"] != false {
		t.Fatalf("%d %v", status, me)
	}

	o.advance(time.Second)

	if got := o.opens(t, o.secrets[0]); !got[0] {
		t.Error("the old secret ended")
	}

	o.opens(t, o.secrets[1])

	if got := o.opens(t, o.secrets[0]); got[0] {
		t.Error("without an overlap, the old secret outlived the first use")
	}
}

// A change of the key in the middle of it all loses neither prefix, settings nor the end of the old
// secret.
func TestChangesDuringARotation(t *testing.T) {
	t.Parallel()
	settings := map[string]any{
		"customers":   []string{"c1"},
		"rateLimits":  []map[string]any{{"name": "burst", "limit": 10, "window": "1m"}},
		"quota":       map[string]any{"limit": 5, "period": "day"},
		"tags":        []string{"a"},
		"metadata":    map[string]string{"b": "c"},
		"description": "d",
		"expiresIn":   "9d",
	}

	same := func(o *timed, t *testing.T) map[string]any {
		t.Helper()

		_, k := o.call(t, adminapi.GroupKeys, http.MethodGet, o.path, "")
		for _, name := range []string{
			"hint", "rotation", "version", "updatedAt", "enabled", "status", "revocation",
			"lastUsed", "operations",
		} {
			delete(k, name)
		}

		return k
	}
	for name, change := range map[string]struct {
		group              adminapi.Group
		method, path, body string
		old, current       bool // what opens then
	}{
		"an edit": {
			adminapi.GroupKeys, http.MethodPatch, "", `{"tags": ["a"], "enabled": true}`, true,
			true,
		},
		"disabled": {
			adminapi.GroupKeys, http.MethodPatch, "", `{"enabled": false}`, false, false,
		},
		"revoked": {
			adminapi.GroupRevocation, http.MethodPost, "/revoke", `{"compromised": true}`, false,
			false,
		},
		"finished": {
			adminapi.GroupRotation, http.MethodPost, "/rotation/finish", ``, false, true,
		},
		"regenerate": {adminapi.GroupRotation, http.MethodPost, "/regenerate", ``, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newTimed(t, settings)
			before := same(o, t)
			o.renew(t, "/rotate", `{"overlap": "1d", "startsAt": "first_use", "longest": "30d"}`)
			o.opens(t, o.secrets[1]) // the first use, which nobody has told the row of
			o.advance(time.Hour)

			status, answer := o.call(t, change.group,
				change.method, o.path+change.path, change.body)
			if status != http.StatusOK {
				t.Fatalf("%d %v", status, answer)
			}

			if got := o.opens(t, o.secrets...); got[0] != change.old || got[1] != change.current {
				t.Errorf("opens %v", got)
			}

			if renewed, ok := answer["secret"].(string); ok {
				if got := o.opens(t, renewed); !got[0] ||
					!strings.HasPrefix(renewed, "bt_prod_"+o.key.ID+"_") {
					t.Error("the new secret does not open, or has another prefix")
				}
			}

			if diff := cmp.Diff(before, same(o, t)); diff != "" {
				t.Errorf("settings (-before +after):\n%s", diff)
			}

			o.advance(day - time.Hour)

			if got := o.opens(t, o.secrets...); got[0] || got[1] != change.current {
				t.Errorf("after the overlap: %v", got)
			}
		})
	}
}

// Neither the overlap nor the first use makes the old secret outlive the key, and no rotation wakes
// a key.
func TestRotationAndTheEndOfAKey(t *testing.T) {
	t.Parallel()
	o := newTimed(t, map[string]any{"expiresIn": "2h"})
	o.renew(t, "/rotate", `{"overlap": "30d", "startsAt": "first_use"}`)
	o.opens(t, o.secrets[1])
	o.advance(2 * time.Hour)

	if got := o.opens(t, o.secrets...); got[0] || got[1] {
		t.Errorf("expired: %v", got)
	}

	for _, how := range []string{"/rotate", "/regenerate"} {
		if status, answer := o.call(t, adminapi.GroupRotation, http.MethodPost, o.path+how,
			""); status != http.StatusConflict || answer["code"] != "not_active" {
			t.Errorf("%s: %d %v", how, status, answer)
		}
	}

	if status, _ := o.call(t, adminapi.GroupKeys, http.MethodPatch, o.path,
		`{"expiresIn": "30d"}`); status != http.StatusOK {
		t.Fatal(status)
	}

	if got := o.opens(t, o.secrets...); got[0] || !got[1] {
		t.Errorf("brought back by a later expiry: %v", got)
	}

	if status, answer := o.call(t, adminapi.GroupRevocation, http.MethodPost, o.path+"/revoke",
		`{"compromised": true}`); status != http.StatusOK {
		t.Fatal(answer)
	}

	if status, answer := o.call(t, adminapi.GroupRotation, http.MethodPost, o.path+"/rotate",
		""); status != http.StatusConflict || answer["code"] != "not_active" {
		t.Errorf("rotate what is compromised: %d %v", status, answer)
	}

	o.renew(t, "/regenerate", "")

	if got := o.opens(t, o.secrets...); got[0] || got[1] || !got[2] {
		t.Errorf("regenerated: %v", got)
	}
}

// The first use by many at once, while the rotation is finished, dropped by a new secret, or the
// key revoked: whatever comes first, afterwards exactly the secrets open that should.
func TestFirstUseAgainstChanges(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]struct {
		group              adminapi.Group
		path, body         string
		old, current, more bool
	}{
		"finish":     {adminapi.GroupRotation, "/rotation/finish", "", false, true, false},
		"regenerate": {adminapi.GroupRotation, "/regenerate", "", false, false, true},
		"revoke":     {adminapi.GroupRevocation, "/revoke", "", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newTimed(t, nil)
			o.renew(t, "/rotate", `{"overlap": "1h", "startsAt": "first_use"}`)

			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { o.opens(t, o.secrets...) })
			}

			var answer map[string]any
			all.Go(func() {
				var status int
				if status, answer = o.call(t, change.group, http.MethodPost,
					o.path+change.path, change.body); status != http.StatusOK {
					t.Errorf("%d %v", status, answer)
				}
			})
			all.Wait()

			if got := o.opens(t, o.secrets...); got[0] != change.old || got[1] != change.current {
				t.Errorf("opens %v", got)
			}

			if renewed, ok := answer["secret"].(string); ok != change.more ||
				ok && !o.opens(t, renewed)[0] {
				t.Error("the newest secret does not open")
			}
		})
	}
}

// A retired secret is known as such for five more, and answered like any other wrong one.
func TestRetiredSecrets(t *testing.T) {
	t.Parallel()

	o := newTimed(t, nil)
	for _, how := range []struct{ how, body string }{
		{"/rotate", `{"overlap": "1h"}`},
		{"/regenerate", ""},
		{"/rotate", `{"overlap": "0s"}`},
		{"/rotate", `{"startsAt": "first_use"}`},
		{"/regenerate", ""},
		{"/regenerate", ""},
	} {
		o.renew(t, how.how, how.body)
	}

	want := []string{
		"wrong_secret", "retired_secret", "retired_secret", "retired_secret", "retired_secret",
		"retired_secret", "allowed",
	}

	var got []string
	for _, secret := range o.secrets {
		got = append(got, o.outcome(t, secret))
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Who still sends the old secret: how often, from where, and when last; nobody at first.
func TestWhoStillUsesTheOldSecret(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	o.opens(t, o.secrets[0]) // before the rotation
	o.advance(time.Minute)
	o.renew(t, "/rotate", `{"overlap": "1d"}`)
	state, shown := o.rotation(t)

	nobody := map[string]any{
		"endsAt":             shown["oldSecretEndsAt"],
		"hint":               o.key.Hint,
		"lastUsed":           nil,
		"callsSinceRotation": 0.0,
		"sources":            []any{},
	}
	if diff := cmp.Diff(map[string]any{
		"oldSecret": nobody,
		"newSecret": map[string]any{"firstUsedAt": nil},
	}, state); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}

	first := o.advance(time.Minute)
	o.opens(t, o.secrets[1], o.secrets[0])
	last := o.advance(time.Minute)
	o.opens(t, o.secrets[0], o.secrets[1])

	if err := o.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	state, _ = o.rotation(t)
	source := map[string]any{"sourceIp": "203.0.113.7", "userAgent": "curl/8.14.1"}

	somebody := merged(maps.Clone(nobody), map[string]any{
		"lastUsed":           merged(maps.Clone(source), map[string]any{"at": stamp(last)}),
		"callsSinceRotation": 2.0,
		"sources": []any{merged(maps.Clone(source), map[string]any{
			"calls":  2.0,
			"lastAt": stamp(last),
		})},
	})
	if diff := cmp.Diff(map[string]any{
		"oldSecret": somebody,
		"newSecret": map[string]any{"firstUsedAt": stamp(first)},
	}, state); diff != "" {
		t.Errorf("then (-want +got):\n%s", diff)
	}
}
