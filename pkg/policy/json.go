package policy

import (
	"maps"
	"slices"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// AppendJSON appends the document to JSON. It writes what encoding/json writes without escapes for
// HTML, each of which would turn one byte into six.
func (d Document) AppendJSON(out []byte) []byte {
	out = append(out, `{"Version":`...)
	out = jsonstring.Append(out, d.Version)
	out = append(out, `,"Statement":[`...)

	for i, s := range d.Statement {
		if i > 0 {
			out = append(out, ',')
		}

		out = s.appendJSON(out)
	}

	return append(out, "]}"...)
}

func (s Statement) appendJSON(out []byte) []byte {
	out = append(out, `{"Action":`...)
	out = jsonstring.Append(out, s.Action)
	out = append(out, `,"Effect":`...)
	out = jsonstring.Append(out, s.Effect)
	out = append(out, `,"Resource":[`...)

	for i, resource := range s.Resource {
		if i > 0 {
			out = append(out, ',')
		}

		out = jsonstring.Append(out, resource)
	}

	out = append(out, ']')

	if len(s.Condition) > 0 {
		out = append(out, `,"Condition":`...)
		out = appendObject(out, s.Condition, func(out []byte, keys map[string]string) []byte {
			return appendObject(out, keys, jsonstring.Append)
		})
	}

	return append(out, '}')
}

// appendObject appends an object, in the order of its names.
func appendObject[V any](
	out []byte, members map[string]V, appendValue func(out []byte, value V) []byte,
) []byte {
	out = append(out, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			out = append(out, ',')
		}

		out = jsonstring.Append(out, name)
		out = appendValue(append(out, ':'), members[name])
	}

	return append(out, '}')
}
