package api

// RotationState is the use of both secrets of a running rotation.
type RotationState struct {
	OldSecret OldSecret `json:"oldSecret"`
	NewSecret NewSecret `json:"newSecret"`
}

// OldSecret is the secret that ends with the rotation, and its use.
type OldSecret struct {
	EndsAt             Time      `json:"endsAt" format:"date-time" doc:"With first_use, until that use: the latest end"`
	Hint               string    `json:"hint"`
	LastUsed           *LastUsed `json:"lastUsed"`
	CallsSinceRotation int64     `json:"callsSinceRotation" doc:"With this secret, while it was valid"`
	Sources            []Source  `json:"sources" nullable:"false" doc:"Where it is sent from, latest first; also where earlier secrets that have ended are still sent from"`
}

// NewSecret is the secret that remains.
type NewSecret struct {
	FirstUsedAt *Time `json:"firstUsedAt" format:"date-time" doc:"Its first admitted call that is known"`
}

// Source is an origin of calls.
type Source struct {
	SourceIP  string `json:"sourceIp" doc:"others stands for the sources beyond the number that is recorded separately"`
	UserAgent string `json:"userAgent"`
	Calls     int64  `json:"calls"`
	LastAt    Time   `json:"lastAt" format:"date-time"`
}
