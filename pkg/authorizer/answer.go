package authorizer

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/usage"
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

// Context is what the authorizer hands to the backend, and to gateway responses where it refuses. A
// REST API takes scalars only and makes strings of them, so all are strings. Every field is always
// there, since a gateway response's template puts nothing in place of a missing one.
type Context struct {
	KeyID          string `json:"keyId"`
	KeyName        string `json:"keyName"`
	OrganizationID string `json:"organizationId"`
	Environment    string `json:"environment"`
	OwnerID        string `json:"ownerId"`
	Customers      string `json:"customers"`   // comma-separated; empty: not scoped
	Permissions    string `json:"permissions"` // comma-separated; "*": all
	Permission     string `json:"permission"`  // the one of them that opened the route
	Limits         string `json:"limits"`      // the state of the key's limits: see limitsText
	// "true" when the call is over a limit: where the gateway cannot say so, the backend must
	Limited    string `json:"limited"`
	RetryAfter string `json:"retryAfter"` // seconds

	// The headers of those names, where the gateway answers 429 itself: it can repeat a value as a
	// header, and make none of limits.
	RateLimitPolicy string `json:"rateLimitPolicy,omitempty"`
	RateLimit       string `json:"rateLimit,omitempty"`

	// Of a key in a rotation: when that started, and "true" where the old secret was sent.
	RotationStartedAt string `json:"rotationStartedAt,omitempty"`
	OldSecret         string `json:"oldSecret,omitempty"`

	// How many of the allowed calls the organization wants in the log of requests, for who counts
	// by access logs; absent where it is as usual.
	SampleRequests string `json:"sampleRequests,omitempty"`

	// Who is signed in, on the admin API.
	UserID    string `json:"userId,omitempty"`
	UserEmail string `json:"userEmail,omitempty"` // verified; empty where it is not
	UserName  string `json:"userName,omitempty"`

	// How a refusal is rendered. On an allow they say what a refusal under the same policy would
	// be, since a cached policy is evaluated again for other calls and this context comes with it.
	DenialCode         string `json:"denialCode"`
	DenialDetail       string `json:"denialDetail"`
	RequiredPermission string `json:"requiredPermission"`
}

// maxAnswer is the most bytes that an answer may have; see pkg/policy, which leaves room for a
// context.
const maxAnswer = 8 << 10

// contextTexts are the most bytes that a text in the context may have. The next is for an answer
// that is too long with the one before, and with the last any context fits beside any policy.
func contextTexts() []int { return []int{2048, 512, 256, 96} }

// contextOf makes the context with texts of most bytes.
func contextOf(v check.Verdict, most int) Context {
	c := Context{
		KeyID:              v.Key.ID,
		KeyName:            text(v.Key.Name, most),
		OrganizationID:     v.Key.OrganizationID,
		Environment:        string(v.Key.Environment),
		OwnerID:            text(v.Key.Owner.ID, most),
		Customers:          list(v.Key.Customers, most),
		Permissions:        list(v.Key.Permissions, most),
		Permission:         v.Opened(),
		Limits:             limitsText(v.Allowance, most),
		Limited:            "false",
		RetryAfter:         "0",
		DenialCode:         check.PermissionDenied.Code(),
		RequiredPermission: v.Required,
		DenialDetail:       "The key does not hold a permission for this route.",
	}
	if v.Key.AllPermissions {
		c.Permissions = "*"
	}

	if v.Key.Rotation != nil {
		c.RotationStartedAt = apikey.FormatTime(v.Key.Rotation.StartedAt)
		c.OldSecret = strconv.FormatBool(v.OldSecret)
	}

	if v.Settings != nil && v.Settings.SampleRequests != usage.DefaultSampleRate {
		c.SampleRequests = strconv.FormatFloat(v.Settings.SampleRequests, 'g', 6, 64)
	}

	switch {
	case v.Outcome.Status() == 429:
		c.limited(v)
	case v.Outcome.Detail() != "":
		c.DenialCode = v.Outcome.Code()
		c.DenialDetail = v.Outcome.Detail()
	case v.Outcome == check.PermissionDenied && v.Spelling() != "":
		c.DenialDetail = v.Spelling()
	case v.Required != "":
		c.DenialDetail = "The key does not hold the permission " + v.Required +
			", which this route needs."
	}

	return c
}

// text makes a name safe inside the JSON that a gateway response's template quotes without escaping
// it.
func text(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
			return -1
		}

		return r
	}, s)
	if len(s) > most {
		s = s[:most]
	}

	return strings.ToValidUTF8(s, "")
}

// list joins names by commas, and leaves out those at the end that would make it too long; the
// ellipsis tells.
func list(names []string, most int) string {
	joined := strings.Join(names, ",")
	if len(joined) <= most {
		return joined
	}

	return joined[:strings.LastIndexByte(joined[:most-3], ',')+1] + "..."
}

// answer says the verdict of an allow, a 429 or a 403 in the form that the event's kind needs.
func (a *Authorizer) answer(
	r request, v check.Verdict, p policy.Document, allowed bool,
) (out []byte, err error) {
	ends := a.ends(r, &v)
	if !ends.IsZero() {
		p = policy.Until(p, ends)
	}

	for _, most := range contextTexts() {
		c := contextOf(v, most)
		if !ends.IsZero() && v.Outcome == check.Allowed {
			c.ended()
		}

		out, err = encode(a.form(r, c, p, allowed))
		if err != nil || len(out) <= maxAnswer {
			break
		}
	}

	return out, err
}

func (a *Authorizer) form(r request, c Context, p policy.Document, allowed bool) any {
	if a.simple(r) {
		return simpleAnswer{IsAuthorized: allowed, Context: c}
	}

	out := iamAnswer{PrincipalID: c.KeyID + c.UserID, PolicyDocument: p, Context: c}
	if r.kind == RESTToken || r.kind == RESTRequest {
		out.UsageIdentifierKey = a.admitKey
		if a.admitKey != "" && c.Limited == "true" {
			out.UsageIdentifierKey = limitedKey
			out.Context.headers()
		}
	}

	return out
}

// encode writes JSON without the escapes for HTML, which would make one byte six.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(value); err != nil {
		return nil, err
	}

	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
