package template

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// APIs that are not SAM's are read from CloudFormation's own resources, as other tools write them.
// Many of their properties are an OpenAPI document's extensions, with a capital first letter.
const (
	typeRawREST = "AWS::ApiGateway::RestApi"
	typeRawHTTP = "AWS::ApiGatewayV2::Api"
)

// parts are the resources that are part of an API of CloudFormation's, or of SAM's.
var parts = []string{
	typeRawREST, "AWS::ApiGateway::Authorizer", "AWS::ApiGateway::Deployment",
	"AWS::ApiGateway::GatewayResponse", "AWS::ApiGateway::Method", "AWS::ApiGateway::Resource",
	typeStage, typeRawHTTP, "AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Deployment",
	"AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::IntegrationResponse",
	"AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::RouteResponse", "AWS::ApiGatewayV2::Stage",
}

// partsOf opens the resources of a type that are part of an API, by logical id, as written.
func (b *builder) partsOf(r *resolver, kind string) []*object {
	reference := "RestApiId"
	if strings.HasPrefix(kind, "AWS::ApiGatewayV2::") {
		reference = "ApiId"
	}

	var found []*object
	for _, id := range r.ofKind(kind) {
		if p := r.properties(id); p != nil && p.text(reference, "") == b.api.GatewayID {
			found = append(found, p)
		}
	}

	return found
}

// readRawREST reads an AWS::ApiGateway::RestApi.
func (r *resolver) readRawREST(b *builder, p *object) {
	b.api.Kind = REST
	b.api.APIKeySource = APIKeySource(p.oneOf("ApiKeySourceType", "HEADER", "HEADER", "AUTHORIZER"))
	b.api.BinaryMediaTypes = p.list("BinaryMediaTypes")

	for _, key := range []string{"BodyS3Location", "CloneFrom", "Policy"} {
		if n := p.raw(key); n != nil {
			r.fail(n, "%s: %s is not understood", p.what, key)
		}
	}

	if body := p.object("Body"); body != nil {
		b.readBody(body)
	}

	b.readStage(r, "AWS::ApiGateway::Deployment", typeStage, "Variables", "AccessLogSetting")
}

// readRawHTTP reads an AWS::ApiGatewayV2::Api of the protocol HTTP.
func (r *resolver) readRawHTTP(b *builder, p *object) {
	b.api.Kind = HTTP

	for _, key := range []string{"BodyS3Location", "Target"} {
		if n := p.raw(key); n != nil {
			r.fail(n, "%s: %s is not understood", p.what, key)
		}
	}

	if body := p.object("Body"); body != nil {
		b.readBody(body)
	}

	b.readHTTPCORS(p)
	b.readStage(r, "", "AWS::ApiGatewayV2::Stage", "StageVariables", "AccessLogSettings")
}

// readStage reads the API's stage: of several, the first as written. The others are read as parts.
func (b *builder) readStage(r *resolver, deployment, stage, variables, log string) {
	for _, p := range b.partsOf(r, stage) {
		b.api.Stage = p.text("StageName", "")
		b.api.StageVariables = p.textMap(variables)
		b.api.AccessLog = r.readAccessLog(p, log)
		return
	}

	for _, p := range b.partsOf(r, deployment) {
		if p.has("StageName") {
			b.api.Stage = p.text("StageName", "")
			return
		}
	}

	r.pass(r.resources[b.api.ID].node, "%s has no stage in this template", b.api.ID)
}

// readParts reads what resources add to an API.
func (b *builder) readParts(r *resolver) {
	b.api.Stages = map[string]Stage{}
	for kind, variables := range map[string]string{
		typeStage:                  "Variables",
		"AWS::ApiGatewayV2::Stage": "StageVariables",
	} {
		for _, p := range b.partsOf(r, kind) {
			if name := p.text("StageName", ""); name != b.api.Stage {
				b.api.Stages[name] = Stage{Variables: p.textMap(variables)}
			}
		}
	}

	for _, kind := range []string{"AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer"} {
		for _, p := range b.partsOf(r, kind) {
			a := p.lowered()
			if !a.has("type") {
				a.fields["type"] = a.fields["authorizerType"]
			}

			b.api.Authorizers[p.what], b.schemes[p.what] = b.readBodyAuthorizer(p.what, "", a)
		}
	}

	for _, p := range b.partsOf(r, "AWS::ApiGateway::GatewayResponse") {
		if b.api.GatewayResponses == nil {
			b.api.GatewayResponses = map[string]GatewayResponse{}
		}

		b.api.GatewayResponses[p.text("ResponseType", "")] = readBodyResponse(p.lowered())
	}

	for _, p := range b.partsOf(r, "AWS::ApiGateway::Method") {
		b.readMethod(r, p)
	}

	for _, p := range b.partsOf(r, "AWS::ApiGatewayV2::Route") {
		b.readRoute(r, p)
	}
}

// readMethod reads an AWS::ApiGateway::Method.
func (b *builder) readMethod(r *resolver, p *object) {
	m := method{Route: Route{
		Method:         strings.ToUpper(p.text("HttpMethod", "")),
		Path:           b.resourcePath(r, p, p.text("ResourceId", "")),
		PayloadVersion: "1.0",
		Line:           p.node.Line,
	}}
	m.security = rawSecurity(p)

	if p.boolean("ApiKeyRequired", false) {
		m.security = append(m.security, keyScheme)
	}

	integration := p.object("Integration")
	if m.integrated = integration != nil; m.integrated {
		b.readIntegration(integration.lowered(), &m)
	} else {
		m.Target = r.unserved(p.node, "%s has no integration", p.what)
	}

	if p.has("RequestValidatorId") {
		m.Target = r.unserved(p.node, "%s: requests are not validated here", p.what)
	}

	b.append(r, p, m)
}

// resourcePath returns the path of an AWS::ApiGateway::Resource.
func (b *builder) resourcePath(r *resolver, where *object, id string) string {
	path := ""
	for range len(r.order) {
		if id == b.api.ID+".RootResourceId" {
			return "/" + path
		}

		if r.resources[id].kind != "AWS::ApiGateway::Resource" {
			break
		}

		p := r.properties(id)
		if p == nil {
			break
		}

		path = strings.TrimSuffix(p.text("PathPart", "")+"/"+path, "/")
		id = p.text("ParentId", "")
	}

	r.fail(where.node, "%s: its resource %q is not understood", where.what, id)
	return ""
}

// readRoute reads an AWS::ApiGatewayV2::Route.
func (b *builder) readRoute(r *resolver, p *object) {
	name, path, ok := strings.Cut(p.text("RouteKey", ""), " ")
	if !ok {
		name, path = "ANY", name
	}

	m := method{
		Route:      Route{Method: name, Path: path, PayloadVersion: "1.0", Line: p.node.Line},
		security:   rawSecurity(p),
		integrated: true,
	}

	id := strings.TrimPrefix(p.text("Target", ""), "integrations/")
	if r.resources[id].kind != "AWS::ApiGatewayV2::Integration" {
		m.Target = r.unserved(p.node, "%s has no integration in this template", p.what)
	} else if i := r.properties(id).lowered(); i != nil {
		i.fields["type"], i.fields["uri"] = i.fields["integrationType"], i.fields["integrationUri"]
		b.readIntegration(i, &m)
	}

	b.append(r, p, m)
}

// rawSecurity returns the schemes of a method or route.
func rawSecurity(p *object) []string {
	switch kind := p.text("AuthorizationType", "NONE"); kind {
	case "NONE":
		return []string{noScheme}
	case "AWS_IAM":
		return []string{iamScheme}
	default:
		return []string{p.text("AuthorizerId", "")}
	}
}

// lowered returns an object whose keys begin with a lower-case letter, as in an OpenAPI document.
func (o *object) lowered() *object {
	if o == nil {
		return nil
	}

	out := *o
	out.fields = map[string]*yaml.Node{}

	for key, value := range o.fields {
		out.fields[strings.ToLower(key[:1])+key[1:]] = value
	}

	return &out
}
