package limit

import (
	"context"
	"errors"
	"maps"
	"time"
)

// ErrThrottled is returned if the table accepts fewer writes than requested. Stores wrap it.
var ErrThrottled = errors.New("limit: throttled")

// Store keeps the state of limits, one item per subject.
type Store interface {
	// ReadLimits reads a state, strongly consistent. It returns nil if there is none.
	ReadLimits(ctx context.Context, s Subject) (*State, error)
	// ChargeLimits makes a charge by one conditional write, and returns the new state. If a
	// condition does not hold, made is false, nothing changed, and state is the current one: nil if
	// there is none.
	ChargeLimits(ctx context.Context, s Subject, c Charge) (state *State, made bool, err error)
	// ReplaceLimits replaces the state was by next; was is nil if there is none yet. It returns
	// what ChargeLimits does.
	ReplaceLimits(
		ctx context.Context, s Subject, was, next *State,
	) (state *State, made bool, err error)
}

// State is all that is stored of the limits of a subject.
type State struct {
	Policy  string           // the limits that the numbers belong to
	Version int64            // of the policy
	Since   int64            // when the policy was first met, in nanoseconds of Unix time
	TAT     map[string]int64 // by rate limit name, in nanoseconds of Unix time
	Period  string           // of the quota; "" if there is none
	Used    int64            // calls in the quota's period
	Debt    Debt             // of rate limits that were removed
	Spent   map[string]int64 // calls of quotas that were removed, by period
	// how often calls were given back by a write of its own
	Returns int64
	PurgeAt int64 // in seconds of Unix time: when the state can be removed
}

// Charge is one conditional write: if all conditions hold, everything is charged; else nothing is.
type Charge struct {
	Policy  string // required policy of the state
	Limits  []RateCharge
	Quota   *QuotaCharge // nil if there is no quota
	PurgeAt int64
	Return  Return
}

// Return describes how a charge relates to calls that were taken before.
type Return struct {
	Of    Returned
	Times int64 // for Some and Only: the number of returns that the state must count
}

// Returned is whether a charge gives calls back.
type Returned int

// The kinds of charge: Nothing takes calls. Some takes fewer, by calls that were taken before and
// not spent. Only gives such calls back and takes none: its numbers are negative, and it adds one
// to the returns that the state counts.
const (
	Nothing Returned = iota
	Some
	Only
)

// RateCharge is the charge to a rate limit. Additions commute, so that instances do not conflict;
// only the first one after the limit was full sets its TAT.
type RateCharge struct {
	Name      string
	Full      bool  // the TAT must be before Low, and becomes By
	Low, High int64 // otherwise: the TAT must be between these, inclusive, and By is added
	By        int64
}

// QuotaCharge is the charge to a quota.
type QuotaCharge struct {
	Period string
	Begins bool  // the state's period must be before this one; its use becomes Calls
	Most   int64 // otherwise: it must be this one, with at most this use, and Calls are added
	Calls  int64
}

// current returns a state under its own policy at a time, without a period of the quota that is
// over. A stored period that is later than the clock's wins: an instance whose clock is behind must
// not count into a period that is over.
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

// refusal returns why a state has no room for a call, by which limit, and how long that lasts at
// least.
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

// allowance returns what is left in a state, of which the instance holds some calls.
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

// slack is how long a state is kept after it can be removed.
const slack = 24 * time.Hour

// purgeAt returns when a state holds nothing more to remember.
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
