package permission

import (
	"iter"
	"slices"
	"strings"
)

// Match is the route of a call.
type Match struct {
	Route Route
	// Permissions are the names of those that open the route, in the catalogue's order; any of
	// them suffices. The slice belongs to the catalogue and must not be modified.
	Permissions []string

	// The parameters are read when they are asked for: a check asks for one of them.
	segments []Segment
	rest     string // the path, without the slashes at its ends
}

// Param is the value of a route's parameter in a path.
type Param struct{ Name, Value string }

// Params returns the values of the path's parameters, raw, in the path's order.
func (m Match) Params() iter.Seq[Param] {
	return func(yield func(Param) bool) {
		rest := m.rest
		for _, segment := range m.segments {
			value := rest
			if segment.Kind != Greedy {
				value, rest, _ = strings.Cut(rest, "/")
			}

			if segment.Kind != Literal && !yield(Param{Name: segment.Text, Value: value}) {
				return
			}
		}
	}
}

// Param returns the value of the parameter with the name.
func (m Match) Param(name string) (string, bool) {
	for p := range m.Params() {
		if p.Name == name {
			return p.Value, true
		}
	}

	return "", false
}

// Match finds the route of a call to an API; ok is false if no permission has one. Path is the raw
// path as API Gateway sees it, without its stage and query.
//
// The path decides first, over all paths of the API regardless of their methods: from the left, a
// literal segment wins over a parameter, and a parameter over a greedy one. Then the method
// decides: the method itself, else ANY. As in an API Gateway REST API, a path that exists for
// other methods only has no route, even if a wider path has the method.
//
// One trailing slash is ignored if that leads to the same route. A path that another reader might
// interpret differently has no route: see [Ambiguity].
func (c *Catalogue) Match(api, method, path string) (match Match, ok bool) {
	index := methodIndex(method)
	if index < 0 || !strings.HasPrefix(path, "/") || c.Ambiguity(api, path) != Unambiguous {
		return Match{}, false
	}

	rest := strings.TrimSuffix(path[1:], "/")

	found := c.table(api).root.find(rest, rest != "")
	if found == nil || found.routes[index] == nil {
		return Match{}, false
	}

	r := found.routes[index]
	return Match{Route: r.route, Permissions: r.permissions, segments: r.segments, rest: rest}, true
}

// Entry is a route of an API with everything that its decision depends on.
type Entry struct {
	Route    Route
	Segments []Segment
	// Methods are those for which this is the route of its path: for ANY, the ones that no other
	// route with the same path names.
	Methods []string
	// Permissions are as in [Match].
	Permissions []string
}

// Routes returns every route that [Catalogue.Match] can find for an API, in the catalogue's order.
// The result must not be modified.
func (c *Catalogue) Routes(api string) []Entry {
	compiled := c.table(api).routes

	entries := make([]Entry, 0, len(compiled))
	for _, r := range compiled {
		entries = append(entries, Entry{
			Route:       r.route,
			Segments:    r.segments,
			Methods:     r.methods,
			Permissions: r.permissions,
		})
	}

	return entries
}

// table holds the routes of one API: a tree of segments to search, and a list.
type table struct {
	root   node
	routes []*compiledRoute
}

type node struct {
	literals  map[string]*node
	parameter *node
	greedy    *leaf
	leaf      *leaf
}

// leaf is a path, with its route per method in the order of methods.
type leaf struct {
	routes [len(methods)]*compiledRoute
	any    *compiledRoute
	greedy bool // whether it ends with a greedy parameter
}

type compiledRoute struct {
	route       Route
	segments    []Segment
	methods     []string
	permissions []string
}

// find returns the path that matches best. If a literal leads nowhere, find backtracks to the
// parameter at the same place, so it visits each node at most once.
func (n *node) find(rest string, more bool) *leaf {
	if !more {
		return n.leaf
	}

	segment, rest, more := strings.Cut(rest, "/")
	if child := n.literals[segment]; child != nil {
		if found := child.find(rest, more); found != nil {
			return found
		}
	}

	if n.parameter != nil {
		if found := n.parameter.find(rest, more); found != nil {
			return found
		}
	}

	return n.greedy
}

// compile builds the table of an API from a valid catalogue.
func compile(api string, permissions []Permission) *table {
	t := &table{}
	for _, p := range permissions {
		for _, r := range p.Routes {
			if r.API == api || r.API == anyAPI {
				t.add(r, p.Name)
			}
		}
	}

	for _, r := range t.routes {
		if r.route.Method == anyMethod {
			at := t.root.leafOf(r.segments)
			for i := range at.routes {
				if at.routes[i] == nil {
					at.routes[i] = r
				}
			}
		}
	}

	for _, r := range t.routes {
		at := t.root.leafOf(r.segments)
		for i, method := range methods {
			if at.routes[i] == r {
				r.methods = append(r.methods, method)
			}
		}
	}

	return t
}

// add puts a route into the table, or adds a permission to a route that is already there.
func (t *table) add(r Route, permission string) {
	segments, err := ParsePath(r.Path)
	if err != nil {
		return // a valid catalogue has no such path
	}

	at := t.root.leafOf(segments)

	slot := &at.any
	if i := methodIndex(r.Method); i >= 0 {
		slot = &at.routes[i]
	}

	if *slot == nil {
		*slot = &compiledRoute{route: r, segments: segments}
		t.routes = append(t.routes, *slot)
	}

	if !slices.Contains((*slot).permissions, permission) {
		(*slot).permissions = append((*slot).permissions, permission)
	}
}

// leafOf returns the leaf of a path, and creates the nodes that lead to it.
func (n *node) leafOf(segments []Segment) *leaf {
	for _, segment := range segments {
		switch segment.Kind {
		case Greedy:
			if n.greedy == nil {
				n.greedy = &leaf{greedy: true}
			}

			return n.greedy
		case Parameter:
			if n.parameter == nil {
				n.parameter = &node{}
			}

			n = n.parameter
		case Literal:
			if n.literals == nil {
				n.literals = make(map[string]*node)
			}

			if n.literals[segment.Text] == nil {
				n.literals[segment.Text] = &node{}
			}

			n = n.literals[segment.Text]
		}
	}

	if n.leaf == nil {
		n.leaf = &leaf{}
	}

	return n.leaf
}
