package protect

import (
	"errors"
	"fmt"
	"maps"
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

	if of == nil {
		return nil, nil, fmt.Errorf("there is no API %s in it, but %s", name, strings.Join(names, ", "))
	}

	if of.elsewhere != "" {
		notes = append(notes, of.ID+": "+of.elsewhere)
	}

	for _, r := range of.Routes {
		switch {
		case of.Kind == WebSocket || r.Method == "OPTIONS":
			continue
		case r.guard == opened || r.guard == another:
			notes = append(notes, fmt.Sprintf("%s%s wants none of Bitting's keys", at(r.Line), r))
			continue
		case r.Path == defaultRoute:
			r.Path = greedy
		}

		routes = append(routes, r)
	}

	return routes, append(notes, d.notes...), nil
}

// combine makes one of what is wanted under the same key.
func combine(wants []want) []want {
	var out []want
	for _, w := range wants {
		i := slices.IndexFunc(out, func(other want) bool { return other.key == w.key })

		switch {
		case i < 0:
			out = append(out, w)
		case out[i].in != nil && w.in != nil:
			out[i].in = append(slices.Clone(out[i].in), w.in...)
		}
	}

	for i := range out {
		out[i].in = combine(out[i].in)
	}

	return out
}

// Protect returns the file with what protects its APIs, and what to tell somebody about it. Where
// nothing is missing, the text is that of the file.
func (d *Document) Protect(o Options) (text string, notes []string, err error) {
	d = d.as(o.Kind)
	if err := d.usable(o, d.selected(o)); err != nil {
		return "", nil, err
	}

	// What is inserted may need more: an open route wants no key once its API wants one.
	for n := 0; ; n++ {
		text, about, err := d.round(o)
		if err != nil {
			return "", nil, err
		}

		for _, note := range about {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}

		if text == d.text {
			break
		}

		if n == maxRounds {
			return "", nil, errors.New("what was inserted is not found again, so nothing is changed: " +
				"write keys as KEY: VALUE, without a question mark before them")
		}

		if d, err = Read([]byte(text)); err != nil {
			return "", nil, err
		}

		d = d.as(o.Kind)
	}

	left, err := d.open(o)
	return d.text, append(notes, left...), err
}

// open tells of routes that are open all the same, since the file says in another way who guards them.
func (d *Document) open(o Options) (notes []string, err error) {
	findings, _, err := d.Check(o)
	for _, f := range findings {
		if f.Code == CodeOpen {
			notes = append(notes, fmt.Sprintf("line %d: %s, and bitting cannot change that as it is "+
				"written", f.Line, f.Message))
		}
	}

	return notes, err
}

// maxRounds is how often more than enough may be needed.
const maxRounds = 4

// round returns the text with all that is missing in the file as it is.
func (d *Document) round(o Options) (text string, notes []string, err error) {
	var wants []want
	var edits []edit

	for _, a := range d.selected(o) {
		more, about := a.wants(o)
		wants = append(wants, more...)
		notes = append(notes, about...)

		for _, r := range a.Routes {
			wants = append(wants, r.wants(o, a)...)
		}

		if a.renames != nil {
			edits = append(edits, a.renames(o)...)
		}
	}

	more, err := d.merge(d.root, combine(wants))
	if err != nil {
		return "", nil, err
	}

	return apply(d.text, append(edits, more...)), append(notes, d.notes...), nil
}

// rename replaces a logical id in every text that names it, but not in comments.
func (d *Document) rename(from, to string) (edits []edit) {
	texts(d.root, func(n *yaml.Node) {
		start := d.offset(n)

		for range strings.Count(n.Value, from) {
			found := strings.Index(d.text[start:], from)
			if found < 0 {
				return
			}

			start += found + len(from)
			edits = append(edits, edit{start - len(from), start, to})
		}
	})

	return edits
}

// usable reports what keeps options from being used with a file.
func (d *Document) usable(o Options, apis []*API) error {
	if len(apis) == 0 && o.Kind != "" {
		return fmt.Errorf("there is no API of kind %s in it", o.Kind)
	}

	if len(apis) == 0 {
		return errors.New("there is no API in it")
	}

	if o.Names[""] != "" && len(apis) > 1 {
		return fmt.Errorf("it has %d APIs: name each, as in --name %s=%s", len(apis), apis[0].ID,
			o.Names[""])
	}

	return nil
}

// Unknown returns an error where options name an API or a route that none of the files has.
func Unknown(documents []*Document, o Options) error {
	has := func(is func(a *API) bool) bool {
		return slices.ContainsFunc(documents, func(d *Document) bool {
			return slices.ContainsFunc(d.apis, is)
		})
	}

	for _, id := range slices.Sorted(maps.Keys(o.Names)) {
		if id != "" && !has(func(a *API) bool { return a.ID == id }) {
			return fmt.Errorf("there is no API %s", id)
		}
	}

	for _, route := range o.Keyless {
		if !has(func(a *API) bool {
			return slices.ContainsFunc(a.Routes, func(r Route) bool { return r.String() == route })
		}) {
			return fmt.Errorf("there is no route %s: write it as the file does, such as \"GET /health\"",
				route)
		}
	}

	return nil
}

// wants returns what a route of an API still needs.
func (r Route) wants(o Options, a *API) (wants []want) {
	preflight := r.Method == "OPTIONS"

	switch {
	case r.guard == another:
		if r.keyRequired && a.keySource && r.unkeyed != nil {
			wants = append(wants, r.unkeyed())
		}
	case r.guard == unread:
	case r.guard == opened || o.keyless(r) || preflight:
		if r.open != nil && (r.guard == ours || r.guard == nobody || r.keyRequired) {
			wants = append(wants, r.open())
		}
	default:
		if r.guarded != nil {
			wants = append(wants, r.guarded())
		}

		if r.preflight != nil && a.preflightMissing(r) {
			wants = append(wants, r.preflight())
		}
	}

	return wants
}

// preflightMissing reports whether a route takes preflights, which then want a key.
func (a *API) preflightMissing(r Route) bool {
	if r.Method != anyMethod || a.Kind == WebSocket {
		return false
	}

	path := r.Path
	if path == defaultRoute {
		path = greedy
	}

	return !slices.ContainsFunc(a.Routes, func(other Route) bool {
		return other.Method == "OPTIONS" && (other.Path == path || other.Path == greedy && a.Kind == HTTP)
	})
}

const greedy = "/{proxy+}"
