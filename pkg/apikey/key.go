package apikey

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// OperatorOrganization is the organization of operator keys, which belong to no tenant. No tenant
// can have this id: slugs start with a letter.
const OperatorOrganization = "_operators"

// Ownership is whether a key belongs to a person or to the organization.
type Ownership string

// A personal key is visible to its owner and to those who manage others' keys; an organization key
// to all members.
const (
	Personal     Ownership = "personal"
	Organization Ownership = "organization"
)

// Grantable is what a key with admin permissions may grant besides its own permissions.
type Grantable string

// A key grants its own permissions, or any data-plane permission of the catalogue.
const (
	GrantOwn       Grantable = "own"
	GrantCatalogue Grantable = "catalogue"
)

// ActorType is the kind of an actor.
type ActorType string

// The kinds of actors.
const (
	ActorUser     ActorType = "user"
	ActorKey      ActorType = "key"
	ActorOperator ActorType = "operator"
	ActorSystem   ActorType = "system"
)

// Actor is the person (with an e-mail address) or the key (with its name) who did or owns
// something.
type Actor struct {
	Type    ActorType `json:"type"`
	ID      string    `json:"id"`
	Email   string    `json:"email,omitempty"`
	KeyName string    `json:"keyName,omitempty"`
}

// RateLimit allows Limit calls per Window in the long run, and Burst at once.
type RateLimit struct {
	Name   string
	Limit  int64
	Window time.Duration
	Burst  int64 // 0 means Limit
}

// Quota is a number of calls per calendar day or month, in UTC.
type Quota struct {
	Limit  int64  `json:"limit"`
	Period string `json:"period"` // "day" or "month"
}

// Verifier is the stored form of a secret: its keyed hash, the version of the pepper that made it,
// and for another system's secret how that system had hashed it.
type Verifier struct {
	Hash   []byte
	Pepper int
	Scheme Algorithm // "" for a secret of ours
}

func (v Verifier) clone() Verifier {
	return Verifier{Hash: slices.Clone(v.Hash), Pepper: v.Pepper, Scheme: v.Scheme}
}

// Revocation means that a key was revoked, and whether only a new secret can bring it back.
type Revocation struct {
	At          time.Time
	By          Actor
	Reason      string
	Compromised bool
}

// Profile is what people write about a key. It decides nothing.
type Profile struct {
	Name        string
	Description string
	Metadata    map[string]string
	Tags        []string
}

// Key is the record. A zero time means "none"; empty Permissions mean none, never all; empty
// Customers mean not scoped.
type Key struct {
	ID             string
	OrganizationID string
	Profile
	Environment Environment
	Ownership   Ownership
	Owner       Actor
	CreatedBy   Actor

	Enabled     bool
	Permissions []string
	// AllPermissions means every data-plane permission, also those added later; never an admin
	// permission.
	AllPermissions bool
	// Legacy means imported from another system with all permissions, and not narrowed since.
	Legacy    bool
	Grantable Grantable
	// Provisional means that the first new secret lifts its expiry, unless an expiry was set
	// before: the first operator key's.
	Provisional      bool
	Customers        []string
	RateLimits       []RateLimit
	Quota            *Quota
	AllowedAddresses []netip.Prefix
	NotBefore        time.Time
	ExpiresAt        time.Time

	Secret     Verifier
	RenewedAt  time.Time // when the secret replaced another; zero for a key's first
	Hint       string
	Rotation   *Rotation
	Retired    []Verifier // the last maxRetired secrets that this key once had, newest first
	Revocation *Revocation
	Exposure   *Exposure
	DeletedAt  time.Time

	Version   int64 // 1 when created; the ETag
	Pace      Pace  // the rate at which the row is changed; not part of the key
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Operator reports whether the key is an operator's, which stands above all organizations.
func (k *Key) Operator() bool { return k.OrganizationID == OperatorOrganization }

// SecretSince returns when the secret was made, as far as this service knows: an imported one is
// older.
func (k *Key) SecretSince() time.Time {
	if k.RenewedAt.IsZero() {
		return k.CreatedAt
	}

	return k.RenewedAt
}

// Clone returns a deep copy, to change and compare.
func (k *Key) Clone() *Key {
	c := *k
	c.Permissions = slices.Clone(k.Permissions)
	c.Customers = slices.Clone(k.Customers)
	c.RateLimits = slices.Clone(k.RateLimits)
	c.AllowedAddresses = slices.Clone(k.AllowedAddresses)
	c.Secret = k.Secret.clone()

	c.Retired = slices.Clone(k.Retired)
	for i, v := range c.Retired {
		c.Retired[i] = v.clone()
	}

	c.Tags = slices.Clone(k.Tags)

	c.Metadata = maps.Clone(k.Metadata)
	if k.Quota != nil {
		q := *k.Quota
		c.Quota = &q
	}

	if k.Rotation != nil {
		r := *k.Rotation
		r.Old = r.Old.clone()
		c.Rotation = &r
	}

	if k.Revocation != nil {
		r := *k.Revocation
		c.Revocation = &r
	}

	if k.Exposure != nil {
		e := *k.Exposure
		c.Exposure = &e
	}

	return &c
}
