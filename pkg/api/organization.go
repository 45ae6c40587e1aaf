package api

// Organization is an organization as the admin API shows it.
type Organization struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	CreatedAt Time     `json:"createdAt" format:"date-time"`
	Settings  Settings `json:"settings"`
}

// Settings are an organization's settings; null means the catalogue's defaults, or no longest life.
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

// OrganizationSecret is a new organization with its default key.
type OrganizationSecret struct {
	Organization Organization `json:"organization"`
	KeySecret
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key, without the
// secret.
func (o OrganizationSecret) Replay() OrganizationSecret {
	o.KeySecret = o.KeySecret.Replay()
	return o
}
