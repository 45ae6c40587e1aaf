package adminapi

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// day is 24 hours: durations know no calendar.
const day = 24 * time.Hour

var errDuration = errors.New("expected a duration such as 30s, 1m, 24h or 30d")

// maxDuration is far beyond what any field takes, and keeps sums from overflowing.
const maxDuration = 100 * 366 * day

// parseDuration reads a whole number of seconds, minutes, hours or days.
func parseDuration(s string) (time.Duration, error) {
	if len(s) < 2 || len(s) > 12 {
		return 0, errDuration
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil {
		return 0, errDuration
	}
	unit, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day}[s[len(s)-1]]
	if !ok || n > uint64(maxDuration/unit) {
		return 0, errDuration
	}
	return time.Duration(n) * unit, nil // bounded by maxDuration
}

// formatDuration writes a duration in the largest unit that says it exactly.
func formatDuration(d time.Duration) string {
	switch {
	case d%day == 0 && d != 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0 && d != 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d != 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}
