package template

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// condition evaluates a named condition once.
func (r *resolver) condition(name string, at *yaml.Node) bool {
	if verdict, ok := r.decided[name]; ok || r.err != nil {
		return verdict
	}

	var expression *yaml.Node
	if r.conditions != nil {
		expression = r.fields(r.conditions)[name]
	}

	if expression == nil || r.deciding[name] {
		r.fail(at, "condition %q is not declared, or depends on itself", name)
		return false
	}

	r.deciding[name] = true
	verdict := r.decide(expression)
	delete(r.deciding, name)
	r.decided[name] = verdict
	return verdict
}

func (r *resolver) decide(n *yaml.Node) bool {
	n = dereference(n)

	name, argument, ok := intrinsic(n)
	if !ok && n.Kind == yaml.MappingNode && len(n.Content) == 2 &&
		n.Content[0].Value == "Condition" {
		name = "Condition"
		argument = n.Content[1]
		ok = true
	}

	if !ok {
		r.fail(n, "this is not a condition")
		return false
	}

	switch name {
	case "Condition":
		return r.condition(r.scalarText(argument, "Condition"), n)
	case "Equals":
		args := r.arguments(name, argument, n, 2, 2)
		return args != nil &&
			r.scalarText(r.resolve(args[0]), name) == r.scalarText(r.resolve(args[1]), name)
	case "Contains": // of rules alone; every template of the CDK has one
		args := r.arguments(name, argument, n, 2, 2)
		return args != nil && slices.Contains(r.texts(r.resolve(args[0]), name),
			r.scalarText(r.resolve(args[1]), name))
	case "Not":
		args := r.arguments(name, argument, n, 1, 1)
		return args != nil && !r.decide(args[0])
	case "And", "Or":
		verdict := name == "And"
		for _, arg := range r.arguments(name, argument, n, 2, 10) {
			if r.decide(arg) != verdict {
				return !verdict
			}
		}

		return verdict
	default:
		r.fail(n, "%s is not understood in a condition", name)
		return false
	}
}
