// Package demo is the function behind the demo APIs: it answers every call that passed the authorizer with what the
// authorizer said of its caller, so that people can see what a backend learns from a key.
//
// It promises to fail closed: a call that carries no authorizer's context is refused, whatever its route, since the only
// way for one to arrive is an API whose authorizer is missing or was passed by. The one exception is GET /health. It
// checks no permission of its own: the authorizer's policy has done that.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// docsURL is where each problem's code is explained; the code is the fragment.
const docsURL = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"

// healthRoute needs no key.
const healthRoute = "GET /health"

// Function returns the Lambda function. It takes the proxy events of REST APIs (payload 1.0) and of HTTP APIs (1.0 and
// 2.0), and is safe for concurrent use.
func Function() lambda.Handler {
	answer := http.HandlerFunc(serve)
	return function{rest: httpadapter.New(answer), http: httpadapter.NewV2(answer)}
}

// function turns both kinds of event into HTTP requests.
type function struct {
	rest *httpadapter.HandlerAdapter
	http *httpadapter.HandlerAdapterV2
}

// Invoke answers one proxy event with the response that its kind of API expects.
func (f function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var kind struct{ Version string }
	if err := json.Unmarshal(payload, &kind); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	if kind.Version == "2.0" {
		return proxy(ctx, payload, f.http.ProxyWithContext)
	}
	return proxy(ctx, payload, f.rest.ProxyWithContext)
}

// proxy decodes an event, hands it on, and encodes the response.
func proxy[Event, Response any](ctx context.Context, payload []byte, next func(context.Context, Event) (Response, error)) ([]byte, error) {
	var event Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	response, err := next(ctx, event)
	if err != nil {
		return nil, fmt.Errorf("answer event: %w", err)
	}
	return json.Marshal(response)
}

// call is what API Gateway says of a request, whichever kind of API it is.
type call struct {
	route      string // method and path template, such as "GET /customers/{customerId}"
	requestID  string
	authorizer map[string]any // the authorizer's context; empty when no authorizer ran
}

// callOf finds the call in a request's context. Without one, no field is set.
func callOf(ctx context.Context) call {
	if c, ok := core.GetAPIGatewayContextFromContext(ctx); ok {
		return call{c.HTTPMethod + " " + c.ResourcePath, c.RequestID, c.Authorizer}
	}
	c, _ := core.GetAPIGatewayV2ContextFromContext(ctx)
	return call{c.RouteKey, c.RequestID, lambdaContext(c.Authorizer)}
}

// lambdaContext is nil unless a Lambda authorizer ran: another kind knows nothing of keys.
func lambdaContext(a *events.APIGatewayV2HTTPRequestContextAuthorizerDescription) map[string]any {
	if a == nil {
		return nil
	}
	return a.Lambda
}

// said returns a value of the authorizer's context as text, "" when it is absent: REST APIs turn all values into strings,
// HTTP APIs keep their types.
func (c call) said(name string) string {
	if v, ok := c.authorizer[name]; ok && v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// serve answers one request.
func serve(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	switch {
	case c.route == healthRoute:
		reply(w, http.StatusOK, "application/json", map[string]string{"status": "ok"})
	case c.said("keyId") == "":
		refuse(w, c, http.StatusServiceUnavailable, "unavailable", "The call passed no authorizer", "5")
	case c.said("limited") == "true":
		refuse(w, c, http.StatusTooManyRequests, limitCode(c), "Too many requests", c.said("retryAfter"))
	default:
		status := http.StatusOK
		if r.Method == http.MethodPost {
			status = http.StatusCreated
		}
		reply(w, status, "application/json", echo{c.route, c.said("environment"), c.authorizer})
	}
}

// limitCode says which limit is used up. A context without that still is a refusal.
func limitCode(c call) string {
	if c.said("denialCode") == "quota_exceeded" {
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
func refuse(w http.ResponseWriter, c call, status int, code, title, retryAfter string) {
	w.Header().Set("Retry-After", retryAfter)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	reply(w, status, "application/problem+json", problem{docsURL + code, title, status, code, c.requestID})
}

// reply writes a body that pages of any origin may read: the demo's callers include browsers with publishable keys.
func reply(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(status)
	// The writer is a buffer and the body plain values: neither can fail in a way that a caller could still be told.
	_ = json.NewEncoder(w).Encode(body)
}
