package proxy

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// Events are scanned for what the handler and its Call get to see: encoding/json takes several times
// as long for all of an event, which is more than most handlers take.

var (
	restFields = []string{
		"resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
		"multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body",
		"isBase64Encoded",
	}
	restContextFields = []string{
		"domainName", "stage", "requestId", "identity", "resourcePath", "path", "authorizer", "httpMethod",
	}
	httpFields = []string{
		"routeKey", "rawPath", "rawQueryString", "cookies", "headers", "queryStringParameters",
		"pathParameters", "stageVariables", "requestContext", "body", "isBase64Encoded",
	}
	httpContextFields  = []string{"routeKey", "stage", "requestId", "domainName", "http", "authorizer"}
	httpRequestFields  = []string{"method", "path", "sourceIp"}
	versionField       = []string{"version"}
	sourceIPField      = []string{"sourceIp"}
	lambdaContextField = []string{"lambda"}
)

// scanner reads an event.
type scanner struct{ jsonstring.Scanner }

// isV2 reports whether an event is of payload 2.0. REST APIs' events have no version, so that most of
// them need not be scanned for it. API Gateway spells the name in no other way.
func isV2(event string) (v2 bool, err error) {
	if !strings.Contains(event, `"version"`) {
		return false, nil
	}

	s := scanner{jsonstring.New(event)}
	s.Members(versionField, func(string) {
		var version string
		s.TextInto(&version)
		v2 = version == "2.0"
	})

	return v2, s.End()
}

// scanREST reads an event of payload 1.0.
func scanREST(event string) (e events.APIGatewayProxyRequest, err error) {
	s := scanner{jsonstring.New(event)}
	s.Members(restFields, func(name string) {
		switch name {
		case "resource":
			s.TextInto(&e.Resource)
		case "path":
			s.TextInto(&e.Path)
		case "httpMethod":
			s.TextInto(&e.HTTPMethod)
		case "headers":
			s.texts(&e.Headers)
		case "multiValueHeaders":
			s.lists(&e.MultiValueHeaders)
		case "queryStringParameters":
			s.texts(&e.QueryStringParameters)
		case "multiValueQueryStringParameters":
			s.lists(&e.MultiValueQueryStringParameters)
		case "pathParameters":
			s.texts(&e.PathParameters)
		case "stageVariables":
			s.texts(&e.StageVariables)
		case "requestContext":
			s.contextREST(&e.RequestContext)
		case "body":
			s.TextInto(&e.Body)
		case "isBase64Encoded":
			s.BoolInto(&e.IsBase64Encoded)
		}
	})

	return e, s.End()
}

func (s *scanner) contextREST(c *events.APIGatewayProxyRequestContext) {
	s.Members(restContextFields, func(name string) {
		switch name {
		case "domainName":
			s.TextInto(&c.DomainName)
		case "stage":
			s.TextInto(&c.Stage)
		case "requestId":
			s.TextInto(&c.RequestID)
		case "identity":
			s.Members(sourceIPField, func(string) { s.TextInto(&c.Identity.SourceIP) })
		case "resourcePath":
			s.TextInto(&c.ResourcePath)
		case "path":
			s.TextInto(&c.Path)
		case "authorizer":
			s.values(&c.Authorizer)
		case "httpMethod":
			s.TextInto(&c.HTTPMethod)
		}
	})
}

// scanHTTP reads an event of payload 2.0.
func scanHTTP(event string) (e events.APIGatewayV2HTTPRequest, err error) {
	s := scanner{jsonstring.New(event)}
	s.Members(httpFields, func(name string) {
		switch name {
		case "routeKey":
			s.TextInto(&e.RouteKey)
		case "rawPath":
			s.TextInto(&e.RawPath)
		case "rawQueryString":
			s.TextInto(&e.RawQueryString)
		case "cookies":
			e.Cookies = s.list()
		case "headers":
			s.texts(&e.Headers)
		case "queryStringParameters":
			s.texts(&e.QueryStringParameters)
		case "pathParameters":
			s.texts(&e.PathParameters)
		case "stageVariables":
			s.texts(&e.StageVariables)
		case "requestContext":
			s.contextHTTP(&e.RequestContext)
		case "body":
			s.TextInto(&e.Body)
		case "isBase64Encoded":
			s.BoolInto(&e.IsBase64Encoded)
		}
	})

	return e, s.End()
}

func (s *scanner) contextHTTP(c *events.APIGatewayV2HTTPRequestContext) {
	s.Members(httpContextFields, func(name string) {
		switch name {
		case "routeKey":
			s.TextInto(&c.RouteKey)
		case "stage":
			s.TextInto(&c.Stage)
		case "requestId":
			s.TextInto(&c.RequestID)
		case "domainName":
			s.TextInto(&c.DomainName)
		case "http":
			s.Members(httpRequestFields, func(name string) {
				switch name {
				case "method":
					s.TextInto(&c.HTTP.Method)
				case "path":
					s.TextInto(&c.HTTP.Path)
				case "sourceIp":
					s.TextInto(&c.HTTP.SourceIP)
				}
			})
		case "authorizer":
			s.authorizerHTTP(&c.Authorizer)
		}
	})
}

// authorizerHTTP reads what an authorizer said; null forgets it.
func (s *scanner) authorizerHTTP(
	into **events.APIGatewayV2HTTPRequestContextAuthorizerDescription,
) {
	if !s.Object() {
		*into = nil
		return
	}

	if *into == nil {
		*into = new(events.APIGatewayV2HTTPRequestContextAuthorizerDescription)
	}

	for s.Member() {
		if s.Field(lambdaContextField) != "" {
			s.values(&(*into).Lambda)
		} else {
			s.Skip()
		}
	}
}

// texts reads an object of strings.
func (s *scanner) texts(into *map[string]string) { jsonstring.MapInto(&s.Scanner, into, s.TextOrEmpty) }

// lists reads an object of arrays of strings.
func (s *scanner) lists(into *map[string][]string) { jsonstring.MapInto(&s.Scanner, into, s.list) }

// values reads an object of any values.
func (s *scanner) values(into *map[string]any) { jsonstring.MapInto(&s.Scanner, into, s.value) }

// list reads an array of strings.
func (s *scanner) list() []string { return jsonstring.List(&s.Scanner, s.TextOrEmpty) }

// value reads any value as encoding/json does, and almost always a string.
func (s *scanner) value() (value any) {
	if s.IsText() {
		return s.TextOrEmpty()
	}

	_ = json.Unmarshal([]byte(s.Raw()), &value) // it is JSON, or there was a fault
	return value
}
