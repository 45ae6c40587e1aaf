package advice

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// Count adds the counts of an hour to the facts. Hours may come in any order, each once.
func (f *Facts) Count(hour time.Time, counts usage.Counts) {
	if f.Used == nil {
		f.Used = map[string]time.Time{}
	}

	for cell, n := range counts.Cells {
		switch {
		case cell.Outcome.Opened() && cell.Permission != "":
			f.Used[cell.Permission] = latest(f.Used[cell.Permission], hour)
		case cell.Outcome == check.RetiredSecret:
			if f.usedWithin(hour.Add(time.Hour), f.window(UnusedWindow)) {
				f.RetiredCalls, f.RetiredAt = f.RetiredCalls+n, latest(f.RetiredAt, hour)
			}
		}
	}

	f.BusiestHour = max(f.BusiestHour, counts.Totals().Allowed)
}
