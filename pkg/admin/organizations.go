package admin

import (
	"context"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// NewOrganization is the input for a new organization.
type NewOrganization struct {
	ID         *string // nil: derived from the name
	Name       string
	FirstAdmin *string // only by operators: an e-mail

	organization *organization.Organization // made by CheckNewOrganization
	firstAdmin   *organization.Member
}

// CheckNewOrganization makes the organization that the input describes, and its first admin. Error:
// *InvalidError.
func CheckNewOrganization(r *Request, in *NewOrganization) error {
	f := &validator{}
	o := &organization.Organization{
		Name:      f.name("body.name", in.Name),
		CreatedAt: r.now,
		Settings:  organization.DefaultSettings(),
		Admins:    1,
		Version:   1,
	}

	if in.ID != nil {
		if o.ID = *in.ID; !organization.ValidID(o.ID) {
			f.add("body.id",
				"expected 2 to 39 lower-case letters, digits and hyphens, a letter first", o.ID)
		}
	} else if o.ID = organization.Slug(o.Name); o.ID == "" && o.Name != "" {
		f.add("body.id", "no id can be derived from this name: give one", nil)
	}

	admin := &organization.Member{
		OrganizationID: o.ID,
		Role:           organization.RoleAdmin,
		Grants:         []organization.Grant{},
		InvitedAt:      r.now,
		Version:        1,
	}
	switch p := r.caller.Person; {
	case p != nil && in.FirstAdmin != nil:
		f.add("body.firstAdmin", "you become the first admin yourself: leave this out", nil)
	case p != nil:
		admin.Email = p.Email
		admin.ID = p.ID
		admin.JoinedAt = r.now
	case in.FirstAdmin == nil:
		f.add("body.firstAdmin", expectedFirstAdmin, nil)
	default:
		var ok bool
		if admin.Email, ok = organization.Email(*in.FirstAdmin); !ok {
			f.add("body.firstAdmin", expectedFirstAdmin, nil)
		}
	}

	in.organization = o
	in.firstAdmin = admin
	return f.err()
}

const expectedFirstAdmin = "expected the e-mail address of the first admin"

// CreateOrganization creates the organization that CheckNewOrganization made, with its first admin
// and its default key. By an operator's key, the default key gets no more than the operator may
// grant.
func (s *OrganizationService) CreateOrganization(
	ctx context.Context, r *Request, in *NewOrganization,
) (api.OrganizationSecret, error) {
	if in.firstAdmin.Email == "" {
		return api.OrganizationSecret{}, &organization.ForbiddenError{
			Reason: "your identity provider has not verified your e-mail address, which " +
				"identifies members",
		}
	}

	return idempotent(ctx, s.core, r, func(r *Request) (attempt[api.OrganizationSecret], error) {
		return s.tryCreateOrganization(ctx, r, in.organization, in.firstAdmin)
	})
}

func (s *OrganizationService) tryCreateOrganization(
	ctx context.Context, r *Request, o *organization.Organization, admin *organization.Member,
) (got attempt[api.OrganizationSecret], err error) {
	k := &apikey.Key{
		OrganizationID: o.ID,
		Profile:        apikey.Profile{Name: "Default key"},
		Environment:    apikey.Production,
		Ownership:      apikey.Organization,
		Owner:          r.caller.Actor(),
		CreatedBy:      r.caller.Actor(),
		Enabled:        true,
		Permissions:    r.catalogue.Defaults(),
		CreatedAt:      r.now,
		UpdatedAt:      r.now,
		Version:        1,
	}
	// The default key must not be able to do more than the key that makes it.
	if maker := r.caller.Key; maker != nil {
		k.RateLimits = maker.RateLimits
		k.Quota = maker.Quota
		k.AllowedAddresses = maker.AllowedAddresses
		k.ExpiresAt = maker.ExpiresAt

		k.Permissions = slices.DeleteFunc(k.Permissions, func(p string) bool {
			return !r.caller.CanGrant(r.catalogue, o, p)
		})
		if err := s.within(r, nil, k, "expiresAt"); err != nil {
			return got, err
		}
	}

	secret, writes, err := s.keys.newKey(ctx, r, k)
	if err != nil {
		return got, err
	}

	created, err := s.event(r, history.OrganizationCreated, o.ID, history.Object{
		Type: "organization",
		ID:   o.ID,
		Name: o.Name,
	})
	if err != nil {
		return got, err
	}

	created.Changes = []history.FieldChange{{Field: "name", After: o.Name}}

	member, err := s.memberEntry(r, history.MemberAdded, nil, admin)
	if err != nil {
		return got, err
	}

	writes = append(writes, s.store.PutOrganization(o, 0), s.store.Append(created),
		s.store.PutMember(admin, 0), s.store.Append(member))
	// after the organization: if its id is taken, that is the error to report
	got.writes = append(writes, s.store.PutRuntimeSettings(ctx, o)...)
	got.answer = api.OrganizationSecret{
		Organization: viewOrganization(o),
		KeySecret:    withSecret(k, r.now, secret),
	}
	return got, nil
}

// Organization returns the request's organization in its API form, and its version.
func (s *OrganizationService) Organization(r *Request) (shown api.Organization, version int64) {
	return viewOrganization(r.organization), r.organization.Version
}
