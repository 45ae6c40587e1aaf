// Package policy says in an IAM policy document what a key may call, and evaluates
// such documents.
//
// [Build] promises that the document never opens a call which [permission.Decide]
// refuses; and that a document of scope [WholeKey] opens exactly the calls which
// Decide allows, for every method and plain path of the stage. A path is plain when it
// has no percent sign, semicolon or colon, and no slash at its end: what a pattern
// would have to say of the others depends on where in the path they stand, or on what
// IAM makes of them. A call to one of those has a document of its own, and no other
// document opens it.
//
// Build does not trust its own patterns: API Gateway's * crosses slashes, so a document
// is kept only when an exhaustive search has found no plain path on which it and Decide
// differ. What cannot be said within API Gateway's limits is narrowed to the route of
// the call, then to the call itself, then to nothing.
//
// The promise is about raw paths that an HTTP request can have. One with a control
// character cannot be sent, and is refused when it is called, but a document has no
// pattern against it.
//
// [Evaluate] is the other half: an evaluator of documents that knows nothing of how
// they are made.
package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Limits of what an authorizer may return. See "policy" in
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
// for the first, and the "authorizer result size" of WebSocket APIs in
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
// for the second: for REST and HTTP APIs none is documented, so this one is kept.
const (
	maxResource = 512     // characters in one Resource
	maxResult   = 8 << 10 // bytes of the authorizer's whole answer
	// reserve is what the answer needs beside the document: the principal and the
	// context handed to the backend.
	reserve     = 1536
	maxDocument = maxResult - reserve
)

// invoke is the action of calling an API.
const invoke = "execute-api:Invoke"

// Document is an IAM policy document. Documents share their lists, so what they
// hold is not to be modified.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement allows or denies requests.
type Statement struct {
	Action string
	// Effect is "Allow" or "Deny".
	Effect string
	// Resource holds patterns of ARNs.
	Resource []string
	// Condition holds, by operator and key, what else must be so for the statement to
	// match; see [Until].
	Condition map[string]map[string]string `json:",omitempty"`
}

func allow(resources []string) Statement {
	return Statement{Action: invoke, Effect: "Allow", Resource: resources}
}

func deny(resources []string) Statement {
	return Statement{Action: invoke, Effect: "Deny", Resource: resources}
}

func document(statements ...Statement) Document {
	return Document{Version: "2012-10-17", Statement: statements}
}

// denyEverything refuses every request to every API.
func denyEverything() Document {
	return document(deny([]string{"*"}))
}

// fits reports whether the document is within the limits.
func (d Document) fits() bool {
	for _, s := range d.Statement {
		for _, r := range s.Resource {
			if len(r) > maxResource {
				return false
			}
		}
	}

	data, err := json.Marshal(d)
	return err == nil && len(data) <= maxDocument
}

// Only returns a document that allows exactly the request with the ARN. It serves
// requests that have no route, such as the $connect of a WebSocket API. An ARN that
// cannot be said literally in a policy gives a document that denies everything; see
// [Sayable].
func Only(arn string) Document {
	if !literal(arn) {
		return denyEverything()
	}

	return document(allow([]string{arn}))
}

// Sayable reports whether [Only] can allow the request with the ARN.
func Sayable(arn string) bool { return literal(arn) }

// Refuse returns a document that surely refuses the request with the ARN, and
// otherwise says what d says as far as that fits: a cached answer then still serves
// the key's other calls. An ARN that cannot be said literally in a policy gives a
// document that denies everything.
func Refuse(d Document, arn string) Document {
	if !literal(arn) {
		return denyEverything()
	}

	refusal := document(append(slices.Clone(d.Statement), deny([]string{arn}))...)
	if !refusal.fits() {
		return denyEverything()
	}

	return refusal
}

// The one condition that documents have.
const (
	dateLessThan = "DateLessThan"
	currentTime  = "aws:CurrentTime"
)

// Until returns a document that allows what d allows before a time, and nothing from
// then on, whoever keeps it. Fractions of a second are cut off: it may end that much
// too early, never too late. It is a condition of what is allowed, so that a reader
// who does not know the time allows nothing.
func Until(d Document, end time.Time) Document {
	condition := map[string]map[string]string{
		dateLessThan: {currentTime: end.UTC().Format("2006-01-02T15:04:05Z")},
	}

	statements := slices.Clone(d.Statement)
	for i := range statements {
		if statements[i].Effect == "Allow" {
			statements[i].Condition = condition
		}
	}

	return document(statements...)
}

// literal reports whether the ARN, as a resource of a policy, matches the request with
// that ARN and nothing else. Wildcards and policy variables have no literal form in a
// resource that API Gateway is known to honour, and what is not printable ASCII may not
// survive JSON.
func literal(arn string) bool {
	for i := range len(arn) {
		if arn[i] <= ' ' || arn[i] > '~' || arn[i] == '*' || arn[i] == '?' || arn[i] == '\\' {
			return false
		}
	}

	return arn != "" && len(arn) <= maxResource && !strings.Contains(arn, "${")
}
