// Package guard is net/http middleware for your own Go backend behind API Gateway and Bitting's
// authorizer.
//
// It promises to fail closed: a call that passed no authorizer is refused with 503, since the only
// way for one to arrive is an API whose authorizer is missing or was passed by, and that is the
// deployment's fault and not the caller's. It answers 429 where API Gateway could not, hands over
// the caller as [Caller], checks permissions in depth by [Require], and tells callers what is left
// of their limits in the headers RateLimit-Policy and RateLimit
// (draft-ietf-httpapi-ratelimit-headers). It decides nothing about keys: the authorizer has done
// that, and all that is believed here is what API Gateway says of it in the event, never a header
// of the request.
//
// The call is found where github.com/bitting-keys/bitting/pkg/proxy finds it: in the request's
// context, as aws-lambda-go-api-proxy puts it there. Behind another adapter, give [Guard] a
// function that finds it.
package guard

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bitting-keys/bitting/pkg/proxy"
)

// defaultDocsURL is where each problem's code is explained; the code is the fragment.
const defaultDocsURL = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

// Guard is the middleware with its settings; the zero Guard has the defaults.
type Guard struct {
	// DocsURL is what a problem's code is appended to. Default: Bitting's own documentation.
	DocsURL string
	// Call finds what API Gateway said of a request. It must not believe what a client can send.
	// Default: proxy.CallOf.
	Call func(*http.Request) proxy.Call
}

// Protect lets only calls through that the authorizer let in, and that are within their key's
// limits. It is Guard{}.Protect.
func Protect(next http.Handler) http.Handler { return Guard{}.Protect(next) }

// Protect lets only calls through that the authorizer let in, and that are within their key's
// limits.
func (g Guard) Protect(next http.Handler) http.Handler {
	if g.DocsURL == "" {
		g.DocsURL = defaultDocsURL
	}

	if g.Call == nil {
		g.Call = func(r *http.Request) proxy.Call { return proxy.CallOf(r.Context()) }
	}

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &passed{docs: g.DocsURL, call: g.Call(r)}
		if p.call.Said("keyId") == "" {
			p.refuse(w, missing)
			return
		}

		p.caller = callerOf(p.call)
		SetLimits(w.Header(), p.call.Said("limits"))

		if p.call.Said("limited") == "true" {
			p.refuse(w, limited(p.call))
			return
		}

		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passedKey{}, p)))
	})
}

// Require lets only callers through that hold a permission. The authorizer asks for what the
// catalogue says of the route; this asks again, for backends whose routes are finer than the
// gateway's. It stands behind Protect: without it, nobody is let through.
func Require(permission string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, ok := r.Context().Value(passedKey{}).(*passed)
			switch {
			case !ok:
				(&passed{docs: defaultDocsURL}).refuse(w, missing)
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

// passed is what Protect found out about a call.
type passed struct {
	docs   string
	call   proxy.Call
	caller Caller
}

type passedKey struct{}

// CallerOf is who made a request that Protect let through.
func CallerOf(ctx context.Context) (Caller, bool) {
	p, ok := ctx.Value(passedKey{}).(*passed)
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

// limited is the answer to a call over a limit. A context that does not say which is a refusal
// still.
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
