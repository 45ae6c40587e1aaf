package adminapi

import (
	"fmt"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
)

// withoutSecret says what is wrong with a field that holds a secret. It quotes nothing.
const withoutSecret = "expected a text without a key's secret: anybody who reads it could use " +
	"the key. If others may have seen the secret, report it at POST /v1/leaks"

// secrets refuses secrets of our form in whatever an operation takes, so that none is kept, and
// none comes back where others read it. It goes by what was sent, and not by what the operation
// knows of it: a field that is added tomorrow is covered. Those of the body are found where that is
// read. The operations that take leaks do without.
func (a *API) secrets(ctx huma.Context, next func(huma.Context)) {
	if err := a.secretsInAddress(ctx); err != nil {
		a.refuse(ctx, err)
		return
	}

	next(huma.WithValue(ctx, secretsRefusedKey{}, true))
}

// secretsRefusedKey tells read that the body may hold no secret either.
type secretsRefusedKey struct{}

// secretsInAddress finds secrets in the parameters of a call; nil where there are none.
func (a *API) secretsInAddress(ctx huma.Context) *admin.Error {
	var stored, read []api.FieldError
	add := func(to *[]api.FieldError, location, value string) {
		if a.brand.Holds(value) {
			*to = append(*to, api.FieldError{Location: location, Message: withoutSecret})
		}
	}
	address := ctx.URL()

	query := address.Query()
	for _, p := range ctx.Operation().Parameters {
		switch p.In {
		case "path":
			add(&stored, "path."+p.Name, ctx.Param(p.Name))
		case "header":
			add(&read, "header."+p.Name, ctx.Header(p.Name))
		case "query":
			for _, value := range query[p.Name] {
				add(&read, "query."+p.Name, value)
			}
		}
	}

	switch {
	case len(read) > 0:
		return admin.Refuse(api.CodeMalformed, "Some parameters or headers are not valid.", read...)
	case len(stored) > 0:
		return admin.Refuse(api.CodeValidation, "The path holds a secret.", stored...)
	default:
		return nil
	}
}

// secrets finds secrets in a value of JSON: in every text and every name in it, wherever it stands.
func (f *faults) secrets(holds func(text string) bool, location string, value any) {
	switch value := value.(type) {
	case string:
		if holds(value) {
			f.add(location, withoutSecret, nil)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			at := location + "." + name
			if holds(name) {
				at = location // which repeats no name that is one
				f.add(at, withoutSecret, nil)
			}

			f.secrets(holds, at, value[name])
		}
	case []any:
		for i := range value {
			f.secrets(holds, fmt.Sprintf("%s[%d]", location, i), value[i])
		}
	}
}
