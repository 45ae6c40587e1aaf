package authorizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// Kind is the form of an event, and so of the answer.
type Kind int

// The kinds of events.
const (
	RESTToken Kind = iota
	RESTRequest
	HTTP1 // HTTP API, payload format 1.0
	HTTP2 // HTTP API, payload format 2.0
	WebSocket
	AppSync // a GraphQL API
)

// event is the union of the six forms, with only the fields that are used.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html and
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
type event struct {
	Version            string `json:"version"`
	Type               string `json:"type"`
	MethodARN          string `json:"methodArn"`
	RouteARN           string `json:"routeArn"`           // 2.0 only
	AuthorizationToken string `json:"authorizationToken"` // TOKEN events and AppSync
	Resource           string `json:"resource"`
	// 2.0 only: "GET /messages/{messageId}" or "$default"
	RouteKey          string              `json:"routeKey"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	RequestHeaders    map[string]string   `json:"requestHeaders"` // AppSync only
	StageVariables    map[string]string   `json:"stageVariables"` // none in TOKEN events
	RequestContext    struct {
		RequestID string `json:"requestId"`
		EventType string `json:"eventType"` // WebSocket only
		APIID     string `json:"apiId"`
		Operation string `json:"operation"` // AppSync's event APIs only, which are not GraphQL
		// of AppSync: the GraphQL document; "" when a connection for subscriptions is made
		QueryString string `json:"queryString"`
		Identity    struct {
			SourceIP string `json:"sourceIp"`
		} `json:"identity"`
		HTTP struct {
			SourceIP  string `json:"sourceIp"`
			UserAgent string `json:"userAgent"`
		} `json:"http"`
	} `json:"requestContext"`
}

// request is the call that an event asks about.
type request struct {
	kind    Kind
	id      string // API Gateway's request id; "" for TOKEN events, which have none
	arn     policy.ARN
	headers check.Headers
	call    check.Call
	query   string // the GraphQL document; "" for other APIs

	userAgent string // "" for TOKEN events, which don't have it
	began     time.Time
}

// read reads the request from an event. An event that has none of the six forms is an error.
func (a *Authorizer) read(payload []byte) (request, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return request{}, fmt.Errorf("authorizer: event: %w", err)
	}

	r := request{
		id:    a.checker.Brand.Redact(e.RequestContext.RequestID), // a client may choose it
		began: a.checker.Now(),
	}
	arn := e.MethodARN
	source := e.RequestContext.Identity.SourceIP

	resource := e.Resource
	switch {
	case e.Version == "2.0":
		r.kind = HTTP2
		arn = e.RouteARN

		source = e.RequestContext.HTTP.SourceIP
		if _, path, ok := strings.Cut(e.RouteKey, " "); ok {
			resource = path
		}
	case e.Version == "1.0":
		r.kind = HTTP1
	case e.Version == "" && e.Type == "TOKEN":
		r.kind = RESTToken
	case e.Version == "" && e.Type == "REQUEST" && e.RequestContext.EventType == "CONNECT":
		r.kind = WebSocket
	case e.Version == "" && e.Type == "REQUEST":
		r.kind = RESTRequest
	case e.isGraphQL() && a.api != permission.AdminAPI:
		return a.readGraphQL(&e, r), nil
	default:
		return request{}, errors.New("authorizer: the event has no known format")
	}

	var err error
	if r.arn, err = policy.ParseARN(arn); err != nil {
		return request{}, fmt.Errorf("authorizer: event: %w", err)
	}

	if (r.kind == WebSocket) != (r.arn.Method == "") {
		return request{}, errors.New("authorizer: only the ARN of a WebSocket's handshake has no method")
	}

	api, err := a.name(e.StageVariables)
	if err != nil {
		return request{}, err
	}

	r.headers = e.keyHeaders(r.kind)
	r.userAgent = e.userAgent()

	if r.kind == WebSocket {
		inQuery, err := queryKeys(payload)
		if err != nil {
			return request{}, err
		}

		r.headers.APIKey = append(inQuery, r.headers.APIKey...)
	}

	// The cache is keyed on one header: see Config. API Gateway keeps no answer for a handshake.
	switch {
	case r.kind == WebSocket:
	case a.keyHeader == "X-Api-Key":
		r.headers.Authorization = nil
	case a.keyHeader == "Authorization":
		r.headers.APIKey = nil
	}

	// an address that cannot be parsed is unknown, and opens no key that is bound to addresses
	address, _ := netip.ParseAddr(source)

	r.call = check.Call{
		API:      api,
		Method:   r.arn.Method,
		Path:     r.arn.Path,
		Resource: resource,
		SourceIP: address,
	}
	switch {
	case r.kind == WebSocket:
		// A handshake is an HTTP GET (RFC 6455, section 4.1), by which the catalogue knows it.
		r.call.Method = http.MethodGet
		r.call.Resource = policy.Connect
	case !a.simple(r):
		r.call.ARN = r.arn
	}

	return r, nil
}

// queryKey is where a browser puts a key, which can set no header of a WebSocket's handshake.
const queryKey = "api_key"

// queryKeys returns the keys in the query of a handshake. Other events have no key there, so only
// these are read for it.
func queryKeys(payload []byte) ([]string, error) {
	var e struct {
		Query map[string][]string `json:"multiValueQueryStringParameters"`
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("authorizer: event: %w", err)
	}

	return e.Query[queryKey], nil
}

// stageVariable is the stage variable with the API's name. A caller cannot set any.
const stageVariable = "bittingApi"

// name returns the API's name in the catalogue. A name that no route can have is an error, and not
// the default, which may open what the API's own routes do not. The admin API has no say, and
// nobody else has its name.
func (a *Authorizer) name(stageVariables map[string]string) (string, error) {
	name, ok := stageVariables[stageVariable]
	switch {
	case !ok || a.api == permission.AdminAPI:
		return a.api, nil
	case !permission.ValidAPI(name) || name == permission.AdminAPI:
		return "", fmt.Errorf("authorizer: the stage variable %s must be at most 32 lower-case "+
			"letters, digits and hyphens, a letter first, and not %s", stageVariable,
			permission.AdminAPI)
	default:
		return name, nil
	}
}

// keyHeaders returns the headers that may carry a key; their names may be in any case. A TOKEN
// event and one of AppSync have one value without the name of its header: it was Authorization if
// it has a scheme.
func (e *event) keyHeaders(kind Kind) check.Headers {
	var h check.Headers
	if kind == RESTToken || kind == AppSync {
		if _, _, scheme := strings.Cut(e.AuthorizationToken, " "); scheme {
			h.Authorization = []string{e.AuthorizationToken}
		} else {
			h.APIKey = []string{e.AuthorizationToken}
		}

		return h
	}

	if len(e.MultiValueHeaders) > 0 {
		for name, values := range e.MultiValueHeaders {
			add(&h, name, values...)
		}

		return h
	}

	for name, value := range e.Headers {
		add(&h, name, value)
	}

	return h
}

// userAgent returns the caller's User-Agent. REST APIs send it among the headers only.
func (e *event) userAgent() string {
	if agent := e.RequestContext.HTTP.UserAgent; agent != "" {
		return agent
	}

	for _, headers := range []map[string]string{e.Headers, e.RequestHeaders} {
		for name, value := range headers {
			if strings.EqualFold(name, "User-Agent") {
				return value
			}
		}
	}

	for name, values := range e.MultiValueHeaders {
		if strings.EqualFold(name, "User-Agent") && len(values) > 0 {
			return values[0]
		}
	}

	return ""
}

func add(h *check.Headers, name string, values ...string) {
	switch {
	case strings.EqualFold(name, "X-Api-Key"):
		h.APIKey = append(h.APIKey, values...)
	case strings.EqualFold(name, "Authorization"):
		h.Authorization = append(h.Authorization, values...)
	}
}
