package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is a mapping of the template that is read key by key. A value is resolved only when it is
// read, so what is never read may contain what this package does not understand. The resolver
// keeps the first failure; after it, all reads return zero values.
type object struct {
	r      *resolver
	node   *yaml.Node
	what   string // for messages, such as DemoApi.Auth
	fields map[string]*yaml.Node
	asked  map[string]bool
}

// object makes n readable by key. If n is itself an intrinsic function, what it returns is.
func (r *resolver) object(n *yaml.Node, what string) *object {
	n = r.shallow(n)
	if n == nil || r.err != nil {
		return nil
	}

	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s must be a mapping", what)
		return nil
	}

	return &object{
		r:      r,
		node:   n,
		what:   what,
		fields: r.fields(n),
		asked:  map[string]bool{},
	}
}

// fields returns a mapping's values by key. It refuses duplicates and merge keys.
func (r *resolver) fields(n *yaml.Node) map[string]*yaml.Node {
	fields := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.fail(key, "a key must be a plain string")
		}

		if _, twice := fields[key.Value]; twice {
			r.fail(key, "%s appears twice", key.Value)
		}

		fields[key.Value] = n.Content[i+1]
	}

	return fields
}

// raw returns a value as written.
func (o *object) raw(key string) *yaml.Node {
	o.asked[key] = true
	return dereference(o.fields[key])
}

// value returns a resolved value; nil if absent or AWS::NoValue.
func (o *object) value(key string) *yaml.Node {
	n := o.raw(key)
	if n == nil {
		return nil
	}

	return o.r.resolve(n)
}

func (o *object) has(key string) bool { return o.value(key) != nil }

// line returns the node that an error about a key refers to: its value, or the mapping that lacks
// it.
func (o *object) line(key string) *yaml.Node {
	if n := o.fields[key]; n != nil {
		return n
	}

	return o.node
}

// ignore accepts keys whose values do not change how a request is answered.
func (o *object) ignore(keys ...string) {
	for _, key := range keys {
		o.asked[key] = true
	}
}

// done refuses every key that was neither read nor ignored.
func (o *object) done() {
	for _, key := range slices.Sorted(maps.Keys(o.fields)) {
		if !o.asked[key] {
			o.r.fail(o.fields[key], "%s: property %s is not understood", o.what, key)
		}
	}
}

func (o *object) object(key string) *object {
	n := o.raw(key)
	if n == nil {
		return nil
	}

	return o.r.object(n, o.what+"."+key)
}

func (o *object) text(key, standard string) string {
	n := o.value(key)
	if n == nil {
		return standard
	}

	return o.r.scalarText(n, o.what+"."+key)
}

func (o *object) oneOf(key, standard string, allowed ...string) string {
	v := o.text(key, standard)
	if o.r.err == nil && !slices.Contains(allowed, v) {
		o.r.fail(o.line(key), "%s.%s is %q, want one of %s", o.what, key, v,
			strings.Join(allowed, ", "))
	}

	return v
}

func (o *object) boolean(key string, standard bool) bool {
	v := o.text(key, strconv.FormatBool(standard))

	b, err := strconv.ParseBool(v)
	if err != nil && o.r.err == nil {
		o.r.fail(o.line(key), "%s.%s must be true or false", o.what, key)
	}

	return b
}

func (o *object) integer(key string, standard int) int {
	v := o.text(key, strconv.Itoa(standard))

	i, err := strconv.Atoi(v)
	if err != nil && o.r.err == nil {
		o.r.fail(o.line(key), "%s.%s must be a whole number", o.what, key)
	}

	return i
}

func (o *object) list(key string) []string {
	n := o.value(key)
	if n == nil {
		return nil
	}

	return o.r.texts(n, o.what+"."+key)
}

// textMap returns a mapping of strings; nil if absent.
func (o *object) textMap(key string) map[string]string {
	child := o.object(key)
	if child == nil {
		return nil
	}

	m := make(map[string]string, len(child.fields))
	for name := range child.fields {
		if child.has(name) {
			m[name] = child.text(name, "")
		}
	}

	return m
}

func (r *resolver) scalarText(n *yaml.Node, what string) string {
	if n == nil || r.err != nil {
		return ""
	}

	if n.Kind != yaml.ScalarNode {
		r.fail(n, "%s must be a single value", what)
		return ""
	}

	return n.Value
}

func (r *resolver) texts(n *yaml.Node, what string) []string {
	if n == nil || r.err != nil {
		return nil
	}

	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%s must be a list", what)
		return nil
	}

	list := make([]string, len(n.Content))
	for i, item := range n.Content {
		list[i] = r.scalarText(item, fmt.Sprintf("%s[%d]", what, i))
	}

	return list
}

// fail keeps the first failure.
func (r *resolver) fail(n *yaml.Node, format string, args ...any) {
	if r.err != nil {
		return
	}

	line := 0
	if n != nil {
		line = n.Line
	}

	r.err = &Error{Line: line, Message: fmt.Sprintf(format, args...)}
}

func dereference(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}

	return n
}
