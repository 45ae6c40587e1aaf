package apikey

import "time"

// TimeLayout is how every time is written that somebody reads or that is kept as text: as RFC 3339
// has it, in UTC, and always with three digits of milliseconds, so that times sort as text does.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// FormatTime writes a time by TimeLayout. What is below a millisecond is cut off.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeLayout) }
