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

		if c.Kind == WebSocket && key != "$connect" {
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

// wants implements API.wants.
func (c *cfn) wants(o Options) (wants []want, notes []string) {
	variables := c.Kind.variables()
	if c.Kind != REST {
		variables = "StageVariables"
	}

	var stages []any

	for _, stage := range c.stages {
		at := []string{"Resources", stage.key, "Properties"}
		wants = append(wants, under(at, want{key: variables, in: []want{
			{key: stageVariable, value: scalar(c.name(o)), force: true},
		}}))

		if o.Cached && c.Kind != WebSocket {
			setting, parameters := accessLog(o, c.Kind)
			wants = append(append(wants, under(at, setting)), parameters...)
		}

		stages = append(stages, map[string]any{
			"ApiId": function("Ref", c.ID),
			"Stage": function("Ref", stage.key),
		})
	}

	if len(c.stages) == 0 {
		notes = append(notes, at(c.Line)+c.ID+" has no stage in this file: give its stage the "+
			"variable "+stageVariable+" = "+c.name(o))
	}

	if c.elsewhere != "" {
		return wants, append(notes, c.ID+": "+c.elsewhere)
	}

	wants = append(wants, authorizerParameter(o), invokePermission(c.ID))
	if c.Kind == REST {
		wants = append(wants, under([]string{"Resources", c.ID, "Properties"},
			want{key: "ApiKeySourceType", value: scalar("AUTHORIZER"), force: true}))

		if len(stages) > 0 {
			wants = append(wants, plan(o, c.ID, get(c.resource, "Condition"), value(stages), c.plan)...)
		}

		notes = append(notes, c.snapshot()...)
	}

	if c.body != nil {
		more, about := c.body.wants(o)
		return append(wants, more...), append(notes, about...)
	}

	return append(wants, c.resources(o)...), notes
}

// snapshot says that a deployment does not take changes up by itself.
func (c *cfn) snapshot() (notes []string) {
	for _, e := range c.document.ofType("AWS::ApiGateway::Deployment", "RestApiId", c.ID) {
		notes = append(notes, at(e.at.Line)+e.key+" is a snapshot of the API: give it another "+
			"logical id, and DependsOn its methods, or the stage serves the API as it was")
	}

	return notes
}

// resources are the authorizer and the responses as resources.
func (c *cfn) resources(o Options) (wants []want) {
	if c.authorizer == nil || c.authorizer.ttl != unknowing {
		wants = append(wants, c.authorizerResource(o))
	}

	if c.Kind != REST || len(c.responses) == 0 {
		return wants
	}

	for _, r := range gatewayResponses(o) {
		in := []want{
			{key: "RestApiId", value: function("Ref", c.ID)},
			{key: "ResponseType", value: scalar(r.kind)},
		}
		if status := r.status(); status != "" {
			in = append(in, want{key: "StatusCode", value: quoted(status)})
		}

		if !slices.Contains(c.responses, r.kind) && slices.Contains(needed(), r.kind) {
			continue // it has one of its own
		}

		wants = append(wants, under([]string{"Resources", c.ID + camel(r.kind)},
			want{key: "Type", value: scalar("AWS::ApiGateway::GatewayResponse")},
			want{key: "Properties", in: append(in,
				want{key: "ResponseParameters", value: r.parameters()},
				want{key: "ResponseTemplates", value: get(r.node, "ResponseTemplates")})}))
	}

	return wants
}

func (c *cfn) authorizerResource(o Options) want {
	id := c.ID + "BittingAuthorizer"
	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		property := "RestApiId"
		if kind != "AWS::ApiGateway::Authorizer" {
			property = "ApiId"
		}

		for _, e := range c.document.ofType(kind, property, c.ID) {
			if isOurs(e.key, e.value) {
				id = e.key
			}
		}
	}

	ttl := 0
	if o.Cached && c.Kind == REST {
		ttl = cachedTTL
	}

	if c.Kind == REST {
		in := []want{
			{key: "Name", value: scalar("bitting")},
			{key: "RestApiId", value: function("Ref", c.ID)},
			{key: "Type", value: scalar("REQUEST"), force: true},
			{key: "AuthorizerUri", value: authorizerURI()},
			{key: "AuthorizerResultTtlInSeconds", value: value(ttl), force: true},
		}
		if ttl > 0 {
			in = append(in, want{key: "IdentitySource", value: scalar(cachedSources())})
		}

		return under([]string{"Resources", id},
			want{key: "Type", value: scalar("AWS::ApiGateway::Authorizer")},
			want{key: "Properties", in: in})
	}

	in := []want{
		{key: "Name", value: scalar("bitting")},
		{key: "ApiId", value: function("Ref", c.ID)},
		{key: "AuthorizerType", value: scalar("REQUEST")},
		{key: "AuthorizerUri", value: authorizerURI()},
	}
	if c.Kind == HTTP {
		in = append(in,
			want{key: "AuthorizerPayloadFormatVersion", value: quoted("2.0"), force: true},
			want{key: "AuthorizerResultTtlInSeconds", value: value(0), force: true})
	}

	return under([]string{"Resources", id},
		want{key: "Type", value: scalar("AWS::ApiGatewayV2::Authorizer")},
		want{key: "Properties", in: in})
}

// cachedSources are the identity sources of the profile cached, in API Gateway's own form.
func cachedSources() string {
	sources := []string{"method.request.header.X-Api-Key"}
	for _, name := range cachedContext() {
		sources = append(sources, "context."+name)
	}

	return strings.Join(sources, ",")
}

// camel makes a part of a logical id of a response's type.
func camel(kind string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(strings.ToLower(kind), "_") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}

	return out.String()
}
