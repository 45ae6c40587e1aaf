package api

// Whoami holds what a key's holder may know about the key.
type Whoami struct {
	KeyID          string      `json:"keyId"`
	Name           string      `json:"name"`
	OrganizationID string      `json:"organizationId"`
	Environment    string      `json:"environment"`
	Permissions    []string    `json:"permissions" nullable:"false"`
	AllPermissions bool        `json:"allPermissions"`
	Customers      []string    `json:"customers" nullable:"false"`
	Status         string      `json:"status"`
	ExpiresAt      *Time       `json:"expiresAt" format:"date-time"`
	Rotation       *Rotation   `json:"rotation"`
	OldSecret      bool        `json:"oldSecret" doc:"The secret that was sent is the old one of a rotation, and ends with it"`
	RateLimits     []LimitLeft `json:"rateLimits" nullable:"false"`
	Quota          *QuotaLeft  `json:"quota"`
}

// LimitsLeft is what is left of the limits of a key.
type LimitsLeft struct {
	RateLimits []LimitLeft `json:"rateLimits" nullable:"false"`
	Quota      *QuotaLeft  `json:"quota"`
}

// LimitLeft is a rate limit, and what is left of it.
type LimitLeft struct {
	RateLimit
	Remaining *int64 `json:"remaining" doc:"Calls that may be made now, up to 2 seconds old; null if limits are not enforced"`
	ResetAt   *Time  `json:"resetAt" format:"date-time" doc:"When the limit is full again, if no more calls are made"`
}

// QuotaLeft is a quota, and what is left of it.
type QuotaLeft struct {
	Limit     int64  `json:"limit"`
	Period    string `json:"period" enum:"day,month"`
	Remaining *int64 `json:"remaining" doc:"Calls that may still be made in this period, up to 2 seconds old; null if limits are not enforced"`
	ResetAt   *Time  `json:"resetAt" format:"date-time" doc:"When the next period begins"`
}
