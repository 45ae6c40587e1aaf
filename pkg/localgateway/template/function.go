package template

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

func (r *resolver) readFunction(id string) (Function, []event) {
	p := r.properties(id)
	if p == nil {
		return Function{}, nil
	}

	f := Function{ID: id, ARN: functionARN(id), Line: r.resources[id].node.Line}
	events := p.events()

	if !r.whole {
		f.Unserved = r.attempt(func() { r.readProcess(&f, p) })

		if url := p.raw("FunctionUrlConfig"); url != nil {
			r.pass(url, "%s: its function URL is not served", id)
		}

		return f, r.routes(events)
	}

	r.readProcess(&f, p)
	// These change permissions, placement and logging, but not the answer.
	p.ignore("Architectures", "AssumeRolePolicyDocument", "DeadLetterQueue", "DeploymentPreference",
		"Description",
		"EphemeralStorage", "EventInvokeConfig", "FunctionName", "Handler", "KmsKeyArn",
		"LoggingConfig",
		"PermissionsBoundary", "PropagateTags", "ProvisionedConcurrencyConfig",
		"RecursiveLoop",
		"ReservedConcurrentExecutions", "Role", "RolePath", "Runtime", "RuntimeManagementConfig",
		"Tags", "Tracing",
		"VpcConfig")

	if f.CodeURI == "" {
		r.fail(p.node, "%s: CodeUri is missing", id)
	}

	for _, e := range events {
		if e.kind == "CloudWatchLogs" {
			f.LogGroups = append(f.LogGroups, r.readSubscription(e.fields))
		}
	}

	f.Schedules = r.readSchedules(events)
	f.Policies = r.readPolicies(p)
	p.done()
	return f, r.routes(events)
}

// readProcess reads what a function needs to run as a process.
func (r *resolver) readProcess(f *Function, p *object) {
	f.Environment = map[string]string{}
	f.Timeout = time.Duration(p.integer("Timeout", 3)) * time.Second
	f.MemoryMB = p.integer("MemorySize", 128)

	if n := p.value("CodeUri"); n != nil && (r.whole || n.Kind == yaml.ScalarNode) {
		f.CodeURI = r.scalarText(n, p.what+".CodeUri")
	}

	if !r.whole && p.has("Layers") {
		r.fail(p.line("Layers"), "%s: layers do not exist here", f.ID)
	}

	environment := p.object("Environment")
	if environment == nil {
		return
	}

	variables := environment.object("Variables")
	environment.done()

	if variables == nil {
		return
	}

	for name := range variables.fields {
		if !variables.has(name) {
			continue
		}

		value := variables.text(name, "")
		if strings.Contains(value, dynamicReference) || strings.Contains(value, importReference) {
			r.fail(variables.line(name), "%s: AWS alone knows its variable %s: make it a parameter, "+
				"and give that a value", f.ID, name)
		}

		f.Environment[name] = value
	}
}
