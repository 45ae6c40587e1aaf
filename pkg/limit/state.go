package limit

import (
	"context"
	"errors"
	"maps"
	"time"
)

// ErrThrottled says that the table takes fewer writes than it is asked for. Stores wrap it.
var ErrThrottled = errors.New("limit: throttled")

// Store keeps the state of limits, one item for each subject.
type Store interface {
	// ReadLimits reads a state, strongly consistent; nil where there is none.
	ReadLimits(ctx context.Context, s Subject) (*State, error)
	// ChargeLimits makes a charge by one conditional write. Where its conditions do not hold, made
	// is false, nothing was changed, and the state is as it stands, nil where there is none. Else
	// the state is what came of it.
	ChargeLimits(ctx context.Context, s Subject, c Charge) (state *State, made bool, err error)
	// ReplaceLimits writes the state next in the place of was, which is nil where there is none
	// yet. It answers as ChargeLimits does.
	ReplaceLimits(
		ctx context.Context, s Subject, was, next *State,
	) (state *State, made bool, err error)
}

// State is all that is kept of the limits of a subject.
type State struct {
	Policy  string           // the limits that the numbers are about
	Version int64            // of the policy
	Since   int64            // when the policy was first met, in nanoseconds of Unix time
	TAT     map[string]int64 // of each rate limit by its name, in nanoseconds of Unix time
	Period  string           // of the quota; "" where there is none
	Used    int64            // of the quota in its period
	Debt    Debt             // of rate limits that are no more
	Spent   map[string]int64 // of quotas that are no more, by the period that they were used in
	// how often calls that were taken were given back by a write of its own
	Returns int64
	PurgeAt int64 // in seconds of Unix time: nothing is left to remember then
}

// Charge is one conditional write: every condition holds and everything is charged, or nothing is.
type Charge struct {
	Policy  string // the state must be of this policy
	Limits  []RateCharge
	Quota   *QuotaCharge // nil where there is no quota
	PurgeAt int64
	Return  Return
}

// Return says what a charge has to do with calls that were taken before.
type Return struct {
	Of    Returned
	Times int64 // where it is of some: the state must count so many returns
}

// Returned is whether a charge gives calls back.
type Returned int

// A charge is of calls that are taken; or of fewer, since some that were taken before were not
// spent; or it gives such calls back and takes none: then its numbers are negative, and the state
// counts one more return.
const (
	Nothing Returned = iota
	Some
	Only
)

// RateCharge is what is charged to a rate limit. Additions commute, so that instances do not stand
// in each other's way; only the first one after a limit was full again sets its TAT.
type RateCharge struct {
	Name      string
	Full      bool  // the TAT must be before Low, and becomes By
	Low, High int64 // else it must be between these, both included, and By is added
	By        int64
}

// QuotaCharge is what is charged to a quota.
type QuotaCharge struct {
	Period string
	Begins bool  // the state's period must be before this one; what is used becomes Calls
	Most   int64 // else it must be this one with no more used than that, and Calls are added
	Calls  int64
}

// current is a state under its own policy at a time: a quota's period that is over is forgotten.
// The clock of whoever wrote a later period is believed, so that a clock that is late takes nothing
// from a period that is over.
func (s *State) current(p *plan, now int64) *State {
	if p.quota == nil {
		return s
	}

	if this := period(now, p.quota.Period); s.Period < this {
		next := *s
		next.TAT = maps.Clone(s.TAT)
		next.Period = this
		next.Used = 0
		return &next
	}

	return s
}

// refusal is why a state has no room for a call: how long that lasts at least, and which limit it
// is.
func (p *plan) refusal(s *State, now int64) (verdict Verdict, limit string, wait int64) {
	verdict = Admitted
	for _, b := range p.buckets {
		if w := b.wait(s.TAT[b.Name], now); b.left(s.TAT[b.Name], now) < 1 &&
			(verdict == Admitted || w > wait) {
			verdict = OverRate
			limit = b.Name
			wait = w
		}
	}

	if p.quota != nil && s.Used >= p.quota.Limit {
		_, end := bounds(s.Period)
		verdict = OverQuota
		limit = ""
		wait = max(wait, end.UnixNano()-now)
	}

	return verdict, limit, wait
}

// allowance is what is left in a state, of which an instance holds some calls.
func (p *plan) allowance(s *State, now, atHand int64) *Allowance {
	a := &Allowance{
		Verdict: Admitted,
		At:      time.Unix(0, now).UTC(),
		Limits:  make([]Left, 0, len(p.buckets)),
	}
	for _, b := range p.buckets {
		tat := s.TAT[b.Name]
		a.Limits = append(a.Limits, Left{
			Name:      b.Name,
			Limit:     b.Limit,
			Window:    b.Window,
			Remaining: min(b.left(tat, now)+atHand, b.Burst),
			ResetAt:   time.Unix(0, max(tat, now)).UTC(),
		})
	}

	if p.quota != nil {
		from, end := bounds(s.Period)
		a.Quota = &Left{
			Limit:     p.quota.Limit,
			Window:    end.Sub(from),
			Remaining: max(0, p.quota.Limit-s.Used+atHand),
			ResetAt:   end,
		}
	}

	return a
}

// slack is how long a state is kept after there is nothing left to remember.
const slack = 24 * time.Hour

// purgeAt is when nothing of a state is left to remember.
func (p *plan) purgeAt(s *State, now int64) int64 {
	last := max(now, s.Debt.Until)
	for _, b := range p.buckets {
		last = max(last, now+b.capacity)
	}

	for name := range s.Spent {
		_, end := bounds(name)
		last = max(last, end.UnixNano())
	}

	if p.quota != nil {
		_, end := bounds(s.Period)
		last = max(last, end.UnixNano())
	}

	return (last + int64(slack)) / int64(time.Second)
}
