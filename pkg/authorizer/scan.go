package authorizer

import (
	"strings"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// event is the union of the six forms, with only the fields that are used.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html and
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
type event struct {
	version            string
	kind               string // the field type
	methodARN          string
	routeARN           string // 2.0 only
	authorizationToken string // TOKEN events and AppSync
	resource           string
	routeKey           string // 2.0 only: "GET /messages/{messageId}" or "$default"

	headers           values
	multiValueHeaders values
	requestHeaders    values // AppSync only

	apiName string // the stage variable of that name; TOKEN events have none
	named   bool   // there is one

	requestID string
	eventType string // WebSocket only
	apiID     string
	operation string // AppSync's event APIs only, which are not GraphQL
	// of AppSync: the GraphQL document; "" when a connection for subscriptions is made
	queryString string

	identitySource string // the caller's address, of all kinds but 2.0
	httpSource     string // 2.0 only
	httpAgent      string // 2.0 only
}

// values are the members that are used of an object of strings, or of lists of strings. There are
// more than one of a name that is in any case, such as a header's, and of a list.
type values struct {
	some bool // the object has a member, used or not
	used []value
}

type value struct{ name, text string }

// The members that are used. The names of headers may be in any case.
var (
	eventFields = []string{
		"headers", "multiValueHeaders", "requestContext", "requestHeaders", "stageVariables",
		"version", "type", "methodArn", "routeArn", "authorizationToken", "resource", "routeKey",
	}
	contextFields = []string{
		"requestId", "eventType", "apiId", "operation", "queryString", "identity", "http",
	}
	identityFields = []string{"sourceIp"}
	httpFields     = []string{"sourceIp", "userAgent"}
	headerFields   = []string{keyHeader, authorizationHeader, agentHeader}
)

const (
	keyHeader           = "X-Api-Key"
	authorizationHeader = "Authorization"
	agentHeader         = "User-Agent"
)

// scan reads an event, as encoding/json would (see jsonstring), which allocates some 75 times for it.
func scan(text string, e *event) error {
	s := jsonstring.New(text)
	if s.Object() {
		for s.Member() {
			e.member(&s)
		}
	}

	return s.End()
}

func (e *event) member(s *jsonstring.Scanner) {
	switch s.Field(eventFields) {
	case "version":
		read(s, &e.version)
	case "type":
		read(s, &e.kind)
	case "methodArn":
		read(s, &e.methodARN)
	case "routeArn":
		read(s, &e.routeARN)
	case "authorizationToken":
		read(s, &e.authorizationToken)
	case "resource":
		read(s, &e.resource)
	case "routeKey":
		read(s, &e.routeKey)
	case "headers":
		e.headers.read(s)
	case "multiValueHeaders":
		e.multiValueHeaders.readLists(s)
	case "requestHeaders":
		e.requestHeaders.read(s)
	case "stageVariables":
		e.variables(s)
	case "requestContext":
		e.context(s)
	default:
		s.Skip()
	}
}

func (e *event) context(s *jsonstring.Scanner) {
	if !s.Object() {
		return
	}

	for s.Member() {
		switch s.Field(contextFields) {
		case "requestId":
			read(s, &e.requestID)
		case "eventType":
			read(s, &e.eventType)
		case "apiId":
			read(s, &e.apiID)
		case "operation":
			read(s, &e.operation)
		case "queryString":
			read(s, &e.queryString)
		case "identity":
			readTexts(s, identityFields, &e.identitySource, nil)
		case "http":
			readTexts(s, httpFields, &e.httpSource, &e.httpAgent)
		default:
			s.Skip()
		}
	}
}

func (e *event) variables(s *jsonstring.Scanner) {
	if !s.Object() {
		e.apiName, e.named = "", false
		return
	}

	for s.Member() {
		name := s.Name()
		if text, _ := s.Text(); name == stageVariable {
			e.apiName, e.named = text, true
		}
	}
}

// read reads a string. null leaves what an earlier member of the name said.
func read(s *jsonstring.Scanner, into *string) {
	if text, ok := s.Text(); ok {
		*into = text
	}
}

// readTexts reads the one or two members of an object that are used.
func readTexts(s *jsonstring.Scanner, fields []string, first, second *string) {
	if !s.Object() {
		return
	}

	for s.Member() {
		switch s.Field(fields) {
		case "":
			s.Skip()
		case fields[0]:
			read(s, first)
		default:
			read(s, second)
		}
	}
}

// read reads an object of strings. null forgets what an earlier member of the name said, and another
// object adds to it.
func (v *values) read(s *jsonstring.Scanner) {
	if !s.Object() {
		*v = values{}
		return
	}

	for s.Member() {
		v.some = true
		name, used := s.Name(), isUsed(s)

		if text, _ := s.Text(); used {
			v.forget(name)
			v.used = append(v.used, value{name, text})
		}
	}
}

// readLists is read for an object of lists of strings.
func (v *values) readLists(s *jsonstring.Scanner) {
	if !s.Object() {
		*v = values{}
		return
	}

	for s.Member() {
		v.some = true
		name, used := s.Name(), isUsed(s)

		if used {
			v.forget(name)
		}

		if !s.Array() {
			continue
		}

		for s.Element() {
			if text, _ := s.Text(); used {
				v.used = append(v.used, value{name, text})
			}
		}
	}
}

// forget removes a name, in exactly this spelling.
func (v *values) forget(name string) {
	kept := v.used[:0]
	for _, one := range v.used {
		if one.name != name {
			kept = append(kept, one)
		}
	}

	v.used = kept
}

// of appends the values of a name in any case.
func (v *values) of(name string, texts []string) []string {
	for _, one := range v.used {
		if strings.EqualFold(one.name, name) {
			texts = append(texts, one.text)
		}
	}

	return texts
}

// first returns the first value of a name in any case; "" for none.
func (v *values) first(name string) (text string, ok bool) {
	for _, one := range v.used {
		if strings.EqualFold(one.name, name) {
			return one.text, true
		}
	}

	return "", false
}

// isUsed reports whether a member is one of those that are used of headers, or of a query: neither
// asks for the other's.
func isUsed(s *jsonstring.Scanner) bool {
	return s.Field(headerFields) != "" || s.Name() == queryKey
}

// queryFields has where a handshake's query is.
var queryFields = []string{"multiValueQueryStringParameters"}

// scanQuery reads the keys in the query of a handshake. Other events have no key there, so only
// these are read for it.
func scanQuery(text string) ([]string, error) {
	var query values

	s := jsonstring.New(text)
	if s.Object() {
		for s.Member() {
			if s.Field(queryFields) != "" {
				query.readLists(&s)
			} else {
				s.Skip()
			}
		}
	}

	return query.of(queryKey, nil), s.End()
}
