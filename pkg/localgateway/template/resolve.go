package template

import (
	"encoding/base64"
	"strings"

	"go.yaml.in/yaml/v3"
)

// resolver replaces the intrinsic functions in the template's nodes.
type resolver struct {
	parameters map[string]*yaml.Node
	conditions *yaml.Node
	decided    map[string]bool
	deciding   map[string]bool
	mappings   *yaml.Node
	resources  map[string]resource
	order      []string // logical ids of the resources that exist, as written
	err        *Error   // the first failure

	declared map[string]bool       // parameters
	given    map[string]bool       // parameters with a value from the caller
	unset    map[string]*yaml.Node // parameters without a value

	whole  bool   // everything that the template declares runs here
	folder string // of included files
	files  []string
	passed []Error
}

func newResolver() *resolver {
	return &resolver{
		parameters: map[string]*yaml.Node{},
		decided:    map[string]bool{},
		deciding:   map[string]bool{},
		resources:  map[string]resource{},
		declared:   map[string]bool{},
		given:      map[string]bool{},
		unset:      map[string]*yaml.Node{},
	}
}

// resolve returns n without intrinsic functions, or nil for AWS::NoValue. Line numbers are kept
// for error messages.
func (r *resolver) resolve(n *yaml.Node) *yaml.Node {
	n = dereference(n)
	if n == nil || r.err != nil {
		return nil
	}

	if name, argument, ok := intrinsic(n); ok {
		return r.call(name, argument, n)
	}

	switch n.Kind {
	case yaml.MappingNode:
		n = r.included(n)
		r.fields(n)

		out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Line: n.Line}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if v := r.resolve(n.Content[i+1]); v != nil {
				out.Content = append(out.Content, n.Content[i], v)
			}
		}

		return out
	case yaml.SequenceNode:
		out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Line: n.Line}
		for _, item := range n.Content {
			if v := r.resolve(item); v != nil {
				out.Content = append(out.Content, v)
			}
		}

		return out
	default:
		return n
	}
}

// intrinsic reports whether n is an intrinsic function in its short (!Ref x) or long ({Ref: x})
// form, and returns its name without "Fn::" and its argument.
func intrinsic(n *yaml.Node) (name string, argument *yaml.Node, ok bool) {
	n = dereference(n)
	if n == nil {
		return "", nil, false
	}

	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") && n.Tag != "!" {
		plain := *n

		plain.Tag = ""
		if plain.Kind == yaml.ScalarNode {
			plain.Tag = "!!str"
		}

		return n.Tag[1:], &plain, true
	}

	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", nil, false // more keys beside Fn::Transform: see included
	}

	switch key := n.Content[0].Value; {
	case key == "Ref":
		return key, n.Content[1], true
	case strings.HasPrefix(key, "Fn::"):
		return strings.TrimPrefix(key, "Fn::"), n.Content[1], true
	}

	return "", nil, false
}

func (r *resolver) call(name string, argument, at *yaml.Node) *yaml.Node {
	switch name {
	case "Ref":
		return r.ref(r.scalarText(r.resolve(argument), "Ref"), at)
	case "GetAtt":
		return r.getAtt(argument, at)
	case "Sub":
		return r.sub(argument, at)
	case "If":
		return r.choose(argument, at)
	case "Join":
		return r.join(argument, at)
	case "Split":
		return r.split(argument, at)
	case "Select":
		return r.selectItem(argument, at)
	case "FindInMap":
		return r.findInMap(argument, at)
	case "Base64":
		source := r.scalarText(r.resolve(argument), name)
		return text(base64.StdEncoding.EncodeToString([]byte(source)), at)
	case "ImportValue":
		return r.importValue(argument, at)
	case "Transform":
		return r.resolve(r.include(argument, at))
	case "Equals", "Not", "And", "Or", "Condition":
		r.fail(at, "%s is only understood in Conditions", name)
	default:
		r.fail(at, "intrinsic function %s is not understood", name)
	}

	return nil
}

// arguments returns an intrinsic's argument, which must be a list of between least and most items.
func (r *resolver) arguments(name string, argument, at *yaml.Node, least, most int) []*yaml.Node {
	argument = dereference(argument)
	if argument == nil || argument.Kind != yaml.SequenceNode || len(argument.Content) < least ||
		len(argument.Content) > most {
		r.fail(at, "%s has the wrong number of arguments", name)
		return nil
	}

	return argument.Content
}

func text(value string, at *yaml.Node) *yaml.Node {
	return &yaml.Node{
		Kind:  yaml.ScalarNode,
		Tag:   "!!str",
		Value: value,
		Line:  at.Line,
	}
}

// shallow returns n without the intrinsic function that n itself is. What is inside n stays as
// written, so that its parts can be read, and refused, one by one.
func (r *resolver) shallow(n *yaml.Node) *yaml.Node {
	for n = dereference(n); n != nil && r.err == nil; {
		name, argument, ok := intrinsic(n)

		switch {
		case !ok && n.Kind == yaml.MappingNode:
			return r.included(n)
		case !ok:
			return n
		case name == "If":
			n = dereference(r.chosen(argument, n))
		case name == "Transform":
			n = r.include(argument, n)
		default:
			return r.resolve(n)
		}
	}

	return nil
}
