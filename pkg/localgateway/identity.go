package localgateway

import (
	"regexp"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// identity gives the values of an authorizer's identity sources in their
// order. ok is false when one of them is missing or empty, or when a TOKEN
// authorizer's validation expression does not match: 401 without a call.
func (g *Gateway) identity(c *call, a template.Authorizer) (values []string, ok bool) {
	for _, source := range a.IdentitySources {
		value := g.identityValue(c, source)
		if value == "" {
			return nil, false
		}

		values = append(values, value)
	}

	expression, err := validation(a)
	if err != nil || (expression != nil && !expression.MatchString(values[0])) {
		return nil, false
	}

	return values, true
}

// identityValue looks a source up: header names without regard to case, query
// names with it. A repeated header counts with its last value at a REST API
// and comma-joined at an HTTP API, as the events have it.
func (g *Gateway) identityValue(c *call, source template.IdentitySource) string {
	switch source.In {
	case template.InHeader:
		values := c.request.Header.Values(source.Name)
		if strings.EqualFold(source.Name, "Host") {
			values = []string{c.request.Host}
		}

		if g.api.Kind == template.HTTP {
			return strings.Join(values, ",")
		}

		return last(values)
	case template.InQueryString:
		values := c.query()[source.Name]
		if g.api.Kind == template.HTTP {
			return strings.Join(values, ",")
		}

		return last(values)
	case template.InStageVariable:
		return g.api.StageVariables[source.Name]
	case template.InContext:
		return g.contextVariable(c, source.Name)
	}

	return ""
}

// validation compiles a TOKEN authorizer's expression, nil if it has none. AWS
// does not say whether a part of the token may match; the whole must here,
// which is the stricter reading.
func validation(a template.Authorizer) (*regexp.Regexp, error) {
	if a.Validation == "" {
		return nil, nil
	}

	return regexp.Compile(`^(?:` + a.Validation + `)$`)
}
