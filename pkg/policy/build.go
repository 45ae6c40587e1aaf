package policy

import (
	"slices"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// Scope is how much of a key's permissions its policy expresses.
type Scope int

const (
	// Nothing means that the policy denies everything.
	Nothing Scope = iota
	// WholeKey means that the policy allows exactly what the key may call on plain paths, so it
	// can serve all its requests to such paths of the stage.
	WholeKey
	// OneRoute means that the policy opens the route of the call on plain paths, for a key bound
	// to customers only with the call's customer. It serves no request to another route.
	OneRoute
	// OneCall means that the policy opens only the path and method of the call.
	OneCall
)

// Policy is a document with its scope. It must not be modified.
type Policy struct {
	Document Document
	Scope    Scope
	// JSON is the document as AppendJSON writes it, if it serves more than one call; else nil.
	JSON []byte
}

// Build returns the policy for a call of a key with the grant. The document's scope is the widest
// of [WholeKey], [OneRoute] and [OneCall] that fits into API Gateway's limits and covers the call.
// The last two require that the call is allowed, and a path that is not plain has only the last.
// Otherwise the policy denies everything. A refused call gets a whole-key policy too, so a caller
// that returns one for it must first pass it through [Refuse].
func Build(c *permission.Catalogue, api string, g permission.Grant, call ARN) Policy {
	return build(c, api, g, call, request.compose)
}

// build tries the scopes in turn; compose is request.compose or a cache of it.
func build(
	c *permission.Catalogue, api string, g permission.Grant, call ARN,
	compose func(request) (composed, bool),
) Policy {
	r := request{
		catalogue: c,
		api:       api,
		grant:     g,
		at:        call.ofStage(),
	}

	// A refused call gets the whole-key policy too: if cached, it still serves the other calls.
	decision := permission.Decide(c, api, g, call.Method, call.Path)
	if plain(call.Path) || !decision.Allowed() {
		if d, ok := compose(r); ok {
			return Policy{Document: d.document, Scope: WholeKey, JSON: d.json}
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
			return Policy{Document: d.document, Scope: OneRoute, JSON: d.json}
		}
	}

	// The path is not plain, or its route does not fit: allow this one ARN, if it has no wildcards.
	if arn := call.String(); literal(arn) {
		return Policy{Document: Only(arn), Scope: OneCall}
	}

	return Policy{Document: denyEverything(), Scope: Nothing}
}

// request is the content of a document: all that the grant opens on a stage, or one route of
// that.
type request struct {
	catalogue *permission.Catalogue
	api       string
	grant     permission.Grant
	at        ARN              // of the stage: without a method and a path
	only      permission.Route // the zero Route means all
}

// composed is a document, and its JSON.
type composed struct {
	document Document
	json     []byte
}

// allows reports whether the document must allow a call.
func (r request) allows(method, path string) bool {
	d := permission.Decide(r.catalogue, r.api, r.grant, method, path)
	return d.Allowed() && r.includes(d.Match.Route)
}

func (r request) includes(route permission.Route) bool {
	return r.only == (permission.Route{}) || r.only == route
}

// compose makes the document, or reports that there is none that fits.
func (r request) compose() (composed, bool) {
	entries := r.catalogue.Routes(r.api)
	stage := r.at.stage()
	denied := rough(stage)
	var allowed []string

	budget := maxWork
	for _, method := range permission.Methods() {
		opening, ok := r.opening(entries, stage, method)
		if !ok {
			return composed{}, false
		}

		if len(opening.patterns) == 0 {
			continue
		}

		s := newSearch(entries, opening, r.customers)

		closing, ok := s.solve(func(path string) bool { return r.allows(method, path) }, &budget)
		if !ok {
			return composed{}, false
		}

		prefix := stage + "/" + method
		for _, p := range opening.patterns {
			allowed = append(allowed, p.resource(prefix))
		}

		for _, p := range closing {
			denied = append(denied, p.resource(prefix))
		}
	}

	// A key that may call nothing gets an exact policy. For one route, it means that none fits.
	if len(allowed) == 0 {
		d := denyEverything()
		return composed{d, d.AppendJSON(nil)}, r.only == permission.Route{}
	}

	d := document(allow(allowed), deny(denied))
	return composed{d, d.AppendJSON(nil)}, d.fits()
}

// opening lists what a document must open for one method: the routes, and patterns that match at
// least those of their paths that should be open.
type opening struct {
	routes   []permission.Entry
	patterns []pattern
}

// opening returns what to open for a method. Routes with a literal that is not plain are left out,
// since no path of theirs is plain. It gives up when the patterns alone exceed the limits, so that
// a key with a thousand customers costs no more than one that fits.
func (r request) opening(
	entries []permission.Entry, stage, method string,
) (o opening, ok bool) {
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
			if size += len(p.resource(stage + "/" + method)); size > maxDocument {
				return opening{}, false
			}

			o.patterns = append(o.patterns, p)
		}
	}

	return o, true
}

// customers returns the customers for which a route is opened one by one; the empty name stands
// for all.
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
