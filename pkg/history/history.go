// Package history says what an entry of the history is: who did what to which object, when, from
// where and with which credential.
//
// It promises that an entry carries no secret and no hash, since it is made from fields that are
// named one by one. It is written in the same transaction as the change that it describes, and is
// never changed afterwards; that is the store's part.
package history

import (
	"encoding/json"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Object is what was changed.
type Object struct {
	Type string `json:"type"` // key, organization, member, customer, permissions
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// FieldChange is one field, before and after; nil where there was or is nothing.
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Entry is one acknowledged change.
type Entry struct {
	ID             string        `json:"id"`
	At             time.Time     `json:"at"`
	Action         string        `json:"action"` // such as key.created
	OrganizationID string        `json:"organizationId"`
	Actor          apikey.Actor  `json:"actor"`
	SourceIP       string        `json:"sourceIp,omitempty"`
	UserAgent      string        `json:"userAgent,omitempty"`
	Object         Object        `json:"object"`
	Changes        []FieldChange `json:"changes"`
	Reason         string        `json:"reason,omitempty"`
	RequestID      string        `json:"requestId,omitempty"`
}

// MarshalJSON implements json.Marshaler: the time is written as every other is.
func (e Entry) MarshalJSON() ([]byte, error) {
	type entry Entry // without this method
	return json.Marshal(struct {
		entry
		At string `json:"at"`
	}{entry(e), apikey.FormatTime(e.At)})
}
