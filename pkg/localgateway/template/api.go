package template

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// builder collects one API as SAM does: the methods of its OpenAPI document first, then those of
// events, then what holds for all of them.
type builder struct {
	api     API
	methods []method
	schemes map[string]scheme // what the methods' security names
	managed bool              // the template gives no document, so the events make it
	merged  bool              // MergeDefinitions: events change the document

	authorizer     string // the default one
	keyRequired    bool   // the default
	preflight      map[string]string
	preflightGuard bool // the default authorizer guards preflights too
	preflightKey   bool // preflights need an API key too
}

// method is a route before its API's defaults are applied.
type method struct {
	Route
	security   []string // names of schemes
	integrated bool     // not from a document without an integration
}

// scheme is one security scheme.
type scheme struct {
	key   bool   // a usage plan's API key
	guard *Error // why it cannot be checked here
}

// The names of schemes that SAM knows beside authorizers.
const (
	noScheme    = "NONE" // explicitly open
	keyScheme   = "api_key"
	noKeyScheme = "api_key_false"
	iamScheme   = "AWS_IAM"
)

// builders are keyed by GatewayID, the value of Ref of an API.
type builders map[string]*builder

func newBuilder(id string, line int) *builder {
	return &builder{
		api: API{
			ID:          id,
			GatewayID:   gatewayID(id),
			Authorizers: map[string]Authorizer{},
			Line:        line,
		},
		schemes: map[string]scheme{keyScheme: {key: true}},
	}
}

func (r *resolver) readAPIs() builders {
	apis := builders{}

	readers := map[string]func(*builder, *object){
		typeRESTAPI: r.readREST,
		typeHTTPAPI: r.readHTTP,
	}
	if !r.whole {
		readers[typeRawREST], readers[typeRawHTTP] = r.readRawREST, r.readRawHTTP
	}

	for _, kind := range slices.Sorted(maps.Keys(readers)) {
		for _, id := range r.ofKind(kind) {
			b := newBuilder(id, r.resources[id].node.Line)
			if !r.whole {
				b.schemes[iamScheme] = scheme{guard: r.unserved(r.resources[id].node,
					"%s: signatures of AWS (AWS_IAM) are not checked here", id)}
			}

			if apis[b.api.GatewayID] != nil {
				r.fail(r.resources[id].node, "%s: another API's id differs in case only", id)
			}

			p := r.properties(id)
			if p == nil {
				return nil
			}

			if kind == typeRawHTTP && p.text("ProtocolType", "HTTP") != "HTTP" {
				r.pass(r.resources[id].node, "%s: WebSocket APIs are not served", id)
				continue
			}

			readers[kind](b, p)

			if !r.whole {
				b.readParts(r)
			}

			apis[b.api.GatewayID] = b
		}
	}

	return apis
}

var pathTemplate = regexp.MustCompile(`^(/|(/([^/{}]+|\{[^/{}+]+\}))*(/([^/{}]+|\{[^/{}+]+\+?\}))/?)$`)

func (b *builder) append(r *resolver, p *object, m method) {
	if m.Path != "$default" && !pathTemplate.MatchString(m.Path) {
		r.fail(p.node, "%s: path %q is not understood", p.what, m.Path)
		return
	}

	b.methods = append(b.methods, m)
}

// checkScheme refuses the name of an authorizer that is not declared.
func (b *builder) checkScheme(where *object, name string) {
	_, ok := b.schemes[name]
	if name != "" && name != noScheme && !ok {
		where.r.fail(where.node, "%s: authorizer %q is not declared on %s", where.what, name,
			b.api.ID)
	}
}

// finish applies what depends on all routes, in SAM's order.
func (b *builder) finish(r *resolver, keys map[stageName][]string) API {
	if b.preflight != nil {
		b.addPreflights()
	}

	for _, m := range b.methods {
		b.api.Routes = append(b.api.Routes, b.secured(r, m))
	}

	b.api.APIKeys = keys[stageName{b.api.GatewayID, b.api.Stage}]
	for name, stage := range b.api.Stages {
		stage.APIKeys = keys[stageName{b.api.GatewayID, name}]
		b.api.Stages[name] = stage
	}

	return b.api
}

// secured returns a method as a route behind its authorizer, or behind the default one.
func (b *builder) secured(r *resolver, m method) Route {
	route := m.Route
	preflight := route.Method == "OPTIONS"

	if b.api.Kind == REST && route.Path != "/" { // API Gateway removes it
		route.Path = strings.TrimSuffix(route.Path, "/")
	}

	named := false // an authorizer, or none of them
	key := b.keyRequired && m.integrated && (!preflight || b.preflightKey)

	for _, name := range m.security {
		switch s, ok := b.schemes[name]; {
		case name == noScheme:
			named = true
		case name == noKeyScheme:
			key = false
		case ok && s.key:
			key = !preflight || b.preflightKey || !b.keyRequired
		case ok:
			named, route.Authorizer, route.Guard = true, name, s.guard
		default:
			r.fail(&yaml.Node{Line: route.Line}, "%s: authorizer %q is not declared on %s",
				b.api.ID, name, b.api.ID)
		}
	}

	if !named && m.integrated && b.authorizer != "" && b.authorizer != noScheme &&
		(!preflight || b.preflightGuard) {
		route.Authorizer, route.Guard = b.authorizer, b.schemes[b.authorizer].guard
	}

	route.APIKeyRequired = key
	return route
}

// readIdentity reads the sources that REST REQUEST and HTTP authorizers share.
func readIdentity(identity *object) []IdentitySource {
	var sources []IdentitySource
	for _, place := range []struct {
		key string
		in  IdentityPlace
	}{
		{"Headers", InHeader},
		{"QueryStrings", InQueryString},
		{"StageVariables", InStageVariable},
		{"Context", InContext},
	} {
		for _, name := range identity.list(place.key) {
			sources = append(sources, IdentitySource{In: place.in, Name: name})
		}
	}

	return sources
}

// readTTL reads ReauthorizeEvery, which API Gateway limits to an hour.
func readTTL(identity *object, standard int) time.Duration {
	return readSeconds(identity, "ReauthorizeEvery", standard)
}

func readSeconds(o *object, key string, standard int) time.Duration {
	seconds := o.integer(key, standard)
	if seconds < 0 || seconds > 3600 {
		o.r.fail(o.node, "%s.%s must be from 0 to 3600 seconds", o.what, key)
	}

	return time.Duration(seconds) * time.Second
}
