package limit

import (
	"context"
	"math"
	"time"
)

// Up to this rate of a limit, calls are taken one by one.
const exactRate = 20 // a second

// A lease takes at most the shrink-th part of what is left of a slow limit or a quota, so that
// leases hold little when it runs out.
const shrink = 64

// spendPlan is a write that an account is about to make.
type spendPlan struct {
	now     int64
	state   *State // as it was seen, under the policy
	calls   int64  // to take; 0 if there is no room, and a write is still needed
	short   bool   // fewer than requested
	replace *State // the whole new state, if the stored one is of another policy
	charge  Charge
}

// spendPlan plans the next write. A write is needed if there is room for a call, and if the state
// is of another policy: what a change of limits forgives is decided once, and not again at each
// call.
func (a *account) spendPlan(now int64, attempt int) spendPlan {
	t := spendPlan{now: now}

	moved := a.state == nil || a.state.Policy != a.plan.text
	if moved {
		t.state = a.state.under(a.plan, now)
	} else {
		t.state = a.state.current(a.plan, now)
	}

	back := a.unspent(t.state, moved)
	room := a.room(t.state, now, back, attempt)
	// at least what is given back: those calls are paid for
	want := max(a.leaseSize(t.state, now), back)
	t.calls = max(0, min(want, room))
	t.short = t.calls < want
	back = min(back, t.calls)

	t.charge = a.charge(t.state, now, t.calls, back, attempt)
	if moved {
		t.replace = charged(t.state, t.charge)
	}

	return t
}

// unspent returns the calls that the last lease gives back.
func (a *account) unspent(s *State, moved bool) int64 {
	switch {
	case moved || a.lease.state == nil:
		return 0
	case a.plan.quota != nil && a.lease.state.Period != s.Period:
		return 0
	case a.lease.state.Returns != s.Returns:
		// TATs were reduced since: what was missing then may not be missing now
		return 0
	}

	return a.lease.calls
}

// missing returns how many of the calls that are given back a limit still misses. A limit never has
// more room than its burst, so what refilled while the lease was held must not be given back too.
// As long as nobody else gives anything back, TATs only grow: the TAT of when the lease was taken
// gives a lower bound of what was missing since then.
func (a *account) missing(b bucket, now, back int64) int64 {
	if back == 0 {
		return 0
	}

	return min(back, b.fit(a.lease.state.TAT[b.Name]-now))
}

// room returns how many calls fit, including those that are given back.
func (a *account) room(s *State, now, back int64, attempt int) int64 {
	room := int64(1) << 40
	for _, b := range a.plan.buckets {
		tat, full := s.TAT[b.Name], now+b.margin(attempt)
		if tat < full {
			room = min(room, b.Burst, b.fit(now+b.capacity-full))
			continue
		}

		room = min(room, b.Burst, b.fit(now+b.capacity-tat)+a.missing(b, now, back))
	}

	if q := a.plan.quota; q != nil {
		room = min(room, q.Limit-s.Used+min(back, s.Used))
	}

	return room
}

// margin returns by how much a nearly full limit is treated as less full, after repeated failed
// writes: if other instances take calls as fast as the limit refills, the state that was read is
// always slightly outdated. It costs the room of a few calls, and never admits more.
func (b bucket) margin(attempt int) int64 {
	if attempt < 2 {
		return 0
	}

	return max(0, min(int64(5*time.Millisecond)<<attempt, b.capacity/4, b.capacity-b.cost(1)))
}

// leaseSize returns how many calls to request: as many as arrived in the last second, less the
// random variation, and no more than half of what each limit refills in that time, so that
// instances share. It is 1 for a slow limit.
func (a *account) leaseSize(s *State, now int64) int64 {
	seconds := int64(a.leaseTime / time.Second)
	arrived := a.arrivals.lastSecond(now)

	want := max(1, arrived*seconds)
	if want > 1 {
		// as few as random variation brings: unspent calls may be lost
		want -= int64(math.Sqrt(float64(want)))
	}

	// A slow limit hands out single calls, unless so many arrive that each would cost a write.
	for _, b := range a.plan.buckets {
		switch left := b.left(s.TAT[b.Name], now); {
		case b.above(exactRate):
			want = min(want, max(1, b.fit(int64(a.leaseTime))/2))
		case arrived > exactRate:
			want = min(want, max(1, left/shrink))
		default:
			want = 1
		}
	}

	if q := a.plan.quota; q != nil {
		want = min(want, max(1, (q.Limit-s.Used)/shrink))
	}

	return want
}

// charge returns the write that takes a number of calls, some of which the last lease gives back.
// It is never negative: if the store makes it twice, because its first answer was lost, it takes
// too much and never too little.
func (a *account) charge(s *State, now, calls, back int64, attempt int) Charge {
	c := Charge{Policy: a.plan.text, PurgeAt: a.plan.purgeAt(s, now)}
	if back > 0 {
		c.Return = Return{Some, s.Returns}
	}

	for _, b := range a.plan.buckets {
		if full := now + b.margin(attempt); s.TAT[b.Name] < full {
			c.Limits = append(c.Limits, RateCharge{
				Name: b.Name,
				Full: true,
				Low:  full,
				By:   full + b.cost(calls),
			})
			continue
		}

		missing := a.missing(b, now, back)
		by := b.cost(calls - missing)

		high := now + b.capacity - by
		if by == 0 {
			// what was paid for needs no room, even if this clock is behind and more seems taken
			// than can be
			high = math.MaxInt64
		}

		c.Limits = append(c.Limits, RateCharge{
			Name: b.Name,
			Low:  now + b.cost(missing),
			High: high,
			By:   by,
		})
	}

	if q := a.plan.quota; q != nil {
		by := calls - min(back, s.Used)
		c.Quota = &QuotaCharge{
			Period: s.Period,
			Most:   q.Limit - by,
			Calls:  by,
			Begins: a.state != nil && a.state.Period < s.Period,
		}
	}

	return c
}

// charged returns a state after a charge.
func charged(s *State, c Charge) *State {
	next := *s
	next.TAT = make(map[string]int64, len(c.Limits))

	next.PurgeAt = c.PurgeAt
	for _, l := range c.Limits {
		if l.Full {
			next.TAT[l.Name] = l.By
		} else {
			next.TAT[l.Name] = s.TAT[l.Name] + l.By
		}
	}

	if c.Quota != nil {
		next.Used += c.Quota.Calls
	}

	return &next
}

// write makes the write. If it was not made, state is the current one.
func (t spendPlan) write(
	ctx context.Context, store Store, s Subject, was *State,
) (*State, bool, error) {
	if t.replace != nil {
		return store.ReplaceLimits(ctx, s, was, t.replace)
	}

	return store.ChargeLimits(ctx, s, t.charge)
}
