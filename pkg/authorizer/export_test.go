package authorizer

import (
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/metric"
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
		Keys:           e.keyHeaders(RESTRequest),
		Agent:          e.userAgent(),
		StageVariables: e.stageVariables.of(stageVariable),
	}, err
}

// ScanQuery scans the query of a handshake.
func ScanQuery(text string) ([]string, error) { return scanQuery(text) }
