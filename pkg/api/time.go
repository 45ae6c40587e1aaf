package api

import "time"

// TimeLayout is how the API writes times: in UTC, and always with three digits of milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// Time is a time in an answer, which has the same number of digits as every other.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.text() + `"`), nil
}

func (t Time) text() string { return t.UTC().Format(TimeLayout) }
