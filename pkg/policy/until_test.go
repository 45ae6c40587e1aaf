package policy_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/policy"
)

// A document with an end allows the same as the one without, until its end. The original is not
// changed, since documents are shared.
func TestUntil(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:execute-api:us-east-1:1:abc/prod/GET/pets/1"
	end := time.Date(2026, time.November, 28, 13, 0, 0, 999_000_000, time.FixedZone("", 3600))
	whole := time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)
	only := policy.Only(arn)

	limited := policy.Until(only, end)
	if diff := cmp.Diff(policy.Only(arn), only); diff != "" {
		t.Errorf("the document was changed (-want +got):\n%s", diff)
	}

	for name, test := range map[string]struct {
		document policy.Document
		at       time.Time
		want     policy.Decision
	}{
		"before its end":           {limited, whole.Add(-time.Millisecond), policy.Allow},
		"at its end":               {limited, whole, policy.ImplicitDeny},
		"in the last second":       {limited, end.Add(-time.Millisecond), policy.ImplicitDeny},
		"after its end":            {limited, end.Add(time.Hour), policy.ImplicitDeny},
		"at no time that is known": {limited, time.Time{}, policy.ImplicitDeny},
		"without an end":           {only, end, policy.Allow},
		"a denial does not end": {
			policy.Until(policy.Refuse(only, arn), end), end, policy.ExplicitDeny,
		},
	} {
		text, err := json.Marshal(test.document)
		if err != nil {
			t.Fatal(err)
		}

		if got, err := policy.EvaluateAt(text, "execute-api:Invoke",
			arn, test.at); got != test.want || err != nil {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
	}
}

// Conditions on the time are read as IAM reads them, and no other condition is mistaken for one.
func TestEvaluateAt(t *testing.T) {
	t.Parallel()

	at := time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		condition string
		want      policy.Decision
		err       error
	}{
		"later": {
			`{"DateLessThan":{"aws:CurrentTime":"2026-11-28T12:00:01Z"}}`, policy.Allow, nil,
		},
		"now": {
			`{"DateLessThan":{"aws:CurrentTime":"2026-11-28T12:00:00Z"}}`, policy.ImplicitDeny, nil,
		},
		"a key in another case": {
			`{"DateLessThan":{"AWS:currenttime":"2026-11-28T12:00:01Z"}}`, policy.Allow, nil,
		},
		"one of several": {
			`{"DateLessThan":{"aws:CurrentTime":["2020-01-01T00:00:00Z","2027-01-01T00:00:00Z"]}}`,
			policy.Allow, nil,
		},
		"none of several": {
			`{"DateLessThan":{"aws:CurrentTime":["2020-01-01T00:00:00Z","2021-01-01T00:00:00Z"]}}`,
			policy.ImplicitDeny, nil,
		},
		"another operator": {
			`{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"another key": {
			`{"DateLessThan":{"aws:TokenIssueTime":"2027-01-01T00:00:00Z"}}`, policy.ImplicitDeny,
			policy.ErrUnsupported,
		},
		"with another": {
			`{"DateLessThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"},"Bool":{"x":"true"}}`,
			policy.ImplicitDeny, policy.ErrUnsupported,
		},
		"with another key": {
			`{"DateLessThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z","aws:EpochTime":"1"}}`,
			policy.ImplicitDeny, policy.ErrUnsupported,
		},
		"twice, in different cases": {
			`{"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z","aws:currenttime":"2027-01-01T00:00:00Z"}}`, policy.ImplicitDeny, policy.ErrUnsupported,
		},
		"no time": {
			`{"DateLessThan":{"aws:CurrentTime":[]}}`, policy.ImplicitDeny, policy.ErrUnsupported,
		},
		"no key": {`{"DateLessThan":{}}`, policy.ImplicitDeny, policy.ErrUnsupported},
		"not a time": {
			`{"DateLessThan":{"aws:CurrentTime":"soon"}}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"a number": {
			`{"DateLessThan":{"aws:CurrentTime":1}}`, policy.ImplicitDeny, policy.ErrMalformed,
		},
		"a list": {`[]`, policy.ImplicitDeny, policy.ErrMalformed},
	} {
		document := `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":` +
			test.condition + `}}`

		got, err := policy.EvaluateAt([]byte(document), "execute-api:Invoke", "x", at)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %v, %v, want %v, %v", name, got, err, test.want, test.err)
		}

		if got == policy.Allow { // an unknown time is before no other
			if got, err := policy.Evaluate([]byte(document), "execute-api:Invoke",
				"x"); got != policy.ImplicitDeny || err != nil {
				t.Errorf("%s, at no time: %v, %v", name, got, err)
			}
		}
	}
}
