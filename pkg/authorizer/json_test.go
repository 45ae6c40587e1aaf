package authorizer_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// simple and iam are the forms of answers, as encoding/json writes them.
type simple struct {
	IsAuthorized bool               `json:"isAuthorized"`
	Context      authorizer.Context `json:"context"`
}

type iam struct {
	PrincipalID        string             `json:"principalId"`
	PolicyDocument     policy.Document    `json:"policyDocument"`
	Context            authorizer.Context `json:"context"`
	UsageIdentifierKey string             `json:"usageIdentifierKey,omitempty"`
}

// encoded returns what encoding/json makes of a value, without escapes for HTML.
func encoded(t *testing.T, value any) string {
	t.Helper()

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}

	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// contexts returns the empty context, those with a text in each one of the fields, and those with a
// text in all of them.
func contexts() []authorizer.Context {
	out := make([]authorizer.Context, 1)
	texts := []string{
		"plain", `"`, `\`, "\x00\n\x1f\x7f", "<&>", "\u00e4\u2028\u2029\U0001f600", "\xff", `","keyId":"other`, `"}}`, "a\xed\xa0\x80b",
	}

	fields := reflect.TypeFor[authorizer.Context]().NumField()
	for _, text := range texts {
		var all authorizer.Context
		for i := range fields {
			var one authorizer.Context
			reflect.ValueOf(&one).Elem().Field(i).SetString(text)
			reflect.ValueOf(&all).Elem().Field(i).SetString(text)

			out = append(out, one)
		}

		out = append(out, all)
	}

	return out
}

// Answers are written by hand, and must be what encoding/json would write.
func TestAnswersAreThoseOfEncodingJSON(t *testing.T) {
	t.Parallel()

	same := func(what string, got []byte, want any) {
		t.Helper()

		if want := encoded(t, want); string(got) != want {
			t.Errorf("%s: %s, expected %s", what, got, want)
		}
	}

	d := policy.Only("arn:aws:execute-api:eu-west-1:1:a/prod/GET/<&>\"")

	for _, c := range contexts() {
		same("context", authorizer.JSONOfContext(&c), c)
		same("simple", authorizer.JSONOfSimple(true, &c), simple{true, c})
		same("simple", authorizer.JSONOfSimple(false, &c), simple{false, c})

		for _, usage := range []string{"", "admitted", `"`} {
			want := iam{c.KeyID + c.UserID, d, c, usage}
			same("policy", authorizer.JSONOfIAM(policy.Policy{Document: d}, &c, usage), want)

			prepared := policy.Policy{JSON: d.AppendJSON(nil)}
			same("prepared policy", authorizer.JSONOfIAM(prepared, &c, usage), want)
		}

		for _, denied := range [][]string{nil, {"Query.a"}, {"Query.a", `"`}} {
			got, want := authorizer.JSONOfGraphQL(true, &c, denied)
			same("GraphQL", got, want)
		}
	}

	got, want := authorizer.JSONOfGraphQL(false, nil, nil)
	same("GraphQL refusal", got, want)
}
