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

// attempt is one try of a change: what it answers, and what it writes for that.
type attempt[T any] struct {
	answer T
	writes []store.Write
	// urgency says how the change stands to others of the same rows: a stop must land whoever else
	// writes to them.
	urgency apikey.Urgency
	// again are failures of the write, besides those of other changes, after which it is tried
	// anew.
	again []error
	// alone says that nothing depends on who the caller is by the time of the write.
	alone bool
}

const (
	// changeAttempts is how often a change is tried when other changes of the same rows come first.
	changeAttempts = 3
	// urgentAttempts is the same for what ends a secret or a right. Ordinary changes are paced, so
	// they cannot come first so often; and after its first attempt a stop holds them off.
	urgentAttempts = 50
)

// change tries until what an attempt writes is written, in one transaction. Each attempt asks anew
// who calls, what they see and what they may, and the transaction fails where the rows that said so
// have changed since. An error of an attempt ends it, and so does one that writes nothing.
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
			err = s.store.Commit(ctx, got.writes...)
		}

		if err == nil {
			return got.answer, nil
		}

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

// lost returns nil where an attempt should be repeated after an error, the nth, and the error to
// answer where it is not. A stop keeps other changes off the rows first.
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

// paced is the write of a changed row that was read at a pace. A stop holds other changes off, and
// is held off by none.
func paced(w store.Write, u apikey.Urgency, p apikey.Pace) store.Write {
	if u == apikey.Stop {
		return w
	}

	return w.At(p)
}

// Match reports whether a change that the caller set a condition for may start from a version; nil
// where they set none.
type Match func(version int64) bool

func (m Match) holds(version int64) bool { return m == nil || m(version) }

// errCondition says that the caller's own condition does not hold: no other attempt will find that
// it does.
var errCondition = errors.New("the caller's condition does not hold")

// again opens the request again: who the caller is by now, what they may, and the key as it is.
func (s *core) again(ctx context.Context, r *Request) (*Request, error) {
	next, err := s.Open(ctx, r.call)
	if err != nil {
		return nil, err
	}

	next.receipt = r.receipt
	next.describe = r.describe
	return next, nil
}

// stillCaller looks at the rows that said what the caller may: nothing slips in beside a removal or a
// revocation, and no key is made beside a change of the settings or a deletion of its organization.
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
	if makes && r.organization.Version > 0 { // the operators' has no row
		looks = append(looks, s.store.StillOrganization(r.organization))
	}

	return looks
}

// spend returns the pace of a row after the request's change, or an error where it is changed too
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

// urgencyOfRole returns how urgent the change of a member is: a demotion takes something and gives
// nothing.
func urgencyOfRole(before, after *organization.Member) apikey.Urgency {
	if before != nil && (after == nil || before.Includes(after) && !after.Includes(before)) {
		return apikey.Stop
	}

	return apikey.Ordinary
}
