package template

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What another stack made has a value that only AWS knows. It is kept as a text in double braces, as
// CloudFormation's own dynamic references are. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
const (
	dynamicReference = "{{resolve:"
	importReference  = "{{import:"
)

func (r *resolver) importValue(argument, at *yaml.Node) *yaml.Node {
	name := r.scalarText(r.resolve(argument), "ImportValue")
	if r.whole {
		r.fail(at, "intrinsic function ImportValue is not understood")
		return nil
	}

	return text(importReference+name+"}}", at)
}

// isOutside reports whether a value as written comes from outside of the template: from a
// parameter, an export, an SSM parameter or a stage variable.
func (r *resolver) isOutside(n *yaml.Node) bool {
	n = dereference(n)
	if n == nil {
		return false
	}

	name, argument, ok := intrinsic(n)
	switch {
	case ok && name == "ImportValue":
		return true
	case ok && name == "Ref":
		return r.declared[argument.Value]
	case ok && (name == "Sub" || name == "If"):
		n = argument
	}

	if n.Kind == yaml.ScalarNode {
		for _, found := range substitution.FindAllStringSubmatch(n.Value, -1) {
			name := strings.TrimPrefix(strings.TrimSpace(found[1]), "!")
			if r.declared[name] || strings.HasPrefix(name, "stageVariables.") {
				return true
			}
		}

		return strings.Contains(n.Value, dynamicReference)
	}

	for _, child := range n.Content {
		if r.isOutside(child) {
			return true
		}
	}

	return false
}

// authorizerFunction returns the logical id of an authorizer's function, or Outside. Parse finds it
// in the property's text.
func (o *object) authorizerFunction(key string, parse func(string) string) string {
	if o.r.whole {
		return parse(o.text(key, ""))
	}

	written := o.raw(key)
	outside := o.r.isOutside(written)

	var id string

	fault := o.r.attempt(func() { id = parse(o.text(key, "")) })
	_, ours := o.r.resources[id]

	switch {
	case ours && fault == nil:
		return id
	case outside:
		return Outside
	case fault != nil:
		o.r.fail(written, "%s", fault.Message)
	default:
		o.r.fail(o.line(key), "%s.%s is none of this template's functions; to stand for the "+
			"authorizer that Bitting deploys, it must come from a parameter, an export or SSM",
			o.what, key)
	}

	return ""
}

// attempt returns the failure of f, which is then none of the template's.
func (r *resolver) attempt(f func()) *Error {
	before := r.err
	r.err = nil

	f()

	fault := r.err
	r.err = before
	return fault
}

// unserved returns why something cannot be answered here. Where the whole template runs here, that
// is a failure.
func (r *resolver) unserved(n *yaml.Node, format string, args ...any) *Error {
	if r.whole {
		r.fail(n, format, args...)
		return nil
	}

	return &Error{Line: n.Line, Message: fmt.Sprintf(format, args...)}
}

// pass notes what accepts calls and is not served here.
func (r *resolver) pass(n *yaml.Node, format string, args ...any) {
	if fault := r.unserved(n, format, args...); fault != nil {
		r.passed = append(r.passed, *fault)
	}
}
