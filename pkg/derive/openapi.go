package derive

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	yaml "github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Extension names the permission, or a list of them, that an operation needs. Beside a path it is
// for all of the path's operations that have none of their own.
const Extension = "x-permission"

// ReadOpenAPI reads an OpenAPI document of version 3.0 or 3.1. References to other files are
// followed below the folder; to other hosts, never.
func ReadOpenAPI(text []byte, folder string) (*Document, error) {
	document, err := libopenapi.NewDocumentWithConfiguration(text, &datamodel.DocumentConfiguration{
		BasePath:                            folder,
		AllowFileReferences:                 true,
		IgnorePolymorphicCircularReferences: true,
		IgnoreArrayCircularReferences:       true,
		SkipCircularReferenceCheck:          true,
		Logger:                              slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("it is not an OpenAPI document: %w", err)
	}

	if version := document.GetVersion(); !strings.HasPrefix(version, "3.") {
		return nil, fmt.Errorf("it is OpenAPI %s: convert it to 3.0 or 3.1 first", version)
	}

	model, err := document.BuildV3Model()
	if model == nil {
		return nil, fmt.Errorf("the OpenAPI document cannot be read: %w", err)
	}

	if model.Model.Paths == nil || model.Model.Paths.PathItems == nil {
		return nil, errors.New("the OpenAPI document has no paths")
	}

	return readModel(&model.Model)
}

func readModel(model *v3.Document) (*Document, error) {
	out := &Document{Tags: map[string]string{}, Scopes: map[string]string{}}
	for _, tag := range model.Tags {
		out.Tags[tag.Name] = tag.Description
	}

	if model.Components != nil && model.Components.SecuritySchemes != nil {
		for _, scheme := range model.Components.SecuritySchemes.FromOldest() {
			readScopes(scheme, out.Scopes)
		}
	}

	for path, item := range model.Paths.PathItems.FromOldest() {
		shared, err := named(item.Extensions.GetOrZero(Extension))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}

		for method, operation := range item.GetOperations().FromOldest() {
			o := Operation{Method: strings.ToUpper(method), Path: path, Named: shared}
			if key := operation.GoLow().KeyNode; key != nil {
				o.Line = key.Line
			}

			if len(operation.Tags) > 0 {
				o.Tag = operation.Tags[0]
			}

			own, err := named(operation.Extensions.GetOrZero(Extension))
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", o.Method, path, err)
			}

			if len(own) > 0 {
				o.Named = own
			}

			security := operation.Security
			if security == nil {
				security = model.Security
			}

			o.Open = operation.Security != nil && len(operation.Security) == 0
			o.readSecurity(security)
			out.Operations = append(out.Operations, o)
		}
	}

	return out, nil
}

// readSecurity reads the requirements, any of which suffices. An empty one opens the operation.
func (o *Operation) readSecurity(requirements []*base.SecurityRequirement) {
	for _, requirement := range requirements {
		if requirement.Requirements.Len() == 0 {
			o.Open = true
			continue
		}

		var together []string
		for _, scopes := range requirement.Requirements.FromOldest() {
			together = append(together, scopes...)
		}

		if len(together) > 0 {
			o.Scopes = append(o.Scopes, together)
		}
	}
}

// readScopes collects the descriptions of a scheme's scopes.
func readScopes(scheme *v3.SecurityScheme, into map[string]string) {
	if scheme == nil || scheme.Flows == nil {
		return
	}

	for _, flow := range []*v3.OAuthFlow{
		scheme.Flows.Implicit, scheme.Flows.Password, scheme.Flows.ClientCredentials,
		scheme.Flows.AuthorizationCode,
	} {
		if flow == nil || flow.Scopes == nil {
			continue
		}

		for name, description := range flow.Scopes.FromOldest() {
			into[name] = description
		}
	}
}

// named reads the extension: a name or a list of names.
func named(n *yaml.Node) ([]string, error) {
	if n == nil {
		return nil, nil
	}

	var one string
	if n.Kind == yaml.ScalarNode && n.Decode(&one) == nil && one != "" {
		return []string{one}, nil
	}

	var many []string
	if n.Kind != yaml.SequenceNode || n.Decode(&many) != nil || len(many) == 0 {
		return nil, fmt.Errorf("line %d: %s must be a permission's name, or a list of names", n.Line,
			Extension)
	}

	return many, nil
}
