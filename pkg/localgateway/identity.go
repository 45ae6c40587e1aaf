package localgateway

import (
	"regexp"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

// identity returns the values of an authorizer's identity sources, in order. ok is false if one of
// them is missing or empty, or if a TOKEN authorizer's validation expression does not match: the
// request is then refused with 401, and the authorizer is not called.
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

// identityValue looks up a source. Header names are case-insensitive, query names are not. Of a
// repeated header, a REST API takes the last value and an HTTP API all values joined with commas,
// as in their events.
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

// validation compiles a TOKEN authorizer's expression; nil if it has none. AWS does not say
// whether a part of the token may match. Here the whole token must, which is the stricter reading.
func validation(a template.Authorizer) (*regexp.Regexp, error) {
	if a.Validation == "" {
		return nil, nil
	}

	return regexp.Compile(`^(?:` + a.Validation + `)$`)
}
