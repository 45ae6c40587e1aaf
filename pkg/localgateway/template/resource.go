package template

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The resource types that are read. All others can only be referred to.
const (
	typeLambda       = "AWS::Lambda::Function"
	typeAlias        = "AWS::Lambda::Alias"
	typeStateMachine = "AWS::Serverless::StateMachine"
	typeStage        = "AWS::ApiGateway::Stage"
	typeFunction     = "AWS::Serverless::Function"
	typeRESTAPI      = "AWS::Serverless::Api"
	typeHTTPAPI      = "AWS::Serverless::HttpApi"
	typeTable        = "AWS::DynamoDB::Table"
	typeAPIKey       = "AWS::ApiGateway::ApiKey"
	typeUsagePlan    = "AWS::ApiGateway::UsagePlan"
	typeUsagePlanKey = "AWS::ApiGateway::UsagePlanKey"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

var pseudoParameters = map[string]string{
	"AWS::Region":    region,
	"AWS::AccountId": account,
	"AWS::Partition": "aws",
	"AWS::URLSuffix": "amazonaws.com",
}

// resource is one entry of Resources, its Globals merged in.
type resource struct {
	kind       string
	node       *yaml.Node
	properties *yaml.Node // never nil
	leftOut    string     // the condition that is false, if any
	api        string     // of a stage that SAM makes
}

// readResources registers every resource, so that references work in any order. Those whose
// condition is false are known but not in r.order.
func (r *resolver) readResources(resources, globals *yaml.Node) {
	all := r.object(resources, "Resources")
	if all == nil {
		r.fail(resources, "the template has no Resources")
		return
	}

	sections := map[string]*yaml.Node{}
	if globals != nil {
		sections = r.object(globals, "Globals").fields
	}

	for i := 0; i+1 < len(all.node.Content); i += 2 {
		id := all.node.Content[i].Value

		o := all.object(id)
		if o == nil {
			return
		}

		res := resource{node: o.node, properties: o.raw("Properties")}
		if kind := o.raw("Type"); r.whole || kind != nil && kind.Kind == yaml.ScalarNode {
			res.kind = o.text("Type", "")
		}

		if res.properties == nil {
			res.properties = &yaml.Node{Kind: yaml.MappingNode, Line: o.node.Line}
		}

		if name := o.text("Condition", ""); name != "" && !r.condition(name, o.node) {
			res.leftOut = name
		} else {
			r.order = append(r.order, id)
		}

		if section, ok := strings.CutPrefix(res.kind, "AWS::Serverless::"); ok {
			// Connectors, which only give permissions, are understood where those do not matter.
			o.ignore("DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy")

			global := dereference(sections[section])
			if !r.whole {
				o.ignore("Connectors")
				global = o.withoutIgnored(global)
			}

			o.done()
			res.properties = merge(global, res.properties)
		}

		r.resources[id] = res
	}

	for _, api := range implicitAPIs {
		r.addImplicit(api, dereference(sections[strings.TrimPrefix(api.kind, "AWS::Serverless::")]))
	}
}

// withoutIgnored removes the Globals that a resource ignores by IgnoreGlobals.
func (o *object) withoutIgnored(global *yaml.Node) *yaml.Node {
	ignored := o.value("IgnoreGlobals")
	if ignored == nil || global == nil {
		return global
	}

	if ignored.Value == "*" {
		return nil
	}

	out := *global
	out.Content = nil

	names := o.list("IgnoreGlobals")
	for i := 0; i+1 < len(global.Content); i += 2 {
		if !slices.Contains(names, global.Content[i].Value) {
			out.Content = append(out.Content, global.Content[i], global.Content[i+1])
		}
	}

	return &out
}

// merge adds SAM's Globals to a resource's own properties: mappings key by key, lists one after
// the other, otherwise the resource's own value. See
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
func merge(global, own *yaml.Node) *yaml.Node {
	global, own = dereference(global), dereference(own)
	if global == nil || own.Kind != global.Kind {
		return own
	}

	_, _, ownCall := intrinsic(own)

	_, _, globalCall := intrinsic(global)
	if ownCall || globalCall || own.Kind == yaml.ScalarNode {
		return own
	}

	out := &yaml.Node{Kind: own.Kind, Tag: own.Tag, Line: own.Line}
	if own.Kind == yaml.SequenceNode {
		out.Content = append(append(out.Content, global.Content...), own.Content...)
		return out
	}

	out.Content = append(out.Content, own.Content...)
	for i := 0; i+1 < len(global.Content); i += 2 {
		key, value := global.Content[i], global.Content[i+1]
		if at := indexOf(out, key.Value); at >= 0 {
			out.Content[at] = merge(value, out.Content[at])
		} else {
			out.Content = append(out.Content, key, value)
		}
	}

	return out
}

// indexOf returns the index of a key's value in a mapping, or -1.
func indexOf(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i + 1
		}
	}

	return -1
}

// properties opens a resource's properties.
func (r *resolver) properties(id string) *object {
	return r.object(r.resources[id].properties, id)
}

// ofKind returns the ids of the existing resources of a type, as written.
func (r *resolver) ofKind(kind string) []string {
	var ids []string
	for _, id := range r.order {
		if r.resources[id].kind == kind {
			ids = append(ids, id)
		}
	}

	return ids
}
