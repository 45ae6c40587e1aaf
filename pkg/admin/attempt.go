package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// attempt is one attempt at a change: its answer, and the writes behind it.
type attempt[T any] struct {
	answer T
	writes []store.Write
	// urgency ranks the change among others of the same rows: a stop must succeed even if others
	// keep writing to them.
	urgency apikey.Urgency
	// again lists errors of the write, in addition to lost races, after which the change is tried
	// again.
	again []error
	// alone means that the write does not depend on what the caller may do by then.
	alone bool
}

const (
	// changeAttempts is how often a change is tried if other changes of the same rows come first.
	changeAttempts = 3
	// urgentAttempts is the same for changes that end a secret or a right. Ordinary changes are
	// paced, so they cannot come first so often; and a stop holds them off after its first attempt.
	urgentAttempts = 50
)

// change repeats an attempt until its writes are committed, in one transaction. Each attempt asks
// again who calls, what they see and what they may do, and the transaction fails if the rows that
// say so have changed since. An error of the attempt ends it, and so does an attempt without
// writes.
func change[T any](
	ctx context.Context, s *core, r *Request, try func(r *Request) (attempt[T], error),
) (T, error) {
	var none T
	for n := 1; ; n++ {
		got, err := try(r)
		if err == nil && len(got.writes) == 0 {
			return got.answer, nil
		}

		if err == nil && !got.alone {
			got.writes = store.With(got.writes, s.stillCaller(r)...)
		}

		switch {
		case err != nil:
		case n == 1 && r.busy && got.urgency == apikey.Stop:
			err = store.ErrConflict // it would lose: hold the others off at once
		default:
			err = s.commit(ctx, got.writes...)
		}

		if err == nil {
			return got.answer, nil
		}

		// Errors that the attempt expects count as lost races.
		if slices.ContainsFunc(got.again, func(target error) bool { return errors.Is(err, target) }) {
			err = store.ErrConflict
		}

		if err = s.lost(ctx, err, n, got.urgency, got.writes); err != nil {
			return none, err
		}

		if r, err = s.again(ctx, r); err != nil {
			return none, err
		}
	}
}

// commit makes writes. Whatever becomes of them, what this process remembers of keys is from before
// them, and dropped before anybody is told.
func (s *core) commit(ctx context.Context, writes ...store.Write) error {
	defer s.memory.Forget()
	return s.store.Commit(ctx, writes...)
}

// lost returns nil if the attempt should be repeated after err, the nth error, and the error to
// return otherwise. A stop first keeps other changes off the rows.
func (s *core) lost(
	ctx context.Context, err error, n int, u apikey.Urgency, writes []store.Write,
) error {
	raced := errors.Is(err, apikey.ErrStale) && !errors.Is(err, errCondition) ||
		errors.Is(err, store.ErrConflict)

	most := changeAttempts
	if u != apikey.Ordinary {
		most = urgentAttempts
	}

	switch {
	case !raced || ctx.Err() != nil:
		return err
	case n == most:
		return store.ErrConflict // the caller set no condition that could have failed
	case u == apikey.Stop:
		return s.store.Hold(ctx, apikey.Held(s.now()), writes...)
	default:
		return nil
	}
}

// paced returns the write of a row that was read at a pace. A stop holds other changes off, and is
// itself never held off.
func paced(w store.Write, u apikey.Urgency, p apikey.Pace) store.Write {
	if u == apikey.Stop {
		return w
	}

	return w.At(p)
}

// Match reports whether a change may start from a version, by the caller's condition. It is nil if
// there is none.
type Match func(version int64) bool

func (m Match) holds(version int64) bool { return m == nil || m(version) }

// errCondition means that the caller's own condition does not hold. Another attempt would not help.
var errCondition = errors.New("the caller's condition does not hold")

// again opens the request again: the caller as they are now, what they may do, and the key.
func (s *core) again(ctx context.Context, r *Request) (*Request, error) {
	next, err := s.Open(ctx, r.call)
	if err != nil {
		return nil, err
	}

	next.receipt = r.receipt
	next.describe = r.describe
	return next, nil
}

// stillCaller returns conditions on the rows that say what the caller may do. So no change can slip
// in during a removal or revocation of its caller, and no key is made during a change of the
// settings or the deletion of its organization.
func (s *core) stillCaller(r *Request) []store.Write {
	var looks []store.Write
	if r.caller.Key != nil && r.caller.Key.Version > 0 {
		looks = append(looks, s.store.StillKey(r.caller.Key))
	}

	if person := r.caller.Behind(); person != nil && person.Member != nil {
		looks = append(looks, s.store.StillMember(person.Member))
	}

	makes := r.call.Operation == organization.CreateKey ||
		r.call.Operation == organization.ImportKeys
	if makes && r.organization.Version > 0 { // the operators' organization has no row
		looks = append(looks, s.store.StillOrganization(r.organization))
	}

	return looks
}

// spend returns the pace of a row after the request's change, or an error if the row changes too
// fast.
func (r *Request) spend(p apikey.Pace, u apikey.Urgency) (apikey.Pace, error) {
	r.busy = r.busy || p.Busy(r.now)

	next, wait := p.Spend(u, r.now)
	if wait > 0 {
		e := Refuse(api.CodeTooManyChanges,
			"This object is changed too often: try again later.")
		e.RetryAfter = wait
		return p, e
	}

	return next, nil
}

// urgencyOfRole returns the urgency of a member's change. A demotion, which takes rights and gives
// none, is a stop.
func urgencyOfRole(before, after *organization.Member) apikey.Urgency {
	if before != nil && (after == nil || before.Includes(after) && !after.Includes(before)) {
		return apikey.Stop
	}

	return apikey.Ordinary
}
