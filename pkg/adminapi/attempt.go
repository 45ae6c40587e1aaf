package adminapi

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

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
	ctx context.Context, a *API, s *request, try func(s *request) (attempt[T], error),
) (T, error) {
	var none T
	for n := 1; ; n++ {
		got, err := try(s)
		if err == nil && len(got.writes) == 0 {
			return got.answer, nil
		}

		if err == nil {
			if !got.alone {
				got.writes = store.With(got.writes, a.stillCaller(s)...)
			}

			err = a.store.Commit(ctx, got.writes...)
		}

		if err == nil {
			return got.answer, nil
		}

		if slices.ContainsFunc(got.again, func(target error) bool { return errors.Is(err, target) }) {
			err = store.ErrConflict
		}

		if err = a.lost(ctx, err, n, got.urgency, got.writes); err != nil {
			return none, err
		}

		if s, err = s.again(ctx, a); err != nil {
			return none, err
		}
	}
}

// lost returns nil where an attempt is to be repeated after an error, the nth, and the error to
// answer where it is not. A stop keeps other changes off the rows first.
func (a *API) lost(
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
		return a.store.Hold(ctx, apikey.Held(a.now()), writes...)
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

// errCondition says that the caller's own If-Match does not hold: no other attempt will find that
// it does.
var errCondition = errors.New("the condition of If-Match does not hold")

// again opens the request anew: who the caller is by now, what they may, and the key as it is.
func (s *request) again(ctx context.Context, a *API) (*request, error) {
	next, err := a.open(ctx, s.operation, s.organizationID, s.keyID)
	if err != nil {
		return nil, err
	}

	next.receipt = s.receipt
	return next, nil
}

// stillCaller looks at the rows that said what the caller may: beside a removal or a revocation
// nothing slips in.
func (a *API) stillCaller(s *request) []store.Write {
	var looks []store.Write
	if s.caller.Key != nil && s.caller.Key.Version > 0 {
		looks = append(looks, a.store.StillKey(s.caller.Key))
	}

	if person := s.caller.Behind(); person != nil && person.Member != nil {
		looks = append(looks, a.store.StillMember(person.Member))
	}

	return looks
}

// spend returns the pace of a row after one more change, or 429 where it is changed too fast.
func spend(p apikey.Pace, u apikey.Urgency, now time.Time) (apikey.Pace, error) {
	next, wait := p.Spend(u, now)
	if wait > 0 {
		problem := tooManyChanges.with("This is changed faster than it may be: try again later.")
		problem.retryAfter = strconv.Itoa(int(math.Ceil(wait.Seconds())))
		return p, problem
	}

	return next, nil
}

// urgencyOfRole returns how urgent the change of a member is: a demotion takes something and gives
// nothing.
func urgencyOfRole(before, after *organization.Member) apikey.Urgency {
	if before != nil && (after == nil || before.Includes(after)) {
		return apikey.Stop
	}

	return apikey.Ordinary
}
