package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
)

// applying is the flags of `bitting apply`.
type applying struct {
	shared    *options
	file      string
	secretDir string
	check     bool
	prune     bool
	schema    bool
}

func newApply(o *options) *cobra.Command {
	a := applying{shared: o}
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make an organization what a YAML file says",
		Args:  cobra.NoArgs,
		Long: "Compares a file of permissions, customers, members, settings and keys with what exists, " +
			"prints the plan, asks, and makes\nthe changes. Each change says how many of the calls that " +
			"were recorded in the last 7 days it would have refused.\n" +
			"\n" +
			"What the file leaves out is left alone; --prune removes what its sections do not mention. " +
			"Secrets of new keys go where\nthe file says, and nowhere else. It may be interrupted and " +
			"repeated: at no time is a call admitted that neither the\nstate before nor the state after " +
			"admits. --check changes nothing, and ends with 6 where there is a difference.",
		Example: "  bitting export > bitting.yaml\n  bitting apply -f bitting.yaml\n" +
			"  bitting apply -f bitting.yaml --check --output json\n" +
			"  bitting apply --schema > bitting.schema.json",
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c) },
	}
	f := c.Flags()
	f.StringVarP(&a.file, "file", "f", "", "the file, - for standard input")
	f.StringVar(&a.secretDir, "secret-dir", "",
		"folder for the secrets of new keys whose place the file does not say")
	f.BoolVar(&a.check, "check", false, "change nothing, and end with 6 if there is a difference")
	f.BoolVar(&a.prune, "prune", false, "remove what the sections of the file do not mention")
	f.BoolVar(&a.schema, "schema", false, "print the JSON Schema of the file, for editors")
	c.MarkFlagsOneRequired("file", "schema")
	c.MarkFlagsMutuallyExclusive("file", "schema")
	return c
}

func (a *applying) run(c *cobra.Command) error {
	if a.schema {
		schema, err := apply.Schema()
		if err != nil {
			return err
		}

		_, err = c.OutOrStdout().Write(schema)
		return err
	}

	if a.check && a.shared.yes {
		return usage(errors.New("--yes goes without --check, which changes nothing"))
	}

	document, err := a.read(c)
	if err != nil {
		return err
	}

	a.shared.mark = apply.Mark

	s, err := a.shared.open(c)
	if err != nil {
		return err
	}

	s.account.Organization = cmp.Or(s.account.Organization, document.Organization.ID)

	org, err := s.org()
	if err != nil {
		return err
	}

	return a.apply(c.Context(), s, org, document)
}

// maxFile is the longest file of keys that is read, in bytes.
const maxFile = 64 << 20

func (a *applying) read(c *cobra.Command) (*apply.Document, error) {
	name, in := "standard input", c.InOrStdin()
	if a.file != "-" {
		name = a.file

		file, err := os.Open(name) //nolint:gosec // the file that was named
		if err != nil {
			return nil, readError(err)
		}

		defer func() { _ = file.Close() }() // only read

		in = file
	}

	text, err := readAll(c.Context(), in, maxFile)
	if err != nil {
		return nil, err
	}

	if len(text) > maxFile { // its first part may be YAML, and would be taken for the whole
		return nil, usage(fmt.Errorf("%s is longer than %d MiB", name, maxFile>>20))
	}

	document, err := apply.Read(text, name)
	return document, usage(err)
}

// apply plans, shows, asks and changes.
func (a *applying) apply(
	ctx context.Context, s *session, org string, document *apply.Document,
) error {
	places := places(ctx, a.shared.account.AWS, cloud.Reserved)

	plan, err := a.plan(ctx, s, org, document, places)
	if err != nil {
		return err
	}

	if err := showPlan(s.out, plan); err != nil {
		return err
	}

	for _, note := range plan.Notes {
		s.say("%s", s.out.Text(note))
	}

	switch {
	case len(plan.Items) == 0:
		s.say("Nothing differs from %s.", a.file)
		return nil
	case a.check:
		return &exitError{
			fmt.Errorf("%s differs: bitting apply -f %s without --check changes it", org, a.file), exitDrift,
		}
	}

	if err := s.confirm(fmt.Sprintf("Make these changes in %s?", org)); err != nil {
		return err
	}

	operator := s.Client
	if plan.Takes(apply.PutPermissions) {
		if operator, err = s.account.Operator(s.options.userAgent()); err != nil {
			return err
		}
	}

	// an impatient person may end it, but knows what that costs
	defer context.AfterFunc(ctx, func() {
		s.say("Ending after this step, whose answer may have the only copy of a secret. Ctrl-C again ends " +
			"at once.")
		signal.Reset(syscall.SIGINT, syscall.SIGTERM)
	})()

	begun := time.Now()
	err = plan.Apply(ctx, apply.Executor{
		Client:   s.Client,
		Operator: operator,
		Places:   places,
		Progress: s.steps(),
	})

	var stopped *apply.StepError
	if errors.As(err, &stopped) {
		s.live.Draw("")
		s.say("Stopped after %d of %d steps, at: %s.", stopped.Done, stopped.Total,
			s.out.Text(stopped.Title))
	}

	if err != nil {
		return err
	}

	s.say("Applied in %s.", time.Since(begun).Round(100*time.Millisecond))
	return nil
}

func (a *applying) plan(
	ctx context.Context, s *session, org string, document *apply.Document, places apply.Places,
) (*apply.Plan, error) {
	state, err := apply.ReadState(ctx, s.Client, org, false, &document.File)
	if err != nil {
		return nil, err
	}

	plan, err := apply.New(document, state, apply.Options{
		Prune:     a.prune,
		SecretDir: a.secretDir,
		Waits: func(to *apply.Secret) (bool, error) {
			place, err := places(to)
			if err != nil {
				return false, err
			}

			return place.Waits(ctx)
		},
	})
	if err != nil && exitCode(err) == exitFailed {
		err = usage(err)
	}

	if err != nil {
		return nil, err
	}

	if err := plan.Preview(ctx, s.Client); err != nil {
		return nil, err
	}

	return plan, plan.Blame(ctx, s.Client)
}

// steps returns what shows the steps: on a terminal in one line, else a line for each.
func (s *session) steps() func(done, total int, title string) {
	return func(done, total int, title string) {
		switch {
		case title == "":
			s.live.Draw("")
		case !s.progress(done, total, title):
			s.say("%d of %d: %s", done+1, total, output.Visible(title))
		}
	}
}

// showPlan writes a plan: as JSON whole, as ids those of what exists, and else as people read it.
func showPlan(p *output.Printer, plan *apply.Plan) error {
	if p.Format != output.Table {
		return output.Show(p, planColumns(), func(plan *apply.Plan) string { return plan.Organization },
			plan)
	}

	if len(plan.Items) == 0 {
		return nil
	}

	for _, item := range plan.Items {
		if err := showItem(p, item); err != nil {
			return err
		}
	}

	_, err := fmt.Fprintf(p.Out, "\n%d to add, %d to change, %d drifted, %d to remove\n",
		plan.Count(apply.Add), plan.Count(apply.Update), plan.Count(apply.Differs),
		plan.Count(apply.Remove))
	return err
}

func planColumns() []output.Column[*apply.Plan] {
	columns := []output.Column[*apply.Plan]{
		{Name: "organization", Of: func(p *apply.Plan) any { return p.Organization }},
	}
	for _, a := range []apply.Action{apply.Add, apply.Update, apply.Differs, apply.Remove} {
		columns = append(columns, output.Column[*apply.Plan]{
			Name: string(a),
			Of:   func(p *apply.Plan) any { return p.Count(a) },
		})
	}

	return columns
}

// sign is how an action is marked, so that a diff's colours fit.
func sign(a apply.Action) (string, output.Look) {
	switch a {
	case apply.Add:
		return "+", output.Good
	case apply.Remove:
		return "-", output.Bad
	case apply.Differs:
		return "!", output.Warn
	default:
		return "~", output.Warn
	}
}

func showItem(p *output.Printer, item apply.Item) error {
	mark, look := sign(item.Action)

	title := fmt.Sprintf("%s %s %s", mark, item.Kind, p.Text(item.Name))
	if item.Environment != "" {
		title += " (" + item.Environment + ")"
	}

	lines := []string{p.Paint(look, title)}
	for _, c := range item.Changes {
		text := fmt.Sprintf("    %s: %s", c.Field, valueChange(p, c))
		if item.Action == apply.Add {
			text = fmt.Sprintf("    %s: %s", c.Field, p.Text(shownValue(c.After)))
		}

		if c.Drift != nil {
			text += p.Paint(output.Warn, fmt.Sprintf("  drift: by %s, %s", p.Text(actorName(c.Drift.By)),
				p.Text(c.Drift.At.Time)))
		}

		lines = append(lines, text)
	}

	if item.Secret != "" {
		lines = append(lines, "    its secret goes to "+p.Text(item.Secret))
	}

	// what is new and refuses nothing needs no word
	if item.Preview != nil && (item.Action != apply.Add || item.Preview.Refused > 0) {
		lines = append(lines, "    "+refusals(p, item.Preview))
	}

	_, err := fmt.Fprintln(p.Out, strings.Join(lines, "\n"))
	return err
}

func actorName(a api.Actor) string {
	switch {
	case a.Email != "":
		return a.Email
	case a.KeyName != "":
		return "key " + a.KeyName
	default:
		return a.ID
	}
}

// refusals says what a change would have refused.
func refusals(p *output.Printer, preview *api.Preview) string {
	if preview.Recorded == 0 {
		return p.Paint(output.Faint, "no allowed call was recorded in the last 7 days")
	}

	text := fmt.Sprintf("would have refused %d of %d recorded calls of the last 7 days", preview.Refused,
		preview.Recorded)
	if preview.Refused == 0 {
		return p.Paint(output.Faint, text)
	}

	var routes []string
	for _, r := range preview.ByRoute {
		if r.Refused > 0 && len(routes) < 3 {
			routes = append(routes, fmt.Sprintf("%s (%d)", p.Text(r.Route), r.Refused))
		}
	}

	return p.Paint(output.Bad, text+": "+strings.Join(routes, ", "))
}

// valueChange shows a change: of lists, what comes and goes.
func valueChange(p *output.Printer, c apply.Change) string {
	before, was := c.Before.([]any)
	after, is := c.After.([]any)

	if !was || !is || len(before) == 0 || len(after) == 0 {
		return p.Text(shownValue(c.Before)) + " → " + p.Text(shownValue(c.After))
	}

	var parts []string
	for _, gone := range without(before, after) {
		parts = append(parts, p.Paint(output.Bad, "-"+p.Text(gone)))
	}

	for _, new := range without(after, before) {
		parts = append(parts, p.Paint(output.Good, "+"+p.Text(new)))
	}

	if len(parts) == 0 {
		return p.Text(shownValue(c.Before)) + " → " + p.Text(shownValue(c.After))
	}

	return strings.Join(parts, ", ")
}

// without returns the items of a list that another does not have, as text.
func without(list, other []any) (out []string) {
	has := map[string]bool{}
	for _, item := range other {
		has[shownValue(item)] = true
	}

	for _, item := range list {
		if text := shownValue(item); !has[text] {
			out = append(out, text)
		}
	}

	return out
}

func shownValue(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return `""`
		}

		return v
	case []any:
		parts := make([]string, 0, len(v))
		for _, item := range v {
			parts = append(parts, shownValue(item))
		}

		if len(parts) == 0 {
			return "none"
		}

		return strings.Join(parts, " ")
	case map[string]any:
		return shownObject(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// shownObject shows a limit, a quota, a route or metadata as flags have them.
func shownObject(v map[string]any) string {
	show := func(name string) string { return shownValue(v[name]) }

	switch {
	case v["window"] != nil:
		text := show("name") + "=" + show("limit") + "/" + show("window")
		if v["burst"] != nil && v["burst"] != v["limit"] {
			text += ",burst=" + show("burst")
		}

		return text
	case v["period"] != nil && len(v) == 2:
		return show("limit") + "/" + show("period")
	case v["path"] != nil && len(v) == 3:
		return show("api") + " " + show("method") + " " + show("path")
	case len(v) == 0:
		return "none"
	}

	parts := make([]string, 0, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		parts = append(parts, name+"="+show(name))
	}

	return strings.Join(parts, " ")
}

func newExport(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Write the YAML file of what exists, for bitting apply",
		Args:  cobra.NoArgs,
		Long: "Writes the file of the permission catalogue and of an organization's settings, customers, " +
			"members and keys,\nwithout secrets. Each field is written, so that bitting apply --check " +
			"finds any change.\nPersonal keys are left out.",
		Example: "  bitting export > bitting.yaml\n  bitting export | bitting apply --check -f -",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			state, err := apply.ReadState(ctx, s.Client, org, true, nil)
			if err != nil {
				return err
			}

			text, personal, err := apply.Export(state)
			if err != nil {
				return err
			}

			if _, err := s.out.Out.Write(text); err != nil {
				return err
			}

			if personal > 0 {
				s.say("%d personal keys are left out: they belong to their owners.", personal)
			}

			return nil
		}),
	}
}
