package limit

import "time"

// Verdict is whether limits have room for a call. The zero Verdict is none of them, so that one
// that was forgotten admits nothing.
type Verdict int

// The verdicts.
const (
	Admitted Verdict = iota + 1
	OverRate
	OverQuota
)

// Allowance is what limits say of a call.
type Allowance struct {
	Verdict Verdict
	At      time.Time // when that is
	// the name of the limit that refuses; "" for the quota, and where none does
	Limit      string
	RetryAfter time.Duration // for a refusal: how long it lasts at least
	Limits     []Left        // of every rate limit, in the policy's order
	Quota      *Left         // nil where there is no quota
}

// Left is what is left of one limit.
type Left struct {
	Name      string // "" for the quota
	Limit     int64
	Window    time.Duration // of the quota: how long its period is
	Remaining int64
	ResetAt   time.Time // when all of it is there again, if nothing more is taken
}
