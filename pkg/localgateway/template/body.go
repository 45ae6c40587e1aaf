package template

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// operations are the keys of a path in an OpenAPI document that are methods.
var operations = []string{
	"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method",
}

// readDocument reads the OpenAPI document of a SAM API, if it gives one.
func (b *builder) readDocument(p *object) {
	if p.r.whole {
		b.managed = true
		return
	}

	if uri := p.raw("DefinitionUri"); uri != nil {
		p.r.fail(uri, "%s: DefinitionUri is not understood: include the file in DefinitionBody, by "+
			"Fn::Transform: {Name: AWS::Include, Parameters: {Location: file}}", p.what)
	}

	b.merged = p.boolean("MergeDefinitions", false)

	document := p.object("DefinitionBody")
	b.managed = document == nil || len(document.fields) == 0

	if !b.managed {
		b.readBody(document)
	}
}

// readBody reads an OpenAPI document, of version 2 or 3, with API Gateway's extensions.
func (b *builder) readBody(document *object) {
	document.what = b.api.ID + ".DefinitionBody"
	b.readSchemes(document.object("securityDefinitions"))

	if components := document.object("components"); components != nil {
		b.readSchemes(components.object("securitySchemes"))
	}

	if policy := document.raw("x-amazon-apigateway-policy"); policy != nil {
		document.r.fail(policy, "%s: resource policies are not understood", document.what)
	}

	if security := document.raw("security"); security != nil && b.api.Kind == HTTP {
		document.r.fail(security, "%s: security for all routes is not understood: give it to each",
			document.what)
	}

	b.api.GatewayResponses = readBodyResponses(
		document.object("x-amazon-apigateway-gateway-responses"))
	b.api.BinaryMediaTypes = append(b.api.BinaryMediaTypes,
		document.list("x-amazon-apigateway-binary-media-types")...)

	if b.api.Kind == REST && document.has("x-amazon-apigateway-api-key-source") {
		b.api.APIKeySource = APIKeySource(document.oneOf("x-amazon-apigateway-api-key-source",
			"", "HEADER", "AUTHORIZER"))
	}

	if cors := document.object("x-amazon-apigateway-cors"); cors != nil && b.api.Kind == HTTP {
		b.readCORS(cors, func(key string) string { return strings.ToLower(key[:1]) + key[1:] })
	}

	paths := document.object("paths")
	if paths == nil {
		return
	}

	validators := document.object("x-amazon-apigateway-request-validators")
	standard := document.text("x-amazon-apigateway-request-validator", "")

	for i := 0; i+1 < len(paths.node.Content); i += 2 {
		path := paths.node.Content[i].Value

		item := paths.object(path)
		if item == nil {
			continue
		}

		for _, name := range operations {
			if o := item.object(name); o != nil {
				b.readOperation(o, path, upperMethod(name), validators, standard)
			}
		}
	}
}

// defaultPath returns the path of an HTTP API's default route under its one name. With
// FailOnWarnings, SAM calls it /$default.
func (b *builder) defaultPath(path string) string {
	if b.api.Kind == HTTP && path == "/$default" {
		return "$default"
	}

	return path
}

func (b *builder) readOperation(
	o *object, path, name string, validators *object, standard string,
) {
	m := method{Route: Route{
		Method:         name,
		Path:           b.defaultPath(path),
		PayloadVersion: "1.0",
		Line:           o.node.Line,
	}}

	if security := o.value("security"); security != nil {
		for _, alternative := range security.Content {
			for i := 0; i+1 < len(alternative.Content); i += 2 {
				m.security = append(m.security, alternative.Content[i].Value)
			}
		}
	}

	integration := o.object("x-amazon-apigateway-integration")
	if m.integrated = integration != nil; m.integrated {
		b.readIntegration(integration, &m)
	} else {
		m.Target = o.r.unserved(o.node, "%s: %s %s has no integration", b.api.ID, name, path)
	}

	validator := o.text("x-amazon-apigateway-request-validator", standard)
	if validators != nil && validator != "" {
		if v := validators.object(validator); v != nil &&
			(v.boolean("validateRequestBody", false) || v.boolean("validateRequestParameters", false)) {
			m.Target = o.r.unserved(o.node, "%s: requests are not validated here", o.what)
		}
	}

	b.append(o.r, o, m)
}

// readIntegration reads what answers a method.
func (b *builder) readIntegration(o *object, m *method) {
	kind := strings.ToLower(o.text("type", ""))
	m.Timeout = time.Duration(o.integer("timeoutInMillis", 0)) * time.Millisecond
	m.PayloadVersion = o.text("payloadFormatVersion", "1.0")

	switch {
	case kind == "aws_proxy":
		// The function may be another stack's, and its name unknown.
		m.Target = o.r.attempt(func() { m.Function = integrationFunction(o.text("uri", "")) })
		if m.Function == "" && m.Target == nil {
			m.Target = o.r.unserved(o.node, "%s: no function is invoked by its uri", o.what)
		}
	case kind == "mock" && m.Method == "OPTIONS" && b.api.Kind == REST:
		b.readMock(o, m)
	default:
		m.Target = o.r.unserved(o.node, "%s: integrations of type %s are not understood", o.what,
			kind)
	}
}

// integrationFunction returns the logical id in the URI by which API Gateway invokes a function. In
// resources of HTTP APIs, that may be the function's ARN.
func integrationFunction(uri string) string {
	_, function, ok := strings.Cut(uri, ":lambda:path/2015-03-31/functions/")
	if !ok && strings.Contains(uri, ":lambda:") && strings.Contains(uri, ":function:") {
		return functionOf(uri)
	}

	if !ok {
		return ""
	}

	function, ok = strings.CutSuffix(function, "/invocations")
	if !ok {
		return ""
	}

	return functionOf(function)
}

// readMock reads an OPTIONS method that answers headers only, as a preflight. Any other mock has a
// body by a mapping template.
func (b *builder) readMock(o *object, m *method) {
	var response *object
	if all := o.object("responses"); all != nil && len(all.fields) == 1 {
		response = all.object(all.node.Content[0].Value)
	} else if list := o.value("integrationResponses"); list != nil && len(list.Content) == 1 {
		response = o.r.object(list.Content[0], o.what).lowered()
	}

	if response == nil {
		m.Target = o.r.unserved(o.node, "%s: a mock with other than one response is not understood",
			o.what)
		return
	}

	m.Preflight = map[string]string{}
	for name, value := range response.textMap("responseParameters") {
		header, ok := strings.CutPrefix(name, "method.response.header.")
		if !ok || !strings.HasPrefix(value, "'") {
			m.Target = o.r.unserved(response.node, "%s: %s: %s is not understood", o.what, name, value)
		}

		m.Preflight[header] = unquote(value)
	}

	templates := response.textMap("responseTemplates")
	body := strings.TrimSpace(templates["application/json"])

	if status := response.text("statusCode", ""); status != strconv.Itoa(200) ||
		len(templates) > 1 || body != "" && body != "{}" {
		m.Target = o.r.unserved(response.node,
			"%s: a mock with another status than 200, or with a body, is not understood", o.what)
	}
}

// readSchemes reads a document's security schemes.
func (b *builder) readSchemes(all *object) {
	if all == nil {
		return
	}

	for name := range all.fields {
		o := all.object(name)
		if o == nil {
			continue
		}

		o.what = b.api.ID + "." + name
		a := o.object("x-amazon-apigateway-authorizer")
		header := o.text("name", "")

		switch {
		case a != nil:
			a.what = o.what
			b.api.Authorizers[name], b.schemes[name] = b.readBodyAuthorizer(name, header, a)
		case strings.EqualFold(header, "x-api-key"):
			b.schemes[name] = scheme{key: true}
		default:
			b.schemes[name] = scheme{guard: o.r.unserved(o.node,
				"%s: this security scheme is not understood", o.what)}
		}
	}
}

func (b *builder) readBodyAuthorizer(name, header string, a *object) (Authorizer, scheme) {
	kind := strings.ToLower(a.text("type", ""))
	if kind != "token" && kind != "request" || kind == "token" && b.api.Kind == HTTP {
		return Authorizer{Name: name}, scheme{guard: a.r.unserved(a.node,
			"%s: authorizers of type %s are not understood", a.what, kind)}
	}

	authorizer := Authorizer{
		Name:            name,
		Function:        a.authorizerFunction("authorizerUri", integrationFunction),
		Type:            AuthorizerType(strings.ToUpper(kind)),
		Validation:      a.text("identityValidationExpression", ""),
		TTL:             readSeconds(a, "authorizerResultTtlInSeconds", restTTL),
		SimpleResponses: a.boolean("enableSimpleResponses", false),
	}

	var s scheme
	if b.api.Kind == HTTP {
		authorizer.PayloadVersion = a.oneOf("authorizerPayloadFormatVersion", "", "1.0", "2.0")
		if !a.has("authorizerResultTtlInSeconds") {
			s.guard = a.r.unserved(a.node, "%s: authorizerResultTtlInSeconds is missing, and AWS "+
				"documents no default for HTTP APIs", a.what)
		}
	}

	if authorizer.Type == Token && header != "" {
		authorizer.IdentitySources = []IdentitySource{{In: InHeader, Name: header}}
		return authorizer, s
	}

	var sources []string
	if n := a.value("identitySource"); n != nil && n.Kind == yaml.SequenceNode {
		sources = a.list("identitySource")
	} else if n != nil {
		sources = strings.Split(n.Value, ",")
	}

	for _, source := range sources {
		if source = strings.TrimSpace(source); source != "" {
			authorizer.IdentitySources = append(authorizer.IdentitySources, identitySource(source))
		}
	}

	return authorizer, s
}

// identitySource reads a mapping expression such as method.request.header.X or $request.header.X.
func identitySource(expression string) IdentitySource {
	expression = strings.TrimPrefix(strings.TrimPrefix(expression, "$"), "method.")
	expression = strings.TrimPrefix(expression, "request.")
	place, name, _ := strings.Cut(expression, ".")
	return IdentitySource{In: IdentityPlace(place), Name: name}
}

func readBodyResponses(all *object) map[string]GatewayResponse {
	if all == nil {
		return nil
	}

	responses := map[string]GatewayResponse{}
	for kind := range all.fields {
		if o := all.object(kind); o != nil {
			responses[kind] = readBodyResponse(o)
		}
	}

	return responses
}

func readBodyResponse(o *object) GatewayResponse {
	response := GatewayResponse{
		Status:    o.integer("statusCode", 0),
		Templates: o.textMap("responseTemplates"),
	}
	for name, value := range o.textMap("responseParameters") {
		if header, ok := strings.CutPrefix(name, "gatewayresponse.header."); ok {
			if response.Headers == nil {
				response.Headers = map[string]string{}
			}

			response.Headers[header] = value
		}
	}

	return response
}
