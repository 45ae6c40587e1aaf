package adminapi

import (
	"context"
	"net/http"

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
			"before. Bodies, headers and secrets are never kept.",
	}, lists[keyList](a, "requests", a.admin.KeyRequests))
	register(a, operation{
		id:      organization.GetRequest,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/requests/{requestId}",
		summary: "Show a call",
		about:   "By the requestId of its response, if the call was kept.",
	}, a.getRequest)
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
