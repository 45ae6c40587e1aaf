package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerExplain() {
	register(a, operation{
		id:      organization.ExplainKey,
		group:   GroupUsage,
		method:  http.MethodPost,
		path:    keyPath + "/explain",
		summary: "Explain what a call with the key would get",
		about: "Runs the check itself, step by step, for a hypothetical call. It is not " +
			"counted.",
	}, a.explainKey)
}

type explainBody struct {
	Method      string               `json:"method" minLength:"1" maxLength:"20" example:"GET"`
	Path        string               `json:"path" minLength:"1" maxLength:"2000" example:"/customers/42" doc:"As it is sent, without the stage and the query"`
	API         *string              `json:"api" required:"false" maxLength:"100" doc:"The API's name in the catalogue's routes; default: the deployment's parameter DefaultApi"`
	SourceIP    *string              `json:"sourceIp" required:"false" maxLength:"64" doc:"The caller's address; default: unknown, so a key with allowedAddresses is refused"`
	Environment *string              `json:"environment" required:"false" enum:"production,staging,development" doc:"The endpoint's environment; default: the key's own"`
	At          api.Patch[time.Time] `json:"at,omitzero" doc:"The time of the call; default: now"`
}

type explainInput struct {
	KeyPath
	Body explainBody

	call admin.Explain // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *explainInput) Resolve(ctx huma.Context) []error {
	in.call = admin.Explain{
		Method:      in.Body.Method,
		Path:        in.Body.Path,
		API:         in.Body.API,
		SourceIP:    in.Body.SourceIP,
		Environment: in.Body.Environment,
		At:          in.Body.At,
	}
	return resolved(ctx, admin.CheckExplain(&in.call))
}

func (a *API) explainKey(
	ctx context.Context, r *admin.Request, in *explainInput,
) (*answered[api.Explanation], error) {
	return answer(a.admin.Explain(ctx, r, &in.call), nil)
}
