package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
)

// items is a list that is here already.
func items[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range all {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func usageFlags(c *cobra.Command, q *api.GetUsage) {
	c.Flags().StringVar(&q.From, "from", "", "first day or time (default: 14 days before the end)")
	c.Flags().StringVar(&q.To, "to", "", "last day, or the time before which to end (default: now)")
	c.Flags().StringVar(&q.Granularity, "granularity", "", "day or hour (default day)")
	c.Flags().StringVar(&q.By, "by", "", "outcome, permission, customer or api (default outcome)")
}

func newKeysUsage(o *options) *cobra.Command {
	var q api.GetUsage
	var w watching
	c := &cobra.Command{
		Use:     "usage KEY",
		Short:   "Show how often a key was used",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys usage Website --by permission\n  bitting keys usage Website --watch",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			return s.usage(ctx, w, func(ctx context.Context) (api.Usage, error) {
				return s.KeyUsage(ctx, org, key, q)
			})
		}),
	}
	usageFlags(c, &q)
	w.flags(c)
	return c
}

func newUsage(o *options) *cobra.Command {
	var q api.GetUsage
	var w watching
	c := &cobra.Command{
		Use:   "usage",
		Short: "Show how often an organization's keys were used",
		Args:  cobra.NoArgs,
		Example: "  bitting usage --granularity hour --from 2027-01-31\n" +
			"  bitting usage --granularity hour --watch",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			return s.usage(ctx, w, func(ctx context.Context) (api.Usage, error) {
				return s.GetUsage(ctx, org, q)
			})
		}),
	}
	usageFlags(c, &q)
	w.flags(c)
	return c
}

// usage shows usage, once or again and again.
func (s *session) usage(
	ctx context.Context, w watching, look func(context.Context) (api.Usage, error),
) error {
	if err := w.check(s); err != nil {
		return err
	}

	if w.on {
		return watch(ctx, s, w, look, (*session).showUsage, func(api.Usage) bool { return false })
	}

	used, err := look(ctx)
	if err != nil {
		return err
	}

	return s.showUsage(used)
}

// usageRow is one value of a point of usage, as in the API's own CSV.
type usageRow struct {
	At    api.Time `json:"at"`
	Name  string   `json:"name"`
	Count int64    `json:"count"`
}

// showUsage shows usage: as a chart for people, as the API's answer in JSON, else a row for each
// count.
func (s *session) showUsage(used api.Usage) error {
	switch s.out.Format {
	case output.Table:
		return s.chart(used)
	case output.JSON:
		return output.Show(s.out, []output.Column[api.Usage]{}, nil, used)
	}

	var rows []usageRow
	for _, point := range used.Series {
		for _, name := range slices.Sorted(maps.Keys(point.Values)) {
			rows = append(rows, usageRow{At: point.At, Name: name, Count: point.Values[name]})
		}
	}

	return output.List(s.out, []output.Column[usageRow]{
		{Name: "at", Of: func(r usageRow) any { return r.At.Time }},
		{Name: used.By, Of: func(r usageRow) any { return r.Name }},
		{Name: "count", Of: func(r usageRow) any { return r.Count }},
	}, func(r usageRow) string { return output.Exact(r.At.Time) }, items(rows))
}

// barWidth is how long the longest bar of a chart is, in characters; half of that where a terminal
// is narrow.
const barWidth = 40

// chart draws a bar for each point, beside what it is made of.
func (s *session) chart(used api.Usage) error {
	most := int64(1)
	for _, point := range used.Series {
		most = max(most, sum(point.Values))
	}

	layout := "Mon 2006-01-02"
	if used.Granularity == "hour" {
		layout = "Mon 2006-01-02 15:04"
	}

	longest := barWidth
	if s.out.Terminal() && s.out.Width() < 100 {
		longest = barWidth / 2
	}

	for _, point := range output.Last(s.out, used.Series, 2) {
		total := sum(point.Values)

		bar := strings.Repeat("█", int(total*int64(longest)/most))
		if total > 0 && bar == "" {
			bar = "▏"
		}

		var parts []string
		for _, name := range slices.Sorted(maps.Keys(point.Values)) {
			if n := point.Values[name]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", name, n))
			}
		}

		start := fmt.Sprintf("%s  %8d  ", point.At.UTC().Format(layout), total)
		rest := s.out.Text(strings.Join(parts, ", "))

		if s.out.Terminal() {
			rest = output.Cut(rest, s.out.Width()-len(start)-longest-2)
		}

		if rest != "" {
			rest = strings.Repeat(" ", longest-len([]rune(bar))+2) + s.out.Paint(output.Faint, rest)
		}

		line := strings.TrimRight(start+s.out.Paint(output.Good, bar)+rest, " ")
		if _, err := fmt.Fprintln(s.out.Out, line); err != nil {
			return err
		}
	}

	_, err := fmt.Fprintf(s.out.Out, "\nallowed %d, denied %d (times in UTC)\n",
		used.Totals.Allowed, used.Totals.Denied)
	return err
}

func sum(values map[string]int64) (total int64) {
	for _, n := range values {
		total += n
	}

	return total
}

func newKeysRequests(o *options) *cobra.Command {
	var p pages
	var filter api.RequestFilter
	c := &cobra.Command{
		Use:     "requests KEY",
		Short:   "List recent calls with a key, newest first",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys requests Website --limit 20",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			if err := p.check(); err != nil {
				return err
			}

			return output.List(s.out, requestColumns(),
				func(r api.Request) string { return r.RequestID },
				first(s, p, s.KeyRequests(ctx, org, key, api.KeyRequests{
					RequestFilter: filter,
					List:          api.List{Limit: p.size()},
				})))
		}),
	}
	p.flags(c)
	c.Flags().StringVar(&filter.Outcome, "outcome", "", "only calls with an `OUTCOME`, or refused")
	c.Flags().StringVar(&filter.Route, "route", "", "only calls of a `ROUTE`, such as \"GET /messages\"")
	c.Flags().StringVar(&filter.Text, "q", "", "only calls with a `TEXT` in their id or address")
	return c
}

func requestColumns() []output.Column[api.Request] {
	return []output.Column[api.Request]{
		{Name: "at", Of: func(r api.Request) any { return r.At.Time }},
		{Name: "method", Of: func(r api.Request) any { return r.Method }},
		{Name: "route", Of: func(r api.Request) any { return r.Route }, Wide: true},
		{Name: "status", Of: func(r api.Request) any { return r.Status }},
		{Name: "outcome", Of: func(r api.Request) any { return r.Outcome }, Look: func(
			r api.Request,
		) output.Look {
			if r.Outcome == "allowed" {
				return output.Good
			}

			return output.Bad
		}},
		{Name: "sourceIp", Of: func(r api.Request) any { return r.SourceIP }},
		{Name: "userAgent", Of: func(r api.Request) any { return r.UserAgent }, Wide: true},
		{Name: "requestId", Of: func(r api.Request) any { return r.RequestID }},
	}
}

func newKeysHistory(o *options) *cobra.Command {
	var p pages
	c := &cobra.Command{
		Use:     "history KEY",
		Short:   "List what was done to a key, newest first",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys history Website --absolute-times",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			if err := p.check(); err != nil {
				return err
			}

			return s.listHistory(p, s.KeyHistory(ctx, org, key, api.List{Limit: p.size()}))
		}),
	}
	p.flags(c)
	return c
}

func newHistory(o *options) *cobra.Command {
	var p pages
	var filter api.HistoryFilter
	c := &cobra.Command{
		Use:     "history",
		Short:   "List what was done in an organization, newest first",
		Args:    cobra.NoArgs,
		Example: "  bitting history --all --output jsonl > history.jsonl",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}

			return s.listHistory(p, s.ListHistory(ctx, org, api.ListHistory{
				HistoryFilter: filter,
				List:          api.List{Limit: p.size()},
			}))
		}),
	}
	p.flags(c)
	c.Flags().StringVar(&filter.Actor, "actor", "", "only what the person or key with an `ID` did")
	c.Flags().StringVar(&filter.Action, "action", "", "only an `ACTION`, such as key.revoked")
	c.Flags().StringVar(&filter.Object, "object", "", "only what was done to the object with an `ID`")
	return c
}

func (s *session) listHistory(p pages, entries iter.Seq2[api.Entry, error]) error {
	return output.List(s.out, []output.Column[api.Entry]{
		{Name: "at", Of: func(e api.Entry) any { return e.At.Time }},
		{Name: "action", Of: func(e api.Entry) any { return e.Action }},
		{Name: "object", Of: func(e api.Entry) any {
			return strings.TrimSpace(e.Object.Type + " " + e.Object.ID + " " + e.Object.Name)
		}, Wide: true},
		{Name: "actor", Of: func(e api.Entry) any { return actorOf(e.Actor) }, Wide: true},
		{Name: "changes", Of: func(e api.Entry) any { return changesOf(e) }, Wide: true},
		{Name: "reason", Of: func(e api.Entry) any { return e.Reason }, Wide: true},
		{Name: "sourceIp", Of: func(e api.Entry) any { return e.SourceIP }},
	}, func(e api.Entry) string { return e.ID }, first(s, p, entries))
}

func changesOf(e api.Entry) string {
	parts := make([]string, 0, len(e.Changes))
	for _, c := range e.Changes {
		parts = append(parts, fmt.Sprintf("%s: %s → %s", c.Field, short(c.Before), short(c.After)))
	}

	return strings.Join(parts, "; ")
}

// short is a value of a history entry in a word.
func short(value any) string {
	if value == nil {
		return "none"
	}

	if text, ok := value.(string); ok {
		return text
	}

	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}

	return string(text)
}

func newKeysExplain(o *options) *cobra.Command {
	var body api.ExplainKey
	var at string
	c := &cobra.Command{
		Use:   "explain KEY METHOD PATH",
		Short: "Say what a call with a key would get, and why",
		Args:  cobra.ExactArgs(3),
		Long: "Goes through the steps of the check for a call, up to the one that refuses it. It calls " +
			"nothing and changes nothing.",
		Example: "  bitting keys explain Website GET /messages\n  bitting keys explain Website POST " +
			"/messages --source-ip 203.0.113.9 --at 2027-01-31T12:00:00Z",
		RunE: func(c *cobra.Command, args []string) error {
			if at != "" {
				moment, err := timeOf(at)
				if err != nil {
					return usage(fmt.Errorf("--at: %w", err))
				}

				body.At = moment
			}

			body.Method, body.Path = args[1], args[2]

			return o.onKey(func(ctx context.Context, s *session, org, key string) error {
				told, err := s.ExplainKey(ctx, org, key, body)
				if err != nil {
					return err
				}

				return s.showExplanation(told)
			})(c, args)
		},
	}
	c.Flags().StringVar(&body.API, "api", "", "name of the API, where there are several")
	c.Flags().StringVar(&body.SourceIP, "source-ip", "", "address that the call comes from")
	c.Flags().StringVar(&body.Environment, "environment", "",
		"environment that is called (default: the key's)")
	c.Flags().StringVar(&at, "at", "", "time of the call (default: now)")
	return c
}

func (s *session) showExplanation(e api.Explanation) error {
	if s.out.Format != output.Table {
		return output.Show(s.out, []output.Column[api.Explanation]{
			{Name: "allowed", Of: func(e api.Explanation) any { return e.Allowed }},
			{Name: "outcome", Of: func(e api.Explanation) any { return e.Outcome }},
			{Name: "status", Of: func(e api.Explanation) any { return e.Status }},
			{Name: "requiredPermission", Of: func(e api.Explanation) any { return e.RequiredPermission }},
		}, func(e api.Explanation) string { return e.Outcome }, e)
	}

	for _, step := range e.Steps {
		mark, look := "✓", output.Good
		if !step.Passed {
			mark, look = "✗", output.Bad
		}

		if _, err := fmt.Fprintf(s.out.Out, "%s %-12s %s\n", s.out.Paint(look, mark), step.Check,
			s.out.Text(step.Detail)); err != nil {
			return err
		}
	}

	verdict := s.out.Paint(output.Bad, "refused") + ": " + e.Outcome
	if e.Allowed {
		verdict = s.out.Paint(output.Good, "allowed")
	}

	_, err := fmt.Fprintf(s.out.Out, "\n%s, status %d\n", verdict, e.Status)
	return err
}

func newRequest(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "request ID",
		Short:   "Say why a call was answered as it was, by its request id",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting request 6f1f6d2e-5b1c-4a5e-9a53-0d9f5c1f7a11",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			found, err := s.GetRequest(ctx, org, args[0])
			if err != nil {
				return err
			}

			columns := []output.Column[api.RecordedRequest]{}
			for _, c := range requestColumns() {
				columns = append(columns, output.Column[api.RecordedRequest]{
					Name: c.Name,
					Of:   func(r api.RecordedRequest) any { return c.Of(r.Request) },
				})
			}

			return output.Show(s.out, columns, func(r api.RecordedRequest) string {
				return r.RequestID
			}, found)
		}),
	}
}

func adviceColumns() []output.Column[api.AdviceItem] {
	return []output.Column[api.AdviceItem]{
		{Name: "severity", Of: func(a api.AdviceItem) any { return a.Severity }, Look: func(
			a api.AdviceItem,
		) output.Look {
			return map[string]output.Look{"high": output.Bad, "medium": output.Warn}[a.Severity]
		}},
		{Name: "code", Of: func(a api.AdviceItem) any { return a.Code }},
		{Name: "keyId", Of: func(a api.AdviceItem) any { return a.KeyID }},
		{Name: "keyName", Of: func(a api.AdviceItem) any { return a.KeyName }, Wide: true},
		{Name: "detail", Of: func(a api.AdviceItem) any { return a.Detail }, Wide: true},
	}
}

func newKeysAdvice(o *options) *cobra.Command {
	var window string
	c := &cobra.Command{
		Use:     "advice KEY",
		Short:   "Say what could be safer about a key",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys advice Website --window 90d",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			found, err := s.KeyAdvice(ctx, org, key, window)
			if err != nil {
				return err
			}

			return output.List(s.out, adviceColumns(),
				func(a api.AdviceItem) string { return a.KeyID }, items(found.Items))
		}),
	}
	c.Flags().StringVar(&window, "window", "", "how long something has to be unused (default 30d)")
	return c
}

func newAdvice(o *options) *cobra.Command {
	var query api.ListAdvice
	var p pages
	c := &cobra.Command{
		Use:     "advice",
		Short:   "Say what could be safer about an organization's keys",
		Args:    cobra.NoArgs,
		Example: "  bitting advice --window 90d --all",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}

			query.Limit = p.size()
			return output.List(s.out, adviceColumns(),
				func(a api.AdviceItem) string { return a.KeyID },
				first(s, p, s.ListAdvice(ctx, org, query)))
		}),
	}
	c.Flags().StringVar(&query.Window, "window", "", "how long something has to be unused (default 30d)")
	p.flags(c)
	return c
}
