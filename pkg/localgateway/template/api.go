package template

import (
	"regexp"
	"strings"
	"time"
)

// builder collects one API: first its own declarations, then the routes that functions declare on
// it.
type builder struct {
	api            API
	authorizer     string // the default one
	keyRequired    bool   // the default
	preflight      map[string]string
	preflightGuard bool // the default authorizer guards preflights too
	preflightKey   bool // preflights need an API key too
}

// builders are keyed by GatewayID, the value of Ref of an API.
type builders map[string]*builder

func (r *resolver) readAPIs() builders {
	apis := builders{}
	for _, kind := range []string{typeRESTAPI, typeHTTPAPI} {
		for _, id := range r.ofKind(kind) {
			b := &builder{
				api: API{ID: id, GatewayID: gatewayID(id), Authorizers: map[string]Authorizer{}},
			}
			if apis[b.api.GatewayID] != nil {
				r.fail(r.resources[id].node, "%s: another API's id differs in case only", id)
			}

			if p := r.properties(id); p != nil && kind == typeRESTAPI {
				r.readREST(b, p)
			} else if p != nil {
				r.readHTTP(b, p)
			}

			apis[b.api.GatewayID] = b
		}
	}

	return apis
}

// add adds a function's events to their APIs as routes.
func (apis builders) add(r *resolver, events []event) {
	for _, e := range events {
		reference := "RestApiId"
		if e.kind == HTTP {
			reference = "ApiId"
		}

		id := e.fields.text(reference, "")
		b := apis[id]

		if r.err != nil {
			return
		}

		if b == nil || b.api.Kind != e.kind {
			r.fail(e.node,
				"%s: %s must name an API of this template: implicit APIs are not understood",
				e.fields.what, reference)
			return
		}

		route := Route{Function: e.function, Line: e.node.Line}
		if e.kind == REST {
			b.restRoute(e.fields, &route)
		} else {
			b.httpRoute(e.fields, &route)
		}

		e.fields.done()
		b.append(r, e, route)
	}
}

var pathTemplate = regexp.MustCompile(`^(/|(/([^/{}]+|\{[^/{}+]+\}))*(/([^/{}]+|\{[^/{}+]+\+?\}))/?)$`)

func (b *builder) append(r *resolver, e event, route Route) {
	if route.Path != "$default" && !pathTemplate.MatchString(route.Path) {
		r.fail(e.node, "%s: path %q is not understood", e.fields.what, route.Path)
		return
	}

	if b.api.Kind == REST && route.Path != "/" { // API Gateway removes it
		route.Path = strings.TrimSuffix(route.Path, "/")
	}

	for _, other := range b.api.Routes {
		if other.Method == route.Method && other.Path == route.Path {
			r.fail(e.node, "%s: %s %s is declared twice, before on line %d", e.fields.what,
				route.Method, route.Path, other.Line)
		}
	}

	b.api.Routes = append(b.api.Routes, route)
}

// chooseAuthorizer sets a route's authorizer to the one its event names, or the API's default.
func (b *builder) chooseAuthorizer(auth *object, where *object) string {
	name := b.authorizer
	if auth != nil {
		name = auth.text("Authorizer", b.authorizer)
	}

	if name == "NONE" || name == "" {
		return ""
	}

	if _, ok := b.api.Authorizers[name]; !ok {
		where.r.fail(where.node, "%s: authorizer %q is not declared on %s",
			where.what, name, b.api.ID)
	}

	return name
}

// finish applies what depends on all routes.
func (b *builder) finish(r *resolver, keys map[stageName][]string) API {
	if b.preflight != nil {
		b.addPreflights()
	}

	b.api.APIKeys = keys[stageName{b.api.GatewayID, b.api.Stage}]
	return b.api
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
	seconds := identity.integer("ReauthorizeEvery", standard)
	if seconds < 0 || seconds > 3600 {
		identity.r.fail(identity.node, "%s.ReauthorizeEvery must be from 0 to 3600 seconds",
			identity.what)
	}

	return time.Duration(seconds) * time.Second
}
