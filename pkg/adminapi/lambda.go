package adminapi

import (
	"context"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/guard"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// Function is the Lambda function that serves one group of the admin API's operations.
func Function(d *boot.Deployment, group Group) *proxy.Function {
	return proxy.New(withGatewayContext(New(d, group)))
}

// gatewayContext is what API Gateway says of a call besides the HTTP request: who its authorizer
// let in, and from where.
type gatewayContext struct {
	requestID string
	sourceIP  string
	userAgent string
	// the key that the authorizer let in; "" for a person, and where no authorizer ran
	keyID       string
	environment apikey.Environment // the key's
	person      organization.Person
	// the key is over a limit, which the authorizer has no way to answer; nil where it is not
	limit *Problem
}

type gatewayContextKey struct{}

func gatewayContextOf(ctx context.Context) gatewayContext {
	o, _ := ctx.Value(gatewayContextKey{}).(gatewayContext)
	return o
}

// withGatewayContext takes what API Gateway said to where the operations find it. No answer of this
// API is kept by anybody on the way.
func withGatewayContext(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := proxy.CallOf(r.Context())

		o := gatewayContext{
			requestID:   c.RequestID,
			sourceIP:    c.SourceIP,
			userAgent:   r.UserAgent(),
			keyID:       c.Said("keyId"),
			environment: apikey.Environment(c.Said("environment")),
			person: organization.Person{
				ID:    c.Said("userId"),
				Email: c.Said("userEmail"),
				Name:  c.Said("userName"),
			},
		}
		if c.Said("limited") == "true" {
			o.limit = overLimit(c)
		}

		guard.SetLimits(w.Header(), c.Said("limits"))
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), gatewayContextKey{}, o)))
	})
}

// overLimit is the answer to a call whose key is over a limit.
func overLimit(c proxy.Call) *Problem {
	k := rateLimited
	if c.Said("denialCode") == string(quotaExceeded.code) {
		k = quotaExceeded
	}

	p := k.with(c.Said("denialDetail"))
	p.retryAfter = c.Said("retryAfter")
	return p
}
