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

// isV2 reports whether an event is of payload 2.0. Only some kinds of events have a version.
func isV2(event string) (v2 bool, err error) {
	s := scanner{jsonstring.New(event)}
	s.members(versionField, func(string) {
		var version string
		s.text(&version)
		v2 = version == "2.0"
	})

	return v2, s.End()
}

// scanREST reads an event of payload 1.0.
func scanREST(event string) (e events.APIGatewayProxyRequest, err error) {
	s := scanner{jsonstring.New(event)}
	s.members(restFields, func(name string) {
		switch name {
		case "resource":
			s.text(&e.Resource)
		case "path":
			s.text(&e.Path)
		case "httpMethod":
			s.text(&e.HTTPMethod)
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
			s.text(&e.Body)
		case "isBase64Encoded":
			s.flag(&e.IsBase64Encoded)
		}
	})

	return e, s.End()
}

func (s *scanner) contextREST(c *events.APIGatewayProxyRequestContext) {
	s.members(restContextFields, func(name string) {
		switch name {
		case "domainName":
			s.text(&c.DomainName)
		case "stage":
			s.text(&c.Stage)
		case "requestId":
			s.text(&c.RequestID)
		case "identity":
			s.members(sourceIPField, func(string) { s.text(&c.Identity.SourceIP) })
		case "resourcePath":
			s.text(&c.ResourcePath)
		case "path":
			s.text(&c.Path)
		case "authorizer":
			s.values(&c.Authorizer)
		case "httpMethod":
			s.text(&c.HTTPMethod)
		}
	})
}

// scanHTTP reads an event of payload 2.0.
func scanHTTP(event string) (e events.APIGatewayV2HTTPRequest, err error) {
	s := scanner{jsonstring.New(event)}
	s.members(httpFields, func(name string) {
		switch name {
		case "routeKey":
			s.text(&e.RouteKey)
		case "rawPath":
			s.text(&e.RawPath)
		case "rawQueryString":
			s.text(&e.RawQueryString)
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
			s.text(&e.Body)
		case "isBase64Encoded":
			s.flag(&e.IsBase64Encoded)
		}
	})

	return e, s.End()
}

func (s *scanner) contextHTTP(c *events.APIGatewayV2HTTPRequestContext) {
	s.members(httpContextFields, func(name string) {
		switch name {
		case "routeKey":
			s.text(&c.RouteKey)
		case "stage":
			s.text(&c.Stage)
		case "requestId":
			s.text(&c.RequestID)
		case "domainName":
			s.text(&c.DomainName)
		case "http":
			s.members(httpRequestFields, func(name string) {
				switch name {
				case "method":
					s.text(&c.HTTP.Method)
				case "path":
					s.text(&c.HTTP.Path)
				case "sourceIp":
					s.text(&c.HTTP.SourceIP)
				}
			})
		case "authorizer":
			if c.Authorizer == nil {
				c.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{}
			}

			s.members(lambdaContextField, func(string) { s.values(&c.Authorizer.Lambda) })
		}
	})
}

// members reads an object: read is called for each member that has one of the names, and must read
// its value.
func (s *scanner) members(names []string, read func(name string)) {
	if !s.Object() {
		return
	}

	for s.Member() {
		if name := s.Field(names); name != "" {
			read(name)
		} else {
			s.Skip()
		}
	}
}

// text reads a string; null leaves what was there.
func (s *scanner) text(into *string) {
	if text, ok := s.Text(); ok {
		*into = text
	}
}

// flag reads true or false; null leaves what was there.
func (s *scanner) flag(into *bool) {
	if value, ok := s.Bool(); ok {
		*into = value
	}
}

// texts reads an object of strings; null makes it nil.
func (s *scanner) texts(into *map[string]string) {
	object(s, into, func() (text string) {
		s.text(&text)
		return text
	})
}

// lists reads an object of arrays of strings; null makes it nil.
func (s *scanner) lists(into *map[string][]string) { object(s, into, s.list) }

// values reads an object of any values; null makes it nil.
func (s *scanner) values(into *map[string]any) { object(s, into, s.value) }

// object reads an object. As for encoding/json, a second one with the same name adds to the first.
func object[V any](s *scanner, into *map[string]V, value func() V) {
	if !s.Object() {
		*into = nil
		return
	}

	if *into == nil {
		*into = map[string]V{}
	}

	for s.Member() {
		name := s.Name()
		(*into)[name] = value()
	}
}

// list reads an array of strings; nil for null.
func (s *scanner) list() []string {
	if !s.Array() {
		return nil
	}

	out := make([]string, 0, 1)
	for s.Element() {
		text, _ := s.Text()
		out = append(out, text)
	}

	return out
}

// value reads any value as encoding/json does, and almost always a string.
func (s *scanner) value() (value any) {
	raw := s.Raw()
	if strings.HasPrefix(raw, `"`) {
		inner := jsonstring.New(raw)
		text, _ := inner.Text()
		return text
	}

	_ = json.Unmarshal([]byte(raw), &value) // it is JSON, or there was a fault
	return value
}
