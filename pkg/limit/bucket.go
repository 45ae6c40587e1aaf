package limit

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// horizon is the longest time in calculations, in nanoseconds: a hundred years from now still fit
// into 64 bits. A burst that takes longer to refill is cut to what refills in that time.
const horizon = int64(100 * 365 * 24 * time.Hour)

// bucket is a rate limit by the generic cell rate algorithm (GCRA). Its whole state is one number,
// the theoretical arrival time (TAT): when its burst is full again, in nanoseconds of Unix time.
// Each call adds an interval, and fits if the TAT stays within the capacity from now.
type bucket struct {
	apikey.RateLimit
	// window ÷ limit, in whole nanoseconds, rounded up: rounding never admits more, and a burst is
	// exactly as many calls as it says
	interval int64
	capacity int64 // the cost of the whole burst; negative if nothing ever fits
}

// newBucket returns the bucket of a limit. An invalid limit admits nothing.
func newBucket(l apikey.RateLimit) bucket {
	if l.Burst < 1 {
		l.Burst = l.Limit
	}

	if l.Limit < 1 || l.Window < 1 {
		return bucket{
			RateLimit: apikey.RateLimit{
				Name:   l.Name,
				Limit:  l.Limit,
				Window: l.Window,
				Burst:  1,
			},
			interval: horizon,
			capacity: -1,
		}
	}

	interval := int64(l.Window) / l.Limit
	if int64(l.Window)%l.Limit > 0 {
		interval++
	}

	b := bucket{RateLimit: l, interval: min(interval, horizon)}
	b.capacity = b.cost(l.Burst)
	return b
}

// equals reports whether two limits are the same except for their names.
func (b bucket) equals(other bucket) bool {
	b.Name = other.Name
	return b == other
}

// fastest is the highest rate of a limit, in calls a second. Above it, there would be more
// instances than one item of the table can serve.
const fastest = 50_000

// Unkeepable returns the field of a limit that makes it impossible to enforce, and why; "" if there
// is none.
func Unkeepable(l apikey.RateLimit) (field, message string) {
	b := newBucket(l)
	switch {
	case l.Limit > fastest*int64(l.Window/time.Second):
		return "limit", "expected at most 50,000 calls a second"
	case b.capacity >= horizon:
		return "burst", "expected a burst that refills within 100 years at the limit's " +
			"rate"
	default:
		return "", ""
	}
}

// cost returns by how much a number of calls advances the TAT.
func (b bucket) cost(calls int64) int64 {
	if calls > horizon/b.interval {
		return horizon
	}

	return calls * b.interval
}

// fit returns how many calls cost no more than a time.
func (b bucket) fit(time int64) int64 { return max(0, time) / b.interval }

// left returns how many calls fit now.
func (b bucket) left(tat, now int64) int64 {
	return min(b.fit(now+b.capacity-max(tat, now)), b.Burst)
}

// wait returns how long it takes until one call fits.
func (b bucket) wait(tat, now int64) int64 {
	if b.capacity < 0 {
		return horizon
	}

	return max(0, max(tat, now)+b.cost(1)-b.capacity-now)
}

// outstanding returns how many calls have not refilled yet. A fraction counts as one: rounding
// never forgives.
func (b bucket) outstanding(tat, now int64) int64 {
	return min(b.fit(max(0, tat-now)+b.interval-1), b.Burst)
}

// above reports whether the limit's rate is above a number of calls a second.
func (b bucket) above(perSecond int64) bool { return b.fit(int64(time.Second)) > perSecond }
