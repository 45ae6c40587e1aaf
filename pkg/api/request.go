package api

// Request is a call that was made with a key.
type Request struct {
	RequestID   string `json:"requestId"`
	At          Time   `json:"at" format:"date-time"`
	Method      string `json:"method"`
	Route       string `json:"route" doc:"The catalogue's; API Gateway's where the check ended before it was found"`
	Path        string `json:"path"`
	Status      int    `json:"status" doc:"What the authorizer made of it: 200 stands for whatever the backend answered"`
	Outcome     string `json:"outcome"`
	Permission  string `json:"permission" doc:"The one that it was made with, or lacked"`
	SourceIP    string `json:"sourceIp"`
	UserAgent   string `json:"userAgent"`
	LatencyMs   int64  `json:"latencyMs" doc:"Of the check"`
	Environment string `json:"environment"`
	OldSecret   bool   `json:"oldSecret" doc:"It was made with the old secret of a rotation"`
	Omitted     int64  `json:"omitted,omitempty" doc:"Calls of the key just before that were not kept, since there were too many, or as the sample wants it"`

	KeyID      string `json:"keyId"`
	KeyVersion int64  `json:"keyVersion" doc:"Of the key as it was checked"`
	API        string `json:"api"`
}

// RecordedRequest is a call that was made with a key, with what led to its refusal.
type RecordedRequest struct {
	Request
	Steps []Step `json:"steps,omitempty" doc:"Of a refusal: the steps of the check up to the one that refused, with what was kept of them"`
}
