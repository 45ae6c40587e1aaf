package template

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// event is one event of a function or a state machine.
type event struct {
	owner  string // logical id
	name   string
	kind   string // its Type
	node   *yaml.Node
	fields *object // its Properties; nil if there are none
	target *Error  // why its owner does not run here
}

// events returns the events of a function or a state machine, as written.
func (o *object) events() []event {
	written := o.raw("Events")
	if written == nil || written.Tag == "!!null" && !o.r.whole {
		return nil
	}

	all := o.object("Events")
	if all == nil {
		return nil
	}

	var events []event
	for i := 0; i+1 < len(all.node.Content); i += 2 {
		name := all.node.Content[i].Value

		e := all.object(name)
		if e == nil { // or its owner would lose its other events, too
			o.r.fail(all.node.Content[i], "%s: event %s is AWS::NoValue, which SAM does not take",
				o.what, name)
			return nil
		}

		one := event{owner: o.what, name: name, kind: e.text("Type", ""), node: e.node}
		if raw := e.raw("Properties"); raw != nil && raw.Tag != "!!null" {
			one.fields = e.object("Properties")
		}

		if one.fields != nil {
			one.fields.what = fmt.Sprintf("%s.Events.%s", o.what, name)
		}

		events = append(events, one)
	}

	return events
}

// quiet are the events that no call to an API triggers.
var quiet = []string{
	"AlexaSkill", "CloudWatchEvent", "CloudWatchLogs", "Cognito", "DocumentDB", "DynamoDB",
	"EventBridgeRule", "IoTRule", "Kinesis",
	"MQ", "MSK", "S3", "SNS", "SQS", "Schedule", "ScheduleV2", "SelfManagedKafka",
}

// routes returns those events that are routes, and refuses those that may be.
func (r *resolver) routes(events []event) []event {
	var routes []event
	for _, e := range events {
		switch {
		case e.kind == "Api" || e.kind == "HttpApi":
			routes = append(routes, e)
		case !slices.Contains(quiet, e.kind):
			r.pass(e.node, "%s: event %s of type %q is not understood: it may be a route",
				e.owner, e.name, e.kind)
		}
	}

	return routes
}

// readStateMachine returns the routes that start a state machine.
func (r *resolver) readStateMachine(id string) []event {
	p := r.properties(id)
	if p == nil {
		return nil
	}

	routes := r.routes(p.events())
	for i, e := range routes {
		routes[i].target = r.unserved(e.node, "%s: event %s of type %q is not understood: it starts "+
			"a state machine", id, e.name, e.kind)
	}

	return routes
}

// add adds events to their APIs as routes.
func (apis builders) add(r *resolver, events []event) {
	for _, e := range events {
		api := implicitAPIs[0]
		if e.kind == api.event && e.fields == nil {
			if r.whole {
				r.fail(e.node, "%s: event %s has no Properties, and so no API of its own", e.owner,
					e.name)
			}

			continue // SAM passes over it
		}

		if e.kind != api.event {
			api = implicitAPIs[1]
		}

		if e.fields == nil {
			e.fields = r.object(&yaml.Node{Kind: yaml.MappingNode, Line: e.node.Line}, e.owner+
				".Events."+e.name)
		}

		if e.fields == nil {
			return
		}

		id := e.fields.text(api.property, api.id)

		b := apis[gatewayID(id)]

		if r.err != nil {
			return
		}

		if b == nil || (b.api.Kind == REST) != (api.kind == typeRESTAPI) {
			r.fail(e.node, "%s: %s must name an API of this template", e.fields.what, api.property)
			return
		}

		b.addEvent(r, e)
	}
}

// addEvent adds an event as a route. As SAM does, it leaves a document that the template gives alone,
// unless that is an HTTP API's and lacks the route, or MergeDefinitions asks for it.
func (b *builder) addEvent(r *resolver, e event) {
	route := method{Route: Route{Line: e.node.Line, Target: e.target}}
	if e.target == nil {
		route.Function = e.owner
	}

	if b.api.Kind == REST {
		b.restRoute(e.fields, &route)
	} else {
		b.httpRoute(e.fields, &route)
	}

	before := slices.IndexFunc(b.methods, func(m method) bool {
		return m.Method == route.Method && m.Path == route.Path
	})

	if b.api.Kind == REST && !b.managed && !b.merged {
		if auth := e.fields.object("Auth"); auth != nil && before >= 0 &&
			auth.boolean("OverrideApiAuth", false) {
			b.methods[before].security = append(b.methods[before].security, route.security...)
		}

		return
	}

	e.fields.done()

	switch {
	case before < 0:
		b.append(r, e.fields, route)
	case b.managed:
		r.fail(e.node, "%s: %s %s is declared twice, before on line %d", e.fields.what,
			route.Method, route.Path, b.methods[before].Line)
	case b.merged:
		if len(route.security) == 0 {
			route.security = b.methods[before].security
		}

		b.methods[before] = route
	case !b.methods[before].integrated:
		route.security = append(b.methods[before].security, route.security...)
		b.methods[before] = route
	default: // an event's Auth holds for the document's route
		b.methods[before].security = append(b.methods[before].security, route.security...)
		if e.fields.has("PayloadFormatVersion") {
			b.methods[before].PayloadVersion = route.PayloadVersion
		}
	}
}

// eventAuth reads what the Auth of an event adds to its route's security.
func (b *builder) eventAuth(p *object, route *method) {
	auth := p.object("Auth")
	if auth == nil {
		return
	}

	if name := auth.text("Authorizer", ""); name != "" {
		route.security = append(route.security, name)
	}

	if b.api.Kind == REST && auth.has("ApiKeyRequired") {
		route.security = append(route.security, map[bool]string{
			true:  keyScheme,
			false: noKeyScheme,
		}[auth.boolean("ApiKeyRequired", false)])
	}

	auth.ignore("InvokeRole")

	if !p.r.whole { // scopes are of other authorizers than ours
		auth.ignore("AuthorizationScopes", "OverrideApiAuth")
	}

	auth.done()
}

// upperMethod returns a method as routes name it.
func upperMethod(written string) string {
	if name := strings.ToUpper(written); name != "X-AMAZON-APIGATEWAY-ANY-METHOD" {
		return name
	}

	return "ANY"
}
