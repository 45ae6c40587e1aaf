package limit

import "github.com/bitting-keys/bitting/pkg/apikey"

// Debt is what was used of rate limits that are no more: a number of calls that come back one by
// one, each after a time, until none is left.
type Debt struct {
	Until int64 // in nanoseconds of Unix time
	Each  int64 // nanoseconds
}

// calls is how many are not back yet. The part of a call counts as one.
func (d Debt) calls(now int64) int64 {
	if d.Each < 1 || d.Until <= now {
		return 0
	}

	return (d.Until - now + d.Each - 1) / d.Each
}

// and is a debt that is never below this one, nor below so many calls that come back evenly until a
// time.
func (d Debt) and(calls, until, now int64) Debt {
	most, last := max(calls, d.calls(now)), max(until, d.Until)
	if most < 1 || last <= now {
		return Debt{}
	}

	each := (last - now + most - 1) / most
	return Debt{Until: now + most*each, Each: each}
}

// under is a state as it is under another policy, with nothing forgiven. A limit that has the
// values of one before keeps its number, whatever its name, and a quota of the same kind of period
// its calls, whatever its value. Of the others that were before, nobody can tell which limit stands
// in for which, nor when within a slow limit's time its calls were made: so what the fullest of
// them had used counts for each limit that there is now, at most its burst, and comes back at its
// own rate. What is new begins with what went earlier, too.
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

	for _, b := range p.buckets {
		if was, ok := kept[b.Name]; ok {
			next.TAT[b.Name] = max(s.TAT[was], now+b.cost(min(gone.calls, b.Burst)))
		} else {
			next.TAT[b.Name] = now + b.cost(min(gone.remembered(now), b.Burst))
		}
	}

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

// sameKind reports whether two quotas are of the same kind of period.
func sameKind(a, b *apikey.Quota) bool { return a != nil && b != nil && a.Period == b.Period }

// plan is the policy that a state is about: one without limits where there is no state, or its text
// is no policy.
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

// keptLimits says which limits of a policy go on, by their new name and their old one: first those
// that kept their names, then those with the same values.
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

// gone is what is known of limits that do not go on.
type gone struct {
	calls int64            // the most that one of those which went with this very change had used
	debt  Debt             // these and earlier ones
	spent map[string]int64 // of quotas, these and earlier ones, as long as their periods run
}

// remembered is the most that one of all of them had used.
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
