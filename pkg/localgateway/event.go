package localgateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// authorizerEvent builds what an authorizer receives. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
// and .../http-api-lambda-authorizer.html
func (g *Gateway) authorizerEvent(c *call, a template.Authorizer, values []string) []byte {
	switch {
	case g.api.Kind == template.REST && a.Type == template.Token:
		o := newObject(nil)
		o.text("type", "TOKEN")
		o.text("authorizationToken", values[0])
		o.text("methodArn", c.arn)
		return o.end()
	case g.api.Kind == template.REST:
		o := newObject(g.requestV1(c))
		g.endContextV1(o, c, false)
		o.text("type", "REQUEST")
		o.text("methodArn", c.arn)
		return o.end()
	case a.PayloadVersion == "1.0":
		source := strings.Join(values, ",")

		o := newObject(g.requestV1(c))
		g.endContextV1(o, c, false)
		o.text("version", "1.0")
		o.text("type", "REQUEST")
		o.text("methodArn", c.arn)
		o.text("identitySource", source)
		o.text("authorizationToken", source)
		return o.end()
	default:
		o := newObject(g.requestV2(c))
		g.endContextV2(o, c, false)
		o.text("type", "REQUEST")
		o.text("routeArn", c.arn)
		o.list("identitySource", values)
		return o.end()
	}
}

// integrationEvent builds what the function behind a route receives. See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
// and .../http-api-develop-integrations-lambda.html
func (g *Gateway) integrationEvent(c *call) []byte {
	contentType := c.request.Header.Get("Content-Type")

	if c.route.PayloadVersion == "2.0" {
		o := newObject(g.requestV2(c))
		g.endContextV2(o, c, c.route.Authorizer != "")

		if len(c.body) > 0 {
			o.body(c.body, !isText(contentType, c.body))
		} else {
			o.flag("isBase64Encoded", false)
		}

		return o.end()
	}

	o := newObject(g.requestV1(c))
	g.endContextV1(o, c, c.route.Authorizer != "")

	// REST APIs decide by their list of binary types, HTTP APIs by the content type.
	binary := isBinary(g.api.BinaryMediaTypes, contentType)
	if g.api.Kind == template.HTTP {
		o.text("version", "1.0")
		binary = !isText(contentType, c.body)
	}

	if len(c.body) > 0 {
		o.body(c.body, binary)
	} else {
		o.null("body")
		o.flag("isBase64Encoded", false)
	}

	return o.end()
}

// requestV1 returns the part that payload 1.0's integrations and authorizers share: it is made once
// for a call. It ends within requestContext. Values that are absent are null, as AWS shows them.
func (g *Gateway) requestV1(c *call) []byte {
	if c.requestV1 != nil {
		return c.requestV1
	}

	query, headers := c.query(), c.headers()

	o := newObject(nil)
	o.text("resource", c.route.Path)
	o.text("httpMethod", c.request.Method)

	if g.api.Kind == template.HTTP {
		headers = lowerCase(headers)
		o.text("path", c.called)
		o.values("headers", headers, joined)
	} else {
		o.text("path", g.pathREST(c))
		o.values("headers", headers, last)
	}

	o.lists("multiValueHeaders", headers)
	o.values("queryStringParameters", query, last)
	o.lists("multiValueQueryStringParameters", query)
	o.texts("pathParameters", c.params)
	o.texts("stageVariables", g.api.StageVariables)

	g.openContext(o, c)
	o.text("extendedRequestId", c.extendedID)
	o.text("httpMethod", c.request.Method)
	o.text("path", c.called)
	o.text("protocol", c.request.Proto)
	o.text("requestId", c.requestID)
	o.text("requestTime", c.start.UTC().Format(clfTime))
	o.number("requestTimeEpoch", c.start.UnixMilli())
	o.text("resourceId", resourceID(c.route.Path))
	o.text("resourcePath", c.route.Path)
	o.text("stage", g.api.Stage)

	c.requestV1 = o.shared()
	return c.requestV1
}

// openContext begins requestContext, with what it has in both payloads.
func (g *Gateway) openContext(o *object, c *call) {
	o.open("requestContext")
	o.text("accountId", account)
	o.text("apiId", g.api.GatewayID)
	o.text("domainName", c.request.Host)
	o.text("domainPrefix", g.api.GatewayID)
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

// requestV2 returns the part that payload 2.0's integrations and authorizers share: it is made once
// for a call. It ends within requestContext. Values that are absent are left out.
func (g *Gateway) requestV2(c *call) []byte {
	if c.requestV2 != nil {
		return c.requestV2
	}

	query, headers := c.query(), c.headers()

	o := newObject(nil)
	o.text("version", "2.0")
	o.text("routeKey", c.routeKey())
	o.text("rawPath", g.pathHTTP(c))
	o.text("rawQueryString", c.request.URL.RawQuery)

	if all := cookies(headers); len(all) > 0 {
		o.list("cookies", all)
	}

	headers.Del("Cookie")
	o.values("headers", lowerCase(headers), joined)

	if len(query) > 0 {
		o.values("queryStringParameters", query, joined)
	}

	if len(c.params) > 0 {
		o.texts("pathParameters", c.params)
	}

	if len(g.api.StageVariables) > 0 {
		o.texts("stageVariables", g.api.StageVariables)
	}

	g.openContext(o, c)

	o.open("http")
	o.text("method", c.request.Method)
	o.text("path", g.pathHTTP(c))
	o.text("protocol", c.request.Proto)
	o.text("sourceIp", c.sourceIP)
	o.text("userAgent", c.request.UserAgent())
	o.close()

	o.text("requestId", c.requestID)
	o.text("routeKey", c.routeKey())
	o.text("stage", g.api.Stage)
	o.text("time", c.start.UTC().Format(clfTime))
	o.number("timeEpoch", c.start.UnixMilli())

	c.requestV2 = o.shared()
	return c.requestV2
}

// endContextV1 ends requestContext of payload 1.0, with or without what the authorizer said.
func (g *Gateway) endContextV1(o *object, c *call, authorized bool) {
	if authorized {
		g.authorizerV1(o, c)
	}

	o.open("identity")
	o.text("sourceIp", c.sourceIP)
	o.textOrNull("userAgent", c.request.UserAgent())

	key := ""
	if c.route.APIKeyRequired {
		key = g.planKey(c)
	}

	o.textOrNull("apiKey", key)
	o.null("clientCert")
	o.close()
	o.close()
}

// authorizerV1 adds requestContext.authorizer of payload 1.0: the authorizer's context, its principal
// and its latency.
func (g *Gateway) authorizerV1(o *object, c *call) {
	rest := g.api.Kind == template.REST

	o.open("authorizer")

	for name, value := range c.authorization.context {
		if name != "principalId" && (name != "integrationLatency" || !rest) {
			o.anyName(name)
			o.value(value)
		}
	}

	o.text("principalId", c.authorization.principalID)

	if rest {
		var latency int64 // 0 when the answer came from the cache
		if c.authorizerLatency > 0 {
			latency = milliseconds(c.authorizerLatency)
		}

		o.number("integrationLatency", latency)
	}

	o.close()
}

// endContextV2 ends requestContext of payload 2.0, with or without what the authorizer said.
func (g *Gateway) endContextV2(o *object, c *call, authorized bool) {
	if authorized {
		o.open("authorizer")

		if context := c.authorization.context; context != nil {
			o.name("lambda")
			o.value(context)
		} else {
			o.null("lambda")
		}

		o.close()
	}

	o.close()
}

// resourceID returns a stable stand-in for the id that API Gateway gives a path.
func resourceID(path string) string {
	hash := sha256.Sum256([]byte(path))
	return hex.EncodeToString(hash[:3])
}
