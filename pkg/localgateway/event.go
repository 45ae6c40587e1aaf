package localgateway

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// event is the JSON object that a function receives. Absent values that AWS shows as null are nil
// here, which the structs of aws-lambda-go cannot express.
type event map[string]any

// authorizerEvent builds what an authorizer receives. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
// and .../http-api-lambda-authorizer.html
func (g *Gateway) authorizerEvent(c *call, a template.Authorizer, values []string) event {
	switch {
	case g.api.Kind == template.REST && a.Type == template.Token:
		return event{"type": "TOKEN", "authorizationToken": values[0], "methodArn": c.arn}
	case g.api.Kind == template.REST:
		e := g.requestV1(c, g.pathREST(c))
		e["type"] = "REQUEST"
		e["methodArn"] = c.arn
		e["requestContext"] = g.contextREST(c)
		return e
	case a.PayloadVersion == "1.0":
		e := g.requestV1(c, c.called)
		e["version"] = "1.0"
		e["type"] = "REQUEST"
		e["methodArn"] = c.arn
		source := strings.Join(values, ",")
		e["identitySource"] = source
		e["authorizationToken"] = source
		e["requestContext"] = g.contextREST(c)
		return e
	default:
		e := g.requestV2(c)
		e["type"] = "REQUEST"
		e["routeArn"] = c.arn
		e["identitySource"] = values
		e["requestContext"] = g.contextHTTP(c)
		return e
	}
}

// integrationEvent builds what the function behind a route receives. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
// and .../http-api-develop-integrations-lambda.html
func (g *Gateway) integrationEvent(c *call) event {
	if c.route.PayloadVersion == "2.0" {
		e := g.requestV2(c)

		context := g.contextHTTP(c)
		if c.route.Authorizer != "" {
			context["authorizer"] = event{"lambda": c.authorization.context}
		}

		e["requestContext"] = context

		e["isBase64Encoded"] = false
		if len(c.body) > 0 {
			e["body"], e["isBase64Encoded"] = encode(c.body,
				!isText(c.request.Header.Get("Content-Type"), c.body))
		}

		return e
	}

	path := g.pathREST(c)

	// REST APIs decide by their list of binary types, HTTP APIs by the content type.
	binary := isBinary(g.api.BinaryMediaTypes, c.request.Header.Get("Content-Type"))
	if g.api.Kind == template.HTTP {
		path = c.called
		binary = !isText(c.request.Header.Get("Content-Type"), c.body)
	}

	e := g.requestV1(c, path)

	context := g.contextREST(c)
	if c.route.Authorizer != "" {
		context["authorizer"] = g.authorizerContextV1(c)
	}

	if g.api.Kind == template.HTTP {
		e["version"] = "1.0"
	}

	e["requestContext"] = context
	e["body"] = nil

	e["isBase64Encoded"] = false
	if len(c.body) > 0 {
		e["body"], e["isBase64Encoded"] = encode(c.body, binary)
	}

	return e
}

// authorizerContextV1 returns requestContext.authorizer of payload 1.0: the authorizer's context,
// its principal and its latency.
func (g *Gateway) authorizerContextV1(c *call) event {
	context := event{}
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

// requestV1 returns the part that payload 1.0's integrations and authorizers share.
func (g *Gateway) requestV1(c *call, path string) event {
	query, all := c.query(), c.headers()

	headers := lastOf(all)
	if g.api.Kind == template.HTTP {
		all = lowerCase(all)
		headers = joined(all)
	}

	return event{
		"resource":                        c.route.Path,
		"path":                            path,
		"httpMethod":                      c.request.Method,
		"headers":                         headers,
		"multiValueHeaders":               all,
		"queryStringParameters":           lastOf(query),
		"multiValueQueryStringParameters": orNil(query),
		"pathParameters":                  c.params,
		"stageVariables":                  g.api.StageVariables,
	}
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

// requestV2 returns the part that payload 2.0's integrations and authorizers share.
func (g *Gateway) requestV2(c *call) event {
	headers := c.headers()

	e := event{
		"version":        "2.0",
		"routeKey":       c.routeKey(),
		"rawPath":        g.pathHTTP(c),
		"rawQueryString": c.request.URL.RawQuery,
	}
	if all := cookies(headers); all != nil {
		e["cookies"] = all
		headers.Del("Cookie")
	}

	e["headers"] = joined(lowerCase(headers))
	if query := joined(c.query()); query != nil {
		e["queryStringParameters"] = query
	}

	if c.params != nil {
		e["pathParameters"] = c.params
	}

	if g.api.StageVariables != nil {
		e["stageVariables"] = g.api.StageVariables
	}

	return e
}

func (g *Gateway) contextREST(c *call) event {
	identity := event{
		"sourceIp":   c.sourceIP,
		"userAgent":  nil,
		"apiKey":     nil,
		"clientCert": nil,
	}
	if agent := c.request.UserAgent(); agent != "" {
		identity["userAgent"] = agent
	}

	if c.route.APIKeyRequired && g.planKey(c) != "" {
		identity["apiKey"] = g.planKey(c)
	}

	return event{
		"accountId":         account,
		"apiId":             g.api.GatewayID,
		"domainName":        c.request.Host,
		"domainPrefix":      g.api.GatewayID,
		"extendedRequestId": c.extendedID,
		"httpMethod":        c.request.Method,
		"identity":          identity,
		"path":              c.called,
		"protocol":          c.request.Proto,
		"requestId":         c.requestID,
		"requestTime":       c.start.UTC().Format(clfTime),
		"requestTimeEpoch":  c.start.UnixMilli(),
		"resourceId":        resourceID(c.route.Path),
		"resourcePath":      c.route.Path,
		"stage":             g.api.Stage,
	}
}

func (g *Gateway) contextHTTP(c *call) event {
	return event{
		"accountId":    account,
		"apiId":        g.api.GatewayID,
		"domainName":   c.request.Host,
		"domainPrefix": g.api.GatewayID,
		"http": event{
			"method":    c.request.Method,
			"path":      g.pathHTTP(c),
			"protocol":  c.request.Proto,
			"sourceIp":  c.sourceIP,
			"userAgent": c.request.UserAgent(),
		},
		"requestId": c.requestID,
		"routeKey":  c.routeKey(),
		"stage":     g.api.Stage,
		"time":      c.start.UTC().Format(clfTime),
		"timeEpoch": c.start.UnixMilli(),
	}
}

// resourceID returns a stable stand-in for the id that API Gateway gives a path.
func resourceID(path string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(path)))[:6]
}

func encode(body []byte, binary bool) (text string, isBase64 bool) {
	if binary {
		return base64.StdEncoding.EncodeToString(body), true
	}

	return string(body), false
}

// MarshalJSON keeps <, > and & as they are, as AWS does.
func (e event) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(map[string]any(e))
	return []byte(b.String()), err
}
