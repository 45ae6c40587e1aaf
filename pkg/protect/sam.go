package protect

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	implicitREST = "ServerlessRestApi"
	implicitHTTP = "ServerlessHttpApi"
)

// sam is an AWS::Serverless::Api or AWS::Serverless::HttpApi.
type sam struct {
	*API

	document *Document
	path     []string   // of its properties
	own      *yaml.Node // its properties
	globals  *yaml.Node
	resource *yaml.Node // nil for an implicit API
	events   []event
}

// event is an event of a function, or of a state machine, that is a route.
type event struct {
	function, name string
	resource       *yaml.Node
	at             *yaml.Node
	line           int
}

func (e event) path() []string {
	return []string{"Resources", e.function, "Properties", "Events", e.name, "Properties"}
}

func (e event) properties() *yaml.Node { return get(e.at, "Properties") }

// lookup returns a property of an API: its own, or that of Globals.
func (s *sam) lookup(keys ...string) *yaml.Node {
	if own := get(s.own, keys...); own != nil {
		return own
	}

	return get(s.globals, keys...)
}

// idProperty is the property of an event with the id of its API.
func (k Kind) idProperty() string {
	if k == REST {
		return "RestApiId"
	}

	return "ApiId"
}

func (k Kind) eventType() string {
	if k == REST {
		return "Api"
	}

	return "HttpApi"
}

func (k Kind) variables() string {
	if k == REST {
		return "Variables"
	}

	return "StageVariables"
}

// readSAM reads the APIs of a kind that SAM makes.
func (d *Document) readSAM(kind Kind) {
	section, implicit := "Api", implicitREST
	if kind == HTTP {
		section, implicit = "HttpApi", implicitHTTP
	}

	globals := get(d.root, "Globals", section)

	apis := map[string]*sam{}
	add := func(id string, at int, resource *yaml.Node, path ...string) {
		s := &sam{
			API:      &API{ID: id, Kind: kind, Line: at, variables: true},
			document: d,
			path:     path,
			own:      get(resource, "Properties"),
			globals:  globals,
			resource: resource,
		}
		apis[id] = s
		d.apis = append(d.apis, s.API)
	}

	for _, e := range entries(get(d.root, "Resources")) {
		if plain(get(e.value, "Type")) == "AWS::Serverless::"+section {
			add(e.key, e.at.Line, e.value, "Resources", e.key, "Properties")
		}
	}

	for _, e := range d.samEvents(kind) {
		id := e.properties()
		reference := get(id, kind.idProperty())

		api := ref(reference)
		if reference == nil {
			api = implicit
		}

		if api == implicit && apis[implicit] == nil {
			add(implicit, e.line, nil, "Globals", section)
		}

		if name, _ := call(reference); apis[api] == nil && name != "" && name != "Ref" &&
			name != "ImportValue" {
			d.notes = append(d.notes, "line "+strconv.Itoa(e.line)+": "+e.function+"."+e.name+
				" names its API by "+name+", which is not read here: bitting does not see whether it "+
				"has an authorizer")
			continue
		}

		if apis[api] == nil {
			d.notes = append(d.notes, "line "+strconv.Itoa(e.line)+": "+e.function+"."+e.name+
				" is a route of an API that is not in this file: protect it there")
			continue
		}

		apis[api].events = append(apis[api].events, e)
	}

	for _, s := range apis {
		s.read()
	}
}

// samEvents returns the events that are routes of a kind of API.
func (d *Document) samEvents(kind Kind) (out []event) {
	for _, e := range entries(get(d.root, "Resources")) {
		switch plain(get(e.value, "Type")) {
		case "AWS::Serverless::Function", "AWS::Serverless::StateMachine":
		default:
			continue
		}

		for _, one := range entries(get(e.value, "Properties", "Events")) {
			if plain(get(one.value, "Type")) == kind.eventType() {
				out = append(out, event{e.key, one.key, e.value, one.value, one.at.Line})
			}
		}
	}

	return out
}

func (s *sam) read() {
	s.Name = plain(s.lookup(s.Kind.variables(), stageVariable))
	s.API.wants = s.wants
	s.renames = func(o Options) []edit {
		if !s.converted(o) || s.guardOf(s.defaultAuthorizer()) == another {
			return nil
		}

		return s.document.rename(implicitREST, s.newID())
	}
	s.readAuthorizer()

	s.keySource = plain(s.lookup("ApiKeySourceType")) == "AUTHORIZER"
	s.plan = s.document.inPlan(s.ID)

	body := s.lookup("DefinitionBody")

	if s.Kind == REST {
		s.responses = missingResponses(s.lookup("GatewayResponses"))
		if in := get(body, "x-amazon-apigateway-gateway-responses"); in != nil {
			s.responses = missingResponses(in)
		}

		if cors := s.lookup("Cors"); cors != nil && s.guardOf(s.defaultAuthorizer()) == ours &&
			(!isFalse(s.lookup("Auth", "AddDefaultAuthorizerToCorsPreflight")) ||
				!isFalse(s.lookup("Auth", "AddApiKeyRequiredToCorsPreflight"))) {
			s.corsGuarded = cors.Line
		}
	}

	if at := s.lookup("DefinitionUri"); at != nil || body != nil && get(body, "paths") == nil {
		s.elsewhere = "its routes are in the OpenAPI document that it names: protect that file too"
		return
	}

	if body != nil {
		s.readBody(body)

		if !isTrue(s.lookup("MergeDefinitions")) {
			return // then SAM adds no event to it
		}
	}

	for _, e := range s.events {
		s.Routes = append(s.Routes, s.route(e))
	}
}

// readBody reads the routes of an OpenAPI document within the template.
func (s *sam) readBody(body *yaml.Node) {
	path := append(slices.Clone(s.path), "DefinitionBody")

	for _, op := range operations(body, path) {
		r := Route{Method: op.method, Path: op.path, Line: op.line, codeURI: s.document.codeOf(op.node)}
		r.guard = s.guardOf(s.defaultAuthorizer())
		r.keyRequired = isTrue(s.lookup("Auth", "ApiKeyRequired"))

		for _, requirement := range items(get(op.node, "security")) {
			for _, e := range entries(requirement) {
				scheme := schemeOf(body, e.key)

				switch {
				case e.key == noAuthorizer:
					r.guard = opened
				case e.key == noKey:
					r.keyRequired = false
				case isAuthorizer(scheme) && !isOurs(e.key, scheme):
					r.guard = another
				}
			}
		}

		r.open = func() want { return under(op.at, s.openSecurity()) }

		s.Routes = append(s.Routes, r)
	}
}

// What SAM calls the absence of an authorizer, and of an API Gateway key, in an OpenAPI document.
const (
	noAuthorizer = "NONE"
	noKey        = "api_key_false"
)

// openSecurity is what an operation of a document that SAM changes says to need no key.
func (s *sam) openSecurity() want {
	open := []map[string][]string{{noAuthorizer: {}}}
	if s.Kind == REST {
		open = append(open, map[string][]string{noKey: {}})
	}

	return want{key: "security", value: value(open), force: true}
}

func (s *sam) defaultAuthorizer() *yaml.Node { return s.lookup("Auth", "DefaultAuthorizer") }

// authorizers returns the authorizers that an API declares.
func (s *sam) authorizers() []entry {
	return append(entries(get(s.own, "Auth", "Authorizers")),
		entries(get(s.globals, "Auth", "Authorizers"))...)
}

// guardOf returns who guards a route whose authorizer has a name.
func (s *sam) guardOf(name *yaml.Node) guard {
	switch {
	case name == nil:
		return nobody
	case isCall(name):
		return unread
	case plain(name) == noAuthorizer:
		return opened
	}

	for _, a := range s.authorizers() {
		if a.key == plain(name) && isOurs(a.key, a.value) {
			return ours
		}
	}

	return another
}

// authorizerName is the name of Bitting's authorizer on an API, or the one that it gets.
func (s *sam) authorizerName() string {
	for _, a := range s.authorizers() {
		if isOurs(a.key, a.value) {
			return a.key
		}
	}

	return "Bitting"
}

func (s *sam) readAuthorizer() {
	name := s.authorizerName()

	for _, a := range s.authorizers() {
		if a.key != name {
			continue
		}

		identity := get(a.value, "Identity")
		s.authorizer = &authorizer{
			line:      a.at.Line,
			ttl:       seconds(get(identity, "ReauthorizeEvery")),
			token:     s.Kind == REST && plain(get(a.value, "FunctionPayloadType")) != "REQUEST",
			payload:   get(a.value, "AuthorizerPayloadFormatVersion"),
			permitted: s.Kind == REST || isTrue(get(a.value, "EnableFunctionDefaultPermissions")),
		}

		for key, place := range map[string]string{"Headers": "header.", "Context": "context."} {
			for _, item := range items(get(identity, key)) {
				s.authorizer.sources = append(s.authorizer.sources, place+plain(item))
			}
		}

		return
	}
}

// seconds reads a time to live.
func seconds(n *yaml.Node) int {
	switch i, err := strconv.Atoi(plain(n)); {
	case n == nil:
		return unset
	case err != nil:
		return unknowing
	default:
		return i
	}
}

// route reads an event.
func (s *sam) route(e event) Route {
	p := e.properties()
	r := Route{
		Method:  method(plain(get(p, "Method"))),
		Path:    plain(get(p, "Path")),
		Line:    e.line,
		codeURI: s.document.codeURI(e.resource),
	}

	if s.Kind == HTTP && get(p, "Path") == nil {
		r.Method, r.Path = anyMethod, defaultRoute
	}

	name := get(p, "Auth", "Authorizer")
	r.guard = s.guardOf(name)

	if name == nil {
		r.guard = s.guardOf(s.defaultAuthorizer())

		if s.Kind == HTTP && r.Method == "OPTIONS" && get(p, "Auth") == nil {
			r.guard = opened // SAM gives it no default
		}
	}

	required := get(p, "Auth", "ApiKeyRequired")
	if required == nil {
		required = s.lookup("Auth", "ApiKeyRequired")
	}

	r.keyRequired = s.Kind == REST && isTrue(required)
	r.open = func() want { return under(e.path(), s.opening()) }
	r.preflight = func() want { return s.preflightOf(e, r) }
	r.unkeyed = func() want {
		return under(e.path(), want{key: "Auth", in: []want{
			{key: "ApiKeyRequired", value: value(false), force: true},
		}})
	}
	return r
}

// opening is what an event says to need no key.
func (s *sam) opening() want {
	auth := want{key: "Auth", in: []want{{key: "Authorizer", value: scalar(noAuthorizer), force: true}}}
	if s.Kind == REST {
		auth.in = append(auth.in, want{key: "ApiKeyRequired", value: value(false), force: true})
	}

	return auth
}

// preflightOf is an event that takes the preflights of a route.
func (s *sam) preflightOf(e event, r Route) want {
	path := r.Path
	if path == defaultRoute {
		path = greedy
	}

	in := []want{
		{key: "Path", value: scalar(path)},
		{key: "Method", value: scalar("OPTIONS")},
	}
	if id := get(e.properties(), s.Kind.idProperty()); id != nil {
		in = append(in, want{key: s.Kind.idProperty(), value: function("Ref", s.ID)})
	}

	at := e.path()

	return under(append(at[:len(at)-2], e.name+"Preflight"),
		want{key: "Type", value: scalar(s.Kind.eventType())},
		want{key: "Properties", in: append(in, s.opening())})
}

// method returns a method as routes have it.
func method(text string) string {
	switch text = strings.ToUpper(text); text {
	case "", "*", "X-AMAZON-APIGATEWAY-ANY-METHOD":
		return anyMethod
	default:
		return text
	}
}
