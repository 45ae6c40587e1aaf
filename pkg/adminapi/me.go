package adminapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

func (a *API) registerMe() {
	register(a, operation{
		id:      organization.GetMe,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/me",
		summary: "Show who is signed in",
		about:   "With their organizations, and what they may do in each.",
	}, a.getMe)
}

type meOutput struct{ Body api.Me }

func (a *API) getMe(ctx context.Context, s *request, _ *struct{}) (*meOutput, error) {
	if s.caller.Person == nil {
		return nil, denied.with("This is for signed-in people; GET /v1/whoami is for keys.")
	}

	p := s.caller.Person
	out := &meOutput{api.Me{
		ID:            p.ID,
		Email:         p.Email,
		Name:          p.Name,
		Organizations: []api.MyMembership{},
	}}

	ids, err := a.store.OrganizationsOf(ctx, p.Email)
	if err != nil {
		return nil, err
	}

	for _, id := range ids {
		err := a.enter(ctx, s, id)
		switch {
		case errors.Is(err, organization.ErrHidden) || errors.Is(err, organization.ErrNotFound):
			continue
		case errors.Is(err, store.ErrDamaged): // it must not take the list of all others with it
			a.logger.ErrorContext(ctx, "a damaged row is left out of a list", "organization_id", id,
				"error", err)
			continue
		case err != nil:
			return nil, err
		}

		o, m := s.organization, viewMember(s.caller.Member)

		mine := api.MyMembership{
			ID:       o.ID,
			Name:     o.Name,
			Role:     m.Role,
			Grants:   m.Grants,
			MayGrant: []string{},
			MayCreate: api.MayCreate{
				Organization: s.caller.MayCreate(o, apikey.Organization),
				Personal:     s.caller.MayCreate(o, apikey.Personal),
			},
		}
		for _, permission := range s.catalogue.Permissions() {
			if s.caller.CanGrant(s.catalogue, o, permission.Name) {
				mine.MayGrant = append(mine.MayGrant, permission.Name)
			}
		}

		out.Body.Organizations = append(out.Body.Organizations, mine)
	}

	return out, nil
}
