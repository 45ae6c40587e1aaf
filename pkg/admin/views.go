package admin

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// viewKey returns the API form of a key at a time.
func viewKey(k *apikey.Key, now time.Time) api.Key {
	out := api.Key{
		ID:               k.ID,
		Object:           "key",
		OrganizationID:   k.OrganizationID,
		Name:             k.Name,
		Description:      k.Description,
		Environment:      string(k.Environment),
		Ownership:        string(k.Ownership),
		Owner:            viewActor(k.Owner),
		CreatedBy:        viewActor(k.CreatedBy),
		Status:           string(k.Status(now)),
		Enabled:          k.Enabled,
		Permissions:      orEmpty(k.Permissions),
		AllPermissions:   k.AllPermissions,
		Legacy:           k.Legacy,
		Grantable:        string(grantable(k)),
		Customers:        orEmpty(k.Customers),
		RateLimits:       viewLimits(k.RateLimits),
		Quota:            (*api.Quota)(k.Quota),
		AllowedAddresses: viewAddresses(k),
		NotBefore:        orNull(k.NotBefore),
		ExpiresAt:        orNull(k.ExpiresAt),
		Hint:             k.Hint,
		DeletedAt:        orNull(k.DeletedAt),
		Metadata:         k.Metadata,
		Tags:             orEmpty(k.Tags),
		Version:          k.Version,
		CreatedAt:        api.Time{Time: k.CreatedAt},
		UpdatedAt:        api.Time{Time: k.UpdatedAt},
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}

	if k.Rotating(now) {
		out.Rotation = viewRotation(k.Rotation)
	}

	if r := k.Revocation; r != nil {
		out.Revocation = &api.Revocation{
			At:          api.Time{Time: r.At},
			By:          viewActor(r.By),
			Reason:      r.Reason,
			Compromised: r.Compromised,
		}
	}

	if e := k.Exposure; e != nil {
		out.Exposure = &api.Exposure{At: api.Time{Time: e.At}, Source: e.Source, Action: string(e.Action)}
		if e.URL != "" {
			out.Exposure.URL = &e.URL
		}
	}

	return out
}

func viewActor(a apikey.Actor) api.Actor {
	return api.Actor{
		Type:    string(a.Type),
		ID:      a.ID,
		Email:   a.Email,
		KeyName: a.KeyName,
	}
}

func viewRotation(r *apikey.Rotation) *api.Rotation {
	return &api.Rotation{
		StartedAt:       api.Time{Time: r.StartedAt},
		StartsAt:        string(r.StartsAt),
		Overlap:         formatDuration(r.Overlap),
		FirstUsedAt:     orNull(r.FirstUsedAt),
		OldSecretEndsAt: api.Time{Time: r.OldEndsAt},
	}
}

func grantable(k *apikey.Key) apikey.Grantable {
	if k.Grantable == "" {
		return apikey.GrantOwn
	}

	return k.Grantable
}

func viewLimits(limits []apikey.RateLimit) []api.RateLimit {
	out := make([]api.RateLimit, 0, len(limits))
	for _, l := range limits {
		out = append(out, api.RateLimit{
			Name:   l.Name,
			Limit:  l.Limit,
			Window: formatDuration(l.Window),
			Burst:  l.Burst,
		})
	}

	return out
}

func viewAddresses(k *apikey.Key) []string {
	out := make([]string, 0, len(k.AllowedAddresses))
	for _, a := range k.AllowedAddresses {
		out = append(out, a.String())
	}

	return out
}

// viewAll converts each element of a list; nil stays nil.
func viewAll[T, V any](list []T, view func(T) V) []V {
	if list == nil {
		return nil
	}

	out := make([]V, 0, len(list))
	for _, item := range list {
		out = append(out, view(item))
	}

	return out
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}

	return s
}

func viewOrganization(o *organization.Organization) api.Organization {
	life := func(env apikey.Environment) *string {
		d, ok := o.Settings.LongestLife[env]
		if !ok {
			return nil
		}

		text := formatDuration(d)
		return &text
	}
	return api.Organization{
		ID:        o.ID,
		Name:      o.Name,
		CreatedAt: api.Time{Time: o.CreatedAt},
		Settings: api.Settings{
			OrganizationKeysBy: o.Settings.OrganizationKeysBy,
			PersonalKeysBy:     o.Settings.PersonalKeysBy,
			MemberPermissions:  o.Settings.MemberPermissions,
			DefaultPermissions: o.Settings.DefaultPermissions,
			LongestLife: api.LongestLife{
				Production:  life(apikey.Production),
				Staging:     life(apikey.Staging),
				Development: life(apikey.Development),
			},
			LegacyKeysAccepted: o.Settings.LegacyKeysAccepted,
			AllowedAddresses:   orEmpty(o.Settings.AllowedAddresses),
			SampleRequests:     o.Settings.SampleRequests,
		},
	}
}
