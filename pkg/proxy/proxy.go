// Package proxy puts an http.Handler behind API Gateway's Lambda proxy integration.
//
// It promises that one handler serves REST APIs (payload 1.0) and HTTP APIs (1.0 and 2.0) alike.
// API Gateway's description of a call, including its authorizer's context, is taken from the event
// only, never from a header that a client can send. The handler sees the path that API Gateway
// routed, without the stage or the base path of a custom domain. The package makes no decisions
// about calls. Of the event, only what an http.Request, a Call and the stage's variables have is
// passed on.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
// and
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

// Function is a handler as a Lambda function. It implements lambda.Handler and is safe for
// concurrent use.
type Function struct {
	rest *httpadapter.HandlerAdapter
	http *httpadapter.HandlerAdapterV2
}

// New returns a Lambda function for a handler.
func New(handler http.Handler) *Function {
	return &Function{rest: httpadapter.New(handler), http: httpadapter.NewV2(handler)}
}

// Invoke implements lambda.Handler: it takes a proxy event and returns the response that its kind
// of API expects.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	event := string(payload)

	v2, err := isV2(event)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}

	if v2 {
		return answer(ctx, event, scanHTTP, func(e *events.APIGatewayV2HTTPRequest) routed {
			r := routeHTTP(e)
			e.RawPath = parseable(r.path)
			return r
		}, f.http.ProxyWithContext)
	}

	return answer(ctx, event, scanREST, func(e *events.APIGatewayProxyRequest) routed {
		r := routeREST(e)
		e.Path = parseable(r.path)
		return r
	}, f.rest.ProxyWithContext)
}

// answer reads an event, sets its path to the one that API Gateway routed, passes it on, and
// encodes the response.
func answer[Event, Response any](
	ctx context.Context, text string, scan func(string) (Event, error), mend func(*Event) routed,
	next func(context.Context, Event) (Response, error),
) ([]byte, error) {
	event, err := scan(text)
	if err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}

	ctx = context.WithValue(ctx, routedKey{}, mend(&event))

	response, err := next(ctx, event)
	if err != nil {
		return nil, fmt.Errorf("answer event: %w", err)
	}

	return json.Marshal(response)
}

// parseable returns a path that the adapter can parse as a URL. A path that is not valid in a URL,
// such as /%zz, is not a route either.
func parseable(path string) string {
	if _, err := url.ParseRequestURI("/" + path); err != nil {
		return "/"
	}

	return path
}

// Call is API Gateway's description of a call, in addition to the HTTP request. The zero Call is
// one that did not come by API Gateway.
type Call struct {
	Route      string // method and path template, such as "GET /customers/{customerId}"
	RequestID  string
	SourceIP   string
	Authorizer map[string]any // the authorizer's context; empty when no authorizer ran

	// Path is the path that API Gateway routed, as it was sent. Base is what comes before it in
	// the path that the caller called: the stage, or the base path of a custom domain; "" for
	// nothing. BaseHidden means that API Gateway does not reveal it. All three are set for calls
	// that a Function serves.
	Path       string
	Base       string
	BaseHidden bool
}

// CallOf returns the call of a request's context.
func CallOf(ctx context.Context) Call {
	r := routedOf(ctx)
	if c, ok := core.GetAPIGatewayContextFromContext(ctx); ok {
		return Call{
			Route:      c.HTTPMethod + " " + c.ResourcePath,
			RequestID:  c.RequestID,
			SourceIP:   c.Identity.SourceIP,
			Authorizer: c.Authorizer,
			Path:       r.path,
			Base:       r.base,
		}
	}

	c, ok := core.GetAPIGatewayV2ContextFromContext(ctx)
	if !ok {
		return Call{}
	}

	call := Call{
		Route:      c.RouteKey,
		RequestID:  c.RequestID,
		SourceIP:   c.HTTP.SourceIP,
		Path:       r.path,
		Base:       r.base,
		BaseHidden: r.hidden,
	}
	if c.Authorizer != nil { // another kind of authorizer has no context of ours
		call.Authorizer = c.Authorizer.Lambda
	}

	return call
}

// Said returns a value of the authorizer's context as text, "" when it is absent: REST APIs turn
// all values into strings, HTTP APIs keep their types.
func (c Call) Said(name string) string {
	if v, ok := c.Authorizer[name]; ok && v != nil {
		return fmt.Sprint(v)
	}

	return ""
}
