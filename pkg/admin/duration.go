package admin

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Durations ignore the calendar: a day has 24 hours, and a year 365 days.
const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 365 * day
)

var errDuration = errors.New("expected a duration such as 30s, 1m, 24h, 30d, 2w or 1y")

// maxDuration is far beyond what any field accepts, and keeps sums from overflowing.
const maxDuration = 100 * year

// parseDuration reads a whole number of seconds, minutes, hours, days, weeks or years. A longer
// duration than maxDuration becomes the longest there is, so that the caller's own maximum refuses
// it.
func parseDuration(s string) (time.Duration, error) {
	if len(s) < 2 {
		return 0, errDuration
	}

	number, letter := s[:len(s)-1], s[len(s)-1]

	unit, ok := map[byte]time.Duration{
		's': time.Second,
		'm': time.Minute,
		'h': time.Hour,
		'd': day,
		'w': week,
		'y': year,
	}[letter]
	if !ok || strings.Trim(number, "0123456789") != "" {
		return 0, errDuration
	}

	n, err := strconv.ParseUint(number, 10, 64)
	if errors.Is(err, strconv.ErrRange) || n > uint64(maxDuration/unit) {
		return math.MaxInt64, nil
	}

	return time.Duration(n) * unit, nil // bounded by maxDuration
}

// duration reads a duration from least to most.
func (f *validator) duration(location, text string, least, most time.Duration) time.Duration {
	d, err := parseDuration(text)
	switch {
	case err != nil:
		f.add(location, err.Error(), text)
	case d > most:
		f.add(location, "expected at most "+formatLongest(most), text)
	case d < least:
		f.add(location, "expected at least "+formatDuration(least), text)
	default:
		return d
	}

	return least // an error is reported, so the value is not used
}

// formatLongest formats a maximum: in years if it is a whole number of them.
func formatLongest(d time.Duration) string {
	if d%year == 0 {
		return fmt.Sprintf("%dy", d/year)
	}

	return formatDuration(d)
}

// formatDuration formats a duration in the largest unit that expresses it exactly, up to days:
// weeks and years are ambiguous.
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
