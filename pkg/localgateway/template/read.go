package template

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

const transform = "AWS::Serverless-2016-10-31"

// Read reads a SAM template. Parameters override the template's defaults. A parameter that the
// template does not declare, or that its AllowedValues or AllowedPattern refuse, is an error.
// Errors of the template are *Error.
func Read(source []byte, parameters map[string]string) (*Template, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil {
		return nil, fmt.Errorf("template is not YAML: %w", err)
	}

	r := newResolver()

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

	if got := root.text("Transform", ""); got != transform {
		r.fail(root.node, "Transform is %q, want %s", got, transform)
		return nil
	}

	root.ignore("AWSTemplateFormatVersion", "Description", "Metadata", "Outputs")
	r.readParameters(root.object("Parameters"), parameters)
	r.conditions = root.raw("Conditions")
	r.mappings = root.raw("Mappings")
	r.checkRules(root.raw("Rules"))
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
			t.Tables[id] = r.readTable(id)
		case typeFunction:
			f, routes := r.readFunction(id)
			t.Functions[id] = f
			apis.add(r, routes)
		}
	}

	keys := r.usagePlanKeys()
	for _, b := range apis {
		t.APIs[b.api.ID] = b.finish(r, keys)
	}

	r.checkAuthorizerFunctions(t)
	return t
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
