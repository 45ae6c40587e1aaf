package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

func (a *API) registerSettings() {
	register(a, operation{
		id:      organization.UpdateOrganization,
		group:   GroupOrganizations,
		method:  http.MethodPatch,
		path:    "/v1/organizations/{org}",
		summary: "Change an organization's name and settings",
		about: "Settings are merged field by field; null means the catalogue's, or no longest " +
			"life. What bears on calls acts within ten seconds.",
	}, a.updateOrganization)
}

type lifeInput struct {
	Production  *string `json:"production" required:"false"`
	Staging     *string `json:"staging" required:"false"`
	Development *string `json:"development" required:"false"`
}

type settingsInput struct {
	OrganizationKeysBy *string    `json:"organizationKeysBy" required:"false" nullable:"false" enum:"admins,members"`
	PersonalKeysBy     *string    `json:"personalKeysBy" required:"false" nullable:"false" enum:"members,admins,nobody"`
	MemberPermissions  []string   `json:"memberPermissions" required:"false" maxItems:"200" doc:"What members may hand out; null: every data-plane permission"`
	DefaultPermissions []string   `json:"defaultPermissions" required:"false" maxItems:"200" doc:"What a key holds when its maker names none; null: the catalogue's defaults"`
	LongestLife        *lifeInput `json:"longestLife,omitempty"`
	LegacyKeysAccepted *bool      `json:"legacyKeysAccepted" required:"false" nullable:"false"`
	AllowedAddresses   []string   `json:"allowedAddresses" required:"false" maxItems:"50" doc:"Networks, or single addresses, that calls of the organization's keys may come from, besides what each key says; empty: every address. Not asked of the admin API"`
	SampleRequests     *float64   `json:"sampleRequests" required:"false" nullable:"false" minimum:"0" maximum:"1"`
}

type updateOrganizationInput struct {
	OrganizationPath
	MatchHeader
	Body struct {
		Name     *string        `json:"name" required:"false" nullable:"false" maxLength:"100"`
		Settings *settingsInput `json:"settings,omitempty"`
	}
	RawBody []byte
}

// Resolve implements huma.Resolver.
func (in *updateOrganizationInput) Resolve(ctx huma.Context) []error {
	s := requestOf(ctx.Context())
	f, o := &validator{}, *s.organization
	in.apply(f, s, &o)
	return f.errors
}

// apply changes o as the body says.
func (in *updateOrganizationInput) apply(f *validator, s *request, o *organization.Organization) {
	if in.Body.Name != nil {
		o.Name = f.name("body.name", *in.Body.Name)
	}

	b := in.Body.Settings
	if b == nil {
		return
	}

	present := fieldsOf(fieldOf(in.RawBody, "settings"))

	set := &o.Settings
	if b.OrganizationKeysBy != nil {
		set.OrganizationKeysBy = *b.OrganizationKeysBy
	}

	if b.PersonalKeysBy != nil {
		set.PersonalKeysBy = *b.PersonalKeysBy
	}

	if present["memberPermissions"] {
		set.MemberPermissions = f.dataPlane(s.catalogue, "body.settings.memberPermissions",
			b.MemberPermissions)
	}

	if present["defaultPermissions"] {
		set.DefaultPermissions = f.dataPlane(s.catalogue, "body.settings.defaultPermissions",
			b.DefaultPermissions)
	}

	if b.LongestLife != nil {
		given := fieldsOf(fieldOf(fieldOf(in.RawBody, "settings"), "longestLife"))
		set.LongestLife = f.longestLife(set.LongestLife, b.LongestLife, given)
	}

	if b.LegacyKeysAccepted != nil {
		set.LegacyKeysAccepted = *b.LegacyKeysAccepted
	}

	if present["allowedAddresses"] {
		set.AllowedAddresses = nil
		for _, network := range f.networks("body.settings.allowedAddresses", b.AllowedAddresses) {
			set.AllowedAddresses = append(set.AllowedAddresses, network.String())
		}
	}

	if b.SampleRequests != nil {
		set.SampleRequests = *b.SampleRequests
	}
}

// dataPlane checks a list of permissions that members or keys get by themselves; nil stays nil,
// which means the catalogue's.
func (f *validator) dataPlane(
	catalogue *permission.Catalogue, location string, names []string,
) []string {
	if names == nil {
		return nil
	}

	for i, name := range names {
		_, known := catalogue.Lookup(name)
		switch {
		case catalogue.IsAdmin(name):
			f.add(fmt.Sprintf("%s[%d]", location, i),
				"permissions of the admin API are handed out by admins only", name)
		case !known:
			f.add(fmt.Sprintf("%s[%d]", location, i),
				"there is no such permission: see GET /v1/permissions", name)
		}
	}

	return names
}

// longestLife merges the given environments into the lives that were set.
func (f *validator) longestLife(
	before map[apikey.Environment]time.Duration, b *lifeInput, given map[string]bool,
) map[apikey.Environment]time.Duration {
	out := map[apikey.Environment]time.Duration{}
	for env, text := range map[apikey.Environment]*string{
		apikey.Production:  b.Production,
		apikey.Staging:     b.Staging,
		apikey.Development: b.Development,
	} {
		if life, ok := before[env]; ok && !given[string(env)] {
			out[env] = life
		}

		if text == nil {
			continue
		}

		out[env] = f.duration("body.settings.longestLife."+string(env),
			*text, time.Second, maxDuration)
	}

	return out
}

func (a *API) updateOrganization(
	ctx context.Context, s *request, in *updateOrganizationInput,
) (*organizationOutput, error) {
	o, err := change(ctx, a, s, func(s *request) (attempt[*organization.Organization], error) {
		return a.tryUpdateOrganization(ctx, s, in)
	})
	if err != nil {
		return nil, err
	}

	return &organizationOutput{ETag: etag(o.Version), Body: viewOrganization(o)}, nil
}

func (a *API) tryUpdateOrganization(
	ctx context.Context, s *request, in *updateOrganizationInput,
) (got attempt[*organization.Organization], err error) {
	before, f := s.organization, &validator{}
	if !in.matches(before.Version) {
		return got, fmt.Errorf("%w: %w", errCondition, organization.ErrStale)
	}

	after := *before
	in.apply(f, s, &after)

	if len(f.errors) > 0 { // Resolve told them, unless something was changed since
		return got, problemOfInput(a.brand,
			http.StatusUnprocessableEntity, "validation failed", f.errors)
	}

	excess := s.caller.SettingsEscalations(s.catalogue, before, &before.Settings, &after.Settings)
	if len(excess) > 0 {
		return got, beyond(excess)
	}

	e, err := a.event(s, "organization.updated", before.ID, history.Object{
		Type: "organization",
		ID:   before.ID,
		Name: after.Name,
	})
	if err != nil {
		return got, err
	}

	if e.Changes, err = shownDifferences(before, &after, viewOrganization); err != nil {
		return got, err
	}

	if len(e.Changes) == 0 {
		got.answer = before
		return got, nil
	}

	urgency := apikey.Ordinary
	if after.Settings.Restricts(&before.Settings) {
		urgency = apikey.Restriction
	}

	after.Version++
	if after.Pace, err = spend(before.Pace, urgency, s.now); err != nil {
		return got, err
	}

	put := a.store.PutOrganization(&after, before.Version).At(before.Pace)
	return attempt[*organization.Organization]{
		answer:  &after,
		writes:  append(a.store.PutRuntimeSettings(ctx, &after), put, a.store.Append(e)),
		urgency: urgency,
	}, nil
}
