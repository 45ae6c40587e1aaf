package protect

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// openAPI is an API as an OpenAPI document with API Gateway's extensions: a file of its own, or
// within a template.
type openAPI struct {
	*API

	document *Document
	root     *yaml.Node
	path     []string // of the root in the file
}

func newOpenAPI(d *Document, a *API, root *yaml.Node, path []string) *openAPI {
	return &openAPI{API: a, document: d, root: root, path: path}
}

// readOpenAPI reads a file that is an OpenAPI document, for a kind of API; "" where the file says
// which.
func (d *Document) readOpenAPI(kind Kind) {
	o := newOpenAPI(d, &API{Line: 1, Kind: kind}, d.root, nil)
	if kind == "" {
		o.Kind = REST
		if o.isHTTP() {
			o.Kind = HTTP
		}
	}

	d.apis = []*API{o.API}
	o.API.wants = o.wants
	o.read()
}

// as returns the document read for a kind of API, if it is one that does not say.
func (d *Document) as(kind Kind) *Document {
	if kind == "" || get(d.root, "Resources") != nil {
		return d
	}

	out := &Document{source: d.source}
	out.readOpenAPI(kind)
	return out
}

// operation is a method of a path of a document.
type operation struct {
	method, path string
	line         int
	node         *yaml.Node
	at           []string // where it is in the file
}

const anyOperation = "x-amazon-apigateway-any-method"

// operations returns the operations of a document whose root is at a path in the file.
func operations(root *yaml.Node, at []string) (out []operation) {
	known := []string{
		"get", "put", "post", "delete", "options", "head", "patch", "trace", anyOperation,
	}

	for _, path := range entries(get(root, "paths")) {
		for _, e := range entries(path.value) {
			if !slices.Contains(known, strings.ToLower(e.key)) {
				continue
			}

			out = append(out, operation{
				method: method(e.key),
				path:   path.key,
				line:   e.at.Line,
				node:   e.value,
				at:     append(slices.Clone(at), "paths", path.key, e.key),
			})
		}
	}

	return out
}

// schemeOf returns the security scheme with a name.
func schemeOf(root *yaml.Node, name string) *yaml.Node {
	if scheme := get(root, "components", "securitySchemes", name); scheme != nil {
		return scheme
	}

	return get(root, "securityDefinitions", name)
}

// isAuthorizer reports whether API Gateway checks a security scheme; others are documentation.
func isAuthorizer(scheme *yaml.Node) bool {
	return get(scheme, "x-amazon-apigateway-authorizer") != nil ||
		get(scheme, "x-amazon-apigateway-authtype") != nil
}

func (o *openAPI) schemes() []entry {
	return append(entries(get(o.root, "components", "securitySchemes")),
		entries(get(o.root, "securityDefinitions"))...)
}

// The names of what is inserted, where the document has none.
const (
	schemeName    = "bitting"
	keySchemeName = "bittingAdmitKey"
)

// scheme is the name of Bitting's security scheme.
func (o *openAPI) scheme() string {
	for _, e := range o.schemes() {
		if isAuthorizer(e.value) && isOurs(e.key, e.value) {
			return e.key
		}
	}

	return schemeName
}

// keyScheme is the name of the scheme by which a method wants an API Gateway key.
func (o *openAPI) keyScheme() string {
	for _, e := range o.schemes() {
		if plain(get(e.value, "type")) == "apiKey" && !isAuthorizer(e.value) &&
			strings.EqualFold(plain(get(e.value, "name")), "x-api-key") {
			return e.key
		}
	}

	return keySchemeName
}

func (o *openAPI) read() {
	if scheme := schemeOf(o.root, o.scheme()); scheme != nil {
		description := get(scheme, "x-amazon-apigateway-authorizer")
		o.authorizer = &authorizer{
			line:      scheme.Line,
			ttl:       seconds(get(description, "authorizerResultTtlInSeconds")),
			token:     plain(get(description, "type")) == "token",
			sources:   sourcesOf(get(description, "identitySource")),
			payload:   get(description, "authorizerPayloadFormatVersion"),
			permitted: len(o.path) == 0 || o.document.permitted(),
		}
	}

	if o.Kind == REST {
		o.responses = missingResponses(get(o.root, "x-amazon-apigateway-gateway-responses"))
	}

	if len(o.path) == 0 { // the stage and the plan are in the template that includes it
		o.keySource = plain(get(o.root, "x-amazon-apigateway-api-key-source")) == "AUTHORIZER"
		o.plan = true
	}

	for _, op := range operations(o.root, o.path) {
		o.Routes = append(o.Routes, o.route(op))
	}
}

// isHTTP reports whether a document has what only HTTP APIs have.
func (o *openAPI) isHTTP() bool {
	if get(o.root, "x-amazon-apigateway-cors") != nil ||
		get(o.root, "paths", "/$default") != nil {
		return true
	}

	return slices.ContainsFunc(operations(o.root, nil), func(op operation) bool {
		return plain(get(op.node, "x-amazon-apigateway-integration", "payloadFormatVersion")) == "2.0"
	})
}

func (o *openAPI) route(op operation) Route {
	r := Route{
		Method:  op.method,
		Path:    op.path,
		Line:    op.line,
		codeURI: o.document.codeOf(get(op.node, "x-amazon-apigateway-integration")),
	}
	if r.Path == "/$default" {
		r.Path = defaultRoute
	}

	security := get(op.node, "security")
	if security != nil && len(security.Content) == 0 {
		r.guard = opened
	}

	for _, requirement := range items(security) {
		for _, e := range entries(requirement) {
			scheme := schemeOf(o.root, e.key)

			switch {
			case e.key == o.keyScheme():
				r.keyRequired = true
			case isAuthorizer(scheme) && isOurs(e.key, scheme):
				r.guard = ours
			case isAuthorizer(scheme):
				r.guard = another
			}
		}
	}

	r.guarded = func() want { return under(op.at, o.security(security)) }
	r.open = func() want {
		return under(op.at, want{key: "security", value: value([]string{}), force: true})
	}

	if o.Kind == HTTP {
		r.preflight = func() want { return o.preflightOf(op, r) }
	}

	return r
}

// preflightOf is an operation that takes the preflights of a path.
func (o *openAPI) preflightOf(op operation, r Route) want {
	path := r.Path
	if path == defaultRoute {
		path = greedy
	}

	return under(append(slices.Clone(o.path), "paths", path, "options"),
		want{key: "security", value: value([]string{})},
		want{key: "responses", value: value(map[string]any{
			"default": map[string]string{"description": "Preflight"},
		})},
		want{
			key:   "x-amazon-apigateway-integration",
			value: get(op.node, "x-amazon-apigateway-integration"),
		})
}

// security is what a method wants. What it says of scopes, which API Gateway does not read here,
// stays.
func (o *openAPI) security(old *yaml.Node) want {
	none := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}

	in := []want{{key: o.scheme(), value: none}}
	if o.Kind == REST {
		in = append(in, want{key: o.keyScheme(), value: none})
	}

	if len(items(old)) > 0 {
		return want{key: "security", each: in}
	}

	requirement := want{in: in}.node()
	return want{
		key:   "security",
		value: &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{requirement}},
	}
}

// wants implements API.wants.
func (o *openAPI) wants(options Options) (wants []want, notes []string) {
	ttl := 0
	if options.Cached && o.Kind == REST {
		ttl = cachedTTL
	}

	description := []want{
		{key: "type", value: scalar("request"), force: true},
		{key: "authorizerUri", value: o.uri()},
		{key: "authorizerResultTtlInSeconds", value: value(ttl), force: true},
	}
	if ttl > 0 {
		description = append(description, want{key: "identitySource", value: scalar(cachedSources())})
	}

	if o.Kind == HTTP {
		description = append(description,
			want{key: "authorizerPayloadFormatVersion", value: quoted("2.0"), force: true})
	}

	apiKey := func(more ...want) []want {
		return append([]want{
			{key: "type", value: scalar("apiKey")},
			{key: "name", value: scalar("X-Api-Key")},
			{key: "in", value: scalar("header")},
		}, more...)
	}

	schemes := []want{{key: o.scheme(), in: apiKey(
		want{key: "x-amazon-apigateway-authtype", value: scalar("custom")},
		want{key: "x-amazon-apigateway-authorizer", in: description})}}

	var root []want
	if o.Kind == REST {
		schemes = append(schemes, want{key: o.keyScheme(), in: apiKey()})
		root = append(root, o.gatewayResponses(options))

		if len(o.path) == 0 {
			root = append(root, want{
				key:   "x-amazon-apigateway-api-key-source",
				value: scalar("AUTHORIZER"), force: true,
			})
		}
	}

	if get(o.root, "swagger") != nil {
		root = append(root, want{key: "securityDefinitions", in: schemes})
	} else {
		root = append(root, under([]string{"components", "securitySchemes"}, schemes...))
	}

	if len(o.path) > 0 {
		return []want{under(o.path, root...)}, nil
	}

	return root, o.about(options)
}

// about says what the document alone cannot.
func (o *openAPI) about(options Options) []string {
	notes := []string{
		"the template that includes this document needs the parameter " + parameterAuthorizer +
			", of type " + ssmText + " with the default " +
			options.parameter("authorizer/"+options.Environment) + ", and the stage variable " +
			stageVariable + " = " + o.name(options),
	}
	if o.Kind == REST {
		notes = append(notes, "for 429, it also needs a usage plan of its stage with the key "+
			options.parameter("admit-key"))
	}

	return notes
}

// uri is the authorizer's address. In a file of its own, the long form is for the template that
// includes it.
func (o *openAPI) uri() *yaml.Node {
	uri := authorizerURI()
	if len(o.path) > 0 {
		return uri
	}

	return want{in: []want{{key: "Fn::Sub", value: scalar(uri.Value)}}}.node()
}

func (o *openAPI) gatewayResponses(options Options) want {
	out := want{key: "x-amazon-apigateway-gateway-responses"}
	for _, r := range gatewayResponses(options) {
		var in []want
		if status := r.status(); status != "" {
			in = append(in, want{key: "statusCode", value: quoted(status)})
		}

		out.in = append(out.in, want{key: r.kind, value: want{in: append(in,
			want{key: "responseParameters", value: r.parameters()},
			want{key: "responseTemplates", value: get(r.node, "ResponseTemplates")})}.node()})
	}

	return out
}
