package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// document is what the OpenAPI document says besides the operations.
func document() huma.Config {
	config := huma.DefaultConfig("Bitting admin API", "1")
	config.Info.Description = "Manage API keys: who owns them, what they open, how long they " +
		"live. Errors are application/problem+json (RFC 9457), with a code for programs and a " +
		"list of all wrong fields."
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.Info.Contact = &huma.Contact{
		Name: "Bitting",
		URL:  "https://github.com/bitting-keys/bitting",
	}
	config.OpenAPIPath = ""
	config.DocsPath = ""
	config.SchemasPath = ""  // served below, by the function that the template routes them to
	config.CreateHooks = nil // no $schema links in bodies
	config.Formats = map[string]huma.Format{jsonType: jsonFormat, "json": jsonFormat}
	config.RejectUnknownQueryParameters = true
	config.Components.Schemas = huma.NewMapRegistry(schemasPrefix, schemaName)
	describePatches(config.Components.Schemas)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"apiKey": {
			Type:        "apiKey",
			In:          "header",
			Name:        "X-Api-Key",
			Description: "An admin key",
		},
		"bearer": {Type: "http", Scheme: "bearer", Description: "An admin key"},
		"idToken": {
			Type:         "http",
			Scheme:       "bearer",
			BearerFormat: "JWT",
			Description:  "The OpenID Connect ID token of a person",
		},
	}
	config.Security = []map[string][]string{{"apiKey": {}}, {"bearer": {}}, {"idToken": {}}}
	config.Tags = tags()
	return config
}

// schemasPrefix is what a reference to a schema begins with.
const schemasPrefix = "#/components/schemas/"

// misfit stands for what JSON's decoder says of a value that no schema and no reader refused: it
// says it in Go's words.
const misfit = "expected other values"

// jsonFormat is huma's, in our words.
var jsonFormat = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(text []byte, into any) error {
		if json.Unmarshal(text, into) != nil {
			unmarshalFields(text, into, "", "")
			return errors.New(misfit)
		}

		return nil
	},
}

// unmarshalFields reads a value field by field, between the texts that stand around it. The decoder
// stops at the first field of a change that does not fit, and the rules of those behind it are to
// be told as well.
func unmarshalFields(value json.RawMessage, into any, before, after string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(before+string(value)+after), into) == nil ||
		json.Unmarshal(value, &fields) != nil {
		return
	}

	for name, value := range fields {
		quoted, _ := json.Marshal(name) // a text: there is no error
		unmarshalFields(value, into, before+"{"+string(quoted)+":", "}"+after)
	}
}

// raw is an answer that is ready.
type raw struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (a *API) registerReference() {
	registerOpen(a, operation{
		id:     "openapi",
		group:  GroupOrganizations,
		method: http.MethodGet,
		path:   documentPath,
		hidden: true,
	},
		func(ctx context.Context, by *calledBy) (*raw, error) {
			document := *Document()
			document.Servers = []*huma.Server{{URL: by.server(ctx)}}

			text, err := json.Marshal(&document)
			if err != nil {
				return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
			}

			return &raw{ContentType: jsonType, Body: text}, nil
		})
	registerOpen(a, operation{
		id:     "docs",
		group:  GroupOrganizations,
		method: http.MethodGet,
		path:   "/v1/docs",
		hidden: true,
	},
		func(context.Context, *struct{}) (*raw, error) {
			return &raw{
				ContentType: "text/html; charset=utf-8",
				Policy: "default-src 'none'; script-src 'self'; style-src 'self'; " +
					"img-src 'self' data:; connect-src 'self'; base-uri 'none'; " +
					"form-action 'none'; frame-ancestors 'none'",
				Body: []byte(referencePage),
			}, nil
		})
}

// reference is what the page at /v1/docs consists of. Its version is in the addresses of its files,
// which browsers keep for good: it changes with them.
const reference = "5.35.0-2"

// referencePage shows the document with Swagger UI, whose files the console serves.
const referencePage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bitting admin API</title>
<link rel="stylesheet" href="../console/assets/reference/swagger-ui.css?` + reference + `">
<link rel="stylesheet" href="../console/assets/reference/page.css?` + reference + `">
</head>
<body>
<p class="session" id="session" hidden>
<span></span>
<a href="../console/" target="_blank">Sign in to the console</a>
</p>
<main id="reference">
<div class="missing">
<h1>Bitting admin API</h1>
<p>The document is <a href="openapi.json">openapi.json</a>. To read it here, this page needs scripts,
and the files of the console, which ` + "`make console`" + ` builds.</p>
</div>
</main>
<script src="../console/assets/reference/swagger-ui-bundle.js?` + reference + `"></script>
<script src="../console/assets/reference/start.js?` + reference + `"></script>
</body>
</html>
`
