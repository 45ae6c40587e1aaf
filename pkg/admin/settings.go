package admin

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// CheckOrganization checks a change of the request's organization. Error: *InvalidError.
func CheckOrganization(r *Request, in *api.UpdateOrganization) error {
	_, err := settled(r, in)
	return err
}

// settled returns the request's organization with the requested changes.
func settled(r *Request, in *api.UpdateOrganization) (organization.Organization, error) {
	f, o := &validator{}, *r.organization
	if given(in.Name) {
		o.Name = f.name("body.name", in.Name.Value)
	}

	f.settings(r.catalogue, &o.Settings, &in.Settings)
	return o, f.err()
}

// settings changes settings as requested. In settings that cannot be empty, null is the same as
// absent.
func (f *validator) settings(
	catalogue *permission.Catalogue, set *organization.Settings, in *api.UpdateSettings,
) {
	setGiven(&set.OrganizationKeysBy, in.OrganizationKeysBy)
	setGiven(&set.PersonalKeysBy, in.PersonalKeysBy)

	if in.MemberPermissions.Sent {
		set.MemberPermissions = f.dataPlane(catalogue, "body.settings.memberPermissions",
			in.MemberPermissions.Value)
	}

	if in.DefaultPermissions.Sent {
		set.DefaultPermissions = f.dataPlane(catalogue, "body.settings.defaultPermissions",
			in.DefaultPermissions.Value)
	}

	if in.LongestLife != (api.UpdateLongestLife{}) {
		set.LongestLife = f.longestLife(set.LongestLife, in.LongestLife)
	}

	setGiven(&set.LegacyKeysAccepted, in.LegacyKeysAccepted)

	if in.AllowedAddresses.Sent {
		set.AllowedAddresses = nil
		for _, network := range f.networks("body.settings.allowedAddresses",
			in.AllowedAddresses.Value) {
			set.AllowedAddresses = append(set.AllowedAddresses, network.String())
		}
	}

	setGiven(&set.SampleRequests, in.SampleRequests)

	if share := set.SampleRequests; share > 0 && share < leastSample {
		f.add("body.settings.sampleRequests", "expected 0, or 0.000001 to 1", share)
	}
}

// leastSample is the least share of calls that is recorded, if any are. DynamoDB stores no number
// below 1E-130, and nobody means one.
const leastSample = 0.000_001

// dataPlane checks a list of default permissions of members or keys; nil, which means the
// catalogue's defaults, stays nil.
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
				"only admins may grant permissions of the admin API", name)
		case !known:
			f.add(fmt.Sprintf("%s[%d]", location, i),
				"this permission does not exist: see GET /v1/permissions", name)
		}
	}

	return names
}

// longestLife merges maximum lives into those that were set; null removes one.
func (f *validator) longestLife(
	before map[apikey.Environment]time.Duration, in api.UpdateLongestLife,
) map[apikey.Environment]time.Duration {
	out := maps.Clone(before)
	if out == nil {
		out = map[apikey.Environment]time.Duration{}
	}

	for env, life := range map[apikey.Environment]api.Patch[string]{
		apikey.Production:  in.Production,
		apikey.Staging:     in.Staging,
		apikey.Development: in.Development,
	} {
		switch {
		case life.Null:
			delete(out, env)
		case life.Sent:
			out[env] = f.duration("body.settings.longestLife."+string(env), life.Value,
				time.Second, maxDuration)
		}
	}

	return out
}

// UpdateOrganization changes the request's organization, and returns its version.
func (s *OrganizationService) UpdateOrganization(
	ctx context.Context, r *Request, match Match, in *api.UpdateOrganization,
) (shown api.Organization, version int64, err error) {
	o, err := change(ctx, s.core, r, func(r *Request) (attempt[*organization.Organization], error) {
		return s.tryUpdateOrganization(ctx, r, match, in)
	})
	if err != nil {
		return api.Organization{}, 0, err
	}

	return viewOrganization(o), o.Version, nil
}

func (s *OrganizationService) tryUpdateOrganization(
	ctx context.Context, r *Request, match Match, in *api.UpdateOrganization,
) (got attempt[*organization.Organization], err error) {
	before := r.organization
	if !match.holds(before.Version) {
		return got, fmt.Errorf("%w: %w", errCondition, organization.ErrStale)
	}

	after, err := settled(r, in)
	if err != nil { // it was checked before, but something may have changed since
		return got, err
	}

	excess := r.caller.SettingsEscalations(r.catalogue, before, &before.Settings, &after.Settings)
	if len(excess) > 0 {
		return got, beyond(excess)
	}

	e, err := s.event(r, history.OrganizationUpdated, before.ID, history.Object{
		Type: "organization",
		ID:   before.ID,
		Name: after.Name,
	})
	if err != nil {
		return got, err
	}

	if err = record(&e, before, &after, viewOrganization); err != nil {
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
	if after.Pace, err = r.spend(before.Pace, urgency); err != nil {
		return got, err
	}

	put := s.store.PutOrganization(&after, before.Version).At(before.Pace)
	return attempt[*organization.Organization]{
		answer:  &after,
		writes:  append(s.store.PutRuntimeSettings(ctx, &after), put, s.store.Append(e)),
		urgency: urgency,
	}, nil
}
