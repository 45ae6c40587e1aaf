package api

// BulkAnswer is the result of a dry run, or the job that makes it.
type BulkAnswer struct {
	Matched  *int  `json:"matched,omitempty" doc:"Of a dry run: the number of keys that match and that you may change"`
	Sample   []Key `json:"sample,omitzero" doc:"Of a dry run: some of them, the newest"`
	Job      *Job  `json:"job,omitempty"`
	Replayed bool  `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

// Replay returns the answer to a call that is repeated with its Idempotency-Key.
func (b BulkAnswer) Replay() BulkAnswer {
	b.Replayed = true
	return b
}
