package protect

import (
	"slices"
	"strings"
)

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
