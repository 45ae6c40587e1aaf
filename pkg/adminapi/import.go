package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// maxImportBody is the largest body of an import, in bytes. A thousand keys by sha512 with names of
// a hundred letters are some 400 KiB.
const maxImportBody = 1 << 20

func (a *API) registerImport() {
	register(a, operation{
		id:      organization.ImportKeys,
		group:   GroupKeys,
		method:  http.MethodPost,
		path:    keysPath + "/import",
		headers: []string{},
		summary: "Import keys from another system",
		about: "Imports keys by the hashes of their secrets, which keep working. At most 1,000 " +
			"keys a call. A hash that the organization already has in the environment fails as a " +
			"duplicate, so a repeated call imports nothing twice. A call that runs out of time " +
			"is 503: repeated with its Idempotency-Key, it resumes, and responds for all of its " +
			"keys. Keys without permissions get all of them, and are marked as legacy.",
		maxBody: maxImportBody,
	}, a.importKeys)
}

type hashInput struct {
	Algorithm string            `json:"algorithm" enum:"sha256,sha512" doc:"How the other system hashed the secret, without a salt"`
	Encoding  api.Patch[string] `json:"encoding,omitzero" enum:"hex,base64" doc:"base64 in either alphabet, padded or not; default: recognised by the value's length"`
	Value     string            `json:"value" minLength:"1" maxLength:"200"`
}

type importEntry struct {
	api.UpdateKey

	Environment api.Patch[string] `json:"environment" nullable:"false" enum:"production,staging,development"`
	Hash        hashInput         `json:"hash"`
}

// TransformSchema implements huma.SchemaTransformer.
func (importEntry) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["allPermissions"].Description = "Every data-plane permission, including those " +
		"added later. Absent or null: true if permissions is absent or null too, otherwise false"
	return describeNewKey(s, "all of them if allPermissions is absent or null too, otherwise none")
}

type importInput struct {
	OrganizationPath
	IdempotencyHeader
	Body struct {
		Keys []importEntry `json:"keys" nullable:"false" minItems:"1" doc:"At most 1,000"`
	}

	keys []admin.ImportKey // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *importInput) Resolve(ctx huma.Context) []error {
	in.keys = make([]admin.ImportKey, 0, len(in.Body.Keys))
	for _, b := range in.Body.Keys {
		in.keys = append(in.keys, admin.ImportKey{
			KeyFields: admin.KeyFields{UpdateKey: b.UpdateKey, Environment: b.Environment},
			Hash: api.Hash{
				Algorithm: b.Hash.Algorithm,
				Encoding:  b.Hash.Encoding.Value,
				Value:     b.Hash.Value,
			},
		})
	}

	return resolved(ctx, admin.CheckImport(len(in.keys)))
}

func imported(i api.Imported) posted[api.Imported] {
	return posted[api.Imported]{Status: http.StatusOK, Body: i}
}

func (a *API) importKeys(
	ctx context.Context, r *admin.Request, in *importInput,
) (*posted[api.Imported], error) {
	return post(r, imported, func() (api.Imported, error) {
		return a.admin.ImportKeys(ctx, r, in.keys)
	})
}
