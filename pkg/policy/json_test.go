package policy_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// The document's JSON is written by hand, and must be what encoding/json would write.
func TestAppendJSON(t *testing.T) {
	t.Parallel()

	const hostile = "a\"b\\c\x00\n\x7f<&>\u2028\u00e4\xff"

	catalogue := demo(t)
	whole := policy.Build(catalogue, "demo", permission.Grant{All: true}, callOf("GET /messages"))

	documents := map[string]policy.Document{
		"empty": {},
		"no resource": {
			Version:   hostile,
			Statement: []policy.Statement{{Action: hostile, Resource: []string{}}},
		},
		"hostile": {Version: "1", Statement: []policy.Statement{
			{
				Action:   "a",
				Effect:   hostile,
				Resource: []string{hostile, "", "b"},
				Condition: map[string]map[string]string{
					hostile: {hostile: hostile, "a": "b"},
					"b":     {},
				},
			},
			{Action: "b", Effect: "c", Resource: []string{"d"}},
		}},
		"whole key": whole.Document,
		"one call":  policy.Only("arn:aws:execute-api:eu-west-1:1:a/prod/GET/<&>\""),
		"until":     policy.Until(whole.Document, time.Unix(0, 0)),
	}
	for name, d := range documents {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)

		if err := encoder.Encode(d); err != nil {
			t.Fatal(err)
		}

		got := string(d.AppendJSON([]byte("before"))) + "\n"
		// encoding/json writes null for no list, which no document has
		expected := strings.ReplaceAll("before"+want.String(), `:null`, `:[]`)

		if got != expected {
			t.Errorf("%s: %s, expected %s", name, got, expected)
		}
	}
}

// A policy that serves more calls than one comes with its JSON, from the cache and without.
func TestPoliciesComeWithTheirJSON(t *testing.T) {
	t.Parallel()
	catalogue, builder := demo(t), policy.NewBuilder(4)

	for name, g := range map[string]permission.Grant{
		"whole key": grant("messages:read"),
		"one route": {All: true, Customers: []string{"42"}},
		"nothing":   {},
	} {
		for range 2 {
			p := builder.Build(catalogue, "demo", g, callOf("GET /messages"))
			if want := p.Document.AppendJSON(nil); !bytes.Equal(p.JSON, want) {
				t.Errorf("%s: %s, expected %s", name, p.JSON, want)
			}
		}
	}

	only := builder.Build(catalogue, "demo", grant("messages:read"), callOf("GET /messages/a;b"))
	if only.JSON != nil || only.Scope != policy.OneCall {
		t.Errorf("%v: a document of one call has its JSON: %s", only.Scope, only.JSON)
	}
}

// The fields of an ARN have what the expression says.
func TestNamesInARNs(t *testing.T) {
	t.Parallel()

	name := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	for c := range 256 {
		field := "a" + string([]byte{byte(c)})
		want := name.MatchString(field)

		for what, arn := range map[string]string{
			"partition": "arn:" + field + ":execute-api:r:1:a/s/GET/",
			"region":    "arn:aws:execute-api:" + field + ":1:a/s/GET/",
			"account":   "arn:aws:execute-api:r:" + field + ":a/s/GET/",
			"api":       "arn:aws:execute-api:r:1:" + field + "/s/GET/",
			"stage":     "arn:aws:execute-api:r:1:a/" + field + "/GET/",
			"method":    "arn:aws:execute-api:r:1:a/s/" + field + "/",
		} {
			// These end a field, and the text after it may be another valid field.
			if c == ':' || c == '/' {
				continue
			}

			if _, err := policy.ParseARN(arn); (err == nil) != want {
				t.Errorf("%s %q: %v", what, field, err)
			}
		}
	}
}
