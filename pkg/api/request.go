package api

// Request is a call that was made with a key.
type Request struct {
	RequestID   string `json:"requestId"`
	At          Time   `json:"at" format:"date-time"`
	Method      string `json:"method"`
	Route       string `json:"route" doc:"As in the catalogue; API Gateway's own if the check ended before the route was found"`
	Path        string `json:"path"`
	Status      int    `json:"status" doc:"The authorizer's result: 200 stands for anything that the backend answered"`
	Outcome     string `json:"outcome"`
	Permission  string `json:"permission" doc:"The permission that opened the route, or that was missing"`
	SourceIP    string `json:"sourceIp"`
	UserAgent   string `json:"userAgent"`
	LatencyMs   int64  `json:"latencyMs" doc:"Of the check"`
	Environment string `json:"environment"`
	OldSecret   bool   `json:"oldSecret" doc:"The call was made with the old secret of a rotation"`
	Omitted     int64  `json:"omitted,omitempty" doc:"Calls of the key just before this one that were not kept, since there were too many or they were not in the sample"`

	KeyID      string `json:"keyId"`
	KeyVersion int64  `json:"keyVersion" doc:"The version of the key that was checked"`
	API        string `json:"api"`
}

// RecordedRequest is a call that was made with a key, with the steps that led to its refusal.
type RecordedRequest struct {
	Request
	Steps []Step `json:"steps,omitempty" doc:"Of a refusal: the steps of the check up to the one that refused, as far as they were kept"`
}
