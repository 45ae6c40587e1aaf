package adminapi

import (
	"context"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerPermissions() {
	register(a, operation{
		id:      organization.GetPermissions,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/permissions",
		summary: "Show the permission catalogue",
		about:   "The permissions that keys can have, and the routes that each opens.",
	}, a.getPermissions)
	register(a, operation{
		id:      organization.PutPermissions,
		group:   GroupOrganizations,
		method:  http.MethodPut,
		path:    "/v1/permissions",
		summary: "Replace the permission catalogue",
		about: "Replaces the whole catalogue except for the built-in permissions: at most 200 " +
			"permissions, 2,000 routes in total and 300 paths of an API. A change takes effect " +
			"within 10 seconds. For operators only.",
	}, a.putPermissions)
}

// permissionInput is a permission as it is sent: what is left out is empty.
type permissionInput struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Default     bool        `json:"default,omitempty"`
	Publishable bool        `json:"publishable,omitempty"`
	BuiltIn     bool        `json:"builtIn,omitempty" doc:"Built-in permissions may be included; they are left unchanged"`
	Routes      []api.Route `json:"routes,omitempty"`
}

type putPermissionsInput struct {
	MatchHeader
	Force bool `query:"force" doc:"Remove permissions even if keys hold them; those keys keep the name, which then opens nothing"`
	Body  struct {
		Permissions []permissionInput `json:"permissions" nullable:"false" maxItems:"220"`
	}
}

func (a *API) getPermissions(
	_ context.Context, r *admin.Request, _ *struct{},
) (*versioned[api.Catalogue], error) {
	catalogue, at := a.admin.Catalogue(r)
	return version(catalogue, at, nil)
}

func (a *API) putPermissions(
	ctx context.Context, r *admin.Request, in *putPermissionsInput,
) (*versioned[api.Catalogue], error) {
	asked := make([]api.Permission, 0, len(in.Body.Permissions))
	for _, p := range in.Body.Permissions {
		asked = append(asked, api.Permission(p))
	}

	return version(a.admin.PutCatalogue(ctx, r, in.matches,
		admin.PermissionsOf(asked), in.Force))
}
