package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerRequests() {
	register(a, operation{
		id:      organization.KeyRequests,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/requests",
		summary: "List a key's last calls",
		about: "Newest first, of the last 7 days. All refusals are kept, up to one a second for " +
			"each key and instance after the first ten, and for wrong secrets one in ten seconds " +
			"after the first three. Of the allowed calls a sample is kept, set by the " +
			"organization's sampleRequests. omitted counts the calls that were left out just " +
			"before. Bodies, headers and secrets are never kept. When few calls match, a page may " +
			"be short, even empty, and still have a next cursor.",
	}, a.keyRequests)
	register(a, operation{
		id:      organization.GetRequest,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/requests/{requestId}",
		summary: "Show a call",
		about:   "By the requestId of its response, if the call was kept.",
	}, a.getRequest)
}

type keyRequestsInput struct {
	KeyPath
	Page
	api.RequestFilter
}

// Resolve implements huma.Resolver.
func (in *keyRequestsInput) Resolve(ctx huma.Context) []error {
	return resolved(ctx, admin.CheckRequestFilter(in.RequestFilter))
}

func (a *API) keyRequests(
	ctx context.Context, r *admin.Request, in *keyRequestsInput,
) (*answered[api.Page[api.Request]], error) {
	query := scope{
		List:         "requests",
		Organization: in.Org,
		Object:       in.KeyID,
		Requests:     in.RequestFilter,
	}

	return answer(list(ctx, a, query, in.Cursor, func(after string) ([]api.Request, string, error) {
		return a.admin.KeyRequests(ctx, r, in.RequestFilter, after, in.Limit)
	}))
}

type requestInput struct {
	OrganizationPath
	RequestID string `path:"requestId" maxLength:"128"`
}

func (a *API) getRequest(
	ctx context.Context, r *admin.Request, in *requestInput,
) (*answered[api.RecordedRequest], error) {
	return answer(a.admin.RecordedRequest(ctx, r, in.RequestID))
}
