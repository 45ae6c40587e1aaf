package adminapi

import (
	"context"
	"encoding/json"
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
	Algorithm string  `json:"algorithm" enum:"sha256,sha512" doc:"How the other system hashed the secret, without a salt"`
	Encoding  *string `json:"encoding" required:"false" enum:"hex,base64" doc:"base64 in either alphabet, padded or not; default: recognised by the value's length"`
	Value     string  `json:"value" minLength:"1" maxLength:"200"`
}

type importEntry struct {
	Name        string    `json:"name" maxLength:"100"`
	Environment string    `json:"environment" enum:"production,staging,development"`
	Hash        hashInput `json:"hash"`
	KeyFields
}

type importInput struct {
	Org string `path:"org"`
	IdempotencyHeader
	Body struct {
		Keys []importEntry `json:"keys" nullable:"false" minItems:"1" doc:"At most 1,000"`
	}
	RawBody []byte

	keys []admin.ImportKey // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *importInput) Resolve(ctx huma.Context) []error {
	if err := admin.CheckImport(len(in.Body.Keys)); err != nil {
		return resolved(ctx, err)
	}

	var raw []json.RawMessage
	if json.Unmarshal(fieldOf(in.RawBody, "keys"), &raw) != nil || len(raw) != len(in.Body.Keys) {
		return nil // the schema says so
	}

	in.keys = make([]admin.ImportKey, 0, len(raw))
	for i, b := range in.Body.Keys {
		k := admin.ImportKey{
			KeyFields: b.fields(fieldsOf(raw[i])),
			Hash: api.Hash{
				Algorithm: b.Hash.Algorithm,
				Encoding:  value(b.Hash.Encoding),
				Value:     b.Hash.Value,
			},
		}
		k.Name = api.Set(b.Name)
		k.Environment = api.Set(b.Environment)
		in.keys = append(in.keys, k)
	}

	return nil
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
