// Package policy expresses in an IAM policy document what a key may call, and evaluates such
// documents.
//
// [Build] promises:
//
//   - The document never opens a call that [permission.Decide] refuses.
//   - A document of scope [WholeKey] opens exactly the calls that Decide allows, for every method
//     and plain path of the stage.
//
// A path is plain if it has no percent sign, semicolon or colon, and no slash at its end. For
// other paths, a pattern would depend on where in the path these stand, or on how IAM interprets
// them. A call to such a path has a document of its own, and no other document opens it.
//
// Build does not trust its own patterns, since API Gateway's * crosses slashes. It uses a document
// only if an exhaustive search has found no plain path on which the document and Decide differ. If
// API Gateway's limits leave no room for a document, Build narrows it to the route of the call,
// then to the call itself, then to nothing.
//
// The promise covers raw paths that an HTTP request can have. A path with a control character
// cannot be sent, and is refused when it is called, but documents have no pattern against it.
//
// [Evaluate] is the other half: an evaluator of documents that shares no code with what builds
// them.
package policy

import (
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
	// reserve is for the rest of the answer: the principal and the context for the backend.
	reserve     = 1536
	maxDocument = maxResult - reserve
)

// invoke is the action of calling an API.
const invoke = "execute-api:Invoke"

// Document is an IAM policy document. Documents share their lists, which must not be modified.
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
	// Condition holds the further conditions of the statement, by operator and key; see [Until].
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

	return len(d.AppendJSON(nil)) <= maxDocument
}

// Only returns a document that allows exactly the request with the ARN. It is for requests that
// have no route, such as the $connect of a WebSocket API. If a policy cannot express the ARN
// literally, the document denies everything; see [Sayable].
func Only(arn string) Document {
	if !literal(arn) {
		return denyEverything()
	}

	return document(allow([]string{arn}))
}

// Sayable reports whether [Only] can allow the request with the ARN.
func Sayable(arn string) bool { return literal(arn) }

// Refuse returns a document that refuses the request with the ARN, and otherwise says what d says
// if that fits: a cached answer then still serves the key's other calls. If a policy cannot
// express the ARN literally, the document denies everything.
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

// The only condition that documents have.
const (
	dateLessThan = "DateLessThan"
	currentTime  = "aws:CurrentTime"
)

// Until returns a document that allows what d allows before end, and nothing from then on, even if
// it is cached. Fractions of a second are cut off: it may end that much early, never late. The
// time is a condition of allowing, so that an evaluator that does not know the time allows
// nothing.
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

// literal reports whether the ARN, as a resource of a policy, matches the request with that ARN
// and no other. API Gateway is not known to honour any literal form of wildcards and policy
// variables in a resource, and characters other than printable ASCII may not survive JSON.
func literal(arn string) bool {
	for i := range len(arn) {
		if arn[i] <= ' ' || arn[i] > '~' || arn[i] == '*' || arn[i] == '?' || arn[i] == '\\' {
			return false
		}
	}

	return arn != "" && len(arn) <= maxResource && !strings.Contains(arn, "${")
}
