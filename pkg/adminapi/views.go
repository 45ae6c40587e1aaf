package adminapi

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// Key is a key as the admin API shows it. Fields may be added, never renamed.
type Key struct {
	ID               string            `json:"id" example:"7Qm2Xb0aVd91KtZs"`
	Object           string            `json:"object" enum:"key"`
	OrganizationID   string            `json:"organizationId"`
	Name             string            `json:"name"`
	Description      string            `json:"description"`
	Environment      string            `json:"environment" enum:"production,staging,development"`
	Ownership        string            `json:"ownership" enum:"personal,organization"`
	Owner            apikey.Actor      `json:"owner"`
	CreatedBy        apikey.Actor      `json:"createdBy"`
	Status           string            `json:"status" enum:"active,inactive,expired" doc:"Computed at the time of the answer"`
	Enabled          bool              `json:"enabled"`
	Permissions      []string          `json:"permissions" nullable:"false" doc:"Empty: none"`
	AllPermissions   bool              `json:"allPermissions"`
	Legacy           bool              `json:"legacy"`
	Grantable        string            `json:"grantable" enum:"own,catalogue"`
	Customers        []string          `json:"customers" nullable:"false" doc:"Empty: every customer"`
	RateLimits       []RateLimit       `json:"rateLimits" nullable:"false"`
	Quota            *apikey.Quota     `json:"quota"`
	AllowedAddresses []string          `json:"allowedAddresses" nullable:"false"`
	NotBefore        *Time             `json:"notBefore"`
	ExpiresAt        *Time             `json:"expiresAt"`
	Hint             string            `json:"hint"`
	Rotation         *Rotation         `json:"rotation"`
	Revocation       *Revocation       `json:"revocation"`
	Exposure         *Exposure         `json:"exposure"`
	DeletedAt        *Time             `json:"deletedAt"`
	LastUsed         *LastUsed         `json:"lastUsed" doc:"In the answers that show or list keys; as of at most a minute ago"`
	Usage            []int64           `json:"usage,omitempty" doc:"With include=usage: calls on each of the last 14 days, today last; those that were refused too"`
	Metadata         map[string]string `json:"metadata"`
	Tags             []string          `json:"tags" nullable:"false"`
	Version          int64             `json:"version"`
	CreatedAt        Time              `json:"createdAt"`
	UpdatedAt        Time              `json:"updatedAt"`
}

// RateLimit is a rate limit as the admin API shows and takes it.
type RateLimit struct {
	Name   string `json:"name" minLength:"1" maxLength:"32" pattern:"^[a-z][a-z0-9_-]*$" patternDescription:"a lower-case name"`
	Limit  int64  `json:"limit" minimum:"1" maximum:"1000000000"`
	Window string `json:"window" example:"1m"`
	Burst  int64  `json:"burst,omitempty" minimum:"1" maximum:"1000000000" doc:"How many calls may come at once; as limit where it is absent"`
}

// Rotation is a running rotation.
type Rotation struct {
	StartedAt       Time   `json:"startedAt"`
	StartsAt        string `json:"startsAt" enum:"now,first_use" doc:"From when the overlap is counted: from the rotation, or from the first use of the new secret"`
	Overlap         string `json:"overlap" example:"24h"`
	FirstUsedAt     *Time  `json:"firstUsedAt" doc:"When the new secret was first used; null where it was not, as far as is known"`
	OldSecretEndsAt Time   `json:"oldSecretEndsAt" doc:"The old secret is refused from then on. With first_use, before that use: at the latest"`
}

// Revocation says who revoked a key, when and why.
type Revocation struct {
	At          Time         `json:"at"`
	By          apikey.Actor `json:"by"`
	Reason      string       `json:"reason"`
	Compromised bool         `json:"compromised"`
}

// Exposure says that a secret of the key was found where everybody can read it, and what was done.
type Exposure struct {
	At     Time    `json:"at"`
	Source string  `json:"source" doc:"report, or github"`
	URL    *string `json:"url" doc:"Where it was found"`
	Action string  `json:"action" enum:"revoked,flagged" doc:"What was found is accepted no longer, or may be published and was flagged only"`
}

// LastUsed is the last call that was made with a key that was good, whatever the call was allowed
// to do.
type LastUsed struct {
	At        Time   `json:"at"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// viewKey makes the shape of a key at now.
func viewKey(k *apikey.Key, now time.Time) Key {
	out := Key{
		ID:               k.ID,
		Object:           "key",
		OrganizationID:   k.OrganizationID,
		Name:             k.Name,
		Description:      k.Description,
		Environment:      string(k.Environment),
		Ownership:        string(k.Ownership),
		Owner:            k.Owner,
		CreatedBy:        k.CreatedBy,
		Status:           string(k.Status(now)),
		Enabled:          k.Enabled,
		Permissions:      orEmpty(k.Permissions),
		AllPermissions:   k.AllPermissions,
		Legacy:           k.Legacy,
		Grantable:        string(grantable(k)),
		Customers:        orEmpty(k.Customers),
		RateLimits:       viewLimits(k.RateLimits),
		Quota:            k.Quota,
		AllowedAddresses: viewAddresses(k),
		NotBefore:        orNull(k.NotBefore),
		ExpiresAt:        orNull(k.ExpiresAt),
		Hint:             k.Hint,
		DeletedAt:        orNull(k.DeletedAt),
		Metadata:         k.Metadata,
		Tags:             orEmpty(k.Tags),
		Version:          k.Version,
		CreatedAt:        Time{k.CreatedAt},
		UpdatedAt:        Time{k.UpdatedAt},
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}

	if k.Rotating(now) {
		out.Rotation = viewRotation(k.Rotation)
	}

	if r := k.Revocation; r != nil {
		out.Revocation = &Revocation{
			At:          Time{r.At},
			By:          r.By,
			Reason:      r.Reason,
			Compromised: r.Compromised,
		}
	}

	if e := k.Exposure; e != nil {
		out.Exposure = &Exposure{At: Time{e.At}, Source: e.Source, Action: string(e.Action)}
		if e.URL != "" {
			out.Exposure.URL = &e.URL
		}
	}

	return out
}

func viewRotation(r *apikey.Rotation) *Rotation {
	return &Rotation{
		StartedAt:       Time{r.StartedAt},
		StartsAt:        string(r.StartsAt),
		Overlap:         formatDuration(r.Overlap),
		FirstUsedAt:     orNull(r.FirstUsedAt),
		OldSecretEndsAt: Time{r.OldEndsAt},
	}
}

func grantable(k *apikey.Key) apikey.Grantable {
	if k.Grantable == "" {
		return apikey.GrantOwn
	}

	return k.Grantable
}

func viewLimits(limits []apikey.RateLimit) []RateLimit {
	out := make([]RateLimit, 0, len(limits))
	for _, l := range limits {
		out = append(out, RateLimit{
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

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}

	return s
}

// Organization is an organization as the admin API shows it.
type Organization struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	CreatedAt Time     `json:"createdAt"`
	Settings  Settings `json:"settings"`
}

// Settings are an organization's settings; null means the catalogue's, or no longest life.
type Settings struct {
	OrganizationKeysBy string      `json:"organizationKeysBy" enum:"admins,members"`
	PersonalKeysBy     string      `json:"personalKeysBy" enum:"members,admins,nobody"`
	MemberPermissions  []string    `json:"memberPermissions"`
	DefaultPermissions []string    `json:"defaultPermissions"`
	LongestLife        LongestLife `json:"longestLife"`
	LegacyKeysAccepted bool        `json:"legacyKeysAccepted"`
	AllowedAddresses   []string    `json:"allowedAddresses" nullable:"false"`
	SampleRequests     float64     `json:"sampleRequests"`
}

// LongestLife is the longest life of a key per environment, such as 365d.
type LongestLife struct {
	Production  *string `json:"production"`
	Staging     *string `json:"staging"`
	Development *string `json:"development"`
}

func viewOrganization(o *organization.Organization) Organization {
	life := func(env apikey.Environment) *string {
		d, ok := o.Settings.LongestLife[env]
		if !ok {
			return nil
		}

		text := formatDuration(d)
		return &text
	}
	return Organization{
		ID:        o.ID,
		Name:      o.Name,
		CreatedAt: Time{o.CreatedAt},
		Settings: Settings{
			OrganizationKeysBy: o.Settings.OrganizationKeysBy,
			PersonalKeysBy:     o.Settings.PersonalKeysBy,
			MemberPermissions:  o.Settings.MemberPermissions,
			DefaultPermissions: o.Settings.DefaultPermissions,
			LongestLife: LongestLife{
				life(apikey.Production), life(apikey.Staging), life(apikey.Development),
			},
			LegacyKeysAccepted: o.Settings.LegacyKeysAccepted,
			AllowedAddresses:   orEmpty(o.Settings.AllowedAddresses),
			SampleRequests:     o.Settings.SampleRequests,
		},
	}
}
