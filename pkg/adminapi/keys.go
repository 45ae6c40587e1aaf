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
	Org         string `path:"org"`
	Status      string `query:"status" enum:"active,inactive,expired,all" doc:"Default: active"`
	Environment string `query:"environment" enum:"production,staging,development"`
	Ownership   string `query:"ownership" enum:"personal,organization"`
	Owner       string `query:"owner" maxLength:"200" doc:"The owner's id"`
	Customer    string `query:"customer" maxLength:"64"`
	Permission  string `query:"permission" maxLength:"65"`
	Tag         string `query:"tag" maxLength:"50"`
	Text        string `query:"q" maxLength:"100" doc:"Part of the name, the id, the hint as it is shown, or the hint's last four characters"`
	Sort        string `query:"sort" enum:"-createdAt,createdAt" doc:"Newest first (-createdAt, the default) or oldest first (createdAt)"`
	UnusedSince string `query:"unusedSince" maxLength:"40" doc:"A time or a duration such as 90d: keys not used since then, or never"`
	Include     string `query:"include" enum:"usage" doc:"usage adds each key's calls of the last 14 days, one number a day, today last"`
	Limit       int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor      string `query:"cursor" maxLength:"500" doc:"nextCursor of the previous page"`

	filter store.Filter // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *listKeysInput) Resolve(ctx huma.Context) []error {
	var err error
	in.filter, err = apiOf(ctx.Context()).admin.Filter(requestOf(ctx.Context()), api.KeyFilter{
		Status:      in.Status,
		Environment: in.Environment,
		Ownership:   in.Ownership,
		Owner:       in.Owner,
		Customer:    in.Customer,
		Permission:  in.Permission,
		Tag:         in.Tag,
		Text:        in.Text,
		UnusedSince: in.UnusedSince,
	})
	in.filter.OldestFirst = in.Sort == "createdAt"
	return append(resolved(ctx, err), emptyCursor(ctx)...)
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
