// Package guard is net/http middleware for your own Go backend behind API Gateway and Bitting's
// authorizer.
//
// It promises to fail closed: a call that passed no authorizer is refused with 503. Such a call
// can only arrive when an API's authorizer is missing or was bypassed, which is the deployment's
// fault and not the caller's. The package also:
//
//   - answers 429 when API Gateway could not
//   - provides the caller as [Caller]
//   - checks permissions a second time with [Require]
//   - reports the remaining limits in the headers RateLimit-Policy and RateLimit
//     (draft-ietf-httpapi-ratelimit-headers)
//
// It decides nothing about keys: the authorizer has done that. It trusts only what API Gateway
// says in the event, never a header of the request.
//
// By default it gets the call from github.com/bitting-keys/bitting/pkg/proxy: from the request's
// context, as aws-lambda-go-api-proxy puts it there. Behind another adapter, set Call of [Guard].
package guard

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bitting-keys/bitting/pkg/guard/ratelimit"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// defaultDocsURL is the page that explains each problem's code; the code is the fragment.
const defaultDocsURL = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

// Guard is the middleware with its settings; the zero Guard has the defaults.
type Guard struct {
	// DocsURL is the address to which a problem's code is appended. Default: Bitting's own
	// documentation.
	DocsURL string
	// Call returns API Gateway's description of a request. It must not trust anything that a
	// client can send. Default: proxy.CallOf.
	Call func(*http.Request) proxy.Call
}

// Protect admits only calls that the authorizer admitted and that are within their key's limits.
// It is Guard{}.Protect.
func Protect(next http.Handler) http.Handler { return Guard{}.Protect(next) }

// Protect admits only calls that the authorizer admitted and that are within their key's limits.
func (g Guard) Protect(next http.Handler) http.Handler {
	if g.DocsURL == "" {
		g.DocsURL = defaultDocsURL
	}

	if g.Call == nil {
		g.Call = func(r *http.Request) proxy.Call { return proxy.CallOf(r.Context()) }
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &admission{docs: g.DocsURL, call: g.Call(r)}
		if p.call.Said("keyId") == "" {
			p.refuse(w, missing)
			return
		}

		p.caller = callerOf(p.call)
		ratelimit.Set(w.Header(), p.call.Said("limits"))

		if p.call.Said("limited") == "true" {
			p.refuse(w, limited(p.call))
			return
		}

		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), admissionKey{}, p)))
	})
}

// Require admits only callers that hold a permission. The authorizer checks what the catalogue
// requires for the route. Require adds a check for backends whose routes are finer than the
// gateway's. It must be inside Protect: otherwise no call is admitted.
func Require(permission string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, ok := r.Context().Value(admissionKey{}).(*admission)
			switch {
			case !ok:
				(&admission{docs: defaultDocsURL}).refuse(w, missing)
			case !p.caller.Holds(permission):
				p.refuse(w, refusal{
					status:   http.StatusForbidden,
					code:     "permission_denied",
					title:    "The permission is missing",
					detail:   "The key does not hold the permission " + permission + ".",
					required: permission,
				})
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// admission is what Protect found out about a call.
type admission struct {
	docs   string
	call   proxy.Call
	caller Caller
}

type admissionKey struct{}

// CallerOf returns the caller of a request that Protect admitted.
func CallerOf(ctx context.Context) (Caller, bool) {
	p, ok := ctx.Value(admissionKey{}).(*admission)
	if !ok {
		return Caller{}, false
	}

	return p.caller, true
}

// missing is the answer to a call that passed no authorizer.
var missing = refusal{
	status:     http.StatusServiceUnavailable,
	code:       "unavailable",
	title:      "The call did not pass an authorizer",
	retryAfter: "5",
}

// limited returns the answer to a call over a limit. It is a refusal even if the context does not
// say which limit.
func limited(c proxy.Call) refusal {
	out := refusal{
		status:     http.StatusTooManyRequests,
		code:       "rate_limited",
		title:      "Too many requests",
		detail:     c.Said("denialDetail"),
		retryAfter: c.Said("retryAfter"),
	}
	if c.Said("denialCode") == "quota_exceeded" {
		out.code = "quota_exceeded"
	}

	if n, err := strconv.Atoi(out.retryAfter); err != nil || n < 1 {
		out.retryAfter = "1"
	}

	return out
}
