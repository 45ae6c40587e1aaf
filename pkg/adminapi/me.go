package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerMe() {
	register(a, operation{
		id:       organization.GetMe,
		group:    GroupOrganizations,
		method:   http.MethodGet,
		path:     "/v1/me",
		summary:  "Show who is signed in",
		about:    "Shows the person, their organizations, and what they may do in each.",
		security: []map[string][]string{{"idToken": {}}},
	}, shows[struct{}](a.admin.Me))
}

func (a *API) registerWhoami() {
	registerOpen(a, operation{
		id:      "whoami",
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    whoamiPath,
		summary: "Show the key that was sent",
		about: "For the key holder: accepts any valid key of any environment. The call does " +
			"not count against the key's limits.",
		security: []map[string][]string{{"apiKey": {}}, {"bearer": {}}},
	}, a.whoami)
}

// whoamiInput is the key, found where the authorizer finds it.
type whoamiInput struct{ headers check.Headers }

// Resolve implements huma.Resolver: it takes the headers with every time they were sent.
func (in *whoamiInput) Resolve(ctx huma.Context) []error {
	ctx.EachHeader(func(name, value string) {
		switch http.CanonicalHeaderKey(name) {
		case "X-Api-Key":
			in.headers.APIKey = append(in.headers.APIKey, value)
		case "Authorization":
			in.headers.Authorization = append(in.headers.Authorization, value)
		}
	})
	return nil
}

func (a *API) whoami(ctx context.Context, in *whoamiInput) (*answered[api.Whoami], error) {
	return answer(a.admin.Whoami(ctx, gatewayContextOf(ctx).Origin, in.headers))
}
