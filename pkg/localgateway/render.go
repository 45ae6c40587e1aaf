package localgateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clfTime is the layout of $context.requestTime.
const clfTime = "02/Jan/2006:15:04:05 -0700"

var variable = regexp.MustCompile(`\$(?:context(?:\.\w+)+|stageVariables\.\w+|method\.request\.(?:header|querystring|path)\.[\w-]+)`)

// render substitutes the variables in a gateway response's body. There is neither logic nor
// escaping, so a value with quotes may break the body.
func (g *Gateway) render(c *call, source string) string {
	return variable.ReplaceAllStringFunc(source, func(name string) string {
		return g.variable(c, name[1:])
	})
}

// headerValue evaluates a header's mapping: a literal in single quotes, or a
// variable without its dollar sign.
func (g *Gateway) headerValue(c *call, expression string) string {
	if literal, ok := strings.CutPrefix(expression, "'"); ok {
		return strings.TrimSuffix(literal, "'")
	}

	return g.variable(c, expression)
}

// chooseTemplate picks the body by the Accept header, else application/json,
// else the first by name.
func chooseTemplate(
	templates map[string]string, accept string,
) (mediaType, source string, ok bool) {
	if len(templates) == 0 {
		return "", "", false
	}

	for _, wanted := range strings.Split(accept, ",") {
		name, _, err := mime.ParseMediaType(wanted)
		if source, ok := templates[name]; ok && err == nil {
			return name, source, true
		}
	}

	name := "application/json"
	if _, ok := templates[name]; !ok {
		name = slices.Min(slices.Collect(maps.Keys(templates)))
	}

	return name, templates[name], true
}

// variable returns a variable's value, empty if it has none.
func (g *Gateway) variable(c *call, name string) string {
	space, rest, _ := strings.Cut(name, ".")
	switch space {
	case "context":
		return g.contextVariable(c, rest)
	case "stageVariables":
		return g.api.StageVariables[rest]
	case "method":
		rest = strings.TrimPrefix(rest, "request.")

		place, key, _ := strings.Cut(rest, ".")
		switch place {
		case "header":
			return last(c.request.Header.Values(key))
		case "querystring":
			return last(c.query()[key])
		case "path":
			return c.params[key]
		}
	}

	return ""
}

func (g *Gateway) contextVariable(c *call, name string) string {
	if key, ok := strings.CutPrefix(name, "authorizer."); ok {
		if key == "principalId" {
			return c.authorization.principalID
		}

		return scalar(c.authorization.context[key])
	}

	if key, ok := strings.CutPrefix(name, "error."); ok {
		return c.errorVariable(key)
	}

	switch name {
	case "accountId":
		return account
	case "apiId":
		return g.api.GatewayID
	case "domainName":
		return c.request.Host
	case "extendedRequestId":
		return c.extendedID
	case "httpMethod":
		return c.request.Method
	case "identity.sourceIp":
		return c.sourceIP
	case "identity.userAgent":
		return c.request.UserAgent()
	case "path":
		return c.called
	case "protocol":
		return c.request.Proto
	case "requestId":
		return c.requestID
	case "requestTime":
		return c.start.UTC().Format(clfTime)
	case "requestTimeEpoch":
		return strconv.FormatInt(c.start.UnixMilli(), 10)
	case "resourcePath":
		return c.resourcePath()
	case "routeKey":
		return c.routeKey()
	case "stage":
		return g.api.Stage
	}

	return ""
}

func (c *call) errorVariable(name string) string {
	if c.refusal == nil {
		return ""
	}

	switch name {
	case "message":
		return c.refusal.message
	case "messageString":
		return c.refusal.messageString()
	case "responseType":
		return c.refusal.responseType
	}

	return ""
}

// scalar formats a context value as a variable shows it.
func scalar(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

func last(values []string) string {
	if len(values) == 0 {
		return ""
	}

	return values[len(values)-1]
}

// milliseconds converts a latency as API Gateway reports it: at least 1 if anything was called.
func milliseconds(d time.Duration) int64 { return cmp.Or(d.Milliseconds(), 1) }
