package authorizer

import (
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

// read reads the request of an event. An event that has none of the six forms is an error.
func (a *Authorizer) read(payload []byte, r *request) error {
	// The strings of the request are parts of this one.
	text := string(payload)

	// Room for what nearly all events have at most, a key, an Authorization and a User-Agent: one
	// allocation instead of six.
	room := new(struct {
		headers, multiValueHeaders [3]value
		keys                       [2]string
	})

	var e event
	e.headers.used, e.multiValueHeaders.used = room.headers[:0], room.multiValueHeaders[:0]

	if err := scan(text, &e); err != nil {
		return fmt.Errorf("authorizer: event: %w", err)
	}

	r.id = a.checker.Brand.Redact(e.requestID) // a client may choose it
	r.began = a.checker.Now()
	arn := e.methodARN
	source := e.identitySource

	resource := e.resource
	switch {
	case e.version == "2.0":
		r.kind = HTTP2
		arn = e.routeARN

		source = e.httpSource
		if _, path, ok := strings.Cut(e.routeKey, " "); ok {
			resource = path
		}
	case e.version == "1.0":
		r.kind = HTTP1
	case e.version == "" && e.kind == "TOKEN":
		r.kind = RESTToken
	case e.version == "" && e.kind == "REQUEST" && e.eventType == "CONNECT":
		r.kind = WebSocket
	case e.version == "" && e.kind == "REQUEST":
		r.kind = RESTRequest
	case e.isGraphQL() && a.api != permission.AdminAPI:
		a.readGraphQL(&e, r)
		return nil
	default:
		return errors.New("authorizer: the event has no known format")
	}

	var err error
	if r.arn, err = policy.ParseARN(arn); err != nil {
		return fmt.Errorf("authorizer: event: %w", err)
	}

	if (r.kind == WebSocket) != (r.arn.Method == "") {
		return errors.New("authorizer: only the ARN of a WebSocket's handshake has no method")
	}

	api, err := a.name(&e)
	if err != nil {
		return err
	}

	r.headers = e.keyHeaders(r.kind, &room.keys)
	r.userAgent = e.userAgent()

	if r.kind == WebSocket {
		inQuery, err := scanQuery(text)
		if err != nil {
			return fmt.Errorf("authorizer: event: %w", err)
		}

		r.headers.APIKey = append(inQuery, r.headers.APIKey...)
	}

	a.restrict(r)

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

	return nil
}

// restrict leaves only the header that the cache is keyed on: see Config. API Gateway keeps no answer
// for a handshake.
func (a *Authorizer) restrict(r *request) {
	switch {
	case r.kind == WebSocket:
	case a.keyHeader == keyHeader:
		r.headers.Authorization = nil
	case a.keyHeader == authorizationHeader:
		r.headers.APIKey = nil
	}
}

// queryKey is where a browser puts a key, which can set no header of a WebSocket's handshake.
const queryKey = "api_key"

// stageVariable is the stage variable with the API's name. A caller cannot set any.
const stageVariable = "bittingApi"

// name returns the API's name in the catalogue. A name that no route can have is an error, and not
// the default, which may open what the API's own routes do not. The admin API has no say, and
// nobody else has its name.
func (a *Authorizer) name(e *event) (string, error) {
	switch name := e.apiName; {
	case !e.named || a.api == permission.AdminAPI:
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
// it has a scheme. room is for one of each.
func (e *event) keyHeaders(kind Kind, room *[2]string) check.Headers {
	if kind == RESTToken || kind == AppSync {
		value := []string{e.authorizationToken}
		if strings.IndexByte(e.authorizationToken, ' ') >= 0 {
			return check.Headers{Authorization: value}
		}

		return check.Headers{APIKey: value}
	}

	headers := &e.headers
	if e.multiValueHeaders.some {
		headers = &e.multiValueHeaders
	}

	return check.Headers{
		APIKey:        headers.of(keyHeader, room[:0:1]),
		Authorization: headers.of(authorizationHeader, room[1:1]),
	}
}

// userAgent returns the caller's User-Agent. REST APIs send it among the headers only.
func (e *event) userAgent() string {
	if e.httpAgent != "" {
		return e.httpAgent
	}

	for _, headers := range []*values{&e.headers, &e.requestHeaders, &e.multiValueHeaders} {
		if agent, ok := headers.first(agentHeader); ok {
			return agent
		}
	}

	return ""
}
