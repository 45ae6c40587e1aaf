// Package demo is the function behind the demo APIs: it answers every call that passed the authorizer with what the
// authorizer said of its caller, so that people can see what a backend learns from a key.
//
// It promises to fail closed: a call that carries no authorizer's context is refused, whatever its route, since the only
// way for one to arrive is an API whose authorizer is missing or was passed by. The one exception is GET /health. It
// checks no permission of its own: the authorizer's policy has done that.
package demo

import (
	"encoding/json"
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/proxy"
)

// docsURL is where each problem's code is explained; the code is the fragment.
const docsURL = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

// healthRoute needs no key.
const healthRoute = "GET /health"

// Function returns the Lambda function. It takes the proxy events of REST APIs (payload 1.0) and of HTTP APIs (1.0 and
// 2.0), and is safe for concurrent use.
func Function() lambda.Handler { return proxy.New(http.HandlerFunc(serve)) }

// serve answers one request.
func serve(w http.ResponseWriter, r *http.Request) {
	c := proxy.CallOf(r.Context())
	switch {
	case c.Route == healthRoute:
		reply(w, http.StatusOK, "application/json", map[string]string{"status": "ok"})
	case c.Said("keyId") == "":
		refuse(w, c, http.StatusServiceUnavailable, "unavailable", "The call passed no authorizer", "5")
	case c.Said("limited") == "true":
		refuse(w, c, http.StatusTooManyRequests, limitCode(c), "Too many requests", c.Said("retryAfter"))
	default:
		status := http.StatusOK
		if r.Method == http.MethodPost {
			status = http.StatusCreated
		}
		reply(w, status, "application/json", echo{c.Route, c.Said("environment"), c.Authorizer})
	}
}

// limitCode says which limit is used up. A context without that still is a refusal.
func limitCode(c proxy.Call) string {
	if c.Said("denialCode") == "quota_exceeded" {
		return "quota_exceeded"
	}
	return "rate_limited"
}

// echo is the answer to an admitted call.
type echo struct {
	Route       string         `json:"route"`
	Environment string         `json:"environment"`
	Authorizer  map[string]any `json:"authorizer"`
}

// problem is an RFC 9457 problem.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	RequestID string `json:"requestId"`
}

// refuse answers with a problem that the caller may retry after some seconds.
func refuse(w http.ResponseWriter, c proxy.Call, status int, code, title, retryAfter string) {
	w.Header().Set("Retry-After", retryAfter)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	reply(w, status, "application/problem+json", problem{docsURL + code, title, status, code, c.RequestID})
}

// reply writes a body that pages of any origin may read: the demo's callers include browsers with publishable keys.
func reply(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(status)
	// The writer is a buffer and the body plain values: neither can fail in a way that a caller could still be told.
	_ = json.NewEncoder(w).Encode(body)
}
