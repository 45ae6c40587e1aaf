package template

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

func (r *resolver) readTable(id string) Table {
	properties, _ := r.plain(r.resolve(r.resources[id].properties)).(map[string]any)
	return Table{ID: id, Name: r.tableName(id), Properties: properties}
}

// plain turns a resolved node into maps, slices and scalars.
func (r *resolver) plain(n *yaml.Node) any {
	if n == nil || r.err != nil {
		return nil
	}

	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = r.plain(n.Content[i+1])
		}

		return m
	case yaml.SequenceNode:
		s := make([]any, len(n.Content))
		for i, item := range n.Content {
			s[i] = r.plain(item)
		}

		return s
	}

	switch n.Tag {
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	case "!!int":
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	case "!!null":
		r.fail(n, "null is not a value in CloudFormation")
	}

	return n.Value
}
