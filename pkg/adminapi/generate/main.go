// Command generate writes the admin API's OpenAPI document into the file that it is told: as it is if
// that is called .json, else as one page that needs nothing else.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/adminapi"
)

//go:embed page.html
var pageHTML string

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: generate FILE")
	}

	if filepath.Ext(args[0]) == ".json" {
		text, err := json.MarshalIndent(adminapi.Document(), "", " ")
		if err != nil {
			return err
		}

		return write(args[0], string(text)+"\n")
	}

	page, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}

	doc := adminapi.Document()

	var out strings.Builder
	if err := page.Execute(&out, map[string]any{
		"Title":      doc.Info.Title,
		"About":      doc.Info.Description,
		"Operations": operations(doc),
	}); err != nil {
		return err
	}

	return write(args[0], out.String())
}

func write(file, text string) error {
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // for everybody
}

// operations lists the document's operations by path.
func operations(doc *huma.OpenAPI) []entry {
	var entries []entry
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{
			item.Get, item.Post, item.Put, item.Patch, item.Delete,
		} {
			if op != nil {
				entries = append(entries, describe(doc, op))
			}
		}
	}

	return entries
}

// entry is an operation on the reference page.
type entry struct {
	Anchor, Method, Path, Summary, About string
	Parameters                           []field
	Body                                 []field
	Answers                              []string
}

// field is a parameter or a field of a body there.
type field struct {
	Name, Place, Type, About string
	Required                 bool
}

func describe(doc *huma.OpenAPI, op *huma.Operation) entry {
	e := entry{
		Anchor:  op.OperationID,
		Method:  op.Method,
		Path:    op.Path,
		Summary: op.Summary,
		About:   op.Description,
	}
	for _, p := range op.Parameters {
		e.Parameters = append(e.Parameters, field{
			Name:     p.Name,
			Place:    p.In,
			Type:     typeName(p.Schema),
			About:    p.Description,
			Required: p.Required,
		})
	}

	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Content {
			e.Body = fields(doc, media.Schema)
		}
	}

	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		e.Answers = append(e.Answers,
			strings.TrimSpace(status+" "+op.Responses[status].Description))
	}

	return e
}

func fields(doc *huma.OpenAPI, s *huma.Schema) []field {
	if s == nil {
		return nil
	}

	if s.Ref != "" {
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}

	var out []field
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		out = append(out, field{
			Name:     name,
			Type:     typeName(p),
			About:    p.Description,
			Required: slices.Contains(s.Required, name),
		})
	}

	return out
}

func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return "list of " + typeName(s.Items)
	case len(s.Enum) > 0:
		values := make([]string, 0, len(s.Enum))
		for _, v := range s.Enum {
			if v == nil {
				v = "null"
			}

			values = append(values, fmt.Sprint(v))
		}

		return strings.Join(values, " | ")
	case s.Format != "":
		return s.Format
	default:
		return s.Type
	}
}
