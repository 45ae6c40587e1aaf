package adminapi

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// document is what the OpenAPI document says besides the operations.
func document() huma.Config {
	config := huma.DefaultConfig("Bitting admin API", "1")
	config.Info.Description = "Manage API keys: who owns them, what they open, how long they live. " +
		"Errors are application/problem+json (RFC 9457) with a code for programs and every wrong field named."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // served below, by the function that the template routes them to
	config.CreateHooks = nil                                             // no $schema links in bodies
	config.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"apiKey": {Type: "apiKey", In: "header", Name: "X-Api-Key", Description: "An admin key"},
		"bearer": {Type: "http", Scheme: "bearer", Description: "An admin key"},
	}
	config.Security = []map[string][]string{{"apiKey": {}}, {"bearer": {}}}
	return config
}

// raw is an answer that is ready.
type raw struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (a *API) registerReference() {
	huma.Register(a.huma, huma.Operation{OperationID: "openapi", Method: http.MethodGet, Path: "/v1/openapi.json", Hidden: true, Tags: []string{string(GroupOrganizations)}},
		func(context.Context, *struct{}) (*raw, error) {
			text, err := json.Marshal(a.huma.OpenAPI())
			if err != nil {
				return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
			}
			return &raw{ContentType: "application/json", Body: text}, nil
		})
	huma.Register(a.huma, huma.Operation{OperationID: "docs", Method: http.MethodGet, Path: "/v1/docs", Hidden: true, Tags: []string{string(GroupOrganizations)}},
		func(context.Context, *struct{}) (*raw, error) {
			page, err := referencePage(a.huma.OpenAPI())
			if err != nil {
				return nil, err
			}
			return &raw{ContentType: "text/html; charset=utf-8", Policy: "default-src 'none'; style-src 'unsafe-inline'", Body: page}, nil
		})
}

//go:embed reference.html
var referenceHTML string

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

// referencePage renders the document as one page that needs nothing else.
func referencePage(doc *huma.OpenAPI) ([]byte, error) {
	var entries []entry
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				entries = append(entries, describe(doc, op))
			}
		}
	}
	page, err := template.New("reference").Parse(referenceHTML)
	if err != nil {
		return nil, fmt.Errorf("reference page: %w", err)
	}
	var out strings.Builder
	if err := page.Execute(&out, map[string]any{"Title": doc.Info.Title, "About": doc.Info.Description, "Operations": entries}); err != nil {
		return nil, fmt.Errorf("reference page: %w", err)
	}
	return []byte(out.String()), nil
}

func describe(doc *huma.OpenAPI, op *huma.Operation) entry {
	e := entry{Anchor: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, About: op.Description}
	for _, p := range op.Parameters {
		e.Parameters = append(e.Parameters, field{Name: p.Name, Place: p.In, Type: typeName(p.Schema), About: p.Description, Required: p.Required})
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Content {
			e.Body = fields(doc, media.Schema)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		e.Answers = append(e.Answers, strings.TrimSpace(status+" "+op.Responses[status].Description))
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
		out = append(out, field{Name: name, Type: typeName(p), About: p.Description, Required: slices.Contains(s.Required, name)})
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
			values = append(values, fmt.Sprint(v))
		}
		return strings.Join(values, " | ")
	case s.Format != "":
		return s.Format
	default:
		return s.Type
	}
}
