package limit

import "time"

// period returns the name of the calendar day or month of a time, in UTC. Names of one kind sort by
// time.
func period(now int64, kind string) string {
	t := time.Unix(0, now).UTC()
	if kind == "day" {
		return t.Format(time.DateOnly)
	}

	return t.Format("2006-01")
}

// bounds returns when a period begins and ends: zero times, which are over, if the name is no
// period.
func bounds(name string) (from, to time.Time) {
	if t, err := time.Parse(time.DateOnly, name); err == nil {
		return t, t.AddDate(0, 0, 1)
	}

	t, err := time.Parse("2006-01", name)
	if err != nil {
		return time.Time{}, time.Time{}
	}

	return t, t.AddDate(0, 1, 0)
}
