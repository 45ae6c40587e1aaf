package adminapi

import (
	"fmt"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
)

// times finds the times of a body that are none, by the schema of where they stand, and empties
// them: the decoder would stop at one, and leave what stands behind it as if it was not sent.
func (f *faults) times(registry huma.Registry, s *huma.Schema, location string, value any) any {
	for s != nil && s.Ref != "" {
		s = registry.SchemaFromRef(s.Ref)
	}

	if s == nil {
		return value
	}

	switch value := value.(type) {
	case string:
		if s.Format != "date-time" {
			return value
		}

		if _, message := admin.ParseTime(value); message != "" {
			f.add(location, message, value)
			return nil
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			value[name] = f.times(registry, s.Properties[name], location+"."+name, value[name])
		}
	case []any:
		for i := range value {
			value[i] = f.times(registry, s.Items, fmt.Sprintf("%s[%d]", location, i), value[i])
		}
	}

	return value
}
