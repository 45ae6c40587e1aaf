package template

import "strings"

// readHTTP reads an AWS::Serverless::HttpApi.
func (r *resolver) readHTTP(b *builder, p *object) {
	b.api.Kind = HTTP
	b.api.Stage = p.text("StageName", "$default")
	b.api.StageVariables = p.textMap("StageVariables")
	b.api.CORS = r.readHTTPCORS(p)
	b.api.AccessLog = r.readAccessLog(p, "AccessLogSettings")
	p.ignore("DefaultRouteSettings", "Description", "Domain", "FailOnWarnings", "Name",
		"PropagateTags", "RouteSettings",
		"Tags")

	if auth := p.object("Auth"); auth != nil {
		if all := auth.object("Authorizers"); all != nil {
			for name := range all.fields {
				if a := all.object(name); a != nil {
					b.api.Authorizers[name] = r.readHTTPAuthorizer(name, a)
				}
			}
		}

		b.authorizer = auth.text("DefaultAuthorizer", "")
		b.chooseAuthorizer(nil, auth)
		auth.done()
	}

	p.done()
}

func (r *resolver) readHTTPAuthorizer(name string, a *object) Authorizer {
	authorizer := Authorizer{
		Name:            name,
		Type:            Request,
		Function:        functionOf(a.text("FunctionArn", "")),
		PayloadVersion:  a.oneOf("AuthorizerPayloadFormatVersion", "", "1.0", "2.0"),
		SimpleResponses: a.boolean("EnableSimpleResponses", false),
	}

	permitted := a.boolean("EnableFunctionDefaultPermissions", false)
	if role := a.text("FunctionInvokeRole", "NONE"); !permitted && role == "NONE" {
		r.fail(a.node,
			"%s: without EnableFunctionDefaultPermissions: true API Gateway may not call the "+
				"function, and answers 500", a.what)
	}

	if authorizer.SimpleResponses && authorizer.PayloadVersion != "2.0" {
		r.fail(a.node,
			`%s: EnableSimpleResponses needs AuthorizerPayloadFormatVersion: "2.0"`, a.what)
	}

	identity := a.object("Identity")
	if identity == nil || !identity.has("ReauthorizeEvery") {
		r.fail(a.node,
			"%s: Identity.ReauthorizeEvery is missing, and AWS documents no default for HTTP APIs",
			a.what)
		return authorizer
	}

	authorizer.TTL = readTTL(identity, 0)
	authorizer.IdentitySources = readIdentity(identity)
	identity.done()

	if authorizer.TTL > 0 && len(authorizer.IdentitySources) == 0 {
		r.fail(a.node,
			"%s: caching needs an identity source: set one, or ReauthorizeEvery: 0", a.what)
	}

	a.done()
	return authorizer
}

// httpRoute reads an HttpApi event; without path and method it is the catch-all $default.
func (b *builder) httpRoute(p *object, route *Route) {
	route.Path = p.text("Path", "$default")

	route.Method = strings.ToUpper(p.text("Method", "ANY"))
	if route.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
		route.Method = "ANY"
	}

	if p.has("Path") != p.has("Method") {
		p.r.fail(p.node, "%s: Path and Method go together", p.what)
	}

	route.PayloadVersion = p.oneOf("PayloadFormatVersion", "2.0", "1.0", "2.0")
	p.ignore("RouteSettings")
	auth := p.object("Auth")

	route.Authorizer = b.chooseAuthorizer(auth, p)
	if auth != nil {
		auth.ignore("InvokeRole")
		auth.done()
	} else if route.Method == "OPTIONS" {
		route.Authorizer = "" // SAM does not give the default authorizer to OPTIONS
	}
}

func (r *resolver) readHTTPCORS(p *object) *CORS {
	n := p.value("CorsConfiguration")
	if n == nil {
		return nil
	}

	if n.Value == "true" {
		return &CORS{AllowOrigins: []string{"*"}}
	}

	if n.Value == "false" {
		return nil
	}

	o := r.object(n, p.what+".CorsConfiguration")
	if o == nil {
		return nil
	}

	c := &CORS{
		AllowOrigins:     o.list("AllowOrigins"),
		AllowMethods:     o.list("AllowMethods"),
		AllowHeaders:     o.list("AllowHeaders"),
		ExposeHeaders:    o.list("ExposeHeaders"),
		AllowCredentials: o.boolean("AllowCredentials", false),
	}
	if o.has("MaxAge") {
		age := o.integer("MaxAge", 0)
		c.MaxAge = &age
	}

	o.done()
	return c
}
