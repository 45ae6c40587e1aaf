package authorizer

import (
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// MetricOf returns the metric of an outcome.
func MetricOf(o check.Outcome) (metric.Metric, bool) {
	m, ok := outcomes[o]
	return m, ok
}

// Scanned is what the scanner finds in an event.
type Scanned struct {
	Version, Type, MethodARN, RouteARN, Token, Resource, RouteKey string

	RequestID, EventType, APIID, Operation, QueryString string

	IdentitySource, HTTPSource string

	Keys           check.Headers
	Agent          string
	StageVariables []string
}

// ScanEvent scans an event.
func ScanEvent(text string) (Scanned, error) {
	var e event

	err := scan(text, &e)

	var variables []string
	if e.named {
		variables = []string{e.apiName}
	}

	return Scanned{
		Version:        e.version,
		Type:           e.kind,
		MethodARN:      e.methodARN,
		RouteARN:       e.routeARN,
		Token:          e.authorizationToken,
		Resource:       e.resource,
		RouteKey:       e.routeKey,
		RequestID:      e.requestID,
		EventType:      e.eventType,
		APIID:          e.apiID,
		Operation:      e.operation,
		QueryString:    e.queryString,
		IdentitySource: e.identitySource,
		HTTPSource:     e.httpSource,
		Keys:           e.keyHeaders(RESTRequest, new([2]string)),
		Agent:          e.userAgent(),
		StageVariables: variables,
	}, err
}

// ScanQuery scans the query of a handshake.
func ScanQuery(text string) ([]string, error) { return scanQuery(text) }

// JSONOfContext returns a context as answers have it.
func JSONOfContext(c *Context) []byte { return c.appendJSON(nil) }

// JSONOfSimple returns an answer without a policy.
func JSONOfSimple(allowed bool, c *Context) []byte { return appendSimple(nil, allowed, c) }

// JSONOfIAM returns an answer with a policy.
func JSONOfIAM(p policy.Policy, c *Context, usage string) []byte {
	return appendIAM(nil, p, c, usage)
}

// JSONOfGraphQL returns an answer to AppSync, and the value that it is of.
func JSONOfGraphQL(allowed bool, c *Context, denied []string) ([]byte, any) {
	answer := graphQLAnswer{IsAuthorized: allowed, ResolverContext: c, DeniedFields: denied}
	return answer.appendJSON(nil), answer
}
