package limit

import "github.com/bitting-keys/bitting/pkg/apikey"

// Debt is the use of rate limits that were removed: a number of calls that refill one by one, at a
// fixed interval, until none is left.
type Debt struct {
	Until int64 // in nanoseconds of Unix time
	Each  int64 // nanoseconds
}

// calls returns how many have not refilled yet. A fraction counts as one.
func (d Debt) calls(now int64) int64 {
	if d.Each < 1 || d.Until <= now {
		return 0
	}

	return (d.Until - now + d.Each - 1) / d.Each
}

// and returns a debt that is never below this one, nor below a number of calls that refill evenly
// until a time.
func (d Debt) and(calls, until, now int64) Debt {
	most, last := max(calls, d.calls(now)), max(until, d.Until)
	if most < 1 || last <= now {
		return Debt{}
	}

	each := (last - now + most - 1) / most
	return Debt{Until: now + most*each, Each: each}
}

// under returns the state under another policy, with nothing forgiven:
//
//   - A limit with the values of an earlier one keeps its number, even under another name. A quota
//     with the same kind of period keeps its calls, even with another value.
//   - Which limit replaces a removed one cannot be determined, nor when the calls of a slow limit
//     were made. So the most that one of the removed limits had used counts for each limit of the
//     policy, up to its burst, and refills at that limit's rate.
//   - A new limit also starts with the debt of earlier changes.
func (s *State) under(p *plan, now int64) *State {
	next := &State{
		Policy:  p.text,
		Version: p.version,
		Since:   now,
		TAT:     make(map[string]int64, len(p.buckets)),
	}
	before := s.plan()
	kept := keptLimits(before, p)
	gone := s.gone(before, p, kept, now)
	next.Debt = gone.debt

	next.Spent = gone.spent
	if s != nil {
		next.Returns = s.Returns
	}

	// A limit that continues counted the earlier changes already; a new one has to remember them.
	for _, b := range p.buckets {
		if was, ok := kept[b.Name]; ok {
			next.TAT[b.Name] = max(s.TAT[was], now+b.cost(min(gone.calls, b.Burst)))
		} else {
			next.TAT[b.Name] = now + b.cost(min(gone.remembered(now), b.Burst))
		}
	}

	// A stored period that is later than the clock's is kept: see State.current.
	switch {
	case p.quota == nil:
	case !sameKind(before.quota, p.quota):
		next.Period = period(now, p.quota.Period)
		next.Used = gone.remembered(now)
	case s.Period < period(now, p.quota.Period):
		next.Period = period(now, p.quota.Period)
		next.Used = gone.calls
	default:
		next.Period = s.Period
		next.Used = max(s.Used, gone.calls)
	}

	return next
}

// sameKind reports whether two quotas have the same kind of period.
func sameKind(a, b *apikey.Quota) bool { return a != nil && b != nil && a.Period == b.Period }

// plan returns the policy of a state: one without limits if there is no state, or if its text
// cannot be read.
func (s *State) plan() *plan {
	if s == nil {
		return &plan{}
	}

	p, err := readPlan(s.Policy, s.Version)
	if err != nil {
		return &plan{}
	}

	return p
}

// keptLimits returns the limits that continue, as old names by new names: first those that kept
// their names, then those with the same values.
func keptLimits(before, after *plan) map[string]string {
	kept, taken := map[string]string{}, map[string]bool{}
	for _, named := range []bool{true, false} {
		for _, b := range after.buckets {
			if _, ok := kept[b.Name]; ok {
				continue
			}

			for _, was := range before.buckets {
				if taken[was.Name] || named && was.Name != b.Name || !b.equals(was) {
					continue
				}

				kept[b.Name] = was.Name
				taken[was.Name] = true
				break
			}
		}
	}

	return kept
}

// gone is the use of limits that do not continue.
type gone struct {
	calls int64            // the most that one of the limits removed by this change had used
	debt  Debt             // of this change and earlier ones
	spent map[string]int64 // of removed quotas, also earlier ones, until their periods end
}

// remembered returns the most that one of all removed limits had used.
func (g gone) remembered(now int64) int64 {
	most := max(g.calls, g.debt.calls(now))
	for _, used := range g.spent {
		most = max(most, used)
	}

	return most
}

func (s *State) gone(before, after *plan, kept map[string]string, now int64) gone {
	if s == nil {
		return gone{}
	}

	going := map[string]bool{}
	for _, was := range kept {
		going[was] = true
	}

	// Removed rate limits add to the debt, removed quotas are kept by period: they refill
	// differently.
	g := gone{debt: s.Debt, spent: map[string]int64{}}
	for _, b := range before.buckets {
		if !going[b.Name] {
			used := b.outstanding(s.TAT[b.Name], now)
			g.calls, g.debt = max(g.calls, used), g.debt.and(used, s.TAT[b.Name], now)
		}
	}

	remember := func(name string, used int64) bool {
		_, end := bounds(name)
		if end.UnixNano() <= now {
			return false
		}

		g.spent[name] = max(g.spent[name], used)
		return true
	}
	for name, used := range s.Spent {
		remember(name, used)
	}

	if before.quota != nil && !sameKind(before.quota, after.quota) && remember(s.Period, s.Used) {
		g.calls = max(g.calls, s.Used)
	}

	return g
}
