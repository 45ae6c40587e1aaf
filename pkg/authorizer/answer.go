package authorizer

import (
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/jsonstring"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Context is the authorizer's context for the backend, and for gateway responses of refusals. REST
// APIs accept only scalars and turn them into strings, so all fields are strings. Every field is
// always present, since a gateway response's template substitutes nothing for a missing one.
type Context struct {
	API            string `json:"api"` // its name in the catalogue's routes
	KeyID          string `json:"keyId"`
	KeyName        string `json:"keyName"`
	OrganizationID string `json:"organizationId"`
	Environment    string `json:"environment"`
	OwnerID        string `json:"ownerId"`
	Customers      string `json:"customers"`   // comma-separated; empty: not scoped
	Permissions    string `json:"permissions"` // comma-separated; "*": all
	Permission     string `json:"permission"`  // the one of them that opened the route
	Limits         string `json:"limits"`      // the state of the key's limits: see limitsText
	// Limited is "true" when the call is over a limit: if the gateway cannot answer 429, the
	// backend must.
	Limited    string `json:"limited"`
	RetryAfter string `json:"retryAfter"` // seconds

	// The headers of those names, if the gateway answers 429 itself: it can repeat a value as a
	// header, but cannot build one from Limits.
	RateLimitPolicy string `json:"rateLimitPolicy,omitempty"`
	RateLimit       string `json:"rateLimit,omitempty"`

	// Of a key in a rotation: when that started, and "true" if the old secret was sent.
	RotationStartedAt string `json:"rotationStartedAt,omitempty"`
	OldSecret         string `json:"oldSecret,omitempty"`

	// SampleRequests is the fraction of allowed calls that the organization wants in the log of
	// requests, for counting by access logs; absent if it is the default.
	SampleRequests string `json:"sampleRequests,omitempty"`

	// The signed-in person, on the admin API.
	UserID    string `json:"userId,omitempty"`
	UserEmail string `json:"userEmail,omitempty"` // verified; empty otherwise
	UserName  string `json:"userName,omitempty"`

	// How a refusal is rendered. On an allow they describe a refusal under the same policy, since
	// a cached policy is evaluated for other calls too and brings this context with it.
	DenialCode         string `json:"denialCode"`
	DenialDetail       string `json:"denialDetail"`
	RequiredPermission string `json:"requiredPermission"`
}

// maxAnswer is the maximum size of an answer, in bytes; see pkg/policy, which leaves room for a
// context.
const maxAnswer = 8 << 10

// contextTexts are the sizes, in bytes, to which texts in the context are cut, one attempt after the
// other until the answer fits. With the last one any context fits together with any policy.
var contextTexts = [...]int{2048, 512, 256, 96}

// contextOf makes the context, with texts of at most that many bytes.
func contextOf(v *check.Verdict, api string, maxBytes int) Context {
	c := Context{
		API:                api,
		KeyID:              v.Key.ID,
		KeyName:            text(v.Key.Name, maxBytes),
		OrganizationID:     v.Key.OrganizationID,
		Environment:        string(v.Key.Environment),
		OwnerID:            text(v.Key.Owner.ID, maxBytes),
		Customers:          list(v.Key.Customers, maxBytes),
		Permissions:        list(v.Key.Permissions, maxBytes),
		Permission:         v.Opened(),
		Limits:             limitsText(v.Allowance, maxBytes),
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

// text makes a name safe inside the JSON of a gateway response's template, which quotes it without
// escaping.
func text(s string, maxBytes int) string {
	s = strings.Map(quotable, s)
	if len(s) > maxBytes {
		s = s[:maxBytes]
	}

	return strings.ToValidUTF8(s, "")
}

// quotable returns a character that needs no escape, or -1.
func quotable(r rune) rune {
	if r < ' ' || r == '"' || r == '\\' || r == 0x7f {
		return -1
	}

	return r
}

// list joins names by commas. It leaves out those at the end that would make it too long, and
// marks that by an ellipsis.
func list(names []string, maxBytes int) string {
	joined := strings.Join(names, ",")
	if len(joined) <= maxBytes {
		return joined
	}

	return joined[:strings.LastIndexByte(joined[:maxBytes-3], ',')+1] + "..."
}

// answer returns the verdict of an allow, a 429 or a 403 in the form for the event's kind.
func (a *Authorizer) answer(r *request, v *check.Verdict, p policy.Policy, allowed bool) []byte {
	ends := a.ends(r, v)
	if !ends.IsZero() {
		p = policy.Policy{Document: policy.Until(p.Document, ends)}
	}

	out := make([]byte, 0, len(p.JSON)+usualContext)

	// Most contexts fit uncut; the sizes shrink until the answer does.
	for _, maxBytes := range contextTexts {
		c := contextOf(v, r.call.API, maxBytes)
		if !ends.IsZero() && v.Outcome == check.Allowed {
			c.ended()
		}

		if out = a.form(out[:0], r, &c, p, allowed); len(out) <= maxAnswer {
			break
		}
	}

	return out
}

// usualContext is the size of an answer without its policy's document, in bytes, that most have at
// most.
const usualContext = 1024

// form appends an answer in the form for the event's kind.
func (a *Authorizer) form(
	out []byte, r *request, c *Context, p policy.Policy, allowed bool,
) []byte {
	if a.simple(r) {
		return appendSimple(out, allowed, c)
	}

	usage := ""
	if r.kind == RESTToken || r.kind == RESTRequest {
		usage = a.admitKey
		if a.admitKey != "" && c.Limited == "true" {
			usage = limitedKey
			c.headers()
		}
	}

	return appendIAM(out, p, c, usage)
}

// appendSimple appends an answer without a policy: HTTP APIs with enableSimpleResponses and payload
// 2.0.
func appendSimple(out []byte, allowed bool, c *Context) []byte {
	out = append(out, `{"isAuthorized":`...)
	out = strconv.AppendBool(out, allowed)
	out = append(out, `,"context":`...)
	return append(c.appendJSON(out), '}')
}

// appendIAM appends an answer with a policy: REST APIs, and HTTP APIs without simple responses.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
func appendIAM(out []byte, p policy.Policy, c *Context, usageIdentifierKey string) []byte {
	out = append(out, `{"principalId":`...)
	out = jsonstring.Append(out, c.KeyID+c.UserID)
	out = append(out, `,"policyDocument":`...)

	if p.JSON != nil { // kept with the policy: it is the same at each call
		out = append(out, p.JSON...)
	} else {
		out = p.Document.AppendJSON(out)
	}

	out = append(out, `,"context":`...)
	out = c.appendJSON(out)

	if usageIdentifierKey != "" { // REST only
		out = append(out, `,"usageIdentifierKey":`...)
		out = jsonstring.Append(out, usageIdentifierKey)
	}

	return append(out, '}')
}
