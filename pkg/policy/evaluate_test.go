package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bitting-keys/bitting/pkg/policy"
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:execute-api:us-east-1:1:abc/prod/GET/pets/1"
	statement := func(effect, action, resource string) string {
		return fmt.Sprintf(`{"Effect":%q,"Action":%s,"Resource":%s}`, effect, action, resource)
	}
	allow := statement("Allow", `"execute-api:Invoke"`, `"*"`)
	deny := statement("Deny", `"execute-api:Invoke"`, `"*"`)
	conditional := func(statement, condition string) string {
		return `{"Statement":{"Condition":` + condition + `,` + statement[1:] + `}`
	}
	one := func(action, resource string) string {
		return `{"Version":"2012-10-17","Statement":[` + statement("Allow", action, resource) + `]}`
	}

	tests := map[string]struct {
		document string
		want     policy.Decision
		err      error
	}{
		"allow": {
			`{"Version":"2012-10-17","Statement":[` + allow + `]}`, policy.Allow, nil,
		},
		"deny wins": {
			`{"Version":"2012-10-17","Statement":[` + deny + `,` + allow + `]}`,
			policy.ExplicitDeny, nil,
		},
		"deny wins, last": {
			`{"Version":"2012-10-17","Statement":[` + allow + `,` + deny + `]}`,
			policy.ExplicitDeny, nil,
		},
		"deny of something else": {
			`{"Statement":[` + allow + `,` + statement("Deny", `"*"`, `"*/POST/*"`) + `]}`,
			policy.Allow, nil,
		},
		"no statements": {
			`{"Version":"2012-10-17","Statement":[]}`, policy.ImplicitDeny, nil,
		},
		"statement is an object": {
			`{"Version":"2008-10-17","Id":"x","Statement":` + allow + `}`, policy.Allow, nil,
		},
		"with a Sid": {
			`{"Statement":{"Sid":"x",` + allow[1:] + `}`, policy.Allow, nil,
		},
		"list of actions": {
			one(`["s3:Get","execute-api:Invoke"]`, `["*"]`), policy.Allow, nil,
		},
		"action in another case":   {one(`"Execute-API:invoke"`, `"*"`), policy.Allow, nil},
		"action with a wildcard":   {one(`"execute-api:*"`, `"*"`), policy.Allow, nil},
		"action with a single one": {one(`"execute-api:Invok?"`, `"*"`), policy.Allow, nil},
		"another action": {
			one(`"execute-api:InvalidateCache"`, `"*"`), policy.ImplicitDeny, nil,
		},
		"exact resource": {one(`"*"`, `"`+arn+`"`), policy.Allow, nil},
		"resource in another case": {
			one(`"*"`, `"arn:aws:execute-api:us-east-1:1:abc/prod/GET/Pets/1"`),
			policy.ImplicitDeny, nil,
		},
		"resource is the whole": {
			one(`"*"`, `"arn:aws:execute-api:us-east-1:1:abc/prod/GET/pets"`), policy.ImplicitDeny,
			nil,
		},
		"star crosses slashes": {
			one(`"*"`, `"arn:aws:execute-api:us-east-1:1:abc/*/1"`), policy.Allow, nil,
		},
		"star crosses colons": {one(`"*"`, `"arn:*/pets/1"`), policy.Allow, nil},
		"star may be empty": {
			one(`"*"`, `"arn:aws:execute-api:us-east-1:1:abc/prod/GET/pets/1*"`), policy.Allow, nil,
		},
		"question mark is one": {
			one(`"*"`, `"arn:aws:execute-api:us-east-1:1:abc/prod/GET/pets/?"`), policy.Allow, nil,
		},
		"question mark is not none": {
			one(`"*"`, `"arn:aws:execute-api:us-east-1:1:abc/prod/GET/pets/1?"`),
			policy.ImplicitDeny, nil,
		},
		"not a regular expression": {
			one(`"*"`, `"arn.aws.execute-api.*"`), policy.ImplicitDeny, nil,
		},
		"empty":    {``, policy.ImplicitDeny, policy.ErrMalformed},
		"null":     {`null`, policy.ImplicitDeny, policy.ErrMalformed},
		"a string": {`"{}"`, policy.ImplicitDeny, policy.ErrMalformed},
		"cut short": {
			`{"Statement":[` + allow, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"two documents": {
			`{"Statement":` + allow + `}{}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"no Statement": {
			`{"Version":"2012-10-17"}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"null Statement": {
			`{"Statement":null}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"another version": {
			`{"Version":"2020-01-01","Statement":[` + allow + `]}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"element in another case": {
			`{"statement":` + allow + `}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"Statement twice": {
			`{"Statement":` + deny + `,"Statement":` + allow + `}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"Effect twice": {
			`{"Statement":{"Effect":"Deny",` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"unknown element": {
			`{"Statement":{"Resources":"x",` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"effect in another case": {
			`{"Statement":` + statement("allow", `"*"`, `"*"`) + `}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"no Effect": {
			`{"Statement":{"Action":"*","Resource":"*"}}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"no Action": {
			`{"Statement":{"Effect":"Allow","Resource":"*"}}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"no Resource": {
			`{"Statement":{"Effect":"Allow","Action":"*"}}`, policy.ImplicitDeny,
			policy.ErrMalformed,
		},
		"empty Resource": {one(`"*"`, `[]`), policy.ImplicitDeny, policy.ErrMalformed},
		"null Resource": {
			one(`"*"`, `null`), policy.ImplicitDeny, policy.ErrMalformed,
		},
		"number as Resource": {
			one(`"*"`, `[1]`), policy.ImplicitDeny, policy.ErrMalformed,
		},
		"malformed after a deny": {
			`{"Statement":[` + deny + `,{}]}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"NotAction": {
			`{"Statement":{"NotAction":"x",` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"NotResource": {
			`{"Statement":{"NotResource":"x",` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"Condition": {
			`{"Statement":{"Condition":{},` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"another condition": {
			conditional(allow, `{"IpAddress":{"aws:SourceIp":"192.0.2.1"}}`), policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"another, of a deny": {
			conditional(deny, `{"Bool":{"aws:SecureTransport":"false"}}`), policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"Principal": {
			`{"Statement":{"Principal":"*",` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"NotPrincipal": {
			`{"Statement":{"NotPrincipal":"*",` + allow[1:] + `}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"policy variable in Resource": {
			one(`"*"`, `"*${aws:username}"`), policy.ImplicitDeny, policy.ErrUnsupported,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := policy.Evaluate([]byte(tt.document), invoke, arn)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestDecisionString(t *testing.T) {
	t.Parallel()

	for d, want := range map[policy.Decision]string{
		policy.Allow:        "allowed",
		policy.ImplicitDeny: "implicitDeny",
		policy.ExplicitDeny: "explicitDeny",
		7:                   "Decision(7)",
	} {
		if got := d.String(); got != want {
			t.Errorf("%d is %q, want %q", int(d), got, want)
		}
	}
}

// FuzzGlob compares resources with a model in regular expressions.
func FuzzGlob(f *testing.F) {
	f.Add("a/*/?*", "a/b/c")
	f.Add("*a*a*b", "aaaaaaaaab")
	f.Add("?é*", "xéy")
	f.Add("**??**", "ab")
	f.Add("*\\*", "a\\b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, pattern, arn string) {
		if !utf8.ValidString(pattern) || strings.Contains(pattern, "${") {
			t.Skip("JSON or IAM has no such resource")
		}

		document, err := json.Marshal(map[string]any{
			"Statement": map[string]string{"Effect": "Allow", "Action": "*", "Resource": pattern},
		})
		if err != nil {
			t.Fatal(err)
		}

		got, err := policy.Evaluate(document, invoke, arn)
		if err != nil {
			t.Fatal(err)
		}

		var model strings.Builder
		for _, r := range pattern {
			switch r {
			case '*':
				model.WriteString(".*")
			case '?':
				model.WriteString(".")
			default:
				model.WriteString(regexp.QuoteMeta(string(r)))
			}
		}

		want := regexp.MustCompile(`(?s)\A` + model.String() + `\z`).MatchString(arn)
		if (got == policy.Allow) != want {
			t.Errorf("%q on %q: %v, the model says %t", pattern, arn, got, want)
		}
	})
}

// TestEvaluateMany shows that a glob of many stars is not exponential: otherwise it would not end.
func TestEvaluateMany(t *testing.T) {
	t.Parallel()
	document := `{"Statement":{"Effect":"Allow","Action":"*","Resource":"` + strings.Repeat("*a",
		200) + `b"}}`

	got, err := policy.Evaluate([]byte(document), invoke, strings.Repeat("a", 1600))
	if got != policy.ImplicitDeny || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
