package adminapi_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// The first operator key ends after a day unless it gets a new secret; an end that somebody set
// stays with every secret that follows.
func TestEndOfTheFirstOperatorKey(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		method, path, body string
		want               time.Duration // from now; 0 for never
	}{
		"nothing set":  {"", "", "", 0},
		"expiresIn":    {http.MethodPatch, "", `{"expiresIn": "90d"}`, 90 * day},
		"expiresAt":    {http.MethodPatch, "", `{"expiresAt": "2026-12-24T09:30:00Z"}`, 30 * day},
		"a sooner one": {http.MethodPatch, "", `{"expiresIn": "2h"}`, 2 * time.Hour},
		"for good":     {http.MethodPatch, "", `{"expiresAt": null}`, 0},
		"extended": {
			http.MethodPost, "/bulk",
			`{"action": "extend", "expiresIn": "60d", "filter": {"q": "First"}, "dryRun": false, "expected": 1}`, 60 * day,
		},
		"another field": {http.MethodPatch, "", `{"description": "ours"}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)

			d := operator.Config{
				Brand:   storetest.Brand,
				Store:   o.Store,
				Keyring: o.Keyring,
				Now:     o.Clock.Now,
			}
			if _, err := operator.First(t.Context(), d); err != nil {
				t.Fatal(err)
			}

			first := o.keys(t, apikey.OperatorOrganization)[0]
			if _, err := operator.Local(t.Context(), d); err != nil {
				t.Fatal(err)
			}

			other := o.keys(t, apikey.OperatorOrganization)
			other = slices.DeleteFunc(other, func(k *apikey.Key) bool { return k.ID == first.ID })
			const keys = "/v1/organizations/_operators/keys"
			self := byKey(first)
			colleague := byKey(other[0])

			path := keys + "/" + first.ID
			if test.method == http.MethodPatch {
				o.call(t, colleague, test.method, path, test.body).want(t, "setting it",
					http.StatusOK, "")
			} else if test.method != "" {
				o.call(t, colleague, test.method, keys+test.path, test.body).want(t, "setting it",
					http.StatusAccepted, "")
			}

			for _, renewal := range []string{"/rotate", "/regenerate"} {
				o.call(t, self, http.MethodPost, path+renewal, `{}`).want(t, renewal, http.StatusOK,
					"")

				want := time.Time{}
				if test.want > 0 {
					want = o.Clock.Now().Add(test.want)
				}

				got, err := o.Store.Key(t.Context(), first.Environment, first.ID)
				if err != nil || !got.ExpiresAt.Equal(want) {
					t.Errorf("after %s it ends %v, want %v, %v", renewal, got.ExpiresAt, want, err)
				}
			}
		})
	}
}

// The operators' organization has keys and nothing else: it has no row that members, customers or
// settings could belong to.
func TestOperatorsOrganizationHasKeysOnly(t *testing.T) {
	t.Parallel()
	operator := machine.Operator()
	const path = "/v1/organizations/_operators"
	operator.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK)
	operator.Call(t, http.MethodGet, path+"/keys", nil).Want(t, http.StatusOK)
	operator.Call(t, http.MethodGet, path+"/history", nil).Want(t, http.StatusOK)

	for name, c := range map[string]call{
		"its name": {http.MethodPatch, path, map[string]any{"name": "Mine"}, nil},
		"a viewer": {http.MethodPut, path + "/members/" + address("v"), map[string]any{
			"role": "viewer",
		}, nil},
		"an admin": {http.MethodPut, path + "/members/" + address("a"), map[string]any{
			"role": "admin",
		}, nil},
		"a customer": {http.MethodPost, path + "/customers", map[string]any{"name": "x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			operator.Call(t, c.method, c.path, c.body).Refused(t, http.StatusForbidden,
				"permission_denied")
		})
	}

	for _, list := range []string{"/members", "/customers"} {
		if got := decoded(t,
			operator.Call(t, http.MethodGet, path+list, nil).Want(t,
				http.StatusOK).Body)["items"]; !cmp.Equal(got, []any{}) {
			t.Errorf("%s: %v", list, got)
		}
	}
}
