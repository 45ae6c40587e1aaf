package localgateway

import (
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// router finds the route of a request. Routes are sorted so that the first match is the most
// specific one: segment by segment from the left, static before parameter before greedy. At an
// HTTP API every full match comes before any greedy one.
type router struct {
	kind   template.APIKind
	routes []compiledRoute
}

type compiledRoute struct {
	route    template.Route
	segments []segment
}

type segment struct {
	kind segmentKind
	text string // literal or parameter name
}

type segmentKind int

const (
	static segmentKind = iota
	parameter
	greedy
)

func newRouter(api template.API) router {
	rt := router{kind: api.Kind}
	for _, route := range api.Routes {
		rt.routes = append(rt.routes, compiledRoute{route: route, segments: compile(route.Path)})
	}

	slices.SortStableFunc(rt.routes, func(a, b compiledRoute) int {
		if rt.kind == template.HTTP && a.isGreedy() != b.isGreedy() {
			if a.isGreedy() {
				return 1
			}

			return -1
		}

		return slices.CompareFunc(a.segments, b.segments, func(x, y segment) int {
			return int(x.kind) - int(y.kind)
		})
	})
	return rt
}

func (r compiledRoute) isGreedy() bool {
	return len(r.segments) > 0 && r.segments[len(r.segments)-1].kind == greedy
}

func compile(path string) []segment {
	if path == "$default" {
		return nil
	}

	var segments []segment
	for _, part := range split(path) {
		name, isParameter := strings.CutPrefix(part, "{")

		name = strings.TrimSuffix(name, "}")
		switch {
		case !isParameter:
			segments = append(segments, segment{static, part})
		case strings.HasSuffix(name, "+"):
			segments = append(segments, segment{greedy, strings.TrimSuffix(name, "+")})
		default:
			segments = append(segments, segment{parameter, name})
		}
	}

	return segments
}

// split returns a path's segments; the root has none.
func split(path string) []string {
	if path == "/" {
		return nil
	}

	return strings.Split(strings.TrimPrefix(path, "/"), "/")
}

// find sets the call's route and parameters, and reports whether there is a route. At a REST API
// the path alone decides, and that path must have the method. At an HTTP API a less specific route
// with the right method is found too.
func (rt router) find(c *call) bool {
	path := c.path
	if rt.kind == template.REST && path != "/" {
		path = strings.TrimSuffix(path, "/")
	}

	parts := split(path)
	var fallback *compiledRoute // the ANY route of the path chosen

	var chosen string
	for i := range rt.routes {
		r := &rt.routes[i]
		if r.route.Path == "$default" || !matches(r.segments, parts) {
			continue
		}

		// An ANY route takes the methods that its own path does not have, and ends the search.
		if fallback != nil && r.route.Path != fallback.route.Path {
			break
		}

		// The path is decided, and does not have the method.
		if rt.kind == template.REST && chosen != "" && r.route.Path != chosen {
			break
		}

		chosen = r.route.Path
		switch r.route.Method {
		case c.request.Method:
			c.take(r, parts)
			return true
		case "ANY":
			fallback = r
		}
	}

	if fallback == nil {
		fallback = rt.catchAll()
	}

	if fallback == nil {
		return false
	}

	c.take(fallback, parts)
	return true
}

func (rt router) catchAll() *compiledRoute {
	for i := range rt.routes {
		if rt.routes[i].route.Path == "$default" {
			return &rt.routes[i]
		}
	}

	return nil
}

func matches(segments []segment, parts []string) bool {
	for i, s := range segments {
		switch {
		case s.kind == greedy:
			return len(parts) > i && strings.Join(parts[i:], "/") != ""
		case i >= len(parts) || parts[i] == "" || (s.kind == static && parts[i] != s.text):
			return false
		}
	}

	return len(parts) == len(segments)
}

func (c *call) take(r *compiledRoute, parts []string) {
	c.route = &r.route
	for i, s := range r.segments {
		if s.kind == static {
			continue
		}

		if c.params == nil {
			c.params = map[string]string{}
		}

		c.params[s.text] = parts[i]
		if s.kind == greedy {
			c.params[s.text] = strings.Join(parts[i:], "/")
		}
	}
}
