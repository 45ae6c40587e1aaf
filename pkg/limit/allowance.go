package limit

import "time"

// Verdict is whether limits have room for a call. The zero Verdict is none of these, so that one
// that was never set admits nothing.
type Verdict int

// The verdicts.
const (
	Admitted Verdict = iota + 1
	OverRate
	OverQuota
)

// Allowance is the result of checking a call against its limits.
type Allowance struct {
	Verdict Verdict
	At      time.Time // the time of the check
	// the name of the limit that refuses; "" for the quota, and if none does
	Limit      string
	RetryAfter time.Duration // for a refusal: how long it lasts at least
	Limits     []Left        // one for each rate limit, in the policy's order
	Quota      *Left         // nil where there is no quota
}

// Left is what remains of one limit.
type Left struct {
	Name      string // "" for the quota
	Limit     int64
	Window    time.Duration // for the quota: the length of its period
	Remaining int64
	ResetAt   time.Time // when it is full again, if nothing more is taken
}
