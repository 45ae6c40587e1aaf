package http1

import "time"

// Age lets idle connections be idle for so much longer.
func (t *Transport) Age(d time.Duration) {
	for _, kept := range t.idle {
		for _, c := range kept {
			c.since = c.since.Add(-d)
		}
	}
}

// Idle returns how many connections wait.
func (t *Transport) Idle() (n int) {
	for _, kept := range t.idle {
		n += len(kept)
	}

	return n
}

// MaxIdle is the most of them to one address.
const MaxIdle = maxIdle
