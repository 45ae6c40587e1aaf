package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// keysPath and keyPath are where keys are.
const (
	keysPath = "/v1/organizations/{org}/keys"
	keyPath  = keysPath + "/{keyId}"
)

func (a *API) registerKeys() {
	register(a, operation{
		id:      organization.CreateKey,
		group:   GroupKeys,
		method:  http.MethodPost,
		path:    keysPath,
		status:  http.StatusCreated,
		summary: "Create a key",
		about:   "The response shows the secret, only this once.",
	}, a.createKey)
	register(a, operation{
		id:      organization.ListKeys,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    keysPath,
		summary: "List keys",
		about: "Newest first; active keys unless status says otherwise. When few keys match, a " +
			"page may be short and still have a next cursor.",
	}, a.listKeys)
	register(a, operation{
		id:      organization.GetKey,
		group:   GroupKeys,
		method:  http.MethodGet,
		path:    keyPath,
		summary: "Show a key",
		about:   "Shows everything but the secret, of which only the hint is known.",
	}, a.getKey)
	register(a, operation{
		id:      organization.UpdateKey,
		group:   GroupKeys,
		method:  http.MethodPatch,
		path:    keyPath,
		summary: "Change a key",
		about: "Absent fields stay unchanged; null clears a field. A change takes effect from " +
			"the next check.",
	}, a.updateKey)
	register(a, operation{
		id:      organization.DeleteKey,
		group:   GroupKeys,
		method:  http.MethodDelete,
		path:    keyPath,
		status:  http.StatusNoContent,
		summary: "Delete a key",
		about: "The key stops working at once, and cannot be restored. Its record, history and " +
			"usage stay readable.",
	}, a.deleteKey)
}

// KeyPath is the path of an operation on a key.
type KeyPath struct {
	Org   string `path:"org"`
	KeyID string `path:"keyId"`
}

type deleteKeyInput struct {
	KeyPath
	MatchHeader
}

type listKeysInput struct {
	OrganizationPath
	api.KeyFilter
	Sort    string `query:"sort" enum:"-createdAt,createdAt" doc:"Newest first (-createdAt, the default) or oldest first (createdAt)"`
	Include string `query:"include" enum:"usage" doc:"usage adds each key's calls of the last 14 days, one number a day, today last"`
	Page

	filter store.Filter // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *listKeysInput) Resolve(ctx huma.Context) []error {
	var err error
	in.filter, err = apiOf(ctx.Context()).admin.Filter(requestOf(ctx.Context()), in.KeyFilter)
	in.filter.OldestFirst = in.Sort == "createdAt"
	return resolved(ctx, err)
}

// created is the output of what made a key.
func created(k api.KeySecret) posted[api.KeySecret] {
	out := renewed(k)
	out.Status = http.StatusCreated
	out.Location = "/v1/organizations/" + k.Key.OrganizationID + "/keys/" + k.Key.ID
	return out
}

func (a *API) createKey(
	ctx context.Context, r *admin.Request, in *createKeyInput,
) (*posted[api.KeySecret], error) {
	return post(r, created, func() (api.KeySecret, error) {
		return a.admin.CreateKey(ctx, r, &in.key)
	})
}

func show(k api.Key, err error) (*versioned[api.Key], error) {
	return version(k, k.Version, err)
}

func (a *API) getKey(ctx context.Context, r *admin.Request, _ *KeyPath) (*versioned[api.Key], error) {
	return show(a.admin.Key(ctx, r))
}

func (a *API) updateKey(
	ctx context.Context, r *admin.Request, in *updateKeyInput,
) (*versioned[api.Key], error) {
	return show(a.admin.UpdateKey(ctx, r, in.matches, &in.key))
}

func (a *API) deleteKey(
	ctx context.Context, r *admin.Request, in *deleteKeyInput,
) (*struct{}, error) {
	return &struct{}{}, a.admin.DeleteKey(ctx, r, in.matches)
}

func (a *API) listKeys(
	ctx context.Context, r *admin.Request, in *listKeysInput,
) (*answered[api.Page[api.Key]], error) {
	query := scope{
		List:         "keys",
		Organization: in.Org,
		Filter:       in.filter,
		UnusedSince:  in.UnusedSince,
	}

	return answer(list(ctx, a, query, in.Cursor, func(after string) ([]api.Key, string, error) {
		return a.admin.Keys(ctx, r, in.filter, in.Include == "usage", after, in.Limit)
	}))
}
