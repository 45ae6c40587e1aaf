// Package history defines an entry of the history: who did what to which object, when, from where
// and with which credential.
//
// It promises that an entry contains no secret and no hash, since it is made from fields that are
// named one by one. The store writes it in the same transaction as the change that it describes,
// and never changes it afterwards.
package history

import (
	"encoding/json"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// The actions of entries.
const (
	KeyCreated          = "key.created"
	KeyImported         = "key.imported"
	KeyUpdated          = "key.updated"
	KeyRegenerated      = "key.regenerated"
	KeyRotationStarted  = "key.rotation_started"
	KeyRotationFinished = "key.rotation_finished"
	KeyRevoked          = "key.revoked"
	KeyRestored         = "key.restored"
	KeyLeaked           = "key.leaked" // a secret of the key was found in public
	KeyDeleted          = "key.deleted"

	MemberAdded   = "member.added"
	MemberUpdated = "member.updated"
	MemberRemoved = "member.removed"

	CustomerCreated = "customer.created"
	CustomerUpdated = "customer.updated"
	CustomerDeleted = "customer.deleted"

	OrganizationCreated = "organization.created"
	OrganizationUpdated = "organization.updated"
	OrganizationDeleted = "organization.deleted"

	PermissionsUpdated = "permissions.updated"
)

// Actions are all actions.
func Actions() []string {
	return []string{
		KeyCreated, KeyImported, KeyUpdated, KeyRegenerated, KeyRotationStarted,
		KeyRotationFinished, KeyRevoked, KeyRestored, KeyLeaked, KeyDeleted, MemberAdded,
		MemberUpdated, MemberRemoved, CustomerCreated, CustomerUpdated, CustomerDeleted,
		OrganizationCreated, OrganizationUpdated, OrganizationDeleted, PermissionsUpdated,
	}
}

// Object is the object that was changed.
type Object struct {
	Type string `json:"type"` // key, organization, member, customer, permissions
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Fields returns the fields of an object of a type that entries record, by name. The rest is never
// recorded: what is computed, and what would reveal a part of a secret, such as a key's hint.
func Fields(objectType string) []string {
	switch objectType {
	case "key":
		return []string{
			"allPermissions", "allowedAddresses", "createdBy", "customers", "deletedAt",
			"description", "enabled", "environment", "expiresAt", "exposure", "grantable", "legacy",
			"metadata", "name", "notBefore", "owner", "ownership", "permissions", "quota",
			"rateLimits", "revocation", "rotation", "tags",
		}
	case "organization":
		return []string{"name", "settings"}
	case "member":
		return []string{"email", "grants", "joinedAt", "role"}
	case "customer":
		return []string{"metadata", "name"}
	default:
		return nil
	}
}

// FieldChange is the change of one field; nil for an absent value.
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Entry is one acknowledged change.
type Entry struct {
	ID             string        `json:"id"`
	At             time.Time     `json:"at"`
	Action         string        `json:"action"` // one of the actions above
	OrganizationID string        `json:"organizationId"`
	Actor          apikey.Actor  `json:"actor"`
	SourceIP       string        `json:"sourceIp,omitempty"`
	UserAgent      string        `json:"userAgent,omitempty"`
	Object         Object        `json:"object"`
	Changes        []FieldChange `json:"changes"`
	Reason         string        `json:"reason,omitempty"`
	RequestID      string        `json:"requestId,omitempty"`
}

// MarshalJSON implements json.Marshaler. It formats the time as all others.
func (e Entry) MarshalJSON() ([]byte, error) {
	type entry Entry // without this method
	return json.Marshal(struct {
		entry
		At string `json:"at"`
	}{entry(e), apikey.FormatTime(e.At)})
}
