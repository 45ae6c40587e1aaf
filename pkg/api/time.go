package api

import "time"

// TimeLayout is the layout of the API's times: in UTC, always with three digits of milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// Time is a time in an answer, always with the same number of digits.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.text() + `"`), nil
}

func (t Time) text() string { return t.UTC().Format(TimeLayout) }
