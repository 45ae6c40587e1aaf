package cache

import "time"

// Fresh reports whether what was read at a time was read less than d ago. A time in the future does
// not count, since the clock must have been set back.
func Fresh(d time.Duration, at, now time.Time) bool {
	return !now.Before(at) && now.Sub(at) < d
}
