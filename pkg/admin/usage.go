package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// The longest ranges: every hour in them is read.
const (
	maxHourly = 31 * day
	maxDaily  = 400 * day
)

// usualDays is how many days are returned by default, including today.
const usualDays = 14

// Usage is the input that selects a part of the usage.
type Usage struct {
	From, To        string // a day or a time; "" for the default
	Granularity, By string

	from, to time.Time // made by CheckUsage
	step     time.Duration
}

// CheckUsage reads which part of the usage is requested. Error: *InvalidError.
func CheckUsage(r *Request, in *Usage) error {
	f := &validator{}

	longest := maxDaily
	if in.step = day; in.Granularity == "hour" {
		in.step = time.Hour
		longest = maxHourly
	}

	in.to = f.moment("query.to", in.To, r.now.Truncate(in.step).Add(in.step), in.step, true)

	in.from = f.moment("query.from", in.From, in.to.Add(-usualDays*day), in.step, false)
	switch {
	case len(f.fields) > 0:
	case !in.from.Before(in.to):
		f.add("query.from", "expected a time before the end", in.From)
	case in.to.Sub(in.from) > longest:
		f.add("query.from",
			fmt.Sprintf("expected at most %s before the end, by %s", formatDuration(longest),
				in.Granularity), in.From)
	}

	return f.err()
}

// moment reads a day or a time, and rounds it down to a step, or up for an end. An end that is a
// day includes that day.
func (f *validator) moment(
	location, text string, usual time.Time, step time.Duration, end bool,
) time.Time {
	at := usual
	if text != "" {
		var err error
		if at, err = time.Parse(time.DateOnly, text); err == nil && end {
			at = at.Add(day)
		} else if err != nil {
			var message string
			if at, message = ParseTime(text); message != "" {
				f.add(location,
					"expected a day such as 2026-11-01, or a time such as 2026-11-01T00:00:00Z "+
						"of the years 1970 to 9999", text)
				return usual
			}
		}
	}

	at = at.UTC()

	rounded := at.Truncate(step)
	if end && !rounded.Equal(at) {
		rounded = rounded.Add(step)
	}

	if !timely(rounded) {
		f.add(location, expectedYears, text)
		return usual
	}

	return rounded
}

// KeyUsage returns the usage of the request's key, as read by CheckUsage.
func (s *ReportService) KeyUsage(ctx context.Context, r *Request, in *Usage) (*api.Usage, error) {
	out, err := s.usage(ctx, in, usage.KeyScope(r.key.Environment, r.key.ID))
	if err != nil || !check.Limited(r.key) {
		return out, err
	}

	limits, quota, err := s.left(ctx, r.key, r.now)
	if err != nil {
		return nil, err
	}

	out.Limits = &api.LimitsLeft{RateLimits: limits, Quota: quota}
	return out, nil
}

// OrganizationUsage returns the usage of all keys of the request's organization together.
func (s *ReportService) OrganizationUsage(
	ctx context.Context, r *Request, in *Usage,
) (*api.Usage, error) {
	var scopes []usage.Scope
	for _, env := range apikey.Environments() {
		scopes = append(scopes, usage.OrganizationScope(env, r.call.Organization))
	}

	return s.usage(ctx, in, scopes...)
}

// usage returns the sum over the scopes.
func (s *ReportService) usage(
	ctx context.Context, in *Usage, scopes ...usage.Scope,
) (*api.Usage, error) {
	hours := map[time.Time]usage.Counts{}

	all, err := s.hot.Usages(ctx, scopes, in.from, in.to)
	if err != nil {
		return nil, err
	}

	for _, one := range all {
		for at, counts := range one {
			sum := hours[at]
			sum.Add(counts)
			hours[at] = sum
		}
	}

	out := &api.Usage{
		From:        api.Time{Time: in.from},
		To:          api.Time{Time: in.to},
		Granularity: in.Granularity,
		By:          in.By,
		Source:      s.countedBy,
		Series:      []api.UsagePoint{},
	}
	for _, p := range usage.Series(hours, in.from, in.to, in.step) {
		totals := p.Counts.Totals()
		out.Totals.Allowed += totals.Allowed
		out.Totals.Denied += totals.Denied
		out.Series = append(out.Series, api.UsagePoint{
			At:     api.Time{Time: p.At},
			Values: p.Counts.Values(usage.By(in.By)),
		})
	}

	return out, nil
}
