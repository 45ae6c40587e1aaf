package api

// Key is a key as the admin API shows it. Fields may be added, never renamed.
type Key struct {
	ID               string            `json:"id" example:"7Qm2Xb0aVd91KtZs"`
	Object           string            `json:"object" enum:"key"`
	OrganizationID   string            `json:"organizationId"`
	Name             string            `json:"name"`
	Description      string            `json:"description"`
	Environment      string            `json:"environment" enum:"production,staging,development"`
	Ownership        string            `json:"ownership" enum:"personal,organization"`
	Owner            Actor             `json:"owner"`
	CreatedBy        Actor             `json:"createdBy"`
	Status           string            `json:"status" enum:"active,inactive,expired" doc:"Computed at the time of the response"`
	Enabled          bool              `json:"enabled"`
	Permissions      []string          `json:"permissions" nullable:"false" doc:"Empty: none"`
	AllPermissions   bool              `json:"allPermissions"`
	Legacy           bool              `json:"legacy"`
	Grantable        string            `json:"grantable" enum:"own,catalogue"`
	Customers        []string          `json:"customers" nullable:"false" doc:"Empty: every customer"`
	RateLimits       []RateLimit       `json:"rateLimits" nullable:"false"`
	Quota            *Quota            `json:"quota"`
	AllowedAddresses []string          `json:"allowedAddresses" nullable:"false"`
	NotBefore        *Time             `json:"notBefore" format:"date-time"`
	ExpiresAt        *Time             `json:"expiresAt" format:"date-time"`
	Hint             string            `json:"hint"`
	Rotation         *Rotation         `json:"rotation"`
	Revocation       *Revocation       `json:"revocation"`
	Exposure         *Exposure         `json:"exposure"`
	DeletedAt        *Time             `json:"deletedAt" format:"date-time"`
	LastUsed         *LastUsed         `json:"lastUsed" doc:"Only in responses that show or list keys; up to a minute old"`
	Usage            []int64           `json:"usage,omitempty" doc:"With include=usage: calls on each of the last 14 days, including refused ones, today last"`
	Operations       []KeyOperation    `json:"operations,omitempty" nullable:"false" doc:"Only in responses that show or list keys: the operations that change the key and that the caller may perform; what is absent is not theirs to do"`
	Metadata         map[string]string `json:"metadata"`
	Tags             []string          `json:"tags" nullable:"false"`
	Version          int64             `json:"version"`
	CreatedAt        Time              `json:"createdAt" format:"date-time"`
	UpdatedAt        Time              `json:"updatedAt" format:"date-time"`
}

// RateLimit is a rate limit as the admin API shows and takes it.
type RateLimit struct {
	Name   string `json:"name" minLength:"1" maxLength:"32" pattern:"^[a-z][a-z0-9_-]*$" patternDescription:"a lower-case name"`
	Limit  int64  `json:"limit" minimum:"1" maximum:"1000000000"`
	Window string `json:"window" example:"1m"`
	Burst  int64  `json:"burst,omitempty" minimum:"1" maximum:"1000000000" doc:"How many calls may come at once; default: limit"`
}

// Rotation is a running rotation.
type Rotation struct {
	StartedAt       Time   `json:"startedAt" format:"date-time"`
	StartsAt        string `json:"startsAt" enum:"now,first_use" doc:"When the overlap starts: at the rotation, or at the first use of the new secret"`
	Overlap         string `json:"overlap" example:"24h"`
	FirstUsedAt     *Time  `json:"firstUsedAt" format:"date-time" doc:"When the new secret was first used; null if no use is known"`
	OldSecretEndsAt Time   `json:"oldSecretEndsAt" format:"date-time" doc:"When the old secret ends. With first_use, until that use: the latest end"`
}

// Revocation is who revoked a key, when and why.
type Revocation struct {
	At          Time   `json:"at" format:"date-time"`
	By          Actor  `json:"by"`
	Reason      string `json:"reason"`
	Compromised bool   `json:"compromised"`
}

// Exposure means that a secret of the key was found in public, and what was done.
type Exposure struct {
	At     Time    `json:"at" format:"date-time"`
	Source string  `json:"source" doc:"report, or github"`
	URL    *string `json:"url" doc:"Where it was found"`
	Action string  `json:"action" enum:"revoked,flagged" doc:"Whether the secret was stopped, or was only flagged since it is publishable"`
}

// LastUsed is the last call with a good key, allowed or not.
type LastUsed struct {
	At        Time   `json:"at" format:"date-time"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// KeyOperation is an operation on a key that the caller may perform.
type KeyOperation struct {
	ID      string   `json:"id" doc:"The operationId in this document"`
	Refusal *Refusal `json:"refusal" doc:"Why the key would refuse it now; null if it would not"`
}

// Refusal is why something would be refused.
type Refusal struct {
	Code   Code   `json:"code"`
	Detail string `json:"detail"`
}

// KeySecret is a key with its new secret, which is shown in this answer only.
type KeySecret struct {
	Key      Key     `json:"key"`
	Secret   *string `json:"secret" doc:"Shown once; null in a replayed response"`
	Replayed bool    `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key, without the
// secret, which is shown once.
func (k KeySecret) Replay() KeySecret { return KeySecret{Key: k.Key, Replayed: true} }

// KeyOnly is a changed key.
type KeyOnly struct {
	Key      Key  `json:"key"`
	Replayed bool `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key.
func (k KeyOnly) Replay() KeyOnly {
	k.Replayed = true
	return k
}

// Revoked is a revoked key.
type Revoked struct {
	Key         Key  `json:"key"`
	EffectiveBy Time `json:"effectiveBy" format:"date-time" doc:"A check that starts after this is refused"`
	Replayed    bool `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key.
func (r Revoked) Replay() Revoked {
	r.Replayed = true
	return r
}

// Actor is who did or owns something: a person (with an e-mail) or a key (with its name).
type Actor struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Email   string `json:"email,omitempty"`
	KeyName string `json:"keyName,omitempty"`
}

// Quota is a number of calls per calendar day or month, in UTC.
type Quota struct {
	Limit  int64  `json:"limit" minimum:"1" maximum:"1000000000000"`
	Period string `json:"period" enum:"day,month"`
}
