package apikey

import "time"

// TimeLayout is the layout of every time that is shown or stored as text: RFC 3339, in UTC, always
// with three digits of milliseconds, so that times sort as text does.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// FormatTime formats a time by TimeLayout. It truncates to milliseconds.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeLayout) }
