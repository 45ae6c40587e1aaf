package adminapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// shownKey is what a shown key says of itself and of what may be done with it.
type shownKey struct {
	Status     string
	Operations []struct {
		ID      string
		Refusal *struct{ Code, Detail string }
	}
}

// operations are the operations that a shown key offers, each with the code of its refusal, "" for
// none.
func (k shownKey) operations() map[string]string {
	out := map[string]string{}
	for _, op := range k.Operations {
		out[op.ID] = ""
		if op.Refusal != nil {
			out[op.ID] = op.Refusal.Code
		}
	}

	return out
}

// changing are the operations that a shown key may offer, by what their calls are.
var changing = map[string]call{
	"updateKey":      {http.MethodPatch, "", map[string]any{"description": "new"}, nil},
	"regenerateKey":  {http.MethodPost, "/regenerate", nil, nil},
	"rotateKey":      {http.MethodPost, "/rotate", nil, nil},
	"finishRotation": {http.MethodPost, "/rotation/finish", nil, nil},
	"revokeKey":      {http.MethodPost, "/revoke", nil, nil},
	"restoreKey":     {http.MethodPost, "/restore", nil, nil},
	"deleteKey":      {http.MethodDelete, "", nil, nil},
}

// offered reports whether a key at a path offers an operation to a caller, who may be one who does
// not see the key.
func offered(t *testing.T, by localtest.Client, path, op string) (offers, sees bool) {
	t.Helper()

	answer := by.Call(t, http.MethodGet, strings.TrimSuffix(path, changing[op].path), nil)
	if answer.Status != http.StatusOK {
		return false, false
	}

	var k shownKey
	answer.Into(t, &k)

	_, offers = k.operations()[op]
	return offers, true
}

// What a key says would be refused is refused, and with the same code; all else is done.
func TestShownKeySaysWhatItsStateRefuses(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	admin := o.join(t, "admin", "admin")
	owner := o.join(t, "owner", "member")

	post := func(t *testing.T, path, what string, body any) {
		t.Helper()
		admin.Call(t, http.MethodPost, path+"/"+what, body).Want(t, http.StatusOK)
	}
	states := map[string]func(t *testing.T, path string){
		"active":  func(*testing.T, string) {},
		"revoked": func(t *testing.T, path string) { post(t, path, "revoke", nil) },
		"compromised": func(t *testing.T, path string) {
			post(t, path, "revoke", map[string]any{"compromised": true})
		},
		"rotating": func(t *testing.T, path string) { post(t, path, "rotate", nil) },
		"disabled": func(t *testing.T, path string) {
			admin.Call(t, http.MethodPatch, path, map[string]any{"enabled": false}).
				Want(t, http.StatusOK)
		},
		"expired": func(t *testing.T, path string) {
			admin.Call(t, http.MethodPatch, path, map[string]any{"expiresIn": "1s"}).
				Want(t, http.StatusOK)

			for status := ""; status != "expired"; time.Sleep(50 * time.Millisecond) {
				var k shownKey
				admin.Call(t, http.MethodGet, path, nil).Into(t, &k)
				status = k.Status
			}
		},
		"deleted": func(t *testing.T, path string) {
			admin.Call(t, http.MethodDelete, path, nil).Want(t, http.StatusNoContent)
		},
	}

	for state, reach := range states {
		for op, c := range changing {
			t.Run(state+" "+op, func(t *testing.T) {
				t.Parallel()

				// a personal key that its owner tries to restore may be another's to restore
				path := o.keys + "/" + owner.CreateKey(t, o.id, map[string]any{
					"name":        "A key",
					"environment": "production",
					"ownership":   "personal",
				}).Key.ID
				reach(t, path)

				for _, by := range []localtest.Client{owner.Client, admin.Client} {
					var k shownKey
					by.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &k)

					want, offers := k.operations()[op]
					if !offers {
						t.Fatalf("it offers only %v", k.operations())
					}

					answer := by.Call(t, c.method, path+c.path, c.body)
					if got := answer.Status < 300; got != (want == "") {
						t.Fatalf("refused with %q, it says: %d\n%s", want, answer.Status, answer.Body)
					}

					if want != "" {
						answer.Refused(t, answer.Status, want)
						continue
					}

					return // the key is in another state now
				}
			})
		}
	}
}

// A list says the same as the key itself.
func TestListedKeysSayWhatMayBeDone(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	viewer, admin := o.join(t, "viewer", "viewer"), o.join(t, "admin", "admin")

	for by, want := range map[localtest.Client]int{viewer.Client: 0, admin.Client: len(changing)} {
		var list struct{ Items []shownKey }
		by.Call(t, http.MethodGet, o.keys, nil).Want(t, http.StatusOK).Into(t, &list)

		if len(list.Items) == 0 {
			t.Fatal("the list is empty")
		}

		for _, k := range list.Items {
			if got := len(k.Operations); got != want {
				t.Errorf("%d operations, want %d: %v", got, want, k.operations())
			}
		}
	}
}
