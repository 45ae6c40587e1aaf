package template

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

const transform = "AWS::Serverless-2016-10-31"

// Read reads a SAM template of which everything runs here. Parameters override the template's
// defaults. A parameter that the template does not declare, or that its AllowedValues or
// AllowedPattern refuse, is an error. Errors of the template are *Error.
func Read(source []byte, parameters map[string]string) (*Template, error) {
	r := newResolver()
	r.whole = true
	return r.read(source, parameters)
}

// ReadAPIs reads the APIs and functions of any SAM or CloudFormation template. Files that it
// includes are looked for in folder. A parameter without default and value is an error only where
// it is used.
func ReadAPIs(source []byte, parameters map[string]string, folder string) (*Template, error) {
	r := newResolver()
	r.folder = folder
	return r.read(source, parameters)
}

func (r *resolver) read(source []byte, parameters map[string]string) (*Template, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, fmt.Errorf("template is not YAML: %w", err)
	}

	t := r.template(&document, parameters)
	if r.err != nil {
		return nil, r.err
	}

	return t, nil
}

func (r *resolver) template(document *yaml.Node, parameters map[string]string) *Template {
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		r.fail(document, "the template is empty")
		return nil
	}

	root := r.object(document.Content[0], "template")
	if root == nil {
		return nil
	}

	r.checkTransform(root)
	root.ignore("AWSTemplateFormatVersion", "Description", "Metadata", "Outputs")
	r.readParameters(root.object("Parameters"), parameters)
	r.conditions = root.raw("Conditions")
	r.mappings = root.raw("Mappings")

	if rules := root.raw("Rules"); r.whole { // of others, they say whether to deploy, not what
		r.checkRules(rules)
	}

	r.readResources(root.raw("Resources"), root.raw("Globals"))
	root.done()

	t := &Template{
		Functions: map[string]Function{},
		Tables:    map[string]Table{},
		APIs:      map[string]API{},
	}

	apis := r.readAPIs()
	for _, id := range r.order {
		r.checkUnread(id)

		switch r.resources[id].kind {
		case typeTable:
			if r.whole {
				t.Tables[id] = r.readTable(id)
			}
		case typeFunction, typeLambda:
			f, events := r.readFunction(id)
			t.Functions[id] = f
			apis.add(r, events)
		case typeStateMachine:
			apis.add(r, r.readStateMachine(id))
		}
	}

	keys := r.usagePlanKeys()
	for _, b := range apis {
		t.APIs[b.api.ID] = b.finish(r, keys)
	}

	if r.whole {
		r.checkAuthorizerFunctions(t)
	}

	t.Passed, t.Files = r.passed, r.files
	return t
}

// checkTransform accepts SAM's transform, alone or beside others that do not change the template's
// form before SAM sees it. A template that another tool translated has none.
func (r *resolver) checkTransform(root *object) {
	n := root.raw("Transform")

	names := []*yaml.Node{n}
	switch {
	case n == nil && !r.whole:
		return
	case n == nil:
		names[0] = root.node
	case n.Kind == yaml.SequenceNode:
		names = n.Content
	}

	sam := false
	for _, name := range names {
		switch {
		case name.Kind == yaml.ScalarNode && name.Value == transform:
			sam = true
		case name.Kind == yaml.ScalarNode && r.whole || name.Kind != yaml.ScalarNode:
			r.fail(name, "Transform is %q, want %s", name.Value, transform)
		case name.Value == "AWS::LanguageExtensions", name.Value == "AWS::SecretsManager-2020-07-23",
			name.Value == "AWS::CodeDeployBlueGreen":
		default:
			r.fail(name, "transform %s is not understood: give the template that it makes "+
				"(aws cloudformation get-template --template-stage Processed)", name.Value)
		}
	}

	if r.whole && !sam {
		r.fail(root.node, "Transform is %q, want %s", "", transform)
	}
}

// checkAuthorizerFunctions refuses an authorizer whose function is not in the template: API
// Gateway would answer 500 to every call.
func (r *resolver) checkAuthorizerFunctions(t *Template) {
	for _, api := range t.APIs {
		for _, a := range api.Authorizers {
			if _, ok := t.Functions[a.Function]; !ok {
				r.fail(r.resources[api.ID].node,
					"%s: authorizer %s calls function %q, which this template does not have",
					api.ID, a.Name, a.Function)
			}
		}
	}
}
