package template

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// restTTL is how long a REST API caches an authorizer's answer, in seconds, by default.
const restTTL = 300

// readREST reads an AWS::Serverless::Api. Its defaults are those of SAM and of API Gateway:
// authorizers are of type TOKEN and read the header Authorization, answers are cached for 300 s,
// and preflights are guarded like any other method.
func (r *resolver) readREST(b *builder, p *object) {
	b.api.Kind = REST

	b.api.Stage = p.text("StageName", "")
	if b.api.Stage == "" {
		r.fail(p.node, "%s: StageName is missing", p.what)
	}

	b.api.StageVariables = p.textMap("Variables")

	b.api.APIKeySource = APIKeySource(p.oneOf("ApiKeySourceType", "HEADER", "HEADER", "AUTHORIZER"))
	for _, mediaType := range p.list("BinaryMediaTypes") {
		b.api.BinaryMediaTypes = append(b.api.BinaryMediaTypes,
			strings.ReplaceAll(mediaType, "~1", "/"))
	}

	p.ignore("AlwaysDeploy", "Description", "Domain", "EndpointConfiguration", "FailOnWarnings",
		"MethodSettings",
		"Name", "OpenApiVersion", "PropagateTags", "Tags", "TracingEnabled")
	b.api.AccessLog = r.readAccessLog(p, "AccessLogSetting")

	if !r.whole {
		// Of a canary, the deployment that is being replaced answers too; here there is only one.
		p.ignore("CanarySetting", "DisableExecuteApiEndpoint", "EndpointAccessMode",
			"MinimumCompressionSize", "Mode", "Models", "SecurityPolicy")
	}

	b.readDocument(p)
	r.readRESTAuth(b, p.object("Auth"))
	b.readRESTCORS(p)
	b.api.GatewayResponses = withBody(r.readGatewayResponses(p.object("GatewayResponses")),
		b.api.GatewayResponses)
	p.done()
}

func (r *resolver) readRESTAuth(b *builder, auth *object) {
	b.preflightGuard = true
	b.preflightKey = true

	if auth == nil {
		return
	}

	if all := auth.object("Authorizers"); all != nil {
		for name := range all.fields {
			if a := all.object(name); a != nil {
				b.api.Authorizers[name], b.schemes[name] = r.readRESTAuthorizer(name, a)
			}
		}
	}

	b.authorizer = auth.text("DefaultAuthorizer", "")
	b.checkScheme(auth, b.authorizer)
	b.keyRequired = auth.boolean("ApiKeyRequired", false)
	b.preflightGuard = auth.boolean("AddDefaultAuthorizerToCorsPreflight", true)
	b.preflightKey = auth.boolean("AddApiKeyRequiredToCorsPreflight", true)
	auth.ignore("InvokeRole")

	if policy := auth.object("ResourcePolicy"); policy != nil {
		r.readResourcePolicy(policy)
	}

	if plan := auth.object("UsagePlan"); plan != nil {
		// The value of the key in a plan that SAM makes is known to AWS alone.
		if r.whole {
			plan.oneOf("CreateUsagePlan", "", "NONE")
			plan.done()
		}
	}

	auth.done()
}

func (r *resolver) readRESTAuthorizer(name string, a *object) (Authorizer, scheme) {
	if n := a.raw("UserPoolArn"); n != nil {
		return Authorizer{Name: name}, scheme{
			guard: r.unserved(n, "%s: property UserPoolArn is not understood: user pools do not "+
				"exist here", a.what),
		}
	}

	authorizer := Authorizer{
		Name:     name,
		Function: a.authorizerFunction("FunctionArn", functionOf),
		Type:     AuthorizerType(a.oneOf("FunctionPayloadType", "TOKEN", "TOKEN", "REQUEST")),
		TTL:      restTTL * time.Second,
	}
	a.ignore("FunctionInvokeRole")

	var s scheme
	if a.boolean("DisableFunctionDefaultPermissions", false) && authorizer.Function != Outside {
		s.guard = r.unserved(a.node,
			"%s: DisableFunctionDefaultPermissions is not understood: API Gateway may not call "+
				"the function", a.what)
	}

	identity := a.object("Identity")

	header := "Authorization"
	if identity != nil {
		authorizer.TTL = readTTL(identity, restTTL)
		if authorizer.Type == Token {
			header = identity.text("Header", header)
			authorizer.Validation = identity.text("ValidationExpression", "")

			if !r.whole { // SAM passes over them
				identity.ignore("Headers", "QueryStrings", "StageVariables", "Context")
			}
		} else {
			authorizer.IdentitySources = readIdentity(identity)
		}

		identity.done()
	}

	if !r.whole { // SAM passes over what only HTTP APIs have
		a.ignore("AuthorizerPayloadFormatVersion", "EnableSimpleResponses", "AuthorizationScopes")
	}

	a.done()

	switch {
	case authorizer.Type == Token:
		authorizer.IdentitySources = []IdentitySource{{In: InHeader, Name: header}}
	case authorizer.TTL > 0 && len(authorizer.IdentitySources) == 0:
		r.fail(a.node,
			"%s: caching needs an identity source: set one, or ReauthorizeEvery: 0", a.what)
	}

	return authorizer, s
}

func (b *builder) restRoute(p *object, route *method) {
	route.Method = upperMethod(p.text("Method", ""))
	route.Path = p.text("Path", "")
	route.PayloadVersion = "1.0"
	route.integrated = true
	b.eventAuth(p, route)

	if !p.r.whole {
		b.checkModel(p, route)
		// Parameters that a method requires are checked only with a validator.
		p.ignore("RequestParameters", "Stage", "UnescapeMappingTemplate")

		if p.text("ResponseTransferMode", "BUFFERED") != "BUFFERED" {
			route.Target = p.r.unserved(p.line("ResponseTransferMode"),
				"%s: responses are not streamed here", p.what)
		}

		route.Timeout = time.Duration(p.integer("TimeoutInMillis", 0)) * time.Millisecond
	}

	if route.Method == "" {
		p.r.fail(p.node, "%s: Method is missing", p.what)
	}
}

// checkModel says that a body would be validated by API Gateway.
func (b *builder) checkModel(p *object, route *method) {
	model := p.object("RequestModel")
	if model == nil {
		return
	}

	for _, key := range []string{"ValidateBody", "ValidateParameters"} {
		if model.boolean(key, false) {
			route.Target = p.r.unserved(model.line(key), "%s.RequestModel: property %s is not "+
				"understood: requests are not validated here", p.what, key)
		}
	}
}

// readRESTCORS reads Cors: either an origin, or the values of the headers. As in any mapping to a
// header, a literal is in single quotes.
func (b *builder) readRESTCORS(p *object) {
	n := p.raw("Cors")
	if n == nil {
		return
	}

	n = p.r.resolve(n)
	if n == nil {
		return
	}

	if n.Value != "" {
		b.preflight = map[string]string{"Access-Control-Allow-Origin": unquote(n.Value)}
		return
	}

	cors := p.r.object(n, p.what+".Cors")
	if cors == nil {
		return
	}

	b.preflight = map[string]string{
		"Access-Control-Allow-Origin": unquote(cors.text("AllowOrigin", "'*'")),
	}
	for key, header := range map[string]string{
		"AllowMethods": "Access-Control-Allow-Methods",
		"AllowHeaders": "Access-Control-Allow-Headers",
		"MaxAge":       "Access-Control-Max-Age",
	} {
		if cors.has(key) {
			b.preflight[header] = unquote(cors.text(key, ""))
		}
	}

	if cors.boolean("AllowCredentials", false) {
		b.preflight["Access-Control-Allow-Credentials"] = "true"
	}

	cors.done()
}

// addPreflights adds the mock OPTIONS method that SAM gives every path which has none of its own.
// Paths that differ in a trailing slash are one.
func (b *builder) addPreflights() {
	names := map[string][]string{}
	seen := map[string]bool{}

	var paths []string
	for _, m := range b.methods {
		if names[m.Path] == nil {
			paths = append(paths, m.Path)
		}

		names[m.Path] = append(names[m.Path], m.Method)
	}

	for _, path := range paths {
		resource := strings.TrimRight(path, "/")
		if seen[resource] || slices.Contains(names[path], "OPTIONS") {
			continue
		}

		seen[resource] = true

		headers := map[string]string{"Access-Control-Allow-Methods": allowedMethods(names[path])}
		maps.Copy(headers, b.preflight)

		b.methods = append(b.methods, method{
			Route: Route{
				Method:    "OPTIONS",
				Path:      path,
				Preflight: headers,
				Line:      b.api.Line,
			},
			integrated: true,
		})
	}
}

func allowedMethods(methods []string) string {
	if slices.Contains(methods, "ANY") {
		return "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"
	}

	all := append(slices.Clone(methods), "OPTIONS")
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// withBody returns an API's gateway responses with those of its document that it does not replace.
func withBody(own, document map[string]GatewayResponse) map[string]GatewayResponse {
	if document == nil {
		return own
	}

	all := maps.Clone(document)
	maps.Copy(all, own)
	return all
}

func (r *resolver) readGatewayResponses(all *object) map[string]GatewayResponse {
	if all == nil {
		return nil
	}

	responses := map[string]GatewayResponse{}
	for kind := range all.fields {
		o := all.object(kind)
		if o == nil {
			return nil
		}

		response := GatewayResponse{Templates: o.textMap("ResponseTemplates")}
		if o.has("StatusCode") {
			response.Status = o.integer("StatusCode", 0)
			if response.Status < 100 || response.Status > 599 {
				r.fail(o.node, "%s: StatusCode %s is no HTTP status", o.what,
					strconv.Itoa(response.Status))
			}
		}

		if parameters := o.object("ResponseParameters"); parameters != nil {
			response.Headers = parameters.textMap("Headers")
			parameters.ignore("Paths", "QueryStrings") // a response has neither
			parameters.done()
		}

		o.done()
		responses[kind] = response
	}

	return responses
}

// unquote removes the single quotes around a literal of a header mapping.
func unquote(literal string) string {
	return strings.TrimSuffix(strings.TrimPrefix(literal, "'"), "'")
}

// readResourcePolicy accepts a policy that denies nothing. Where it allows, API Gateway leaves the
// decision to the authorizer, if that decides at all.
func (r *resolver) readResourcePolicy(policy *object) {
	statements := policy.value("CustomStatements")
	policy.done()

	if statements == nil || statements.Kind != yaml.SequenceNode {
		r.fail(policy.node, "%s: only CustomStatements are understood", policy.what)
		return
	}

	for _, n := range statements.Content {
		s := r.object(n, policy.what)
		if s == nil {
			return
		}

		s.oneOf("Effect", "", "Allow")
		s.oneOf("Principal", "", "*")
		s.oneOf("Resource", "", "execute-api:/*")
		s.ignore("Action")
		s.done()
	}
}
