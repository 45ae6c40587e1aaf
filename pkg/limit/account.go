package limit

import "time"

// account is what an instance knows of one subject. Who uses it holds its sem's token.
type account struct {
	sem chan struct{} // holds one token

	policy Policy
	plan   *plan

	known bool   // that state is what was last seen; else nobody here has looked
	state *State // nil where there is none

	arrivals arrivals
	lease    lease
	refusal  refusal

	misses    int           // grants of nothing in a row that cost a write
	leaseTime time.Duration // doubles while the store takes fewer writes than it is asked for
	backoff   span          // while the store is left alone
}

// span is a time from a moment on. It is over at its end, and also before its beginning, where the
// clock went back: what was remembered is forgotten then.
type span struct{ from, until int64 }

func (s span) holds(now int64) bool { return s.from <= now && now < s.until }

// lease is calls that were taken together, to be spent before it ends. What is left at its end is
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

// setPolicy makes the policy the one that counts. What is remembered of another one is forgotten,
// but for the state, which is by the names of limits.
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

// local answers without the store, if it can: with a call that was leased, or with a refusal that
// is certain.
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

// allowed is the answer to a call that was taken.
func (a *account) allowed(now int64) *Allowance {
	return a.plan.allowance(a.state.current(a.plan, now), now, a.lease.calls)
}

// refused is the answer to a call that the refusal is for.
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

// lastSecond counts this second whole and of the one before what is not a second ago.
func (r *arrivals) lastSecond(now int64) int64 {
	rest := int64(time.Second) - now%int64(time.Second)
	return r.count + r.before*(rest/int64(time.Millisecond))/1000
}
