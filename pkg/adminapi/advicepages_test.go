package adminapi_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// The list has each key's advice once, page by page, and of personal keys only what one may see.
func TestAdviceIsPaged(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	owner := o.join(t, "owner", "member")
	member := o.join(t, "member", "member")
	personal := owner.CreateKey(t, o.id, map[string]any{
		"name":        "Personal",
		"environment": "production",
		"ownership":   "personal",
	}).Key.ID

	want := []string{o.first.Key.ID}
	for i := range 25 {
		want = append(want, o.key(t, map[string]any{
			"name":        fmt.Sprint(i),
			"environment": []string{"production", "staging"}[i%2],
		}).Key.ID)
	}

	o.admin.Call(t, http.MethodPost, o.keys+"/"+o.key(t, nil).Key.ID+"/revoke", nil).Want(t,
		http.StatusOK)

	for who, c := range map[string]localtest.Client{
		"member": member.Client,
		"owner":  owner.Client,
		"admin":  o.admin,
	} {
		var got []string

		pages := 0
		for path := o.path("advice") + "?limit=12"; ; pages++ {
			a := advise(t, c, path)
			for _, i := range a.Items {
				if i.KeyName != "Admin" {
					got = append(got, i.KeyID)
				}
			}

			if a.NextCursor == "" {
				break
			}

			path = o.path("advice") + "?limit=12&cursor=" + a.NextCursor
			if pages == 0 {
				c.Call(t, http.MethodGet, path+"&window=1d", nil).Refused(t, http.StatusBadRequest,
					"malformed")
			}
		}

		if pages < 2 {
			t.Errorf("%s: %d pages", who, pages+1)
		}

		if slices.Contains(got, personal) != (who != "member") {
			t.Errorf("%s sees advice on the owner's key: %v", who, who == "member")
		}

		got = slices.DeleteFunc(got, func(id string) bool { return id == personal })
		slices.Sort(want)
		slices.Sort(got)
		// no_expiry and no_limit
		twice := slices.Sorted(slices.Values(append(slices.Clone(want), want...)))
		if diff := cmp.Diff(twice, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", who, diff)
		}
	}
}

func TestAdviceWindow(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)
	path := o.keys + "/" + k.Key.ID + "/advice"
	long := o.aged(t, "Long", 200*24*time.Hour, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "messages:write"}
	})
	long.counted(0, "allowed", "messages:read", 1)
	long.counted(120*24*time.Hour, "allowed", "messages:write", 1)

	for window, want := range map[string][]string{
		"?window=150d": {},
		"?window=110d": {"unused_permission messages:write 110d"},
	} {
		if diff := cmp.Diff(want,
			advise(t, o.admin,
				o.keys+"/"+long.key.ID+"/advice"+window).codes(long.key.ID)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", window, diff)
		}
	}

	p := o.aged(t, "Window", 10*24*time.Hour, nil)
	for window, want := range map[string][]string{
		"":             {},
		"?window=11d":  {},
		"?window=10d":  {"never_used"},
		"?window=1s":   {"never_used"},
		"?window=400d": {},
		"?window=":     advise(t, o.admin, o.keys+"/"+p.key.ID+"/advice").codes(p.key.ID),
	} {
		if diff := cmp.Diff(want,
			advise(t, o.admin, o.keys+"/"+p.key.ID+"/advice"+window).codes(p.key.ID)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", window, diff)
		}
	}

	for _, wrong := range []string{
		"?window=0s", "?window=401d", "?window=30", "?window=-1d", "?window=1x", "?days=3",
	} {
		o.admin.Call(t, http.MethodGet, path+wrong, nil).Refused(t, http.StatusBadRequest,
			"malformed")
		o.admin.Call(t, http.MethodGet, o.path("advice")+wrong, nil).Refused(t,
			http.StatusBadRequest, "malformed")
	}
}

// The end that advice gives a key is one that the organization allows.
func TestAdviceWithinTheLongestLife(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	endless := func(k *apikey.Key) { k.ExpiresAt = time.Time{} }
	keys := []past{
		o.aged(t, "Young", 24*time.Hour, endless), o.aged(t, "Old", 100*24*time.Hour, endless),
	}
	machine.Operator().Call(t, http.MethodPatch, o.path(), map[string]any{
		"settings": map[string]any{"longestLife": map[string]any{"production": "90d"}},
	}).Want(t, http.StatusOK)

	for _, p := range keys {
		p.used(0)
		path := o.keys + "/" + p.key.ID

		got := advise(t, o.admin, path+"/advice")
		if diff := cmp.Diff([]string{"no_expiry"}, got.codes(p.key.ID)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", p.key.Name, diff)
		}

		o.admin.Call(t, http.MethodPatch, path, got.Items[0].Change.Body).Want(t, http.StatusOK)

		if got := advise(t, o.admin, path+"/advice"); len(got.Items) != 0 {
			t.Errorf("%s: applied and still there: %+v", p.key.Name, got)
		}
	}
}

// A page ends in time, however many keys are left, and the next one goes on.
func TestAdviceTakesItsTime(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for i := range 14 {
		o.key(t, map[string]any{"name": fmt.Sprint(i)})
	}

	d, err := full.Load(boot.Of(behind), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	var late atomic.Int64
	d.Now = func() time.Time { return time.Now().Add(time.Duration(late.Add(1)) * 6 * time.Second) }
	admin := machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Reader",
		"environment": "production",
		"permissions": []string{"usage:read"},
	})
	event := events(o.path("advice"), map[string]any{
		"keyId":       admin.Key.ID,
		"environment": "production",
	})["payload 1.0"]

	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}

	if text, err = adminapi.Function(d, adminapi.GroupUsage).Invoke(t.Context(), text); err != nil {
		t.Fatal(err)
	}

	var answer struct{ Body string }
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}

	var first advised
	if err := json.Unmarshal([]byte(answer.Body), &first); err != nil {
		t.Fatal(err)
	}

	if first.NextCursor == "" || len(first.Items) != 20 { // of ten keys, two each
		t.Fatalf("%d items: %s", len(first.Items), answer.Body)
	}

	rest := advise(t, o.admin, o.path("advice")+"?cursor="+first.NextCursor)
	// of fourteen keys, the first, and two of the admin API
	if rest.NextCursor != "" || len(rest.Items) != 14 {
		t.Errorf("%d items in the rest", len(rest.Items))
	}
}
