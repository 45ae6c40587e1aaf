package protect

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// cfn is an API of API Gateway's own resource types: AWS::ApiGateway::RestApi with its methods, or
// AWS::ApiGatewayV2::Api with its routes.
type cfn struct {
	*API

	document *Document
	resource *yaml.Node
	body     *openAPI // its routes, where the template has them as an OpenAPI document
	stages   []entry
}

// readTemplate reads the APIs of a template.
func (d *Document) readTemplate() {
	d.readSAM(REST)
	d.readSAM(HTTP)

	for _, e := range entries(get(d.root, "Resources")) {
		switch plain(get(e.value, "Type")) {
		case "AWS::ApiGateway::RestApi":
			d.readCFN(e, REST)
		case "AWS::ApiGatewayV2::Api":
			kind := HTTP
			if plain(get(e.value, "Properties", "ProtocolType")) == "WEBSOCKET" {
				kind = WebSocket
			}

			d.readCFN(e, kind)
		}

		if get(e.value, "Metadata", "aws:cdk:path") != nil && !slices.Contains(d.notes, cdkNote) {
			d.notes = append(d.notes, cdkNote)
		}
	}
}

const cdkNote = "CDK writes this file again at each synth: make the same changes in its program"

// ofType returns the resources of a type whose property refers to an API.
func (d *Document) ofType(kind, property, api string) (out []entry) {
	for _, e := range entries(get(d.root, "Resources")) {
		if plain(get(e.value, "Type")) == kind && ref(get(e.value, "Properties", property)) == api {
			out = append(out, e)
		}
	}

	return out
}

func (d *Document) readCFN(e entry, kind Kind) {
	c := &cfn{API: &API{ID: e.key, Kind: kind, Line: e.at.Line}, document: d, resource: e.value}
	d.apis = append(d.apis, c.API)
	c.API.wants = c.wants

	family, id, variables := "AWS::ApiGatewayV2::", "ApiId", "StageVariables"
	if kind == REST {
		family, id, variables = "AWS::ApiGateway::", "RestApiId", "Variables"
	}

	c.stages = d.ofType(family+"Stage", id, c.ID)

	c.variables = len(c.stages) > 0
	for _, stage := range c.stages {
		c.Name = plain(get(stage.value, "Properties", variables, stageVariable))
		if c.Name == "" {
			break
		}
	}

	p := get(e.value, "Properties")
	c.plan = d.inPlan(c.ID)
	c.keySource = plain(get(p, "ApiKeySourceType")) == "AUTHORIZER"

	body := get(p, "Body")

	switch {
	case body != nil && get(body, "paths") != nil:
		c.body = newOpenAPI(d, c.API, body, []string{"Resources", c.ID, "Properties", "Body"})
		c.body.read()
	case body != nil, get(p, "BodyS3Location") != nil:
		c.elsewhere = "its routes are in the OpenAPI document that it names: protect that file"
	case kind == REST:
		c.readMethods()
	default:
		c.readRoutes(get(p, "Target"))
	}
}

// readMethods reads the methods, authorizers and responses of a REST API.
func (c *cfn) readMethods() {
	d := c.document
	own := c.readAuthorizers("AWS::ApiGateway::Authorizer", "RestApiId")

	have := &yaml.Node{Kind: yaml.MappingNode}
	for _, r := range d.ofType("AWS::ApiGateway::GatewayResponse", "RestApiId", c.ID) {
		kind := plain(get(r.value, "Properties", "ResponseType"))
		have.Content = append(have.Content, scalar(kind), r.value)
	}

	c.responses = missingResponses(have)

	for _, m := range d.ofType("AWS::ApiGateway::Method", "RestApiId", c.ID) {
		p := get(m.value, "Properties")
		r := Route{
			Method:      method(plain(get(p, "HttpMethod"))),
			Path:        d.resourcePath(get(p, "ResourceId"), 0),
			Line:        m.at.Line,
			guard:       guardOfType(get(p, "AuthorizationType"), get(p, "AuthorizerId"), own),
			keyRequired: isTrue(get(p, "ApiKeyRequired")),
			codeURI:     d.codeOf(get(p, "Integration")),
		}
		at := []string{"Resources", m.key, "Properties"}
		r.guarded = func() want {
			return under(at,
				want{key: "AuthorizationType", value: scalar("CUSTOM"), force: true},
				want{key: "AuthorizerId", value: function("Ref", c.authorizerID(own))},
				want{key: "ApiKeyRequired", value: value(true), force: true})
		}
		r.unkeyed = func() want {
			return under(at, want{key: "ApiKeyRequired", value: value(false), force: true})
		}
		r.open = func() want {
			return under(at,
				want{key: "AuthorizationType", value: scalar("NONE"), force: true},
				want{key: "ApiKeyRequired", value: value(false), force: true})
		}
		r.preflight = func() want { return c.mock(m) }
		c.Routes = append(c.Routes, r)
	}
}

// mock is a method that answers the preflights of another one's path.
func (c *cfn) mock(m entry) want {
	p := get(m.value, "Properties")
	headers := map[string]string{
		"method.response.header.Access-Control-Allow-Origin":  "'*'",
		"method.response.header.Access-Control-Allow-Methods": "'DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT'",
		"method.response.header.Access-Control-Allow-Headers": "'Authorization,Content-Type,X-Api-Key'",
	}

	declared := map[string]bool{}
	for name := range headers {
		declared[name] = true
	}

	return under([]string{"Resources", m.key + "Preflight"},
		want{key: "Type", value: scalar("AWS::ApiGateway::Method")},
		want{key: "Properties", in: []want{
			{key: "RestApiId", value: function("Ref", c.ID)},
			{key: "ResourceId", value: get(p, "ResourceId")},
			{key: "HttpMethod", value: scalar("OPTIONS")},
			{key: "AuthorizationType", value: scalar("NONE")},
			{key: "Integration", in: []want{
				{key: "Type", value: scalar("MOCK")},
				{key: "RequestTemplates", value: value(map[string]string{
					"application/json": `{"statusCode": 204}`,
				})},
				{key: "IntegrationResponses", value: value([]any{map[string]any{
					"StatusCode":         quoted("204"),
					"ResponseParameters": headers,
				}})},
			}},
			{key: "MethodResponses", value: value([]any{map[string]any{
				"StatusCode":         quoted("204"),
				"ResponseParameters": declared,
			}})},
		}})
}

// readRoutes reads the routes and authorizers of an HTTP or WebSocket API.
func (c *cfn) readRoutes(target *yaml.Node) {
	d := c.document
	own := c.readAuthorizers("AWS::ApiGatewayV2::Authorizer", "ApiId")

	if target != nil {
		c.Routes = append(c.Routes, Route{Method: anyMethod, Path: defaultRoute, Line: target.Line})
	}

	for _, e := range d.ofType("AWS::ApiGatewayV2::Route", "ApiId", c.ID) {
		p := get(e.value, "Properties")
		key := plain(get(p, "RouteKey"))

		name, path, ok := strings.Cut(key, " ")
		if !ok {
			name, path = anyMethod, key
		}

		if c.Kind == WebSocket && key != connectRoute {
			continue // only a connection is authorized
		}

		r := Route{
			Method:  method(name),
			Path:    path,
			Line:    e.at.Line,
			guard:   guardOfType(get(p, "AuthorizationType"), get(p, "AuthorizerId"), own),
			codeURI: c.codeOfRoute(get(p, "Target")),
		}
		at := []string{"Resources", e.key, "Properties"}
		r.guarded = func() want {
			return under(at,
				want{key: "AuthorizationType", value: scalar("CUSTOM"), force: true},
				want{key: "AuthorizerId", value: function("Ref", c.authorizerID(own))})
		}
		r.open = func() want {
			return under(at, want{key: "AuthorizationType", value: scalar("NONE"), force: true})
		}
		r.preflight = func() want {
			if path == defaultRoute {
				path = greedy
			}

			return under([]string{"Resources", e.key + "Preflight"},
				want{key: "Type", value: scalar("AWS::ApiGatewayV2::Route")},
				want{key: "Properties", in: []want{
					{key: "ApiId", value: function("Ref", c.ID)},
					{key: "RouteKey", value: scalar("OPTIONS " + path)},
					{key: "AuthorizationType", value: scalar("NONE")},
					{key: "Target", value: get(p, "Target")},
				}})
		}
		c.Routes = append(c.Routes, r)
	}
}

// codeOfRoute returns the code behind the integration that a route's target names.
func (c *cfn) codeOfRoute(target *yaml.Node) (uri string) {
	for _, e := range c.document.ofType("AWS::ApiGatewayV2::Integration", "ApiId", c.ID) {
		texts(target, func(n *yaml.Node) {
			if names(n.Value, e.key) {
				uri = c.document.codeOf(get(e.value, "Properties"))
			}
		})
	}

	return uri
}

// readAuthorizers finds Bitting's authorizers of an API, by logical id.
func (c *cfn) readAuthorizers(kind, id string) (own []string) {
	for _, e := range c.document.ofType(kind, id, c.ID) {
		if !isOurs(e.key, e.value) {
			continue
		}

		own = append(own, e.key)

		p := get(e.value, "Properties")
		c.authorizer = &authorizer{
			line:      e.at.Line,
			ttl:       seconds(get(p, "AuthorizerResultTtlInSeconds")),
			token:     plain(get(p, "Type")) == "TOKEN",
			sources:   sourcesOf(get(p, "IdentitySource")),
			payload:   get(p, "AuthorizerPayloadFormatVersion"),
			permitted: get(p, "AuthorizerCredentials") != nil || c.document.permitted(),
		}
	}

	return own
}

// sourcesOf reads identity sources in API Gateway's own form.
func sourcesOf(n *yaml.Node) (sources []string) {
	text := plain(n)
	for _, item := range items(n) {
		text += "," + plain(item)
	}

	for source := range strings.SplitSeq(text, ",") {
		source = strings.TrimPrefix(strings.TrimSpace(source), "$")
		source = strings.TrimPrefix(source, "method.request.")
		sources = append(sources, strings.TrimPrefix(source, "request."))
	}

	return sources
}

// permitted reports whether a permission lets API Gateway invoke Bitting's function.
func (d *Document) permitted() bool {
	return slices.ContainsFunc(entries(get(d.root, "Resources")), func(e entry) bool {
		p := get(e.value, "Properties")
		return plain(get(e.value, "Type")) == "AWS::Lambda::Permission" &&
			isOurs("", get(p, "FunctionName"))
	})
}

// authorizerID is the logical id of Bitting's authorizer.
func (c *cfn) authorizerID(own []string) string {
	if len(own) > 0 {
		return own[0]
	}

	return c.ID + "BittingAuthorizer"
}

// guardOfType returns who guards a method or a route.
func guardOfType(kind, id *yaml.Node, own []string) guard {
	switch text := plain(kind); {
	case isCall(kind):
		return unread
	case text == "" || text == "NONE":
		return nobody
	case text == "CUSTOM" && slices.Contains(own, ref(id)):
		return ours
	default:
		return another
	}
}

// resourcePath returns the path of an AWS::ApiGateway::Resource, or of an API's root.
func (d *Document) resourcePath(n *yaml.Node, depth int) string {
	const deepest = 32

	id := ref(n)
	if id == "" || depth > deepest {
		return "/"
	}

	p := get(d.root, "Resources", id, "Properties")
	parent := d.resourcePath(get(p, "ParentId"), depth+1)
	return strings.TrimSuffix(parent, "/") + "/" + plain(get(p, "PathPart"))
}
