package template

import "go.yaml.in/yaml/v3"

// implicitAPI is an API that SAM makes for the events that name none.
type implicitAPI struct {
	id, kind string
	event    string // the type of the events
	property string // with which an event names an API
	stage    string
}

var implicitAPIs = []implicitAPI{
	{"ServerlessRestApi", typeRESTAPI, "Api", "RestApiId", "Prod"},
	{"ServerlessHttpApi", typeHTTPAPI, "HttpApi", "ApiId", "$default"},
}

// addImplicit adds an implicit API if an event of an existing resource needs it, with Globals for
// APIs of its kind.
func (r *resolver) addImplicit(api implicitAPI, global *yaml.Node) {
	if r.whole {
		return // all of ours are declared, and an event that names none is a mistake
	}

	var needs *yaml.Node
	for _, id := range r.order {
		switch r.resources[id].kind {
		case typeFunction, typeStateMachine:
		default:
			continue
		}

		p := r.properties(id)
		if p == nil {
			return
		}

		for _, e := range p.events() {
			if e.kind == api.event && (e.fields != nil && !e.fields.has(api.property) ||
				e.fields == nil && api.event == "HttpApi") {
				needs = e.node
			}
		}
	}

	if needs == nil {
		return
	}

	if _, ok := r.resources[api.id]; ok {
		r.fail(needs, "this event needs the API that SAM names %s, an id that a resource of the "+
			"template has", api.id)
		return
	}

	stage := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: needs.Line, Content: []*yaml.Node{
		text("StageName", needs), text(api.stage, needs),
	}}
	r.resources[api.id] = resource{kind: api.kind, node: needs, properties: merge(global, stage)}
	r.order = append(r.order, api.id)
}
