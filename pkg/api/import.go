package api

// Imported is what became of the keys of a call.
type Imported struct {
	Imported    int             `json:"imported"`
	Failed      []ImportFailure `json:"failed" nullable:"false"`
	EffectiveBy Time            `json:"effectiveBy" format:"date-time" doc:"When the keys work everywhere: at once, but for the ten seconds after the first import into an environment"`
	Replayed    bool            `json:"replayed,omitempty" doc:"This Idempotency-Key was answered before"`
}

// Replay returns the answer to a call that is sent again with its Idempotency-Key.
func (i Imported) Replay() Imported {
	i.Replayed = true
	return i
}

// ImportFailure is a key that was not imported.
type ImportFailure struct {
	Index  int    `json:"index" doc:"Its place in keys, from 0"`
	Code   Code   `json:"code" enum:"duplicate,validation"`
	Detail string `json:"detail"`
}
