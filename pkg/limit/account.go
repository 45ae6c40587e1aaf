package limit

import "time"

// account holds what an instance remembers of one subject. Users hold the token of sem.
type account struct {
	sem chan struct{} // holds one token

	policy Policy
	plan   *plan

	known bool   // whether state was read; else the store must be read first
	state *State // nil where there is none

	arrivals arrivals
	lease    lease
	refusal  refusal

	misses    int           // grants of nothing in a row, each of which cost a write
	leaseTime time.Duration // doubles while the store takes fewer writes than it is asked for
	backoff   span          // while the store is not written to
}

// span is a time from a moment on. It is over at its end, and also before its beginning: if the
// clock went back, what was remembered is dropped.
type span struct{ from, until int64 }

func (s span) holds(now int64) bool { return s.from <= now && now < s.until }

// lease is a number of calls that were taken together, to be spent before it ends. The rest is
// given back with the next charge, if there is one.
type lease struct {
	span
	calls int64
	state *State // right after they were taken
}

// refusal is the answer to the next calls, without a request to the store.
type refusal struct {
	span
	verdict Verdict
	limit   string
	retryAt int64
}

func newAccount() *account {
	a := &account{sem: make(chan struct{}, 1), leaseTime: leaseTime}
	a.sem <- struct{}{}
	return a
}

// setPolicy switches to a policy. It drops what was remembered under another one, except the state,
// which goes by the names of limits.
func (a *account) setPolicy(p Policy) {
	if a.plan != nil && same(a.policy, p) {
		return
	}

	before := a.plan
	a.policy = p

	a.plan = newPlan(p)
	if before == nil || before.text != a.plan.text {
		a.lease = lease{}
		a.refusal = refusal{}
		a.misses = 0
	}
}

// local answers without the store, if it can: with a leased call, or with a refusal that is
// certain.
func (a *account) local(now int64) *Allowance {
	if a.lease.calls > 0 && a.lease.holds(now) {
		a.lease.calls--
		return a.allowed(now)
	}

	if a.refusal.holds(now) {
		return a.refused(now)
	}

	return nil
}

// allowed returns the answer to a call that was taken.
func (a *account) allowed(now int64) *Allowance {
	return a.plan.allowance(a.state.current(a.plan, now), now, a.lease.calls)
}

// refused returns the answer to a call while the refusal holds.
func (a *account) refused(now int64) *Allowance {
	out := a.plan.allowance(a.state.current(a.plan, now), now, 0)
	out.Verdict = a.refusal.verdict
	out.Limit = a.refusal.limit
	out.RetryAfter = time.Duration(a.refusal.retryAt - now)
	return out
}

// arrivals estimates how many calls came in the last second.
type arrivals struct {
	second        int64
	before, count int64 // in the second before, and in this one
}

func (r *arrivals) add(now int64) {
	second := now / int64(time.Second)
	// The estimate covers two seconds: an older count is dropped.
	switch second - r.second {
	case 0:
	case 1:
		r.second = second
		r.before = r.count
		r.count = 0
	default:
		r.second = second
		r.before = 0
		r.count = 0
	}

	r.count++
}

// lastSecond returns the calls of this second, and the part of the previous one that is less than a
// second ago.
func (r *arrivals) lastSecond(now int64) int64 {
	rest := int64(time.Second) - now%int64(time.Second)
	return r.count + r.before*(rest/int64(time.Millisecond))/1000
}
