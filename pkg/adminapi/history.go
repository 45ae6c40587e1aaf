package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerHistory() {
	register(a, operation{
		id:      organization.KeyHistory,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    keyPath + "/history",
		summary: "Show a key's history",
		about:   "Newest first; readable long after the key.",
	}, lists[keyList](a, "history", a.admin.KeyHistory))
	register(a, operation{
		id:      organization.ListHistory,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/history",
		summary: "Show the organization's history",
		about: "Every change of every object, newest first. When few entries match, a page may " +
			"be short, even empty, and still have a next cursor.",
	}, a.listHistory)
}

type listHistoryInput struct {
	OrganizationPath
	Page
	api.HistoryFilter
}

// Resolve implements huma.Resolver.
func (in *listHistoryInput) Resolve(ctx huma.Context) []error {
	return resolved(ctx, admin.CheckHistoryFilter(in.HistoryFilter))
}

func (a *API) listHistory(
	ctx context.Context, r *admin.Request, in *listHistoryInput,
) (*answered[api.Page[api.Entry]], error) {
	query := scope{List: "history", Organization: in.Org, History: in.HistoryFilter}

	return answer(list(ctx, a, query, in.Cursor, func(after string) ([]api.Entry, string, error) {
		return a.admin.History(ctx, r, in.HistoryFilter, after, in.Limit)
	}))
}
