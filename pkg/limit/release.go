package limit

import (
	"context"
	"errors"
	"math"
	"sync"
)

// releases is the number of concurrent writes of Release.
const releases = 16

// Release gives back the leased calls that were not spent, so that others can take them after this
// instance ends. A call is lost if giving it back fails or its result is uncertain, as without
// Release.
func (l *Limiter) Release(ctx context.Context) error {
	l.mu.Lock()
	accounts := l.accounts
	l.accounts = map[Subject]*account{}
	l.mu.Unlock()

	var all sync.WaitGroup
	var mu sync.Mutex
	var faults []error

	places := make(chan struct{}, releases)
	for s, a := range accounts {
		select {
		case <-a.sem:
		case <-ctx.Done():
			all.Wait()
			return errors.Join(append(faults, ctx.Err())...)
		}

		c, ok := a.release(l.now().UnixNano())
		// Before the write: its result may stay unknown, and a call must not be both spent here and
		// given back.
		a.lease.calls = 0
		a.sem <- struct{}{}

		if !ok {
			continue
		}

		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()

			if _, _, err := l.store.ChargeLimits(ctx, s, c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				faults = append(faults, err)
			}
		})
	}

	all.Wait()
	return errors.Join(faults...)
}

// release returns the write that gives back the rest of the lease, if there is any. The write
// counts itself as a return, on the condition that there was none since the calls were taken. So it
// is made at most once however often it is sent, and never on numbers that another return has
// changed.
func (a *account) release(now int64) (c Charge, ok bool) {
	back, was := a.lease.calls, a.lease.state
	if back < 1 || was == nil || a.plan == nil || was.Policy != a.plan.text {
		return Charge{}, false
	}

	c = Charge{
		Policy:  was.Policy,
		PurgeAt: a.plan.purgeAt(was, now),
		Return:  Return{Only, was.Returns},
	}
	for _, b := range a.plan.buckets {
		if missing := b.cost(a.missing(b, now, back)); missing > 0 {
			c.Limits = append(c.Limits, RateCharge{
				Name: b.Name,
				Low:  now + missing,
				High: math.MaxInt64,
				By:   -missing,
			})
		}
	}

	if a.plan.quota != nil && was.Used > 0 {
		c.Quota = &QuotaCharge{Period: was.Period, Most: math.MaxInt64, Calls: -min(back, was.Used)}
	}

	return c, len(c.Limits) > 0 || c.Quota != nil
}
