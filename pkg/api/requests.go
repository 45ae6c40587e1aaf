package api

import "time"

// The bodies and queries of operations have the operations' names. Fields that are left out are not
// sent, and get the server's default.

// KeySettings are the fields that createKey and importKeys have in common.
type KeySettings struct {
	Description    string   `json:"description,omitempty"`
	Enabled        *bool    `json:"enabled,omitempty"`    // nil: true
	Permissions    []string `json:"permissions,omitzero"` // nil: the default ones; empty: none
	AllPermissions bool     `json:"allPermissions,omitempty"`
	Grantable      string   `json:"grantable,omitempty"` // own or catalogue
	// Customers are those that the key may act for; empty: all.
	Customers        []string          `json:"customers,omitempty"`
	RateLimits       []RateLimit       `json:"rateLimits,omitempty"`
	Quota            *Quota            `json:"quota,omitempty"`
	AllowedAddresses []string          `json:"allowedAddresses,omitempty"`
	NotBefore        time.Time         `json:"notBefore,omitzero"`
	ExpiresAt        time.Time         `json:"expiresAt,omitzero"`
	ExpiresIn        string            `json:"expiresIn,omitempty"` // instead: from now, such as 90d
	Metadata         map[string]string `json:"metadata,omitempty"`
	Tags             []string          `json:"tags,omitempty"`
}

// CreateKey is the body of createKey.
type CreateKey struct {
	Name        string `json:"name"`
	Environment string `json:"environment"`         // production, staging or development
	Ownership   string `json:"ownership,omitempty"` // personal or organization
	KeySettings
}

// UpdateKey is the body of updateKey: absent fields stay, and null empties a field.
type UpdateKey struct {
	Name             Patch[string]            `json:"name,omitzero" nullable:"false" maxLength:"100"`
	Description      Patch[string]            `json:"description,omitzero" maxLength:"1000" doc:"null: none"`
	Enabled          Patch[bool]              `json:"enabled,omitzero" nullable:"false"`
	Permissions      Patch[[]string]          `json:"permissions,omitzero" maxItems:"200" doc:"Names from the catalogue; empty or null: none"`
	AllPermissions   Patch[bool]              `json:"allPermissions,omitzero" doc:"Every data-plane permission, including those added later; null: false"`
	Grantable        Patch[string]            `json:"grantable,omitzero" enum:"own,catalogue" doc:"What an admin key may grant; null: own"`
	Customers        Patch[[]string]          `json:"customers,omitzero" maxItems:"30" doc:"Empty or null: every customer"`
	RateLimits       Patch[[]RateLimit]       `json:"rateLimits,omitzero" maxItems:"5" doc:"Empty or null: none"`
	Quota            Patch[Quota]             `json:"quota,omitzero" doc:"null: none"`
	AllowedAddresses Patch[[]string]          `json:"allowedAddresses,omitzero" maxItems:"50" doc:"Networks such as 192.0.2.0/24 or 2001:db8::/32, or single addresses; empty or null: any address"`
	NotBefore        Patch[time.Time]         `json:"notBefore,omitzero" doc:"null: valid at once"`
	ExpiresAt        Patch[time.Time]         `json:"expiresAt,omitzero" doc:"null: never expires"`
	ExpiresIn        Patch[string]            `json:"expiresIn,omitzero" doc:"Instead of expiresAt: a duration from now, such as 90d; null: never expires"`
	Metadata         Patch[map[string]string] `json:"metadata,omitzero" doc:"null: none; a change replaces all of it"`
	Tags             Patch[[]string]          `json:"tags,omitzero" maxItems:"20" doc:"Empty or null: none"`
}

// RotateKey is the body of rotateKey.
type RotateKey struct {
	Overlap  string `json:"overlap,omitempty"`  // how long the old secret remains valid; 24h
	StartsAt string `json:"startsAt,omitempty"` // now, or first_use
	Longest  string `json:"longest,omitempty"`  // with first_use, the latest end of the old secret
}

// RevokeKey is the body of revokeKey.
type RevokeKey struct {
	Reason      string `json:"reason,omitempty"`
	Compromised bool   `json:"compromised,omitempty"` // it cannot be restored, only regenerated
}

// ExplainKey is the body of explainKey: the call to explain.
type ExplainKey struct {
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	API         string    `json:"api,omitempty"`
	SourceIP    string    `json:"sourceIp,omitempty"`
	Environment string    `json:"environment,omitempty"` // the key's own
	At          time.Time `json:"at,omitzero"`           // now
}

// ImportKeys is the body of importKeys.
type ImportKeys struct {
	Keys []ImportKey `json:"keys"` // at most 1,000
}

// ImportKey is one key of another system.
type ImportKey struct {
	Name        string `json:"name"`
	Environment string `json:"environment"`
	Hash        Hash   `json:"hash"`
	KeySettings
}

// Hash is another system's hash of a secret, without a salt.
type Hash struct {
	Algorithm string `json:"algorithm"`          // sha256 or sha512
	Encoding  string `json:"encoding,omitempty"` // hex or base64; by default by the length
	Value     string `json:"value"`
}

// KeyFilter selects keys; empty fields select all, except the status: active ones.
type KeyFilter struct {
	Status      string `json:"status,omitempty" query:"status" enum:"active,inactive,expired,all" doc:"Default: active"`
	Environment string `json:"environment,omitempty" query:"environment" enum:"production,staging,development"`
	Ownership   string `json:"ownership,omitempty" query:"ownership" enum:"personal,organization"`
	Owner       string `json:"owner,omitempty" query:"owner" maxLength:"200" doc:"The owner's id"`
	Customer    string `json:"customer,omitempty" query:"customer" maxLength:"64"`
	Permission  string `json:"permission,omitempty" query:"permission" maxLength:"65"`
	Tag         string `json:"tag,omitempty" query:"tag" maxLength:"50"`
	Text        string `json:"q,omitempty" query:"q" maxLength:"100" doc:"Part of the name, the id, the hint as it is shown, or the hint's last four characters"`
	UnusedSince string `json:"unusedSince,omitempty" query:"unusedSince" maxLength:"40" doc:"A time or a duration such as 90d: keys not used since then, or never"`
}

// ListKeys is the query of listKeys.
type ListKeys struct {
	KeyFilter
	Sort    string `json:"sort,omitempty"`    // -createdAt, or createdAt for the oldest first
	Include string `json:"include,omitempty"` // usage: the calls of the last 14 days
	List
}

// List is the query of a list: the size and the position of a page.
type List struct {
	Limit  int    `json:"limit,omitempty"`  // of a page: 50, and at most 200
	Cursor string `json:"cursor,omitempty"` // NextCursor of the previous page
}

// BulkKeys is the body of bulkKeys. It changes nothing unless DryRun is false.
type BulkKeys struct {
	Action      string    `json:"action"` // revoke, disable, enable or extend
	Filter      KeyFilter `json:"filter"`
	DryRun      *bool     `json:"dryRun,omitempty"`      // nil: true
	Expected    *int      `json:"expected,omitempty"`    // the number that the dry run matched
	Reason      string    `json:"reason,omitempty"`      // for the history
	Compromised bool      `json:"compromised,omitempty"` // with revoke
	ExpiresAt   time.Time `json:"expiresAt,omitzero"`    // with extend
	ExpiresIn   string    `json:"expiresIn,omitempty"`   // with extend, instead of ExpiresAt
}

// CreateOrganization is the body of createOrganization.
type CreateOrganization struct {
	ID         string `json:"id,omitempty"` // derived from the name
	Name       string `json:"name"`
	FirstAdmin string `json:"firstAdmin,omitempty"` // by operators: an e-mail
}

// UpdateOrganization is the body of updateOrganization.
type UpdateOrganization struct {
	Name     Patch[string]  `json:"name,omitzero" maxLength:"100" doc:"null: unchanged"`
	Settings UpdateSettings `json:"settings,omitzero"`
}

// UpdateSettings are the changed settings; they are merged field by field.
type UpdateSettings struct {
	OrganizationKeysBy Patch[string]     `json:"organizationKeysBy,omitzero" enum:"admins,members" doc:"null: unchanged"`
	PersonalKeysBy     Patch[string]     `json:"personalKeysBy,omitzero" enum:"members,admins,nobody" doc:"null: unchanged"`
	MemberPermissions  Patch[[]string]   `json:"memberPermissions,omitzero" maxItems:"200" doc:"What members may grant; null: every data-plane permission"`
	DefaultPermissions Patch[[]string]   `json:"defaultPermissions,omitzero" maxItems:"200" doc:"What a new key gets if the request names no permissions; null: the catalogue's defaults"`
	LongestLife        UpdateLongestLife `json:"longestLife,omitzero"`
	LegacyKeysAccepted Patch[bool]       `json:"legacyKeysAccepted,omitzero" doc:"null: unchanged"`
	AllowedAddresses   Patch[[]string]   `json:"allowedAddresses,omitzero" maxItems:"50" doc:"Networks or single addresses that calls with the organization's keys may come from, in addition to each key's own; empty or null: any address. Does not apply to the admin API"`
	SampleRequests     Patch[float64]    `json:"sampleRequests,omitzero" minimum:"0" maximum:"1" doc:"null: unchanged"`
}

// UpdateLongestLife are the changed longest lives of keys, per environment, such as 365d.
type UpdateLongestLife struct {
	Production  Patch[string] `json:"production,omitzero" doc:"A duration such as 365d; null: no limit"`
	Staging     Patch[string] `json:"staging,omitzero" doc:"A duration such as 365d; null: no limit"`
	Development Patch[string] `json:"development,omitzero" doc:"A duration such as 365d; null: no limit"`
}

// PutMember is the body of putMember.
type PutMember struct {
	Role   string   `json:"role"`             // admin, member or viewer
	Grants []string `json:"grants,omitempty"` // manage_organization_keys, manage_others_keys
}

// CreateCustomer is the body of createCustomer.
type CreateCustomer struct {
	ID       string            `json:"id,omitempty"` // generated
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// UpdateCustomer is the body of updateCustomer.
type UpdateCustomer struct {
	Name     Patch[string]            `json:"name,omitzero" maxLength:"100" doc:"null: unchanged"`
	Metadata Patch[map[string]string] `json:"metadata,omitzero" doc:"Replaces all of it; null: none"`
}

// ReportLeak is the body of reportLeak.
type ReportLeak struct {
	Secret string `json:"secret"` // or a text that contains secrets
	URL    string `json:"url,omitempty"`
	Note   string `json:"note,omitempty"`
}

// GetUsage is the query of keyUsage and getUsage, and of both as CSV.
type GetUsage struct {
	From        string `json:"from,omitempty"`        // a day or a time; 14 days before the end
	To          string `json:"to,omitempty"`          // a day, which is included, or a time; now
	Granularity string `json:"granularity,omitempty"` // day, or hour
	By          string `json:"by,omitempty"`          // outcome, permission, customer or api
}

// RequestFilter selects recorded calls; empty fields select all.
type RequestFilter struct {
	Outcome string `json:"outcome,omitempty" query:"outcome" maxLength:"40" doc:"An outcome, or refused for all but allowed"`
	Route   string `json:"route,omitempty" query:"route" maxLength:"1100" example:"GET /messages/{messageId}" doc:"The method and the route, or the path of a call without one"`
	Text    string `json:"q,omitempty" query:"q" maxLength:"128" doc:"Part of the requestId or of the source address"`
}

// KeyRequests is the query of keyRequests.
type KeyRequests struct {
	RequestFilter
	List
}

// HistoryFilter selects entries of a history; empty fields select all.
type HistoryFilter struct {
	Actor  string `json:"actor,omitempty" query:"actor" maxLength:"200" doc:"The actor's id"`
	Action string `json:"action,omitempty" query:"action" maxLength:"40" example:"key.created"`
	Object string `json:"object,omitempty" query:"object" maxLength:"200" doc:"The id of what was changed"`
}

// ListHistory is the query of listHistory.
type ListHistory struct {
	HistoryFilter
	List
}

// ListAdvice is the query of listAdvice.
type ListAdvice struct {
	Window string `json:"window,omitempty"` // how long something must be unused, such as 30d
	List
}
