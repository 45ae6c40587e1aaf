package metric

import (
	"math/bits"
	"sync/atomic"
)

// Steps of a distribution: each value below exact is a step of its own, and each power of two above
// has as many steps as fit exactly into the one below exact. So a value is told to within an eighth,
// from 0 to 8191, and no distribution has more than the 100 values that CloudWatch takes.
const (
	exact   = 16
	perTwo  = exact / 2
	longest = 1<<13 - 1
	steps   = exact + perTwo*(13-4) + 1 // the last one is for all that is longer
)

// histogram counts values by step.
type histogram [steps]atomic.Int64

func (h *histogram) add(value int64) { h[step(value)].Add(1) }

// step returns the step of a value.
func step(value int64) int {
	switch {
	case value < 0:
		return 0
	case value < exact:
		return int(value)
	case value > longest:
		return steps - 1
	}

	two := bits.Len64(uint64(value)) - 1 // from 4 on
	return exact + (two-4)*perTwo + int(value>>(two-3)) - perTwo
}

// highest returns the highest value of a step, so that no latency is told shorter than it was. The
// last step has none: it is told as the next power of two.
func highest(step int) int64 {
	switch {
	case step < exact:
		return int64(step)
	case step == steps-1:
		return longest + 1
	}

	two, part := (step-exact)/perTwo+4, (step-exact)%perTwo
	return int64(perTwo+part+1)<<(two-3) - 1
}

// distribution is a histogram as CloudWatch takes it.
type distribution struct {
	Values []int64
	Counts []int64
	Min    int64
	Max    int64
	Sum    int64
	Count  int64
}

// take empties the histogram. ok is false if it was empty.
func (h *histogram) take() (d distribution, ok bool) {
	for i := range h {
		count := h[i].Swap(0)
		if count == 0 {
			continue
		}

		value := highest(i)
		if d.Count == 0 {
			d.Min = value
		}

		d.Values = append(d.Values, value)
		d.Counts = append(d.Counts, count)
		d.Max = value
		d.Sum += value * count
		d.Count += count
	}

	return d, d.Count > 0
}
