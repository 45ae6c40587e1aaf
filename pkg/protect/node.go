package protect

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// get returns the value at a path of keys in nested mappings, or nil.
func get(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		n = follow(n)
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}

		var value *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				value = n.Content[i+1]
			}
		}

		n = value
	}

	return follow(n)
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}

	return n
}

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	at    *yaml.Node // the key's
	value *yaml.Node
}

// entries returns a mapping's keys and values, in order; none for anything else.
func entries(n *yaml.Node) []entry {
	n = follow(n)
	if n == nil || n.Kind != yaml.MappingNode || isCall(n) {
		return nil
	}

	var out []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, entry{n.Content[i].Value, n.Content[i], follow(n.Content[i+1])})
	}

	return out
}

// items returns the items of a sequence.
func items(n *yaml.Node) []*yaml.Node {
	n = follow(n)
	if n == nil || n.Kind != yaml.SequenceNode || isCall(n) {
		return nil
	}

	return n.Content
}

// call returns the intrinsic function that a node is, in its short or long form: its name without
// Fn::, and its argument. The name is "" where it is none.
func call(n *yaml.Node) (name string, argument *yaml.Node) {
	n = follow(n)

	switch {
	case n == nil:
		return "", nil
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") && n.Tag != "!":
		return n.Tag[1:], n
	case n.Kind != yaml.MappingNode || len(n.Content) != 2:
		return "", nil
	}

	key := n.Content[0].Value
	if name, ok := strings.CutPrefix(key, "Fn::"); ok || key == "Ref" || key == "Condition" {
		return name, follow(n.Content[1])
	}

	return "", nil
}

func isCall(n *yaml.Node) bool {
	name, _ := call(n)
	return name != ""
}

// plain returns the text of a scalar that is no intrinsic function, or "".
func plain(n *yaml.Node) string {
	n = follow(n)
	if n == nil || n.Kind != yaml.ScalarNode || isCall(n) || n.Tag == "!!null" {
		return ""
	}

	return n.Value
}

// isTrue reports whether a node is true, which YAML and CloudFormation also take as a string.
func isTrue(n *yaml.Node) bool { return strings.EqualFold(plain(n), "true") }

// isFalse is isTrue for false.
func isFalse(n *yaml.Node) bool { return strings.EqualFold(plain(n), "false") }

// ref returns the logical id that a node refers to by Ref, or "".
func ref(n *yaml.Node) string {
	if name, argument := call(n); name == "Ref" && argument.Kind == yaml.ScalarNode {
		return argument.Value
	}

	return ""
}

// texts calls f with each scalar below a node.
func texts(n *yaml.Node, f func(*yaml.Node)) {
	n = follow(n)
	if n == nil {
		return
	}

	if n.Kind == yaml.ScalarNode {
		f(n)
	}

	for _, child := range n.Content {
		texts(child, f)
	}
}
