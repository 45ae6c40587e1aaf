package api

// RotationState is who still uses which secret of a running rotation.
type RotationState struct {
	OldSecret OldSecret `json:"oldSecret"`
	NewSecret NewSecret `json:"newSecret"`
}

// OldSecret is the secret that ends with the rotation, and who still sends it.
type OldSecret struct {
	EndsAt             Time      `json:"endsAt" format:"date-time" doc:"With first_use, before that use: at the latest"`
	Hint               string    `json:"hint"`
	LastUsed           *LastUsed `json:"lastUsed"`
	CallsSinceRotation int64     `json:"callsSinceRotation" doc:"With this secret, while it was accepted"`
	Sources            []Source  `json:"sources" nullable:"false" doc:"Where it comes from, the latest first; beside it, secrets that ended before, where somebody still sends them"`
}

// NewSecret is the secret that stays.
type NewSecret struct {
	FirstUsedAt *Time `json:"firstUsedAt" format:"date-time" doc:"Its first admitted call, as far as is known"`
}

// Source is where calls come from.
type Source struct {
	SourceIP  string `json:"sourceIp" doc:"others: those beyond the number that is told apart"`
	UserAgent string `json:"userAgent"`
	Calls     int64  `json:"calls"`
	LastAt    Time   `json:"lastAt" format:"date-time"`
}
