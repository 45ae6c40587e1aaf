package limit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

const (
	leaseTime = time.Second     // how long leased calls may be spent
	maxLease  = 4 * time.Second // while the store is throttled
	// the maximum time that a refusal is remembered: calls may have been given back, or the item
	// removed
	certainFor  = time.Minute
	stalePolicy = 10 * time.Second
	attempts    = 8
	maxSubjects = 10_000
	// after fewer calls were granted than requested: up to twice as long
	shortestPause = 250 * time.Millisecond
	// at most the shortest Retry-After, so that a caller who waits is not refused by the pause
	maxPause = time.Second
)

// errContended is returned if other instances kept changing the state of the limits.
var errContended = errors.New("limit: the state of the limits kept changing")

// Limiter enforces limits across all instances together. It is safe for concurrent use.
type Limiter struct {
	store  Store
	now    func() time.Time
	jitter func() float64

	mu       sync.Mutex
	accounts map[Subject]*account
}

// New returns the limiter of an instance. jitter returns random numbers in [0, 1).
func New(store Store, now func() time.Time, jitter func() float64) *Limiter {
	return &Limiter{
		store:    store,
		now:      now,
		jitter:   jitter,
		accounts: map[Subject]*account{},
	}
}

// Keys enforces the limits of keys. It implements check.Limits.
type Keys struct{ *Limiter }

// Spend implements check.Limits.
func (l Keys) Spend(ctx context.Context, k *apikey.Key) (*Allowance, error) {
	return l.Limiter.Spend(ctx, KeySubject(k), PolicyOf(k))
}

// Peek implements check.Limits.
func (l Keys) Peek(
	ctx context.Context, k *apikey.Key, at time.Time,
) (*Allowance, error) {
	return l.Limiter.Peek(ctx, KeySubject(k), PolicyOf(k), at)
}

// Spend takes one call from every limit of the policy, or from none if one of them refuses. On
// error the state is unknown; deny the call.
func (l *Limiter) Spend(ctx context.Context, s Subject, p Policy) (*Allowance, error) {
	a := l.account(s)
	// One request per subject asks the store; the others wait, and mostly find leased calls.
	select {
	case <-a.sem:
		defer func() { a.sem <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	now := l.now().UnixNano()
	a.setPolicy(p)
	a.arrivals.add(now)

	if answer := a.local(now); answer != nil {
		return answer, nil
	}

	if a.backoff.holds(now) {
		return nil, fmt.Errorf("%w: pausing before the next write", ErrThrottled)
	}

	answer, err := l.ask(ctx, s, a)
	if err != nil {
		l.failed(a, err)
	}

	return answer, err
}

// Peek returns what Spend would return at a time, and takes nothing. It reads the state and caches
// nothing.
func (l *Limiter) Peek(
	ctx context.Context, s Subject, p Policy, at time.Time,
) (*Allowance, error) {
	state, err := l.store.ReadLimits(ctx, s)
	if err != nil {
		return nil, err
	}

	plan, now := newPlan(p), at.UnixNano()
	if state == nil || state.Policy != plan.text {
		state = state.under(plan, now)
	}

	state = state.current(plan, now)
	out := plan.allowance(state, now, 0)
	var wait int64
	out.Verdict, out.Limit, wait = plan.refusal(state, now)
	out.RetryAfter = time.Duration(wait)
	return out, nil
}

// account returns the account of a subject. If there are too many, it drops all: they hold nothing
// that the store cannot return again, except leased calls, which are lost.
func (l *Limiter) account(s Subject) *account {
	l.mu.Lock()
	defer l.mu.Unlock()

	a := l.accounts[s]
	if a == nil {
		if len(l.accounts) >= maxSubjects {
			clear(l.accounts)
		}

		a = newAccount()
		l.accounts[s] = a
	}

	return a
}

// ask takes as many calls from the store as are worth a lease, and spends the first of them.
func (l *Limiter) ask(ctx context.Context, s Subject, a *account) (*Allowance, error) {
	a.refusal = refusal{}
	if !a.known {
		state, err := l.store.ReadLimits(ctx, s)
		if err != nil {
			return nil, err
		}

		a.state = state
		a.known = true
	}

	// Each attempt plans anew, on the state that the write before returned.
	for attempt := range attempts {
		now := l.now().UnixNano()
		if err := a.adoptStored(now); err != nil {
			return nil, err
		}

		t := a.spendPlan(now, attempt)
		if t.calls == 0 && t.replace == nil {
			return l.refuse(a, t, attempt > 0), nil
		}

		state, made, err := t.write(ctx, l.store, s, a.state)
		if err != nil {
			return nil, err
		}

		a.state = state
		if made && t.calls > 0 {
			return l.grant(a, t), nil
		}
	}

	return l.contended(a)
}

// contended answers if other instances wrote first at every attempt: they take what there is, so
// the limit with the least left refuses.
func (l *Limiter) contended(a *account) (*Allowance, error) {
	if a.state == nil || a.state.Policy != a.plan.text || len(a.plan.buckets) == 0 {
		return nil, errContended
	}

	now := l.now().UnixNano()
	a.misses++
	l.standOff(a, now)
	return a.refused(now), nil
}

// standOff refuses by the limit with the least left, until other instances may have left some of
// it.
func (l *Limiter) standOff(a *account, now int64) {
	name, wait := a.tightest(now)
	wait = max(wait, l.pause(a, name))
	a.refusal = refusal{span{now, now + wait}, OverRate, name, now + wait}
}

// adoptStored switches to the stored policy if the caller read the key before its latest change,
// and another instance has already met that change. A stored policy that is older than stalePolicy
// is replaced by the caller's, regardless of their versions: no caller checks a key that it read so
// long ago.
func (a *account) adoptStored(now int64) error {
	s := a.state
	if s == nil || s.Policy == a.plan.text || s.Version <= a.policy.Version ||
		!(span{s.Since, s.Since + int64(stalePolicy)}).holds(now) {
		return nil
	}

	stored, err := readPlan(s.Policy, s.Version)
	if err != nil {
		return err
	}

	a.plan = stored
	a.policy = Policy{
		Version: -1,
	} // of no key: the next call applies its own policy again
	a.lease = lease{}
	a.refusal = refusal{}
	a.misses = 0
	return nil
}

// grant records the calls that the store granted, and spends the first.
func (l *Limiter) grant(a *account, t spendPlan) *Allowance {
	until := t.now + int64(a.leaseTime)
	if a.plan.quota != nil {
		if _, end := bounds(t.state.Period); end.UnixNano() < until {
			until = end.UnixNano() // calls are spent in the period that they are counted in
		}
	}

	a.lease = lease{span{t.now, until}, t.calls - 1, a.state}

	// The store accepts writes again: return to short leases.
	a.leaseTime = max(leaseTime, a.leaseTime/2)
	if t.short {
		a.misses = max(0, a.misses-1)
		l.standOff(a, t.now)
	} else {
		a.misses = 0
	}

	return a.allowed(t.now)
}

// tightest returns the rate limit with the least left, and how long it takes until one more call
// fits.
func (a *account) tightest(now int64) (name string, wait int64) {
	least := int64(-1)
	for _, b := range a.plan.buckets {
		if left := b.left(a.state.TAT[b.Name], now); least < 0 || left < least {
			least = left
			name = b.Name
			wait = b.wait(a.state.TAT[b.Name], now)
		}
	}

	return name, wait
}

// refuse remembers why there is no room, for as long as that is certain. If it took a write to find
// out, the instance pauses for longer: each failed write costs money, and other instances take what
// refills meanwhile.
func (l *Limiter) refuse(a *account, t spendPlan, paid bool) *Allowance {
	verdict, limit, wait := a.plan.refusal(t.state, t.now)
	if paid && verdict == OverRate {
		a.misses++
		wait = max(wait, l.pause(a, limit))
	}

	a.refusal = refusal{
		span{t.now, t.now + min(wait, int64(certainFor))},
		verdict,
		limit,
		t.now + wait,
	}
	if wait >= int64(certainFor) {
		a.known = false // read the state again then
	}

	return a.refused(t.now)
}

// pause returns how long to leave the store alone: a quarter to half a second with jitter, longer
// after repeated failures, and never so long that the limit could be full again meanwhile.
func (l *Limiter) pause(a *account, limit string) int64 {
	pause := int64(float64(shortestPause) * (1 + l.jitter()))
	if b, ok := a.plan.bucket(limit); ok {
		pause = min(pause, int64(float64(b.capacity)*(1+l.jitter())/2))
	}

	longest := int64(float64(maxPause) * (1 + l.jitter()) / 2)
	return min(pause<<min(max(0, a.misses-1), 10), max(pause, longest))
}

// failed drops what is uncertain after an error: the write may have been made. If the store is
// throttled, it is left alone for a moment, and the next leases are longer.
func (l *Limiter) failed(a *account, err error) {
	a.known = false

	// the write may have given the rest of the lease back already
	a.lease.calls = 0
	if errors.Is(err, ErrThrottled) {
		now := l.now().UnixNano()
		a.backoff = span{now, now + int64(float64(shortestPause)*(1+l.jitter()))}
		a.leaseTime = min(2*a.leaseTime, maxLease)
	}
}
