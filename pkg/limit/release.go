package limit

import (
	"context"
	"errors"
	"math"
	"sync"
)

// releases is how many writes of Release are under way at once.
const releases = 16

// Release gives back the calls that are leased and not spent, as an instance does that ends: others
// can take them then. What cannot be given back any more, or not for certain, is lost, as without
// it.
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

// release is the write that gives back what is left of the lease, if anything is. It counts itself
// as a return, and there must have been none since the calls were taken: so it is made once however
// often it is sent, and never on numbers that another return has changed.
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
