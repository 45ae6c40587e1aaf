package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/history"
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
	}, a.keyHistory)
	register(a, operation{
		id:      organization.ListHistory,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/history",
		summary: "Show the organization's history",
		about:   "Every change of every object, newest first.",
	}, a.listHistory)
}

// Page is what part of a list is asked for.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" minLength:"1" maxLength:"500" doc:"nextCursor of the page before"`
}

// Resolve implements huma.Resolver: huma takes an empty cursor for none, and would show the first
// page.
func (*Page) Resolve(ctx huma.Context) []error { return emptyCursor(ctx) }

type entryPage api.Page[api.Entry]

type historyOutput struct{ Body entryPage }

type keyHistoryInput struct {
	KeyPath
	Page
}

func (a *API) keyHistory(
	ctx context.Context, s *request, in *keyHistoryInput,
) (*historyOutput, error) {
	return a.historyPage(ctx, scope{
		List:         "history",
		Organization: in.Org,
		Object:       s.key.ID,
	}, in.Page, func(after string) ([]history.Entry, string, error) {
		return a.store.History(ctx, in.Org, "key", s.key.ID, after, in.Limit)
	})
}

type listHistoryInput struct {
	OrganizationPath
	Page
}

func (a *API) listHistory(
	ctx context.Context, _ *request, in *listHistoryInput,
) (*historyOutput, error) {
	return a.historyPage(ctx, scope{
		List:         "history",
		Organization: in.Org,
	}, in.Page, func(after string) ([]history.Entry, string, error) {
		return a.store.OrganizationHistory(ctx, in.Org, after, in.Limit)
	})
}

func (a *API) historyPage(
	ctx context.Context, query scope, page Page,
	read func(after string) ([]history.Entry, string, error),
) (*historyOutput, error) {
	after, err := a.readCursor(ctx, query, page.Cursor)
	if err != nil {
		return nil, err
	}

	entries, next, err := read(after)
	if err != nil {
		return nil, err
	}

	out := &historyOutput{}
	out.Body.Items = append([]api.Entry{}, viewAll(entries, viewEntry)...)
	out.Body.NextCursor, err = a.nextCursor(ctx, query, next)
	return out, err
}

func viewEntry(e history.Entry) api.Entry {
	return api.Entry{
		ID:             e.ID,
		At:             api.Time{Time: e.At},
		Action:         e.Action,
		OrganizationID: e.OrganizationID,
		Actor:          viewActor(e.Actor),
		SourceIP:       e.SourceIP,
		UserAgent:      e.UserAgent,
		Object:         api.Object(e.Object),
		Changes: viewAll(e.Changes, func(c history.FieldChange) api.FieldChange {
			return api.FieldChange(c)
		}),
		Reason:    e.Reason,
		RequestID: e.RequestID,
	}
}
