package limit_test

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/bitting-keys/bitting/pkg/limit"
)

// errLost is an answer that does not come.
var errLost = errors.New("no answer")

// memory is a limit.Store that does what the table does, by TestMemoryIsLikeTheTable: for the
// simulation, where a table would be too slow and has no virtual time. before and after, which may
// be nil, are what happens on the way there and back.
type memory struct {
	before, after func() error

	mu     sync.Mutex
	states map[limit.Subject]*limit.State
	writes int
	reads  int
}

func newMemory() *memory { return &memory{states: map[limit.Subject]*limit.State{}} }

func (m *memory) ReadLimits(_ context.Context, s limit.Subject) (*limit.State, error) {
	state, _, err := m.do(s, func(*limit.State) (*limit.State, bool) {
		m.reads++
		return nil, false
	})
	return state, err
}

func (m *memory) ChargeLimits(
	_ context.Context, s limit.Subject, c limit.Charge,
) (*limit.State, bool, error) {
	return m.do(s, func(old *limit.State) (*limit.State, bool) {
		m.writes++
		return charge(old, c)
	})
}

func (m *memory) ReplaceLimits(
	_ context.Context, s limit.Subject, was, next *limit.State,
) (*limit.State, bool, error) {
	return m.do(s, func(old *limit.State) (*limit.State, bool) {
		m.writes++

		if (old == nil) != (was == nil) {
			return nil, false
		}

		if old != nil &&
			(old.Policy != was.Policy || old.Since != was.Since || old.Period != was.Period ||
				old.Used != was.Used || !maps.Equal(old.TAT, was.TAT)) {
			return nil, false
		}

		return clone(next), true
	})
}

// do carries out a write, or none, between the way there and the way back.
func (m *memory) do(
	s limit.Subject, write func(old *limit.State) (*limit.State, bool),
) (*limit.State, bool, error) {
	if m.before != nil {
		if err := m.before(); err != nil {
			return nil, false, err
		}
	}

	m.mu.Lock()

	next, made := write(m.states[s])
	if made {
		m.states[s] = next
	}

	state := clone(m.states[s])
	m.mu.Unlock()

	if m.after != nil {
		if err := m.after(); err != nil {
			return nil, false, err
		}
	}

	return state, made, nil
}

// charge is a charge's meaning, as its fields say it.
func charge(old *limit.State, c limit.Charge) (*limit.State, bool) {
	if old == nil || old.Policy != c.Policy ||
		c.Return.Of != limit.Nothing && old.Returns != c.Return.Times {
		return nil, false
	}

	next := clone(old)
	if c.Return.Of == limit.Only {
		next.Returns++
	}

	for _, l := range c.Limits {
		tat, ok := old.TAT[l.Name]
		switch {
		case !ok, l.Full && tat >= l.Low, !l.Full && (tat < l.Low || tat > l.High):
			return nil, false
		case l.Full:
			next.TAT[l.Name] = l.By
		default:
			next.TAT[l.Name] += l.By
		}
	}

	if q := c.Quota; q != nil {
		switch {
		case old.Period == "", q.Begins && old.Period >= q.Period,
			!q.Begins && (old.Period != q.Period || old.Used > q.Most):
			return nil, false
		case q.Begins:
			next.Period = q.Period
			next.Used = q.Calls
		default:
			next.Used += q.Calls
		}
	}

	next.PurgeAt = c.PurgeAt
	return next, true
}

func clone(s *limit.State) *limit.State {
	if s == nil {
		return nil
	}

	out := *s
	out.TAT = maps.Clone(s.TAT)
	out.Spent = maps.Clone(s.Spent)
	return &out
}
