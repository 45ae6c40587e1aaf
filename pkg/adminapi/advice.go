package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/advice"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerAdvice() {
	const about = "Each item comes with a change, as a call that is ready to be sent, and with a " +
		"preview: what the change would have refused of the recorded calls of the last 7 days. " +
		"Nothing is called unused for longer than it has been observed."
	register(a, operation{
		id:      organization.KeyAdvice,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/advice",
		summary: "Advise how to narrow a key",
		about:   about,
	}, a.keyAdvice)
	register(a, operation{
		id:      organization.ListAdvice,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/advice",
		summary: "Advise on the keys that you may see",
		about: about + " Active keys, newest first. limit counts keys; a page may be short " +
			"and still have a next cursor.",
	}, a.listAdvice)
}

// AdviceWindow is how long something has to be unused.
type AdviceWindow struct {
	Window string `query:"window" maxLength:"20" example:"30d" doc:"How long something must be unused, from 1s to 400d; default: 30d, and 90d for keys that were used before"`

	window time.Duration // made by Resolve; 0 where it is absent
}

// Resolve implements huma.Resolver.
func (in *AdviceWindow) Resolve(ctx huma.Context) []error {
	if in.Window == "" {
		return nil
	}

	var err error
	in.window, err = admin.CheckWindow(in.Window)
	return resolved(ctx, err)
}

type keyAdviceInput struct {
	KeyPath
	AdviceWindow
}

type listAdviceInput struct {
	OrganizationPath
	Page
	AdviceWindow
}

func (a *API) keyAdvice(
	ctx context.Context, r *admin.Request, in *keyAdviceInput,
) (*answered[api.KeyAdvice], error) {
	found, err := a.admin.KeyAdvice(ctx, r, in.window)
	return answer(api.KeyAdvice{
		ObservedSince: api.Time{Time: found.ObservedSince},
		Items:         viewAdvice(in.Org, found.Items),
	}, err)
}

func (a *API) listAdvice(
	ctx context.Context, r *admin.Request, in *listAdviceInput,
) (*answered[api.AdvicePage], error) {
	filter, err := a.admin.Filter(r, api.KeyFilter{})
	if err != nil {
		return nil, err
	}

	query := scope{
		List:         "advice",
		Organization: in.Org,
		Object:       in.window.String(),
		Filter:       filter,
	}

	var since time.Time
	page, err := list(ctx, a, query, in.Cursor, func(
		after string,
	) ([]api.AdviceItem, string, error) {
		found, next, err := a.admin.Advise(ctx, r, filter, in.window, after, in.Limit)
		since = found.ObservedSince
		return viewAdvice(in.Org, found.Items), next, err
	})
	return answer(api.AdvicePage{
		ObservedSince: api.Time{Time: since},
		Items:         page.Items,
		NextCursor:    page.NextCursor,
	}, err)
}

// viewAdvice makes the shape of items, each with the call that mends it.
func viewAdvice(org string, items []admin.AdviceItem) []api.AdviceItem {
	out := make([]api.AdviceItem, 0, len(items))
	for _, i := range items {
		i.Change = viewChange("/v1/organizations/"+org+"/keys/"+i.KeyID, i.Mend)
		out = append(out, i.AdviceItem)
	}

	return out
}

// viewChange makes the call of a change of the key at a path.
func viewChange(path string, c advice.Change) api.AdviceChange {
	switch c.Action {
	case advice.Rotate:
		return api.AdviceChange{Method: http.MethodPost, Path: path + "/rotate", Body: c.Body}
	case advice.Look:
		return api.AdviceChange{Method: http.MethodGet, Path: path + "/requests"}
	default:
		return api.AdviceChange{Method: http.MethodPatch, Path: path, Body: c.Body}
	}
}
