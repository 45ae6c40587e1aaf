package template

import "time"

// readHTTP reads an AWS::Serverless::HttpApi.
func (r *resolver) readHTTP(b *builder, p *object) {
	b.api.Kind = HTTP
	b.api.Stage = p.text("StageName", "$default")
	b.api.StageVariables = p.textMap("StageVariables")
	b.api.AccessLog = r.readAccessLog(p, "AccessLogSettings")
	p.ignore("DefaultRouteSettings", "Description", "Domain", "FailOnWarnings", "Name",
		"PropagateTags", "RouteSettings",
		"Tags")

	b.readDocument(p)
	b.readHTTPCORS(p)

	if !r.whole {
		p.ignore("DisableExecuteApiEndpoint")
	}

	if auth := p.object("Auth"); auth != nil {
		if all := auth.object("Authorizers"); all != nil {
			for name := range all.fields {
				if a := all.object(name); a != nil {
					b.api.Authorizers[name], b.schemes[name] = r.readHTTPAuthorizer(name, a)
				}
			}
		}

		b.authorizer = auth.text("DefaultAuthorizer", "")
		b.checkScheme(auth, b.authorizer)

		if !r.whole {
			auth.ignore("EnableIamAuthorizer")
		}

		auth.done()
	}

	p.done()
}

func (r *resolver) readHTTPAuthorizer(name string, a *object) (Authorizer, scheme) {
	if n := a.raw("JwtConfiguration"); n != nil && !r.whole {
		return Authorizer{Name: name}, scheme{
			guard: r.unserved(n, "%s: JWT authorizers are not understood", a.what),
		}
	}

	authorizer := Authorizer{
		Name:            name,
		Type:            Request,
		Function:        a.authorizerFunction("FunctionArn", functionOf),
		PayloadVersion:  a.oneOf("AuthorizerPayloadFormatVersion", "", "1.0", "2.0"),
		SimpleResponses: a.boolean("EnableSimpleResponses", false),
	}

	var s scheme

	permitted := a.boolean("EnableFunctionDefaultPermissions", false)
	if role := a.text("FunctionInvokeRole", "NONE"); !permitted && role == "NONE" &&
		!r.permits(authorizer.Function) {
		s.guard = r.unserved(a.node,
			"%s: without EnableFunctionDefaultPermissions: true API Gateway may not call the "+
				"function, and answers 500", a.what)
	}

	if authorizer.SimpleResponses && authorizer.PayloadVersion != "2.0" {
		r.fail(a.node,
			`%s: EnableSimpleResponses needs AuthorizerPayloadFormatVersion: "2.0"`, a.what)
	}

	identity := a.object("Identity")
	if identity == nil || !identity.has("ReauthorizeEvery") {
		s.guard = r.unserved(a.node,
			"%s: Identity.ReauthorizeEvery is missing, and AWS documents no default for HTTP APIs",
			a.what)
	}

	if identity == nil {
		return authorizer, s
	}

	authorizer.TTL = readTTL(identity, 0)
	authorizer.IdentitySources = readIdentity(identity)
	identity.done()

	if authorizer.TTL > 0 && len(authorizer.IdentitySources) == 0 {
		r.fail(a.node,
			"%s: caching needs an identity source: set one, or ReauthorizeEvery: 0", a.what)
	}

	a.done()
	return authorizer, s
}

// permits reports whether API Gateway may call a function by a permission of its own. Those of a
// function of another stack are not to be seen.
func (r *resolver) permits(function string) bool {
	if function == Outside {
		return true
	}

	for _, id := range r.ofKind("AWS::Lambda::Permission") {
		p := r.properties(id)
		if p != nil && !r.whole && functionOf(p.text("FunctionName", "")) == function &&
			p.text("Principal", "") == "apigateway.amazonaws.com" {
			return true
		}
	}

	return false
}

// httpRoute reads an HttpApi event; without path and method it is the catch-all $default.
func (b *builder) httpRoute(p *object, route *method) {
	route.Path = b.defaultPath(p.text("Path", "$default"))
	route.Method = upperMethod(p.text("Method", "ANY"))
	route.integrated = true

	if p.has("Path") != p.has("Method") {
		p.r.fail(p.node, "%s: Path and Method go together", p.what)
	}

	route.PayloadVersion = p.oneOf("PayloadFormatVersion", "2.0", "1.0", "2.0")
	p.ignore("RouteSettings")

	if !p.r.whole {
		p.ignore("Stage")
		route.Timeout = time.Duration(p.integer("TimeoutInMillis", 0)) * time.Millisecond
	}

	b.eventAuth(p, route)

	// SAM does not give the default authorizer to OPTIONS, unless its event has an Auth.
	if p.has("Auth") && len(route.security) == 0 && b.authorizer != "" {
		route.security = []string{b.authorizer}
	}
}

// readHTTPCORS reads CorsConfiguration, whose values win over the document's.
func (b *builder) readHTTPCORS(p *object) {
	n := p.value("CorsConfiguration")
	switch {
	case n == nil || n.Value == "false":
	case n.Value == "true":
		b.api.CORS = &CORS{AllowOrigins: []string{"*"}}
	default:
		if o := p.object("CorsConfiguration"); o != nil {
			b.readCORS(o, func(key string) string { return key })
			o.done()
		}
	}
}

// readCORS reads what a CORS configuration says, under the keys of SAM or of a document.
func (b *builder) readCORS(o *object, spelled func(key string) string) {
	if b.api.CORS == nil {
		b.api.CORS = &CORS{}
	}

	for key, into := range map[string]*[]string{
		"AllowOrigins":  &b.api.CORS.AllowOrigins,
		"AllowMethods":  &b.api.CORS.AllowMethods,
		"AllowHeaders":  &b.api.CORS.AllowHeaders,
		"ExposeHeaders": &b.api.CORS.ExposeHeaders,
	} {
		if key = spelled(key); o.has(key) {
			*into = o.list(key)
		}
	}

	if key := spelled("AllowCredentials"); o.has(key) {
		b.api.CORS.AllowCredentials = o.boolean(key, false)
	}

	if key := spelled("MaxAge"); o.has(key) {
		age := o.integer(key, 0)
		b.api.CORS.MaxAge = &age
	}
}
