package adminapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
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
		about:   "With its first admin and its default key, whose secret is in the answer, this once.",
	}, a.createOrganization)
	register(a, operation{
		id:      organization.GetOrganization,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}",
		summary: "Show an organization",
	}, a.getOrganization)
}

type createOrganizationBody struct {
	ID         *string `json:"id" required:"false" doc:"2 to 39 lower-case letters, digits and hyphens, a letter first; made of the name where it is absent"`
	Name       string  `json:"name" maxLength:"100"`
	FirstAdmin *string `json:"firstAdmin" required:"false" doc:"For operators: the e-mail of the person who becomes its first admin. A signed-in person becomes it themselves"`
}

type createOrganizationInput struct {
	IdempotencyHeader
	Body    createOrganizationBody
	RawBody []byte

	organization *organization.Organization // made by Resolve
	firstAdmin   *organization.Member
}

// Resolve implements huma.Resolver.
func (in *createOrganizationInput) Resolve(ctx huma.Context) []error {
	s := requestOf(ctx.Context())
	f := &validator{}
	o := &organization.Organization{
		CreatedAt: s.now,
		Settings:  organization.DefaultSettings(),
		Admins:    1,
		Version:   1,
	}

	present := fieldsOf(in.RawBody)
	if present["name"] {
		o.Name = f.name("body.name", in.Body.Name)
	}

	if in.Body.ID != nil {
		if o.ID = *in.Body.ID; !organization.ValidID(o.ID) {
			f.add("body.id",
				"expected 2 to 39 lower-case letters, digits and hyphens, a letter first", o.ID)
		}
	} else if o.ID = organization.Slug(o.Name); o.ID == "" && o.Name != "" {
		f.add("body.id", "no id can be made of this name: give one", nil)
	}

	in.firstAdmin = &organization.Member{
		OrganizationID: o.ID,
		Role:           organization.RoleAdmin,
		Grants:         []organization.Grant{},
		InvitedAt:      s.now,
		Version:        1,
	}
	switch p := s.caller.Person; {
	case p != nil && in.Body.FirstAdmin != nil:
		f.add("body.firstAdmin", "you become the first admin yourself: leave this out", nil)
	case p != nil:
		in.firstAdmin.Email = p.Email
		in.firstAdmin.ID = p.ID
		in.firstAdmin.JoinedAt = s.now
	default:
		email, ok := organization.Email(value(in.Body.FirstAdmin))
		if !ok {
			f.add("body.firstAdmin", "expected the e-mail address of the first admin",
				in.Body.FirstAdmin)
		}

		in.firstAdmin.Email = email
	}

	in.organization = o
	return f.errors
}

func (a *API) createOrganization(
	ctx context.Context, s *request, in *createOrganizationInput,
) (*posted[api.OrganizationSecret], error) {
	if in.firstAdmin.Email == "" {
		return nil, &organization.ForbiddenError{
			Reason: "your identity provider has not verified your e-mail address, which members " +
				"are named by",
		}
	}

	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.OrganizationSecret]], error) {
		return a.tryCreateOrganization(ctx, s, in)
	})
}

// tryCreateOrganization makes the organization, its first admin and its default key. An operator's
// key gives the default key no more than it may hand out.
func (a *API) tryCreateOrganization(
	ctx context.Context, s *request, in *createOrganizationInput,
) (got attempt[posted[api.OrganizationSecret]], err error) {
	o := in.organization

	k := &apikey.Key{
		OrganizationID: o.ID,
		Name:           "Default key",
		Environment:    apikey.Production,
		Ownership:      apikey.Organization,
		Owner:          s.caller.Actor(),
		CreatedBy:      s.caller.Actor(),
		Enabled:        true,
		Permissions:    s.catalogue.Defaults(),
		CreatedAt:      s.now,
		UpdatedAt:      s.now,
		Version:        1,
	}
	if maker := s.caller.Key; maker != nil {
		k.RateLimits = maker.RateLimits
		k.Quota = maker.Quota
		k.AllowedAddresses = maker.AllowedAddresses
		k.ExpiresAt = maker.ExpiresAt

		k.Permissions = slices.DeleteFunc(k.Permissions, func(p string) bool {
			return !s.caller.CanGrant(s.catalogue, o, p)
		})
		if err := a.within(s, nil, k, "expiresAt"); err != nil {
			return got, err
		}
	}

	secret, writes, err := a.newKey(ctx, s, k)
	if err != nil {
		return got, err
	}

	created, err := a.event(s, "organization.created", o.ID, history.Object{
		Type: "organization",
		ID:   o.ID,
		Name: o.Name,
	})
	if err != nil {
		return got, err
	}

	created.Changes = []history.FieldChange{{Field: "name", After: o.Name}}

	member, err := a.memberEntry(s, "member.added", nil, in.firstAdmin)
	if err != nil {
		return got, err
	}

	text := secret.Reveal()
	writes = append(writes, a.store.PutOrganization(o, 0), a.store.Append(created),
		a.store.PutMember(in.firstAdmin, 0), a.store.Append(member))
	// after the organization, whose id may be taken
	got.writes = append(writes, a.store.PutRuntimeSettings(ctx, o)...)
	got.answer = posted[api.OrganizationSecret]{
		Status:   http.StatusCreated,
		ETag:     etag(o.Version),
		Location: "/v1/organizations/" + o.ID,
		Body: api.OrganizationSecret{
			Organization: viewOrganization(o),
			KeySecret:    api.KeySecret{Key: viewKey(k, s.now), Secret: &text},
		},
	}
	return got, nil
}

// OrganizationPath is the path of an operation on an organization.
type OrganizationPath struct {
	Org string `path:"org"`
}

type organizationOutput struct {
	ETag string `header:"ETag"`
	Body api.Organization
}

func (a *API) getOrganization(
	_ context.Context, s *request, _ *OrganizationPath,
) (*organizationOutput, error) {
	return &organizationOutput{
		ETag: etag(s.organization.Version),
		Body: viewOrganization(s.organization),
	}, nil
}
