package localgateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// authorizerEvent builds what an authorizer receives. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
// and .../http-api-lambda-authorizer.html
func (g *Gateway) authorizerEvent(c *call, a template.Authorizer, values []string) event {
	switch {
	case g.api.Kind == template.REST && a.Type == template.Token:
		return event{own: tokenEvent{
			Type:               "TOKEN",
			AuthorizationToken: values[0],
			MethodArn:          c.arn,
		}}
	case g.api.Kind == template.REST:
		return event{g.requestV1(c), authorizerV1{
			Type:           "REQUEST",
			MethodArn:      c.arn,
			RequestContext: g.contextREST(c),
		}}
	case a.PayloadVersion == "1.0":
		source := strings.Join(values, ",")
		return event{g.requestV1(c), authorizerV1{
			Version:            "1.0",
			Type:               "REQUEST",
			MethodArn:          c.arn,
			IdentitySource:     &source,
			AuthorizationToken: &source,
			RequestContext:     g.contextREST(c),
		}}
	default:
		return event{g.requestV2(c), authorizerV2{
			Type:           "REQUEST",
			RouteArn:       c.arn,
			IdentitySource: values,
			RequestContext: g.contextHTTP(c),
		}}
	}
}

// integrationEvent builds what the function behind a route receives. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
// and .../http-api-develop-integrations-lambda.html
func (g *Gateway) integrationEvent(c *call) event {
	if c.route.PayloadVersion == "2.0" {
		e := integrationV2{RequestContext: g.contextHTTP(c)}
		if c.route.Authorizer != "" {
			e.RequestContext.Authorizer = &authorizerContextV2{c.authorization.context}
		}

		if len(c.body) > 0 {
			e.Body, e.IsBase64Encoded = encode(c.body,
				!isText(c.request.Header.Get("Content-Type"), c.body))
		}

		return event{g.requestV2(c), e}
	}

	e := integrationV1{RequestContext: g.contextREST(c)}
	if c.route.Authorizer != "" {
		e.RequestContext.Authorizer = g.authorizerContextV1(c)
	}

	// REST APIs decide by their list of binary types, HTTP APIs by the content type.
	binary := isBinary(g.api.BinaryMediaTypes, c.request.Header.Get("Content-Type"))
	if g.api.Kind == template.HTTP {
		e.Version = "1.0"
		binary = !isText(c.request.Header.Get("Content-Type"), c.body)
	}

	if len(c.body) > 0 {
		e.Body, e.IsBase64Encoded = encode(c.body, binary)
	}

	return event{g.requestV1(c), e}
}

// event is the JSON object that a function receives: what it shares with the call's other event, and
// what is its own.
type event struct {
	request *encodedOnce // nil if nothing is shared
	own     any
}

// encodedOnce is an object that is part of two, and encoded for both.
type encodedOnce struct {
	object any
	text   []byte // nil until it is encoded
}

// payload encodes the event.
func (e event) payload() (out []byte, err error) {
	if e.request == nil {
		return encodeJSON(nil, e.own)
	}

	if e.request.text == nil {
		if e.request.text, err = encodeJSON(nil, e.request.object); err != nil {
			return nil, err
		}
	}

	// Two objects without a name in common become one: the second goes on where the first ends.
	shared := e.request.text[:len(e.request.text)-1]
	if out, err = encodeJSON(shared, e.own); err != nil {
		return nil, err
	}

	out[len(shared)] = ','
	return out, nil
}

// encodeJSON encodes a value after other text. It keeps <, > and & as they are, as AWS does.
func encodeJSON(before []byte, value any) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(usualEvent)
	b.Write(before)

	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// usualEvent is about the size, in bytes, of an event of a call without a body.
const usualEvent = 2 << 10

// tokenEvent is what a TOKEN authorizer receives.
type tokenEvent struct {
	Type               string `json:"type"`
	AuthorizationToken string `json:"authorizationToken"`
	MethodArn          string `json:"methodArn"`
}

// requestV1 is the part that payload 1.0's integrations and authorizers share. Values that are
// absent are null, as AWS shows them.
type requestV1 struct {
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               http.Header         `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
}

type authorizerV1 struct {
	Version            string      `json:"version,omitempty"`
	Type               string      `json:"type"`
	MethodArn          string      `json:"methodArn"`
	IdentitySource     *string     `json:"identitySource,omitempty"`
	AuthorizationToken *string     `json:"authorizationToken,omitempty"`
	RequestContext     contextREST `json:"requestContext"`
}

type integrationV1 struct {
	Version         string      `json:"version,omitempty"`
	RequestContext  contextREST `json:"requestContext"`
	Body            *string     `json:"body"`
	IsBase64Encoded bool        `json:"isBase64Encoded"`
}

// contextREST is requestContext of payload 1.0.
type contextREST struct {
	AccountID         string         `json:"accountId"`
	APIID             string         `json:"apiId"`
	Authorizer        map[string]any `json:"authorizer,omitempty"`
	DomainName        string         `json:"domainName"`
	DomainPrefix      string         `json:"domainPrefix"`
	ExtendedRequestID string         `json:"extendedRequestId"`
	HTTPMethod        string         `json:"httpMethod"`
	Identity          identityREST   `json:"identity"`
	Path              string         `json:"path"`
	Protocol          string         `json:"protocol"`
	RequestID         string         `json:"requestId"`
	RequestTime       string         `json:"requestTime"`
	RequestTimeEpoch  int64          `json:"requestTimeEpoch"`
	ResourceID        string         `json:"resourceId"`
	ResourcePath      string         `json:"resourcePath"`
	Stage             string         `json:"stage"`
}

type identityREST struct {
	SourceIP   string  `json:"sourceIp"`
	UserAgent  *string `json:"userAgent"`
	APIKey     *string `json:"apiKey"`
	ClientCert *string `json:"clientCert"`
}

// requestV2 is the part that payload 2.0's integrations and authorizers share. Values that are
// absent are left out.
type requestV2 struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
}

type authorizerV2 struct {
	Type           string      `json:"type"`
	RouteArn       string      `json:"routeArn"`
	IdentitySource []string    `json:"identitySource"`
	RequestContext contextHTTP `json:"requestContext"`
}

type integrationV2 struct {
	RequestContext  contextHTTP `json:"requestContext"`
	Body            *string     `json:"body,omitempty"`
	IsBase64Encoded bool        `json:"isBase64Encoded"`
}

// contextHTTP is requestContext of payload 2.0.
type contextHTTP struct {
	AccountID    string               `json:"accountId"`
	APIID        string               `json:"apiId"`
	Authorizer   *authorizerContextV2 `json:"authorizer,omitempty"`
	DomainName   string               `json:"domainName"`
	DomainPrefix string               `json:"domainPrefix"`
	HTTP         requestHTTP          `json:"http"`
	RequestID    string               `json:"requestId"`
	RouteKey     string               `json:"routeKey"`
	Stage        string               `json:"stage"`
	Time         string               `json:"time"`
	TimeEpoch    int64                `json:"timeEpoch"`
}

type authorizerContextV2 struct {
	Lambda map[string]any `json:"lambda"`
}

type requestHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// authorizerContextV1 returns requestContext.authorizer of payload 1.0: the authorizer's context,
// its principal and its latency.
func (g *Gateway) authorizerContextV1(c *call) map[string]any {
	context := make(map[string]any, len(c.authorization.context)+2)
	maps.Copy(context, c.authorization.context)

	context["principalId"] = c.authorization.principalID
	if g.api.Kind == template.REST {
		var latency int64 // 0 when the answer came from the cache
		if c.authorizerLatency > 0 {
			latency = milliseconds(c.authorizerLatency)
		}

		context["integrationLatency"] = latency
	}

	return context
}

// requestV1 returns a call's part of both its events of payload 1.0, which is made once.
func (g *Gateway) requestV1(c *call) *encodedOnce {
	if c.requestV1 != nil {
		return c.requestV1
	}

	query, all := c.query(), c.headers()

	headers, path := lastOf(all), g.pathREST(c)
	if g.api.Kind == template.HTTP {
		all = lowerCase(all)
		headers, path = joined(all), c.called
	}

	c.requestV1 = &encodedOnce{object: requestV1{
		Resource:                        c.route.Path,
		Path:                            path,
		HTTPMethod:                      c.request.Method,
		Headers:                         headers,
		MultiValueHeaders:               all,
		QueryStringParameters:           lastOf(query),
		MultiValueQueryStringParameters: orNil(query),
		PathParameters:                  c.params,
		StageVariables:                  g.api.StageVariables,
	}}
	return c.requestV1
}

// pathREST returns the path in a REST API's event: without the stage, and with the base path of a
// custom domain.
func (g *Gateway) pathREST(c *call) string {
	if g.mapping != nil {
		return c.called
	}

	return c.path
}

// pathHTTP returns the path in an event of payload 2.0: with the stage, and never with the base
// path of a custom domain.
func (g *Gateway) pathHTTP(c *call) string {
	if g.api.Stage == "$default" {
		return c.path
	}

	return "/" + g.api.Stage + c.path
}

// requestV2 returns a call's part of both its events of payload 2.0, which is made once.
func (g *Gateway) requestV2(c *call) *encodedOnce {
	if c.requestV2 != nil {
		return c.requestV2
	}

	headers := c.headers()
	all := cookies(headers)
	headers.Del("Cookie")

	c.requestV2 = &encodedOnce{object: requestV2{
		Version:               "2.0",
		RouteKey:              c.routeKey(),
		RawPath:               g.pathHTTP(c),
		RawQueryString:        c.request.URL.RawQuery,
		Cookies:               all,
		Headers:               joined(lowerCase(headers)),
		QueryStringParameters: joined(c.query()),
		PathParameters:        c.params,
		StageVariables:        g.api.StageVariables,
	}}
	return c.requestV2
}

func (g *Gateway) contextREST(c *call) contextREST {
	identity := identityREST{SourceIP: c.sourceIP}
	if agent := c.request.UserAgent(); agent != "" {
		identity.UserAgent = &agent
	}

	if key := g.planKey(c); c.route.APIKeyRequired && key != "" {
		identity.APIKey = &key
	}

	return contextREST{
		AccountID:         account,
		APIID:             g.api.GatewayID,
		DomainName:        c.request.Host,
		DomainPrefix:      g.api.GatewayID,
		ExtendedRequestID: c.extendedID,
		HTTPMethod:        c.request.Method,
		Identity:          identity,
		Path:              c.called,
		Protocol:          c.request.Proto,
		RequestID:         c.requestID,
		RequestTime:       c.start.UTC().Format(clfTime),
		RequestTimeEpoch:  c.start.UnixMilli(),
		ResourceID:        resourceID(c.route.Path),
		ResourcePath:      c.route.Path,
		Stage:             g.api.Stage,
	}
}

func (g *Gateway) contextHTTP(c *call) contextHTTP {
	return contextHTTP{
		AccountID:    account,
		APIID:        g.api.GatewayID,
		DomainName:   c.request.Host,
		DomainPrefix: g.api.GatewayID,
		HTTP: requestHTTP{
			Method:    c.request.Method,
			Path:      g.pathHTTP(c),
			Protocol:  c.request.Proto,
			SourceIP:  c.sourceIP,
			UserAgent: c.request.UserAgent(),
		},
		RequestID: c.requestID,
		RouteKey:  c.routeKey(),
		Stage:     g.api.Stage,
		Time:      c.start.UTC().Format(clfTime),
		TimeEpoch: c.start.UnixMilli(),
	}
}

// resourceID returns a stable stand-in for the id that API Gateway gives a path.
func resourceID(path string) string {
	hash := sha256.Sum256([]byte(path))
	return hex.EncodeToString(hash[:3])
}

func encode(body []byte, binary bool) (text *string, isBase64 bool) {
	plain := string(body)
	if binary {
		plain = base64.StdEncoding.EncodeToString(body)
	}

	return &plain, binary
}
