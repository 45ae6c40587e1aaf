package api

// Imported is the result of an import.
type Imported struct {
	Imported    int             `json:"imported"`
	Failed      []ImportFailure `json:"failed" nullable:"false"`
	EffectiveBy Time            `json:"effectiveBy" format:"date-time" doc:"When the keys work everywhere: at once, except in the ten seconds after the first import into an environment"`
	Replayed    bool            `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key.
func (i Imported) Replay() Imported {
	i.Replayed = true
	return i
}

// ImportFailure is a key that was not imported.
type ImportFailure struct {
	Index  int    `json:"index" doc:"Its index in keys, from 0"`
	Code   Code   `json:"code" enum:"duplicate,validation"`
	Detail string `json:"detail"`
}
