package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// The longest ranges: every hour in them is read.
const (
	maxHourly = 31 * day
	maxDaily  = 400 * day
)

// usualDays is how many days are told where nobody asks for others, today among them.
const usualDays = 14

func (a *API) registerUsage() {
	about := "Numbers of calls by hour or day, in UTC. By outcome they are all calls; by " +
		"permission and by customer those that were allowed. A call is counted within 10 seconds, " +
		"or when its instance is used again or ends. As CSV with Accept: text/csv."
	op := operation{
		id:      organization.KeyUsage,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/usage",
		summary: "Show how a key is used",
		about:   about,
		answers: a.usageAnswers(),
	}
	register(a, op, a.keyUsage)
	op.id = organization.GetUsage
	op.path = "/v1/organizations/{org}/usage"
	op.summary = "Show how the organization's keys are used"
	op.about += " All keys together, personal ones too."
	register(a, op, a.organizationUsage)
}

// usageAnswers describes the answer, which is written by hand since it has two media types.
func (a *API) usageAnswers() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{
		jsonType: {
			Schema: huma.SchemaFromType(a.huma.OpenAPI().Components.Schemas,
				reflect.TypeFor[api.Usage]()),
		},
		csvType: {
			Schema: &huma.Schema{
				Type:        huma.TypeString,
				Description: "at,outcome,count (or permission, or customer), without the zeros",
			},
		},
	}
}

// UsageQuery is what part of the usage is asked for.
type UsageQuery struct {
	From        string `query:"from" maxLength:"40" doc:"A day or a time, rounded down to the granularity; 14 days before the end where it is absent"`
	To          string `query:"to" maxLength:"40" doc:"A day, which is included, or a time, rounded up; now where it is absent"`
	Granularity string `query:"granularity" enum:"hour,day" default:"day" doc:"At most 31 days by hour, and 400 by day"`
	By          string `query:"by" enum:"outcome,permission,customer" default:"outcome"`
	Accept      string `header:"Accept" doc:"text/csv for CSV"`

	from, to time.Time
	step     time.Duration
}

// Resolve implements huma.Resolver.
func (q *UsageQuery) Resolve(ctx huma.Context) []error {
	f := &validator{}

	longest := maxDaily
	if q.step = day; q.Granularity == "hour" {
		q.step = time.Hour
		longest = maxHourly
	}

	q.to = f.moment("query.to", q.To, requestOf(ctx.Context()).now.Truncate(q.step).Add(q.step),
		q.step, true)

	q.from = f.moment("query.from", q.From, q.to.Add(-usualDays*day), q.step, false)
	switch {
	case len(f.errors) > 0:
	case !q.from.Before(q.to):
		f.add("query.from", "expected a time before the end", q.From)
	case q.to.Sub(q.from) > longest:
		f.add("query.from",
			fmt.Sprintf("expected at most %s before the end, by %s", formatDuration(longest),
				q.Granularity), q.From)
	}

	return f.errors
}

// moment reads a day or a time, and rounds it down to a step, or up for an end. A day that is an
// end is included.
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
			if at, message = parseTime(text); message != "" {
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

type keyUsageInput struct {
	KeyPath
	UsageQuery
}

func (a *API) keyUsage(
	ctx context.Context, s *request, in *keyUsageInput,
) (*huma.StreamResponse, error) {
	return a.usage(ctx, &in.UsageQuery, usage.KeyScope(s.key.Environment, s.key.ID))
}

type organizationUsageInput struct {
	OrganizationPath
	UsageQuery
}

func (a *API) organizationUsage(
	ctx context.Context, _ *request, in *organizationUsageInput,
) (*huma.StreamResponse, error) {
	var scopes []usage.Scope
	for _, env := range apikey.Environments() {
		scopes = append(scopes, usage.OrganizationScope(env, in.Org))
	}

	return a.usage(ctx, &in.UsageQuery, scopes...)
}

// usage answers with the sum over the scopes.
func (a *API) usage(
	ctx context.Context, q *UsageQuery, scopes ...usage.Scope,
) (*huma.StreamResponse, error) {
	hours := map[time.Time]usage.Counts{}

	all, err := a.hot.Usages(ctx, scopes, q.from, q.to)
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
		From:        api.Time{Time: q.from},
		To:          api.Time{Time: q.to},
		Granularity: q.Granularity,
		By:          q.By,
		Source:      a.countedBy,
		Series:      []api.UsagePoint{},
	}
	for _, p := range usage.Series(hours, q.from, q.to, q.step) {
		totals := p.Counts.Totals()
		out.Totals.Allowed += totals.Allowed
		out.Totals.Denied += totals.Denied
		out.Series = append(out.Series, api.UsagePoint{
			At:     api.Time{Time: p.At},
			Values: p.Counts.Values(usage.By(q.By)),
		})
	}

	return &huma.StreamResponse{
		Body: func(ctx huma.Context) { a.writeUsage(ctx, out, q.Accept) },
	}, nil
}

// writeUsage writes JSON, or CSV for who would rather have that.
func (a *API) writeUsage(ctx huma.Context, u *api.Usage, accept string) {
	ctx.SetHeader("Vary", "Accept")

	if accept != csvType { // read has seen which of the two is meant
		ctx.SetHeader("Content-Type", jsonType)
		ctx.SetStatus(http.StatusOK)
		// the status is written: there is no other answer left
		_ = a.huma.Marshal(ctx.BodyWriter(), jsonType, u)
		return
	}

	ctx.SetHeader("Content-Type", csvType+"; charset=utf-8")
	ctx.SetHeader("Content-Disposition", `attachment; filename="usage.csv"`)
	ctx.SetStatus(http.StatusOK)
	_ = WriteCSV(ctx.BodyWriter(), u)
}
