package authorizer

import (
	"strconv"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// Answers are written by hand: the policy's document, most of an answer, is the same each time, and
// encoding/json would encode it again.

// object is an object that is being written: a brace and its members so far.
type object struct{ out []byte }

// always appends a member. The name needs no escape.
func (o *object) always(name, value string) {
	if o.out[len(o.out)-1] != '{' {
		o.out = append(o.out, ',')
	}

	o.out = append(append(append(o.out, '"'), name...), '"', ':')
	o.out = jsonstring.Append(o.out, value)
}

// some appends a member unless it is empty.
func (o *object) some(name, value string) {
	if value != "" {
		o.always(name, value)
	}
}

// appendJSON appends the context to JSON, as encoding/json would write it.
func (c *Context) appendJSON(out []byte) []byte {
	o := object{append(out, '{')}
	o.always("api", c.API)
	o.always("keyId", c.KeyID)
	o.always("keyName", c.KeyName)
	o.always("organizationId", c.OrganizationID)
	o.always("environment", c.Environment)
	o.always("ownerId", c.OwnerID)
	o.always("customers", c.Customers)
	o.always("permissions", c.Permissions)
	o.always("permission", c.Permission)
	o.always("limits", c.Limits)
	o.always("limited", c.Limited)
	o.always("retryAfter", c.RetryAfter)
	o.some("rateLimitPolicy", c.RateLimitPolicy)
	o.some("rateLimit", c.RateLimit)
	o.some("rotationStartedAt", c.RotationStartedAt)
	o.some("oldSecret", c.OldSecret)
	o.some("sampleRequests", c.SampleRequests)
	o.some("userId", c.UserID)
	o.some("userEmail", c.UserEmail)
	o.some("userName", c.UserName)
	o.always("denialCode", c.DenialCode)
	o.always("denialDetail", c.DenialDetail)
	o.always("requiredPermission", c.RequiredPermission)
	return append(o.out, '}')
}

// graphQLAnswer is the answer to AppSync.
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
type graphQLAnswer struct {
	IsAuthorized    bool     `json:"isAuthorized"`
	ResolverContext *Context `json:"resolverContext,omitempty"`
	DeniedFields    []string `json:"deniedFields,omitempty"` // "Type.field"
	TTLOverride     int      `json:"ttlOverride"`            // seconds; 0: AppSync keeps nothing
}

func (g graphQLAnswer) appendJSON(out []byte) []byte {
	out = append(out, `{"isAuthorized":`...)
	out = strconv.AppendBool(out, g.IsAuthorized)

	if g.ResolverContext != nil {
		out = append(out, `,"resolverContext":`...)
		out = g.ResolverContext.appendJSON(out)
	}

	for i, field := range g.DeniedFields {
		if i == 0 {
			out = append(out, `,"deniedFields":[`...)
		} else {
			out = append(out, ',')
		}

		out = jsonstring.Append(out, field)
	}

	if len(g.DeniedFields) > 0 {
		out = append(out, ']')
	}

	out = append(out, `,"ttlOverride":`...)
	out = strconv.AppendInt(out, int64(g.TTLOverride), 10)
	return append(out, '}')
}
