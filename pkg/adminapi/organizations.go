package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerOrganizations() {
	register(a, operation{
		id:      organization.CreateOrganization,
		group:   GroupOrganizations,
		method:  http.MethodPost,
		path:    "/v1/organizations",
		status:  http.StatusCreated,
		summary: "Create an organization",
		about: "Also creates its first admin and its default key. The response shows the key's " +
			"secret, only this once.",
	}, a.createOrganization)
	register(a, operation{
		id:      organization.GetOrganization,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}",
		summary: "Show an organization",
		about:   "Shows its name and its settings, with an ETag for a change that is based on it.",
	}, a.getOrganization)
}

type createOrganizationBody struct {
	ID         *string `json:"id" required:"false" doc:"2 to 39 lower-case letters, digits and hyphens, starting with a letter; default: derived from the name"`
	Name       string  `json:"name" maxLength:"100"`
	FirstAdmin *string `json:"firstAdmin" required:"false" doc:"For operators: the e-mail address of the first admin. A signed-in person becomes the first admin themselves"`
}

type createOrganizationInput struct {
	IdempotencyHeader
	Body createOrganizationBody

	organization admin.NewOrganization // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *createOrganizationInput) Resolve(ctx huma.Context) []error {
	in.organization = admin.NewOrganization{
		ID:         in.Body.ID,
		Name:       in.Body.Name,
		FirstAdmin: in.Body.FirstAdmin,
	}
	return resolved(ctx, admin.CheckNewOrganization(requestOf(ctx.Context()), &in.organization))
}

func (a *API) createOrganization(
	ctx context.Context, r *admin.Request, in *createOrganizationInput,
) (*posted[api.OrganizationSecret], error) {
	made := func(o api.OrganizationSecret) posted[api.OrganizationSecret] {
		return posted[api.OrganizationSecret]{
			Status:   http.StatusCreated,
			ETag:     etag(1),
			Location: "/v1/organizations/" + o.Organization.ID,
			Body:     o,
		}
	}
	return post(r, made, func() (api.OrganizationSecret, error) {
		return a.admin.CreateOrganization(ctx, r, &in.organization)
	})
}

// OrganizationPath is the path of an operation on an organization.
type OrganizationPath struct {
	Org string `path:"org"`
}

func (a *API) getOrganization(
	_ context.Context, r *admin.Request, _ *OrganizationPath,
) (*versioned[api.Organization], error) {
	o, at := a.admin.Organization(r)
	return version(o, at, nil)
}

func (a *API) registerSettings() {
	register(a, operation{
		id:      organization.UpdateOrganization,
		group:   GroupOrganizations,
		method:  http.MethodPatch,
		path:    "/v1/organizations/{org}",
		summary: "Change an organization's name and settings",
		about: "Settings are merged field by field; null means the catalogue's value, or no " +
			"longest lifetime. Settings that affect calls take effect within ten seconds.",
	}, a.updateOrganization)
}

type updateOrganizationInput struct {
	OrganizationPath
	MatchHeader
	Body api.UpdateOrganization
}

// Resolve implements huma.Resolver.
func (in *updateOrganizationInput) Resolve(ctx huma.Context) []error {
	return resolved(ctx, admin.CheckOrganization(requestOf(ctx.Context()), &in.Body))
}

func (a *API) updateOrganization(
	ctx context.Context, r *admin.Request, in *updateOrganizationInput,
) (*versioned[api.Organization], error) {
	return version(a.admin.UpdateOrganization(ctx, r, in.matches, &in.Body))
}

func (a *API) registerDeletion() {
	register(a, operation{
		id:      organization.DeleteOrganization,
		group:   GroupOrganizations,
		method:  http.MethodDelete,
		path:    "/v1/organizations/{org}",
		status:  http.StatusAccepted,
		summary: "Delete an organization",
		about: "Its keys are refused within ten seconds; a job then deletes keys, members and " +
			"customers. Its people and its keys get 404 from then on. The caller who deleted it " +
			"can follow the job, and operators can read its history. The id is never reused. A " +
			"repeated call returns the same job.",
	}, a.deleteOrganization)
}

type deleteOrganizationInput struct {
	OrganizationPath
	MatchHeader
}

func (a *API) deleteOrganization(
	ctx context.Context, r *admin.Request, in *deleteOrganizationInput,
) (*jobOutput, error) {
	j, err := a.admin.DeleteOrganization(ctx, r, in.matches)
	return &jobOutput{Location: jobPath(j), Body: api.JobAnswer{Job: j}}, err
}
