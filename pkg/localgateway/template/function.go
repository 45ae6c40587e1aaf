package template

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// event is one Api or HttpApi event of a function: a route before its API's
// defaults are applied.
type event struct {
	function string
	kind     APIKind
	node     *yaml.Node
	fields   *object
}

func (r *resolver) readFunction(id string) (Function, []event) {
	p := r.properties(id)
	if p == nil {
		return Function{}, nil
	}

	f := Function{
		ID:          id,
		ARN:         functionARN(id),
		CodeURI:     p.text("CodeUri", ""),
		Environment: map[string]string{},
		Timeout:     time.Duration(p.integer("Timeout", 3)) * time.Second,
		MemoryMB:    p.integer("MemorySize", 128),
	}
	if f.CodeURI == "" {
		r.fail(p.node, "%s: CodeUri is missing", id)
	}

	if environment := p.object("Environment"); environment != nil {
		if variables := environment.textMap("Variables"); variables != nil {
			f.Environment = variables
		}

		environment.done()
	}

	// These change permissions, placement and logging, but not the answer.
	p.ignore("Architectures", "AssumeRolePolicyDocument", "DeadLetterQueue", "DeploymentPreference",
		"Description",
		"EphemeralStorage", "EventInvokeConfig", "FunctionName", "Handler", "KmsKeyArn",
		"LoggingConfig",
		"PermissionsBoundary", "Policies", "PropagateTags", "ProvisionedConcurrencyConfig",
		"RecursiveLoop",
		"ReservedConcurrentExecutions", "Role", "RolePath", "Runtime", "RuntimeManagementConfig",
		"Tags", "Tracing",
		"VpcConfig")
	all := p.object("Events")
	events := r.readEvents(&f, all)
	f.Schedules = r.readSchedules(id, all)
	p.done()
	return f, events
}

func (r *resolver) readEvents(f *Function, all *object) []event {
	if all == nil {
		return nil
	}

	var events []event
	for i := 0; i+1 < len(all.node.Content); i += 2 {
		name := all.node.Content[i].Value

		o := all.object(name)
		if o == nil { // or the function would lose its other routes, too
			r.fail(all.node.Content[i], "%s: event %s is AWS::NoValue, which SAM does not take",
				f.ID, name)
			return nil
		}

		var kind APIKind
		switch o.text("Type", "") {
		case "Api":
			kind = REST
		case "HttpApi":
			kind = HTTP
		case "CloudWatchLogs":
			f.LogGroups = append(f.LogGroups, r.readSubscription(o.object("Properties")))
			o.done()
			continue
		default:
			// readSchedules reads some of the events that are not routes
			r.checkEvent(f.ID, name, o)
			continue
		}

		e := event{
			function: f.ID,
			kind:     kind,
			node:     o.node,
			fields:   o.object("Properties"),
		}
		o.done()

		if e.fields == nil {
			r.fail(o.node, "%s: event %s has no Properties, and so no API of its own", f.ID, name)
			return nil
		}

		e.fields.what = fmt.Sprintf("%s.Events.%s", f.ID, name)
		events = append(events, e)
	}

	return events
}
