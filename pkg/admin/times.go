package admin

import (
	"regexp"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
)

// Times have years of four digits in UTC, regardless of the offset that they are sent with, since
// RFC 3339 has years of four digits only. They begin in 1970, so that none is the zero time.
const (
	firstYear = 1970
	lastYear  = 9999
)

const (
	expectedTime  = "expected a time such as 2026-11-01T00:00:00Z"
	expectedYears = "expected a time in the years 1970 to 9999, in UTC"
)

// timePattern excludes what Go's parser accepts beyond RFC 3339: an hour of one digit, a comma, an
// offset of a day.
var timePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9-]{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)
})

// ParseTime parses a time (RFC 3339). message says what is wrong with it; "" if nothing is.
func ParseTime(text string) (at time.Time, message string) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !timePattern().MatchString(text) {
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

// orNull returns null for the zero time.
func orNull(t time.Time) *api.Time {
	if t.IsZero() {
		return nil
	}

	return &api.Time{Time: t}
}
