package adminapi

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
)

// SchemaOf returns the JSON Schema (2020-12) of a type whose fields are those of the API's input, such
// as a file of changes. The fields of the names in without are left out, wherever they are.
func SchemaOf(t reflect.Type, title string, without ...string) ([]byte, error) {
	registry := huma.NewMapRegistry("#/$defs/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		return strings.ToLower(name[:1]) + name[1:]
	})
	describePatches(registry)
	describePatch[[]api.Route](registry)

	root := registry.Schema(t, false, title)

	for _, s := range registry.Map() {
		for _, name := range without {
			delete(s.Properties, name)
		}
	}

	text, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}

	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, err
	}

	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = title
	schema["$defs"] = registry.Map()
	return json.MarshalIndent(schema, "", "  ")
}
