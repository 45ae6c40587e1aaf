package adminapi

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/boot"
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
	config.OnAddOperation = append(config.OnAddOperation, func(_ *huma.OpenAPI, op *huma.Operation) {
		if op.RequestBody != nil { // huma adds it for the raw body, which is kept beside the JSON to hash it
			delete(op.RequestBody.Content, "application/octet-stream")
		}
	})
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
			return &raw{ContentType: "text/html; charset=utf-8", Policy: "default-src 'none'; style-src 'unsafe-inline'", Body: referencePage}, nil
		})
}

// referencePage is made of the OpenAPI document, ahead of time: a template engine in every function would cost each of them 4 MB.
//
//go:generate go run ./generate reference.html
//go:embed reference.html
var referencePage []byte

// Document returns the OpenAPI document of all operations, without anything behind them.
func Document() *huma.OpenAPI {
	return newAPI(&boot.Deployment{}, "").huma.OpenAPI()
}
