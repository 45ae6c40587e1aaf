package authorizer

import (
	"encoding/json"
	"strings"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// iamAnswer is the answer with a policy: REST APIs, and HTTP APIs without simple responses.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
type iamAnswer struct {
	PrincipalID        string          `json:"principalId"`
	PolicyDocument     policy.Document `json:"policyDocument"`
	Context            Context         `json:"context"`
	UsageIdentifierKey string          `json:"usageIdentifierKey,omitempty"` // REST only
}

// simpleAnswer is the answer without one: HTTP APIs with enableSimpleResponses and payload 2.0.
type simpleAnswer struct {
	IsAuthorized bool    `json:"isAuthorized"`
	Context      Context `json:"context"`
}

// Context is what the authorizer hands to the backend, and to gateway responses where it refuses. A REST API takes scalars only and makes
// strings of them, so all are strings. Every field is always there, since a gateway response's template puts nothing in place of a missing one.
type Context struct {
	KeyID          string `json:"keyId"`
	KeyName        string `json:"keyName"`
	OrganizationID string `json:"organizationId"`
	Environment    string `json:"environment"`
	OwnerID        string `json:"ownerId"`
	Customers      string `json:"customers"`   // comma-separated; empty: not scoped
	Permissions    string `json:"permissions"` // comma-separated
	Limited        string `json:"limited"`     // "true" when the call is over a limit and the gateway could not say so
	RetryAfter     string `json:"retryAfter"`  // seconds

	// How a refusal is rendered. On an allow they say what a refusal under the same policy would be, since a cached policy is evaluated again
	// for other calls and this context comes with it.
	DenialCode         string `json:"denialCode"`
	DenialDetail       string `json:"denialDetail"`
	RequiredPermission string `json:"requiredPermission"`
}

// maxContextText bounds a text in the context: the whole answer has to stay within 8 KB.
const maxContextText = 512

func contextOf(v check.Verdict) Context {
	c := Context{
		KeyID: v.Key.ID, KeyName: text(v.Key.Name), OrganizationID: v.Key.OrganizationID, Environment: string(v.Key.Environment), OwnerID: text(v.Key.Owner.ID),
		Customers: list(v.Key.Customers), Permissions: list(v.Key.Permissions), Limited: "false", RetryAfter: "0",
		DenialCode: string(check.PermissionDenied), RequiredPermission: v.Required,
		DenialDetail: "The key does not hold a permission for this route.",
	}
	switch {
	case v.Outcome == check.CustomerNotAllowed:
		c.DenialCode = string(check.CustomerNotAllowed)
		c.DenialDetail = "The key is scoped to other customers than the one in the path."
	case v.Required != "":
		c.DenialDetail = "The key does not hold the permission " + v.Required + ", which this route needs."
	}
	return c
}

// text makes a name safe inside the JSON that a gateway response's template quotes without escaping it.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	return cut(s)
}

func cut(s string) string {
	if len(s) <= maxContextText {
		return s
	}
	return strings.ToValidUTF8(s[:maxContextText], "")
}

// list joins names by commas, and leaves out those at the end that would make it too long; the ellipsis tells.
func list(names []string) string {
	joined := strings.Join(names, ",")
	if len(joined) <= maxContextText {
		return joined
	}
	return joined[:strings.LastIndexByte(joined[:maxContextText-3], ',')+1] + "..."
}

// answer says the verdict of an allow or a 403 in the form that the event's kind needs.
func (a *Authorizer) answer(r request, c Context, p policy.Document, allowed bool) ([]byte, error) {
	if r.kind == HTTP2 && a.simpleResponses {
		return json.Marshal(simpleAnswer{IsAuthorized: allowed, Context: c})
	}
	out := iamAnswer{PrincipalID: c.KeyID, PolicyDocument: p, Context: c}
	if r.kind == RESTToken || r.kind == RESTRequest {
		out.UsageIdentifierKey = a.admitKey
	}
	return json.Marshal(out)
}
