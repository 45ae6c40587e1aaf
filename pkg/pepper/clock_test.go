package pepper_test

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock is a clock that tests set.
type clock struct {
	nanoseconds atomic.Int64
	meeting     atomic.Pointer[sync.WaitGroup]
	guests      atomic.Int64
}

func newClock() *clock {
	c := &clock{}
	c.nanoseconds.Store(now.UnixNano())
	return c
}

func (c *clock) Now() time.Time {
	if c.guests.Add(-1) >= 0 {
		meeting := c.meeting.Load()
		meeting.Done()
		meeting.Wait()
	}

	return time.Unix(0, c.nanoseconds.Load()).UTC()
}

func (c *clock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

// meet makes the next n readers of the clock wait for one another.
func (c *clock) meet(n int) {
	meeting := &sync.WaitGroup{}
	meeting.Add(n)
	c.meeting.Store(meeting)
	c.guests.Store(int64(n))
}
