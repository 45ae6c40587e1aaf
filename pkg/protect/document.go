package protect

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kind distinguishes the APIs of API Gateway.
type Kind string

// The kinds of API.
const (
	REST      Kind = "rest"
	HTTP      Kind = "http"
	WebSocket Kind = "websocket"
)

// Options say what somebody wants of their API.
type Options struct {
	// Names are the names of APIs in the permission catalogue, by logical id; that of "" is for the
	// only API of a file. An API without one keeps what its stage variable says, or gets a name
	// made of its id.
	Names map[string]string
	// Kind is the only kind of API to look at; "" for all. An OpenAPI document, which does not say,
	// is taken for it.
	Kind Kind
	// Stack and Environment are the deployment of Bitting, and whose keys it checks.
	Stack, Environment string
	// Keyless are routes that need no key, such as "GET /health".
	Keyless []string
	// Cached is the revocation profile cached: answers are kept for 300 seconds.
	Cached bool
	// NoLimits means that keys of the deployment have no limits: nobody needs to answer 429.
	NoLimits bool
	// Docs is the page that explains the codes of refusals; "" for DefaultDocs.
	Docs string
	// KeepImplicit leaves an implicit REST API as it is. It cannot answer 429 then.
	KeepImplicit bool
	// Answers429 reports whether a function, of which the CodeUri is given, answers 429 to a call
	// that the authorizer calls limited. It may be nil.
	Answers429 func(codeURI string) bool
}

// Document is a file that describes APIs.
type Document struct {
	*source

	apis  []*API
	notes []string
}

// API is one API of a document.
type API struct {
	ID     string // the logical id; "" in an OpenAPI document
	Kind   Kind
	Line   int
	Name   string // in the catalogue, by its stage variable; "" where there is none
	Routes []Route

	authorizer *authorizer // Bitting's; nil where there is none
	// elsewhere says why the routes are not all in this file; "" where they are
	elsewhere string
	// variables says that the stage, and so its variables, are in this file
	variables bool
	// corsGuarded is the line of a REST API's CORS whose preflights want a key; 0 for none
	corsGuarded int
	// keySource, plan and responses are what a REST API needs to answer as Bitting wants
	keySource, plan bool
	responses       []string // the gateway responses that are missing
	// wants returns what protects the API as a whole, with what to tell somebody about it
	wants func(o Options) ([]want, []string)
	// renames returns what changes where the API gets another id; it may be nil
	renames func(o Options) []edit
}

// authorizer is Bitting's, on an API.
type authorizer struct {
	line      int
	ttl       int // seconds; unset where API Gateway decides; unread where an intrinsic function does
	token     bool
	sources   []string // identity sources, such as header.X-Api-Key
	payload   *yaml.Node
	permitted bool // API Gateway may invoke it
}

const (
	unset     = -1
	unknowing = -2
)

// Route is a route of an API.
type Route struct {
	Method string // upper case, or ANY
	Path   string // a template such as /orders/{orderId}, or $default
	Line   int

	guard       guard
	keyRequired bool        // REST: it wants an API Gateway key, which the authorizer supplies
	codeURI     string      // of its function; "" where it is not known
	guarded     func() want // what puts it behind the authorizer; nil where the API's default does
	open        func() want // what opens it
	unkeyed     func() want // what lets it want no API Gateway key
	preflight   func() want // what adds an open OPTIONS beside it
}

// guard is who guards a route.
type guard int

const (
	nobody guard = iota
	opened       // nobody, and the file says so
	ours
	another // another authorizer
	unread  // an intrinsic function decides
)

// String returns the method and the path.
func (r Route) String() string {
	if r.Path == defaultRoute {
		return r.Path
	}

	return r.Method + " " + r.Path
}

const (
	defaultRoute = "$default"
	connectRoute = "$connect"
	anyMethod    = "ANY"
)

// oursPattern matches what names one of Bitting's authorizers: its SSM parameter, its export or its
// function.
var oursPattern = regexp.MustCompile(
	`(?i)bitting|/authorizer/(production|staging|development)|(Production|Staging|Development)Authorizer`)

// isOurs reports whether an authorizer, by its name and what describes it, is Bitting's.
func isOurs(name string, description *yaml.Node) bool {
	found := oursPattern.MatchString(name)
	texts(description, func(n *yaml.Node) { found = found || oursPattern.MatchString(n.Value) })
	return found
}

// Read reads a file.
func Read(text []byte) (*Document, error) {
	s, err := parse(string(text))
	if err != nil {
		return nil, err
	}

	d := &Document{source: s}

	switch {
	case get(s.root, "openapi") != nil || get(s.root, "swagger") != nil:
		d.readOpenAPI("")
	case get(s.root, "Resources") != nil:
		d.readTemplate()
	default:
		return nil, errors.New("it is neither a template, which has Resources, nor an OpenAPI " +
			"document, which has openapi or swagger")
	}

	return d, nil
}

// APIs returns the APIs of the file, in its order.
func (d *Document) APIs() []*API { return d.apis }

// selected returns the APIs of the kind that somebody wants to look at.
func (d *Document) selected(o Options) []*API {
	return slices.DeleteFunc(slices.Clone(d.apis), func(a *API) bool {
		return o.Kind != "" && a.Kind != o.Kind
	})
}

// name returns the name that an API has, or gets.
func (a *API) name(o Options) string {
	for _, name := range []string{o.Names[a.ID], o.Names[""], a.Name} {
		if name != "" {
			return name
		}
	}

	id := a.ID
	for _, suffix := range []string{"HttpApi", "RestApi", "Api", "API", "ApiGateway", "Gateway"} {
		if short, ok := strings.CutSuffix(id, suffix); ok {
			id = short
			break
		}
	}

	name := strings.Trim(hump.ReplaceAllString(id, "$1-$2"), "-")
	if name == "" || id == "Serverless" {
		return "api"
	}

	return strings.ToLower(name[:min(len(name), maxName)])
}

var hump = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// maxName is the longest name of an API in the catalogue.
const maxName = 32

// keyless reports whether somebody said that a route needs no key.
func (o Options) keyless(r Route) bool {
	return slices.Contains(o.Keyless, r.String())
}

// parameter is the SSM parameter of Bitting's stack with a name.
func (o Options) parameter(name string) string { return "/" + o.Stack + "/" + name }

// under returns what is wanted at a path of keys.
func under(path []string, wants ...want) want {
	for i := len(path) - 1; i > 0; i-- {
		wants = []want{{key: path[i], in: wants}}
	}

	return want{key: path[0], in: wants}
}

// Keyed returns the routes that want a key, or will once the API is protected, of the API with a
// name in the catalogue. The name may be that of the only API of a file.
func (d *Document) Keyed(name string) (routes []Route, notes []string, err error) {
	var names []string
	var of *API

	for _, a := range d.apis {
		names = append(names, a.name(Options{}))

		if a.name(Options{}) == name || len(d.apis) == 1 {
			of = a
		}
	}

	switch {
	case len(names) == 0:
		return nil, nil, errors.New("there is no API in it whose routes are known: neither a REST, nor an " +
			"HTTP, nor a WebSocket API")
	case of == nil:
		return nil, nil, fmt.Errorf("there is no API %s in it, but %s", name, strings.Join(names, ", "))
	}

	if of.elsewhere != "" {
		notes = append(notes, of.ID+": "+of.elsewhere)
	}

	for _, r := range of.Routes {
		switch {
		case r.Method == "OPTIONS":
			continue
		case r.guard == opened || r.guard == another:
			notes = append(notes, fmt.Sprintf("%s%s wants none of Bitting's keys", at(r.Line), r))
			continue
		case of.Kind == WebSocket: // the one route that is authorized
			r.Method, r.Path = http.MethodGet, "/"+connectRoute
		case r.Path == defaultRoute:
			r.Path = greedy
		}

		routes = append(routes, r)
	}

	return routes, append(notes, d.notes...), nil
}
