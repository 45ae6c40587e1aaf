package adminapi_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// What is wrong with one key fails that one, is told in words, and never repeats a hash. The others
// are imported.
func TestImportFailsPartly(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	admin := o.join(t, "importer", "admin")
	o.set(t, `{"longestLife": {"staging": "30d"}}`).Want(t, http.StatusOK)
	value := strings.Repeat("0123456789abcdef", 4)
	hash := func(algorithm, encoding, value string) map[string]any {
		return map[string]any{
			"hash": map[string]any{"algorithm": algorithm, "encoding": encoding, "value": value},
		}
	}
	tests := []struct {
		fields map[string]any
		detail string // "" where it is imported
	}{
		{nil, ""},
		{hash("sha256", "hex", value[1:]), "hash.value: expected a sha256 digest"},
		{hash("sha256", "hex", value[1:]+"g"), "hash.value: expected a sha256 digest"},
		{hash("sha512", "hex", value), "hash.value: expected a sha512 digest"},
		{hash("sha256", "base64", value), "hash.value: expected a sha256 digest"},
		{
			hash("sha256", "hex", base64.StdEncoding.EncodeToString([]byte(value[:32]))),
			"hash.value: expected a sha256 digest",
		},
		{map[string]any{"name": "  "}, "name: expected a name"},
		{map[string]any{
			"permissions": []string{"messages:read", "no:such"},
		}, "permissions[1]: this permission does not exist"},
		{map[string]any{
			"permissions": []string{"keys:read"},
			"environment": "staging",
			"expiresIn":   "1d",
		}, "permissions: a key with permissions of the admin API"},
		{map[string]any{
			"customers": []string{"c1", "c9"},
		}, "customers[1]: this customer does not exist"},
		{map[string]any{"customers": []string{"c 1"}}, "customers[0]: expected a customer's id"},
		{map[string]any{
			"allowedAddresses": []string{"192.0.2.1/24"},
		}, "allowedAddresses[0]: the address has bits"},
		{map[string]any{
			"rateLimits": []any{map[string]any{"name": "burst", "limit": 1, "window": "soon"}},
		}, "rateLimits[0].window: expected a duration"},
		{map[string]any{
			"expiresAt": "2020-01-01T00:00:00Z",
		}, "expiresAt: expected a time in the future"},
		{map[string]any{
			"expiresIn":   "31d",
			"environment": "staging",
		}, "expiresIn: the organization lets keys"},
		{map[string]any{"tags": []string{"a b"}}, "tags[0]: expected"},
		{map[string]any{"metadata": map[string]any{"": "x"}}, "metadata: expected"},
		{map[string]any{
			"description":      "all that a key can be",
			"permissions":      []string{"messages:read"},
			"customers":        []string{"c1"},
			"quota":            map[string]any{"limit": 5, "period": "day"},
			"rateLimits":       []any{map[string]any{"name": "burst", "limit": 1, "window": "1m"}},
			"allowedAddresses": []string{"127.0.0.1"},
			"expiresIn":        "1d",
			"notBefore":        "2026-01-01T00:00:00Z",
			"enabled":          false,
			"metadata":         map[string]any{"a": "b"},
			"tags":             []string{"x"},
			"environment":      "staging",
		}, ""},
	}
	var entries []map[string]any

	var want []failure
	for i, test := range tests {
		entries = append(entries, foreign(rand.Text(), test.fields))
		if test.detail != "" {
			want = append(want, failure{i, "validation"})
		}
	}

	a := admin.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": entries,
	}).Want(t, http.StatusOK)
	var got imported
	a.Into(t, &got)

	if diff := cmp.Diff(want, got.Failed); diff != "" || got.Imported != len(tests)-len(want) {
		t.Errorf("%d imported; failed (-want +got):\n%s", got.Imported, diff)
	}

	for i, f := range decoded(t, a.Body)["failed"].([]any) {
		if detail := f.(map[string]any)["detail"].(string); !strings.HasPrefix(detail,
			tests[want[i].Index].detail) || strings.Contains(string(a.Body), value[1:]) {
			t.Errorf("%d: %q", want[i].Index, detail)
		}
	}

	narrow := decoded(t,
		admin.Call(t, http.MethodGet, o.keys+"?environment=staging&status=all", nil).Want(t,
			http.StatusOK).Body)["items"].([]any)[0].(map[string]any)
	for field, value := range map[string]any{
		"legacy":         false,
		"allPermissions": false,
		"enabled":        false,
		"description":    "all that a key can be",
		"status":         "inactive",
	} {
		if narrow[field] != value {
			t.Errorf("%s is %v", field, narrow[field])
		}
	}
}

// An organization imports a hash once into an environment, and a deleted key keeps it.
func TestImportOfWhatIsThere(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	narrow := map[string]any{"permissions": []string{"messages:read"}}
	secret, fresh := rand.Text(), rand.Text()
	sum := sha256.Sum256([]byte(secret))
	otherwise := merged(foreign("", narrow), map[string]any{
		"hash": map[string]any{
			"algorithm": "sha256",
			"value":     base64.RawURLEncoding.EncodeToString(sum[:]),
		},
	})

	got := o.bring(t, o.admin, foreign(secret, narrow), otherwise,
		foreign(secret, merged(map[string]any{
			"environment": "staging",
		}, narrow)), foreign(secret, narrow))
	if diff := cmp.Diff([]failure{{1, "duplicate"}, {3, "duplicate"}}, got.Failed); diff != "" ||
		got.Imported != 2 {
		t.Errorf("%d imported; failed (-want +got):\n%s", got.Imported, diff)
	}

	again := func(by tenant) string {
		t.Helper()

		a := by.admin.Call(t, http.MethodPost, by.keys+"/import", map[string]any{
			"keys": []any{foreign(secret, narrow), foreign(fresh, narrow)},
		}).Want(t, http.StatusOK)
		if got := decoded(t, a.Body); got["imported"] != float64(1) ||
			len(got["failed"].([]any)) != 1 {
			t.Errorf("%v", got)
		}

		failed := decoded(t, a.Body)["failed"].([]any)[0].(map[string]any)
		return failed["code"].(string) + " " + failed["detail"].(string)
	}
	if told := again(o); strings.Contains(told, o.id) {
		t.Errorf("told of a hash that is there: %q", told)
	}

	var list struct{ Items []struct{ ID, Name string } }
	o.admin.Call(t, http.MethodGet, o.keys+"?environment=staging", nil).Want(t,
		http.StatusOK).Into(t, &list)
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+list.Items[0].ID, nil).Want(t,
		http.StatusNoContent)

	if got := o.bring(t, o.admin, foreign(secret, merged(map[string]any{
		"environment": "staging",
	}, narrow))); got.Imported != 0 {
		t.Errorf("a deleted key was imported again: %+v", got)
	}
}

// Whether another organization imported a hash is not told: the answer is that to a hash which
// nobody has, to the letter, and so is that of the key. The secret opens the key of whoever was
// first; when that is deleted, the next one's. So who squats a hash is in nobody's way once their
// key is gone.
func TestImportOfWhatOthersHave(t *testing.T) {
	t.Parallel()
	first := newTenant(t)
	second := newTenant(t)
	third := newTenant(t)

	narrow := map[string]any{"permissions": []string{"messages:read"}}
	for _, algorithm := range []string{"sha256", "sha512"} {
		secret := rand.Text()
		entry := func(secret string) map[string]any {
			out := foreign(secret, narrow)
			if algorithm == "sha512" {
				out["hash"] = map[string]any{
					"algorithm": "sha512",
					"value":     fmt.Sprintf("%x", sha512.Sum512([]byte(secret))),
				}
			}

			return out
		}
		var answers []string

		ids := map[string]string{}
		for _, by := range []tenant{first, second, third, first} {
			text := secret
			if _, done := ids[by.id]; done {
				text = rand.Text() // one that nobody has, to compare with
			}

			a := by.admin.Call(t, http.MethodPost, by.keys+"/import", map[string]any{
				"keys": []any{entry(text)},
			}).Want(t, http.StatusOK)
			answer := decoded(t, a.Body)
			delete(answer, "effectiveBy")
			answers = append(answers, fmt.Sprint(answer))

			if _, done := ids[by.id]; !done {
				var list struct{ Items []localtest.Key }
				by.admin.Call(t, http.MethodGet, by.keys, nil).Want(t, http.StatusOK).Into(t, &list)
				ids[by.id] = list.Items[0].ID
			}

			if got := by.bring(t, by.admin, entry(secret)); len(got.Failed) != 1 ||
				got.Failed[0].Code != "duplicate" {
				t.Errorf("imported by one again: %+v", got)
			}
		}

		if len(slices.Compact(answers)) != 1 {
			t.Errorf("answers: %v", answers)
		}

		// where it is the first import of an environment, checks find its keys within ten seconds
		for began := time.Now(); time.Since(began) < 15*time.Second; time.Sleep(100 * time.Millisecond) {
			if machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Status == http.StatusOK {
				break
			}
		}

		for _, holder := range []tenant{first, second, third} {
			var got struct{ KeyID, OrganizationID string }
			machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t,
				http.StatusOK).Into(t, &got)

			if got.KeyID != ids[holder.id] || got.OrganizationID != holder.id {
				t.Errorf("the secret opens %+v, want the key of %s", got, holder.id)
			}

			holder.admin.Call(t, http.MethodPost,
				holder.keys+"/"+ids[holder.id]+"/revoke", nil).Want(t, http.StatusOK)
			// a stop passes it to nobody
			machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
				http.StatusUnauthorized, "invalid_key")
			machine.Operator().Call(t, http.MethodDelete,
				holder.keys+"/"+ids[holder.id], nil).Want(t, http.StatusNoContent)
		}

		machine.As(secret).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
			http.StatusUnauthorized, "invalid_key")
	}
}

// Nobody imports a key that holds more than they may hand out, and nothing of such a call is
// imported.
func TestImportHandsOutNoMore(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	granted := o.join(t, "granted", "member", "manage_organization_keys")
	admin := o.join(t, "importer", "admin")
	narrow := o.with(t, map[string]any{
		"permissions": []string{"keys:write", "messages:read"},
		"customers":   []string{"c1"},
		"expiresIn":   "1d",
	})
	good := map[string]any{"permissions": []string{"messages:read"}}
	scoped := map[string]any{"permissions": []string{"messages:read"}, "customers": []string{"c1"}}

	refuse := map[string]wrong{}
	for name, test := range map[string]struct {
		fields    map[string]any
		locations []string
	}{
		"all permissions": {nil, []string{"body.keys[1].allPermissions"}},
		"all permissions, said": {map[string]any{
			"permissions":    []string{},
			"allPermissions": true,
		}, []string{"body.keys[1].allPermissions"}},
		"an admin permission": {map[string]any{
			"permissions": []string{"permissions:write"},
		}, []string{"body.keys[1].permissions"}},
	} {
		refuse[name] = wrong{
			method: http.MethodPost,
			path:   "{keys}/import",
			body: map[string]any{
				"keys": []any{foreign(rand.Text(), good), foreign(rand.Text(), test.fields)},
			},
			status:    http.StatusUnprocessableEntity,
			code:      "escalation",
			locations: test.locations,
		}
	}

	refuseAll(t, o, o.first, o.admin, refuse)
	refuseAll(t, o, o.first, granted.Client, refuse)
	refuseAll(t, o, o.first, narrow, map[string]wrong{
		"wider": {
			method: http.MethodPost,
			path:   "{keys}/import",
			body: map[string]any{
				"keys": []any{
					foreign(rand.Text(), scoped), foreign(rand.Text(), good),
					foreign(rand.Text(), merged(map[string]any{
						"expiresIn": "2d",
					}, scoped)),
				},
			},
			status:    http.StatusUnprocessableEntity,
			code:      "escalation",
			locations: []string{"body.keys[1].customers", "body.keys[2].expiresAt"},
		},
	})

	for _, by := range []struct {
		name     string
		imported imported
	}{
		{
			"a key", o.bring(t, o.admin, foreign(rand.Text(), good)),
		},
		{"a member", o.bring(t, granted.Client, foreign(rand.Text(), good))},
		{
			"an admin", o.bring(t, admin.Client, foreign(rand.Text(), nil)),
		},
		{"a scoped key", o.bring(t, narrow, foreign(rand.Text(), scoped))},
	} {
		if by.imported.Imported != 1 {
			t.Errorf("%s: %+v", by.name, by.imported)
		}
	}

	operators := "/v1/organizations/_operators/keys/import"
	machine.Operator().Call(t, http.MethodPost, operators, map[string]any{
		"keys": []any{foreign(rand.Text(), good)},
	}).Refused(t, http.StatusForbidden, "permission_denied")
}

func TestImportsOfTheWrongForm(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	without := func(field string) map[string]any {
		entry := foreign("", map[string]any{"permissions": []string{}})
		delete(entry, field)
		return entry
	}
	call := func(code string, locations []string, body any) wrong {
		return wrong{
			method:    http.MethodPost,
			path:      "{keys}/import",
			body:      body,
			status:    http.StatusUnprocessableEntity,
			code:      code,
			locations: locations,
		}
	}
	keys := func(entries ...any) map[string]any { return map[string]any{"keys": entries} }
	hash := func(fields map[string]any) map[string]any {
		return keys(foreign("", map[string]any{"permissions": []string{}, "hash": fields}))
	}
	digest := hex.EncodeToString(make([]byte, 32))
	refuseAll(t, o, o.first, o.admin, map[string]wrong{
		"no keys": call("validation", []string{"body.keys"}, map[string]any{}),
		"keys that are null": call("validation", []string{"body.keys"}, map[string]any{
			"keys": nil,
		}),
		"none":               call("validation", []string{"body.keys"}, keys()),
		"a key that is null": call("validation", []string{"body.keys[0]"}, keys(nil)),
		"without a name": call("validation", []string{"body.keys[0].name"},
			keys(without("name"))),
		"without environment": call("validation", []string{"body.keys[0].environment"},
			keys(without("environment"))),
		"without a hash": call("validation", []string{"body.keys[0].hash"}, keys(without("hash"))),
		"an unknown field": call("validation", []string{"body.keys[0].secret"},
			keys(merged(without(""), map[string]any{
				"secret": "x",
			}))),
		"another algorithm": call("validation", []string{"body.keys[0].hash.algorithm"},
			hash(map[string]any{
				"algorithm": "md5",
				"value":     digest,
			})),
		"another encoding": call("validation", []string{"body.keys[0].hash.encoding"},
			hash(map[string]any{
				"algorithm": "sha256",
				"encoding":  "base32",
				"value":     digest,
			})),
		"an empty hash": call("validation", []string{"body.keys[0].hash.value"},
			hash(map[string]any{
				"algorithm": "sha256",
				"value":     "",
			})),
		"ownership": call("validation", []string{"body.keys[0].ownership"},
			keys(merged(without(""), map[string]any{
				"ownership": "personal",
			}))),
	})

	p := o.admin.Call(t, http.MethodPost, o.keys+"/import", hash(map[string]any{
		"algorithm": "sha256",
		"value":     digest + digest + digest + digest,
	})).Refused(t, 422, "validation")
	if strings.Contains(p.Detail+p.Title, digest) || len(p.Errors) != 1 ||
		p.Errors[0].Value != nil {
		t.Errorf("%+v", p)
	}
}

// With an Idempotency-Key a repeated call gets the first answer; without, it says that the keys are
// there.
func TestImportIsReplayed(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	narrow := map[string]any{"permissions": []string{"messages:read"}}
	body := map[string]any{
		"keys": []any{
			foreign(rand.Text(), narrow), foreign(rand.Text(), narrow),
			foreign("", merged(map[string]any{
				"name": " ",
			}, narrow)),
		},
	}
	send := func(body any, headers ...string) imported {
		var got imported
		o.admin.Call(t, http.MethodPost, o.keys+"/import", body, headers...).Want(t,
			http.StatusOK).Into(t, &got)
		return got
	}
	first := send(body, "Idempotency-Key: one")
	want := first

	want.Replayed = true
	if diff := cmp.Diff(want, send(body, "Idempotency-Key: one")); diff != "" ||
		first.Imported != 2 || first.Replayed {
		t.Errorf("%+v, then (-want +got):\n%s", first, diff)
	}

	o.admin.Call(t, http.MethodPost, o.keys+"/import", map[string]any{
		"keys": []any{foreign(rand.Text(), narrow)},
	}, "Idempotency-Key: one").
		Refused(t, http.StatusUnprocessableEntity, "idempotency_mismatch")

	if got := send(body); got.Imported != 0 || len(got.Failed) != 3 {
		t.Errorf("without it: %+v", got)
	}
}
