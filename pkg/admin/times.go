package admin

import (
	"regexp"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
)

// Times are of years with four digits in UTC, whatever offset they are sent with: others cannot be
// written as RFC 3339 wants them. They begin where the clocks of computers do, so that none is the
// time that stands for no time.
const (
	firstYear = 1970
	lastYear  = 9999
)

const (
	expectedTime  = "expected a time such as 2026-11-01T00:00:00Z"
	expectedYears = "expected a time in the years 1970 to 9999, in UTC"
)

// timePattern is what Go's reader of times lets pass beyond: an hour of one digit, a comma, an
// offset of a day.
var timePattern = regexp.MustCompile(`^[0-9-]{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// ParseTime reads a time (RFC 3339); message says what is wrong with it, and is "" where nothing
// is.
func ParseTime(text string) (at time.Time, message string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !timePattern.MatchString(text) {
		return time.Time{}, expectedTime
	}

	if at = at.UTC(); !timely(at) {
		return time.Time{}, expectedYears
	}

	return at, ""
}

func timely(at time.Time) bool {
	year := at.UTC().Year()
	return firstYear <= year && year <= lastYear
}

// orNull is null for the zero time.
func orNull(t time.Time) *api.Time {
	if t.IsZero() {
		return nil
	}

	return &api.Time{Time: t}
}
