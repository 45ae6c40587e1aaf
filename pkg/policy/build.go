package policy

import (
	"slices"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// Scope says how much of what a key may do its policy says.
type Scope int

const (
	// Nothing means that the policy denies everything.
	Nothing Scope = iota
	// WholeKey means that the policy says exactly what the key may do on plain paths,
	// so it can serve every request that the key makes to one on the stage.
	WholeKey
	// OneRoute means that the policy opens the route of the call for plain paths, and
	// for a key that is bound to customers only the call's customer there. It serves
	// no request to another route.
	OneRoute
	// OneCall means that the policy opens the path and method of the call only.
	OneCall
)

// Policy is a document with what it is good for. It is not to be modified.
type Policy struct {
	Document Document
	Scope    Scope
}

// Build makes the policy to return for a call of a key with the grant. The
// document's scope is the widest of [WholeKey], [OneRoute] and [OneCall] that can be
// said within API Gateway's limits and has the call; for the last two the call must be
// allowed, and a path that is not plain has only the last. Otherwise the policy denies
// everything. A whole-key policy is also what a refused call gets, so whoever returns
// it for one passes it through [Refuse] first.
func Build(c *permission.Catalogue, api string, g permission.Grant, call ARN) Policy {
	return build(c, api, g, call, request.compose)
}

// build tries the scopes in turn; compose is request.compose or a cache of it.
func build(
	c *permission.Catalogue, api string, g permission.Grant, call ARN,
	compose func(request) (Document, bool),
) Policy {
	r := request{
		catalogue: c,
		api:       api,
		grant:     g,
		stage:     call.stage(),
	}

	decision := permission.Decide(c, api, g, call.Method, call.Path)
	if plain(call.Path) || !decision.Allowed() {
		if d, ok := compose(r); ok {
			return Policy{Document: d, Scope: WholeKey}
		}
	}

	if !decision.Allowed() {
		return Policy{Document: denyEverything(), Scope: Nothing}
	}

	if plain(call.Path) {
		r.only = decision.Match.Route
		if len(g.Customers) > 0 && decision.Customer != "" {
			r.grant.Customers = []string{decision.Customer}
		}

		if d, ok := compose(r); ok {
			return Policy{Document: d, Scope: OneRoute}
		}
	}

	if arn := call.String(); literal(arn) {
		return Policy{Document: Only(arn), Scope: OneCall}
	}

	return Policy{Document: denyEverything(), Scope: Nothing}
}

// request is what a document is asked to say: all that the grant opens on a stage,
// or that of it which is one route.
type request struct {
	catalogue *permission.Catalogue
	api       string
	grant     permission.Grant
	stage     string
	only      permission.Route // the zero Route means all
}

// allows is what the document must say of a call.
func (r request) allows(method, path string) bool {
	d := permission.Decide(r.catalogue, r.api, r.grant, method, path)
	return d.Allowed() && r.includes(d.Match.Route)
}

func (r request) includes(route permission.Route) bool {
	return r.only == (permission.Route{}) || r.only == route
}

// compose makes the document, or reports that it cannot be said.
func (r request) compose() (Document, bool) {
	entries := r.catalogue.Routes(r.api)
	denied := rough(r.stage)
	var allowed []string

	budget := maxWork
	for _, method := range permission.Methods() {
		opening, ok := r.opening(entries, method)
		if !ok {
			return Document{}, false
		}

		if len(opening.patterns) == 0 {
			continue
		}

		s := newSearch(entries, opening, r.customers)

		closing, ok := s.settle(func(path string) bool { return r.allows(method, path) }, &budget)
		if !ok {
			return Document{}, false
		}

		prefix := r.stage + "/" + method
		for _, p := range opening.patterns {
			allowed = append(allowed, p.resource(prefix))
		}

		for _, p := range closing {
			denied = append(denied, p.resource(prefix))
		}

		if slices.ContainsFunc(opening.patterns, pattern.matchesRoot) && !r.allows(method, "/") {
			denied = append(denied, prefix+"/")
		}
	}

	if len(allowed) == 0 {
		return denyEverything(), r.only == permission.Route{}
	}

	d := document(allow(allowed), deny(denied))
	return d, d.fits()
}

// opening is what a document must open for one method: the routes, and the patterns
// that match at least the paths of theirs that are to be open.
type opening struct {
	routes   []permission.Entry
	patterns []pattern
}

// opening returns what to open for a method: no route with a literal that is not
// plain, since no path of it is. It gives up when the patterns alone are beyond the
// limits, so that a key of a thousand customers costs no more than one that fits.
func (r request) opening(entries []permission.Entry, method string) (o opening, ok bool) {
	size := 0
	for _, e := range entries {
		_, held := r.grant.Holds(e.Permissions)
		if !held || !r.includes(e.Route) || !slices.Contains(e.Methods, method) ||
			!pattern(e.Segments).plain() {
			continue
		}

		o.routes = append(o.routes, e)
		for _, customer := range r.customers(e) {
			p := patternOf(e.Segments, customer)
			if size += len(p.resource(r.stage + "/" + method)); size > maxDocument {
				return opening{}, false
			}

			o.patterns = append(o.patterns, p)
		}
	}

	return o, true
}

// customers returns those for which a route is to be opened one by one; the empty
// name stands for everybody.
func (r request) customers(e permission.Entry) []string {
	names := func(s permission.Segment) bool {
		return s.Kind != permission.Literal && s.Text == permission.CustomerParam
	}
	if len(r.grant.Customers) == 0 || !slices.ContainsFunc(e.Segments, names) {
		return []string{""}
	}

	valid := slices.DeleteFunc(slices.Clone(r.grant.Customers), func(id string) bool {
		return !permission.ValidCustomer(id)
	})
	slices.Sort(valid)
	return slices.Compact(valid)
}
