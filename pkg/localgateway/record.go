package localgateway

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// AccessRecord describes one request as an access log does: the values of API Gateway's logging
// variables, never a key, a header or a body. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
type AccessRecord struct {
	RequestID         string
	ExtendedRequestID string // equal to RequestID at an HTTP API
	Time              time.Time
	API               string // logical id
	Stage             string
	Method            string
	ResourcePath      string // the route's template; empty if no route matched
	Path              string // as sent, with the stage before it
	Protocol          string
	Status            int
	ResponseLength    int // bytes
	SourceIP          string
	UserAgent         string

	PrincipalID string
	// Authorizer holds the scalars of the authorizer's context as strings; nil without one.
	Authorizer map[string]string

	ResponseLatency    time.Duration // the whole request
	AuthorizerLatency  time.Duration // 0 if no authorizer was called, as on a cache hit
	IntegrationLatency time.Duration // 0 if no function was called

	// ErrorResponseType and ErrorMessage describe an answer that API Gateway made itself. Both are
	// empty if a function answered.
	ErrorResponseType string
	ErrorMessage      string

	// Line is the request's line in the stage's access log, and LogGroup is where it goes. Both
	// are empty if the stage has no access log.
	Line     string
	LogGroup string
}

func (g *Gateway) record(c *call, a answer) AccessRecord {
	r := AccessRecord{
		RequestID:          c.requestID,
		ExtendedRequestID:  c.extendedID,
		Time:               c.start,
		API:                g.api.ID,
		Stage:              g.api.Stage,
		Method:             c.request.Method,
		ResourcePath:       c.resourcePath(),
		Path:               c.called,
		Protocol:           c.request.Proto,
		Status:             a.status,
		ResponseLength:     len(a.body),
		SourceIP:           c.sourceIP,
		UserAgent:          c.request.UserAgent(),
		PrincipalID:        c.authorization.principalID,
		ResponseLatency:    g.now().Sub(c.start),
		AuthorizerLatency:  c.authorizerLatency,
		IntegrationLatency: c.integrationLatency,
	}
	for key, value := range c.authorization.context {
		switch value.(type) {
		case map[string]any, []any, nil:
			continue
		}

		if r.Authorizer == nil {
			r.Authorizer = map[string]string{}
		}

		r.Authorizer[key] = scalar(value)
	}

	if c.refusal != nil {
		r.ErrorResponseType = c.refusal.responseType

		r.ErrorMessage = c.refusal.message
		if g.api.Kind == template.HTTP {
			r.ErrorMessage = c.refusal.httpMessage
		}
	}

	if g.api.AccessLog != nil {
		r.Line = g.logLine(c, r)
		r.LogGroup = g.api.AccessLog.LogGroup
	}

	return r
}
