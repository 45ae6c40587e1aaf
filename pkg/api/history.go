package api

// Entry is one acknowledged change.
type Entry struct {
	ID             string        `json:"id"`
	At             Time          `json:"at" format:"date-time"`
	Action         string        `json:"action"`
	OrganizationID string        `json:"organizationId"`
	Actor          Actor         `json:"actor"`
	SourceIP       string        `json:"sourceIp,omitempty"`
	UserAgent      string        `json:"userAgent,omitempty"`
	Object         Object        `json:"object"`
	Changes        []FieldChange `json:"changes"`
	Reason         string        `json:"reason,omitempty"`
	RequestID      string        `json:"requestId,omitempty"`
}

// Object is what was changed.
type Object struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// FieldChange is one field before and after a change; nil for no value.
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}
