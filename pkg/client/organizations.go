package client

import (
	"context"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
)

// CreateOrganization makes an organization with its default key.
func (c *Client) CreateOrganization(
	ctx context.Context, body api.CreateOrganization, options ...Option,
) (api.OrganizationSecret, error) {
	return post[api.OrganizationSecret](ctx, c, "createOrganization", []string{"organizations"},
		body, options...)
}

// GetOrganization returns an organization.
func (c *Client) GetOrganization(
	ctx context.Context, org string, options ...Option,
) (api.Organization, error) {
	return get[api.Organization](ctx, c, "getOrganization", in(org), nil, options...)
}

// UpdateOrganization changes an organization's name and settings.
func (c *Client) UpdateOrganization(
	ctx context.Context, org string, body api.UpdateOrganization, options ...Option,
) (api.Organization, error) {
	return send[api.Organization](ctx, c, "updateOrganization", http.MethodPatch, in(org), body,
		options...)
}

// DeleteOrganization deletes an organization, by the job that it returns.
func (c *Client) DeleteOrganization(
	ctx context.Context, org string, options ...Option,
) (api.Job, error) {
	answer, err := remove[api.JobAnswer](ctx, c, "deleteOrganization", in(org), options...)
	return answer.Job, err
}

// GetMe returns the signed-in person, and what they may do in their organizations.
func (c *Client) GetMe(ctx context.Context) (api.Me, error) {
	return get[api.Me](ctx, c, "getMe", []string{"me"}, nil)
}

// GetPermissions returns the permission catalogue.
func (c *Client) GetPermissions(ctx context.Context, options ...Option) (api.Catalogue, error) {
	return get[api.Catalogue](ctx, c, "getPermissions", []string{"permissions"}, nil, options...)
}

// PutPermissions replaces the catalogue, except the built-in permissions, which it may include. It
// returns [ErrInUse] if a key holds what would be removed, unless [Force] is given.
func (c *Client) PutPermissions(
	ctx context.Context, body api.Catalogue, options ...Option,
) (api.Catalogue, error) {
	return send[api.Catalogue](ctx, c, "putPermissions", http.MethodPut, []string{"permissions"},
		body, options...)
}
