package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// place is where a text may stand in a body.
type place struct {
	location string                // as a fault names it
	body     func(text string) any // a body with a text there
}

// places are all of a schema's.
func places(t *testing.T, doc, schema map[string]any, location string) []place {
	t.Helper()

	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		return places(t, doc,
			doc["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any),
			location)
	}

	kinds, ok := schema["type"].([]any)
	if !ok {
		kinds = []any{schema["type"]}
	}

	var out []place

	within := func(inner map[string]any, at string, wrap func(any) any) {
		for _, p := range places(t, doc, inner, at) {
			out = append(out, place{p.location, func(text string) any {
				return wrap(p.body(text))
			}})
		}
	}
	switch {
	case slices.Contains(kinds, "string"):
		out = append(out, place{location, func(text string) any { return text }})
	case slices.Contains(kinds, "array"):
		within(schema["items"].(map[string]any), location+"[0]", func(v any) any {
			return []any{v}
		})
	case slices.Contains(kinds, "object"):
		fields, _ := schema["properties"].(map[string]any)
		for name, inner := range fields {
			within(inner.(map[string]any), location+"."+name, func(v any) any {
				return map[string]any{
					name: v,
				}
			})
		}

		if inner, ok := schema["additionalProperties"].(map[string]any); ok {
			within(inner, location+".x", func(v any) any { return map[string]any{"x": v} })
			out = append(out, place{location, func(text string) any {
				return map[string]any{
					text: "x",
				}
			}})
		}
	}

	return out
}

// operation is one of the document's, with its parameters and the places in its body.
type operation struct {
	declared
	method, path string
	parameters   []map[string]any
	places       []place
}

// written are all operations but those that take leaks.
func written(t *testing.T) []operation {
	t.Helper()
	doc := document(t)

	var out []operation
	for name, op := range operations(t, doc) {
		method, path, _ := strings.Cut(name, " ")

		if op.ID == "reportLeak" || op.ID == "reportGitHubLeaks" {
			continue
		}

		o := operation{declared: op, method: method, path: path}
		said := doc["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(
			method,
		)].(map[string]any)

		parameters, _ := said["parameters"].([]any)
		for _, p := range parameters {
			o.parameters = append(o.parameters, p.(map[string]any))
		}

		if body, ok := said["requestBody"].(map[string]any); ok {
			content := body["content"].(map[string]any)["application/json"].(map[string]any)
			schema := content["schema"].(map[string]any)
			o.places = places(t, doc, schema, "body")
		}

		out = append(out, o)
	}

	return out
}

// withParameter gives a parameter of a call a value.
func withParameter(path string, p map[string]any, value string) (with string, header []string) {
	name := p["name"].(string)
	switch p["in"] {
	case "path":
		return strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1), nil
	case "query":
		return path + "?" + name + "=" + url.QueryEscape(value), nil
	default:
		return path, []string{name + ": " + value}
	}
}

// canaries are the forms of a new secret in which it is sent, none of which may be found again.
func canaries(t *testing.T, o tenant) (forms []string, nowhere func()) {
	t.Helper()
	secret := o.key(t, nil).Secret
	random := secret[len(secret)-38:]
	forms = []string{
		secret, "found: " + secret + ".", strings.ReplaceAll(secret, "_", "%5F"),
		strings.ReplaceAll(secret, "_", "%255f"),
		"%" + strings.ReplaceAll(fmt.Sprintf("% x", secret), " ", "%"),
		strings.ReplaceAll(secret, "_", "."), secret[:12] + "%2D" + secret[12:],
		secret[:12] + "%00" + secret[12:],
	}
	machine.Keep(forms...)
	return forms, func() {
		t.Helper()

		if err := machine.LeakInLog(); err != nil {
			t.Error(err)
		}

		for line := range strings.Lines(storetest.DumpTables(t, behind["AWS_ENDPOINT_URL_DYNAMODB"],
			behind["BITTING_CORE_TABLE"], behind["BITTING_HOT_TABLE"])) {
			if decoded, _ := url.PathUnescape(line); strings.Contains(line+decoded, random) ||
				apikey.Brand("bt").Holds(line) {
				t.Errorf("the tables hold a secret: %s", apikey.Brand("bt").Redact(line))
			}
		}
	}
}

// Whatever text an operation takes, in its body or its address, is refused with a secret in it, by
// its name; and nothing of the secret is found in either table or in the log.
func TestSecretsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	forms, nowhere := canaries(t, o)
	made := o.key(t, nil)
	o.invite(t, "kept@people.test", "viewer")
	in := strings.NewReplacer("{org}", o.id, "{keyId}", made.Key.ID, "{customer}", "c1", "{user}",
		"kept@people.test", "{job}", "j", "{requestId}", "r")

	searched := 0
	for _, op := range written(t) {
		as := o.admin
		if strings.HasPrefix(op.path, "/v1/permissions") || op.path == "/v1/organizations" {
			as = machine.Operator()
		}

		for i, p := range op.places {
			form := forms[i%len(forms)]
			answer := as.Call(t, op.method, in.Replace(op.path), p.body(form))

			refused := answer.Refused(t, http.StatusUnprocessableEntity,
				decoded(t, answer.Body)["code"].(string))
			if !slices.ContainsFunc(refused.Locations(), func(l string) bool {
				return strings.HasPrefix(p.location, l)
			}) {
				t.Errorf("%s at %s: %v", op.ID, p.location, refused.Locations())
			}

			searched++
		}

		for _, p := range op.parameters {
			path, header := withParameter(op.path, p, forms[0])
			if got := as.Call(t, op.method, in.Replace(path), nil, header...).Status; got < 400 ||
				got >= 500 {
				t.Errorf("%s with a secret in %s %s: %d", op.ID, p["in"], p["name"], got)
			}
		}
	}

	if searched < 60 {
		t.Errorf("%d places of bodies are known", searched)
	}

	nowhere()
}

// A whole body that is right but for a secret is refused by that alone, wherever it stands, and is
// taken without it. What only looks like a secret is a text like any other.
func TestSecretsAreNamed(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	forms, nowhere := canaries(t, o)
	made := o.key(t, nil)

	key := o.keys + "/" + made.Key.ID
	for name, test := range map[string]struct {
		as           localtest.Client
		method, path string
		body         func(text string) any
		location     string
		status       int // of the body without a secret
	}{
		"a tag": {o.admin, http.MethodPatch, key, func(s string) any {
			return map[string]any{
				"tags": []string{"x", s},
			}
		}, "body.tags[1]", 200},
		"a metadata's name": {o.admin, http.MethodPatch, key, func(s string) any {
			return map[string]any{
				"metadata": map[string]string{s: "x"},
			}
		}, "body.metadata", 200},
		"a metadata's value": {o.admin, http.MethodPatch, key, func(s string) any {
			return map[string]any{
				"metadata": map[string]string{"x": s},
			}
		}, "body.metadata.x", 200},
		"a reason": {o.admin, http.MethodPost, key + "/revoke", func(s string) any {
			return map[string]any{
				"reason": s,
			}
		}, "body.reason", 200},
		"a customer's name": {
			o.admin, http.MethodPatch, o.path("customers", "c1"), func(s string) any {
				return map[string]any{
					"name": s,
				}
			}, "body.name", 200,
		},
		"an organization's name": {o.admin, http.MethodPatch, o.path(), func(s string) any {
			return map[string]any{
				"name": s,
			}
		}, "body.name", 200},
		"an imported key's name": {
			o.admin, http.MethodPost, o.keys + "/import",
			func(s string) any {
				entry := foreign("sk_live_"+o.id, map[string]any{
					"name":        s,
					"permissions": []string{"messages:read"},
				})
				return map[string]any{"keys": []any{entry}}
			}, "body.keys[0].name", 200,
		},
		"two at once": {o.admin, http.MethodPost, o.keys, func(s string) any {
			return map[string]any{"name": s, "environment": "production", "description": s}
		}, "body.name body.description", 201},
	} {
		for _, form := range forms {
			if name == "a tag" {
				form = strings.ReplaceAll(form, " ", "")
			}

			p := test.as.Call(t, test.method, test.path, test.body(form)).Refused(t,
				http.StatusUnprocessableEntity, "validation")
			want := strings.Fields(test.location)
			got := slices.DeleteFunc(p.Locations(), func(l string) bool {
				return !slices.Contains(want, l)
			})
			slices.Sort(got)
			slices.Sort(want)

			if !slices.Equal(slices.Compact(got), want) {
				t.Errorf("%s: %v, want %v", name, p.Locations(), want)
			}
		}

		test.as.Call(t, test.method, test.path, test.body(made.Key.Hint)).Want(t, test.status)
	}

	escaped := `{"description": "` + strings.Replace(forms[0], "_", `\u005f`, 1) + `"}`
	o.admin.Call(t, http.MethodPatch, o.keys+"/"+o.key(t, nil).Key.ID, escaped).Refused(t,
		http.StatusUnprocessableEntity, "validation")
	nowhere()
}

// The secret part alone is refused as the whole secret is: where it stands alone by its form, and of
// the key that is changed wherever it stands. A name that only is as long is a text like any other.
func TestSecretPartsAreRefused(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	_, nowhere := canaries(t, o)
	mine, other := o.key(t, nil), o.key(t, nil)
	tail := func(k localtest.Made) string { return k.Secret[len(k.Secret)-38:] }
	revoke := o.keys + "/" + mine.Key.ID + "/revoke"

	for _, reason := range []string{
		tail(mine), "it ends in " + tail(mine) + ".", "-" + tail(mine) + "=", tail(other),
		"%20" + tail(other),
	} {
		p := o.admin.Call(t, http.MethodPost, revoke, map[string]any{"reason": reason}).Refused(t,
			http.StatusUnprocessableEntity, "validation")
		if !slices.Equal(p.Locations(), []string{"body.reason"}) {
			t.Errorf("%v", p.Locations())
		}
	}

	p := o.admin.Call(t, http.MethodPost, o.keys, map[string]any{
		"name": tail(other), "environment": "production",
	}).Refused(t, http.StatusUnprocessableEntity, "validation")
	if !slices.Equal(p.Locations(), []string{"body.name"}) {
		t.Errorf("%v", p.Locations())
	}

	o.admin.Call(t, http.MethodPost, revoke, map[string]any{
		"reason": strings.Repeat("Ab", 19),
	}).Want(t, http.StatusOK)
	nowhere()
}
