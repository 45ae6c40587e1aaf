package guard

import (
	"encoding/json"
	"net/http"
)

// refusal is an answer of the guard itself.
type refusal struct {
	status     int
	code       string
	title      string
	detail     string
	required   string // the permission to ask for
	retryAfter string // seconds
}

// problem is a refusal in the form of RFC 9457.
type problem struct {
	Type               string `json:"type"`
	Title              string `json:"title"`
	Status             int    `json:"status"`
	Code               string `json:"code"`
	Detail             string `json:"detail,omitempty"`
	RequiredPermission string `json:"requiredPermission,omitempty"`
	RequestID          string `json:"requestId"`
}

// refuse answers with a problem.
func (p *admission) refuse(w http.ResponseWriter, r refusal) {
	w.Header().Set("Content-Type", "application/problem+json")

	if r.retryAfter != "" {
		w.Header().Set("Retry-After", r.retryAfter)
	}

	w.WriteHeader(r.status)
	body := problem{
		p.docs + r.code, r.title, r.status, r.code, r.detail, r.required, p.call.RequestID,
	}
	// the status is written: an error cannot be reported any more
	_ = json.NewEncoder(w).Encode(body)
}
