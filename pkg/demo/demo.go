// Package demo is the function behind the demo APIs: it answers every admitted call with the
// authorizer's description of its caller, which shows what a backend learns from a key.
//
// It is an example of a user's backend: pkg/guard refuses calls that passed no authorizer or are
// over a limit. The only exception is GET /health.
package demo

import (
	"encoding/json"
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/guard"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// healthRoute needs no key.
const healthRoute = "GET /health"

// Function returns the Lambda function. It accepts the proxy events of REST APIs (payload 1.0) and
// of HTTP APIs (1.0 and 2.0), and is safe for concurrent use.
func Function() lambda.Handler { return proxy.New(open(guard.Protect(http.HandlerFunc(serve)))) }

// open answers the only route that needs no key, and allows pages of any origin to read all
// answers: the demo's callers include browsers with publishable keys.
func open(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "Retry-After, RateLimit-Policy, RateLimit")

		if proxy.CallOf(r.Context()).Route == healthRoute {
			reply(w, http.StatusOK, map[string]string{"status": "ok"})
			return
		}

		next.ServeHTTP(w, r)
	})
}

// echo is the answer to an admitted call.
type echo struct {
	Route       string         `json:"route"`
	Environment string         `json:"environment"`
	Authorizer  map[string]any `json:"authorizer"`
}

// serve answers an admitted call.
func serve(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}

	c := proxy.CallOf(r.Context())
	reply(w, status, echo{c.Route, c.Said("environment"), c.Authorizer})
}

// reply writes a body.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The writer is a buffer and the body plain values, so neither can fail in a way that could
	// still be reported.
	_ = json.NewEncoder(w).Encode(body)
}
