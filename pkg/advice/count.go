package advice

import (
	"time"

	"github.com/bitting-keys/bitting/pkg/meter"
)

// Count takes what was counted in an hour into the facts. Hours may come in any order, each once.
func (f *Facts) Count(hour time.Time, counts meter.Counts) {
	if f.Used == nil {
		f.Used = map[string]time.Time{}
	}

	for cell, n := range counts.Cells {
		switch cell.Outcome {
		case meter.Allowed, "rate_limited", "quota_exceeded":
			// a limit refused what the permission would have opened
			if cell.Permission != "" {
				f.Used[cell.Permission] = latest(f.Used[cell.Permission], hour)
			}
		case "retired_secret":
			if f.usedWithin(hour.Add(time.Hour), f.window(UnusedWindow)) {
				f.RetiredCalls, f.RetiredAt = f.RetiredCalls+n, latest(f.RetiredAt, hour)
			}
		}
	}

	f.BusiestHour = max(f.BusiestHour, counts.Totals().Allowed)
}
