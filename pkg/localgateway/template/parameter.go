package template

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readParameters sets every parameter to its override or its default. As in CloudFormation, a
// parameter without either is an error.
func (r *resolver) readParameters(declared *object, overrides map[string]string) {
	known := map[string]*yaml.Node{}
	if declared != nil {
		known = declared.fields
	}

	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if known[name] == nil {
			r.fail(nil, "there is no parameter %s", name)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(known)) {
		p := declared.object(name)
		if p == nil {
			return
		}

		value, overridden := overrides[name]
		r.given[name] = overridden
		r.declared[name] = true

		if !overridden {
			if p.raw("Default") == nil && !r.whole {
				r.unset[name] = p.node
				continue
			}

			if p.raw("Default") == nil {
				r.fail(p.node, "parameter %s has no default and was given no value", name)
				return
			}

			value = p.text("Default", "")
		}

		r.parameter(name, p, value)
	}
}

func (r *resolver) parameter(name string, p *object, value string) {
	kind := p.text("Type", "")
	switch kind {
	case "String":
		r.checkText(name, p, value)
		r.parameters[name] = text(value, p.node)
	case "Number":
		r.checkNumber(name, p, value)
		r.parameters[name] = text(value, p.node)
	case "CommaDelimitedList", "List<Number>":
		items := strings.Split(value, ",")
		for i, item := range items {
			items[i] = strings.TrimSpace(item)
			r.checkText(name, p, items[i])
		}

		r.parameters[name] = list(items, p.node)
	default:
		r.awsParameter(name, p, kind, value)
	}

	p.ignore("Default", "Description", "ConstraintDescription", "NoEcho")
	p.done()
}

func (r *resolver) checkText(name string, p *object, value string) {
	r.checkAllowed(name, p, value)

	if pattern := p.text("AllowedPattern", ""); pattern != "" {
		whole, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			r.fail(p.node, "parameter %s: AllowedPattern: %v", name, err)
		} else if !whole.MatchString(value) {
			r.fail(p.node, "parameter %s: its value does not match %s", name, pattern)
		}
	}

	if least, most := p.integer("MinLength", 0), p.integer("MaxLength", 4096); len(value) < least ||
		len(value) > most {
		r.fail(p.node, "parameter %s: its value must have %d to %d characters", name, least, most)
	}
}

func (r *resolver) checkNumber(name string, p *object, value string) {
	r.checkAllowed(name, p, value)

	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		r.fail(p.node, "parameter %s must be a number", name)
		return
	}

	for _, bound := range []struct {
		key     string
		outside func(limit float64) bool
	}{
		{"MinValue", func(limit float64) bool { return n < limit }},
		{"MaxValue", func(limit float64) bool { return n > limit }},
	} {
		limit, err := strconv.ParseFloat(p.text(bound.key, value), 64)
		if err != nil || bound.outside(limit) {
			r.fail(p.node, "parameter %s: its value is outside its %s", name, bound.key)
		}
	}
}

func (r *resolver) checkAllowed(name string, p *object, value string) {
	allowed := p.list("AllowedValues")
	if allowed != nil && !slices.Contains(allowed, value) {
		r.fail(p.node, "parameter %s must be one of %s", name, strings.Join(allowed, ", "))
	}
}

// awsParameter sets a parameter of a type whose values are AWS's own. The value of an SSM parameter
// is not known here, unless it is given.
func (r *resolver) awsParameter(name string, p *object, kind, value string) {
	isList := strings.HasPrefix(kind, "List<AWS::")

	switch {
	case r.whole || !isList && !strings.HasPrefix(kind, "AWS::"):
		r.fail(p.node, "parameter %s: type %q is not understood", name, kind)
	case strings.HasPrefix(kind, "AWS::SSM::Parameter::Value") && !r.given[name]:
		r.unset[name] = p.node
	case isList || strings.Contains(kind, "List<"):
		r.parameters[name] = list(strings.Split(value, ","), p.node)
	default:
		r.parameters[name] = text(value, p.node)
	}
}
