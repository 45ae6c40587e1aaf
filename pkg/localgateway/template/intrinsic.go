package template

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (r *resolver) choose(argument, at *yaml.Node) *yaml.Node {
	return r.resolve(r.chosen(argument, at))
}

// chosen returns the branch of Fn::If, as written.
func (r *resolver) chosen(argument, at *yaml.Node) *yaml.Node {
	args := r.arguments("If", argument, at, 3, 3)
	if args == nil {
		return nil
	}

	if r.condition(r.scalarText(r.resolve(args[0]), "If"), at) {
		return args[1]
	}

	return args[2]
}

func (r *resolver) join(argument, at *yaml.Node) *yaml.Node {
	args := r.arguments("Join", argument, at, 2, 2)
	if args == nil {
		return nil
	}

	separator := r.scalarText(r.resolve(args[0]), "Join")
	return text(strings.Join(r.texts(r.resolve(args[1]), "Join"), separator), at)
}

func (r *resolver) split(argument, at *yaml.Node) *yaml.Node {
	args := r.arguments("Split", argument, at, 2, 2)
	if args == nil {
		return nil
	}

	separator := r.scalarText(r.resolve(args[0]), "Split")
	source := r.scalarText(r.resolve(args[1]), "Split")
	return list(strings.Split(source, separator), at)
}

func (r *resolver) selectItem(argument, at *yaml.Node) *yaml.Node {
	args := r.arguments("Select", argument, at, 2, 2)
	if args == nil {
		return nil
	}

	index, err := strconv.Atoi(r.scalarText(r.resolve(args[0]), "Select"))

	items := r.resolve(args[1])
	if r.err != nil {
		return nil
	}

	if err != nil || items == nil || items.Kind != yaml.SequenceNode || index < 0 ||
		index >= len(items.Content) {
		r.fail(at, "Select has no such item")
		return nil
	}

	return items.Content[index]
}

func (r *resolver) findInMap(argument, at *yaml.Node) *yaml.Node {
	args := r.arguments("FindInMap", argument, at, 3, 3)

	n := r.mappings
	for _, arg := range args {
		key := r.scalarText(r.resolve(arg), "FindInMap")
		if r.err != nil {
			return nil
		}

		if n == nil || n.Kind != yaml.MappingNode || r.fields(n)[key] == nil {
			r.fail(at, "FindInMap: there is no mapping for %q", key)
			return nil
		}

		n = dereference(r.fields(n)[key])
	}

	return n
}

var substitution = regexp.MustCompile(`\$\{([^}]*)\}`)

// sub replaces ${Name}, ${Resource.Attribute} and, in the two-argument form, the names in its map.
// ${!Name} is the literal ${Name}.
func (r *resolver) sub(argument, at *yaml.Node) *yaml.Node {
	argument = dereference(argument)

	var own *object
	if argument.Kind == yaml.SequenceNode {
		args := r.arguments("Sub", argument, at, 2, 2)
		if args == nil {
			return nil
		}

		argument, own = args[0], r.object(args[1], "Sub")
	}

	source := r.scalarText(argument, "Sub")
	return text(substitution.ReplaceAllStringFunc(source, func(found string) string {
		name := strings.TrimSpace(found[2 : len(found)-1])
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}

		if own != nil && own.fields[name] != nil {
			return own.text(name, "")
		}

		if id, attribute, ok := strings.Cut(name, "."); ok {
			return r.attribute(id, attribute, at)
		}

		return r.scalarText(r.ref(name, at), "Sub of "+name)
	}), at)
}

func (r *resolver) getAtt(argument, at *yaml.Node) *yaml.Node {
	argument = r.resolve(argument)
	if argument == nil {
		return nil
	}

	id, attribute, ok := strings.Cut(argument.Value, ".")
	if argument.Kind == yaml.SequenceNode {
		parts := r.texts(argument, "GetAtt")
		if ok = len(parts) == 2; ok {
			id, attribute = parts[0], parts[1]
		}
	}

	if !ok {
		r.fail(at, "GetAtt needs a resource and an attribute")
		return nil
	}

	return text(r.attribute(id, attribute, at), at)
}

func list(values []string, at *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: at.Line}
	for _, v := range values {
		n.Content = append(n.Content, text(v, at))
	}

	return n
}
