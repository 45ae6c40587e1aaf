package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/account"
	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/cmd/bitting/signin"
	"github.com/bitting-keys/bitting/pkg/client"
	"github.com/bitting-keys/bitting/pkg/identity/oidc"
	"github.com/bitting-keys/bitting/pkg/local"
)

// finding is what doctor found out about one thing.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warning, problem or skipped
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"` // a command, or what to do
}

const (
	healthy = "ok"
	warning = "warning"
	problem = "problem"
	skipped = "skipped"
)

// doctor looks at a deployment, as far as the one who asks may see it.
type doctor struct {
	*session

	found []finding
}

func newDoctor(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong with a deployment or with how it is reached",
		Args:  cobra.NoArgs,
		Long: "Checks how the deployment was found and as whom, whether it answers, this machine's clock, " +
			"the key or the person,\n" +
			"the organization and the permissions; with --stack, also the stack, its tables, peppers, KMS " +
			"key and upkeep. Each problem\n" +
			"comes with its mend. The exit code is 1 if there is a problem.",
		Example: "  bitting doctor\n  bitting doctor --stack bitting --region eu-west-1 --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := o.printer(c)
			if err != nil {
				return err
			}

			d := &doctor{session: &session{out: p, command: c, options: o}}
			d.look(c.Context())

			if err := d.write(); err != nil {
				return err
			}

			bad := slices.IndexFunc(d.found, func(f finding) bool { return f.Status == problem })
			if bad >= 0 {
				return errors.New("there is a problem")
			}

			return nil
		},
	}
}

func (d *doctor) add(check, status, mend, format string, args ...any) {
	d.found = append(d.found, finding{check, status, fmt.Sprintf(format, args...), mend})
}

// look makes all checks. One that fails leaves out those that need it.
func (d *doctor) look(ctx context.Context) {
	a, err := account.Find(ctx, d.options.account, getenv)
	if err != nil {
		d.add("configuration", problem, remedyOf(err), "%s", err)
		return
	}

	d.account = a
	a.Transport = d.transport()
	d.add("configuration", healthy, "", "%s is used by %s, %s", a.URL, a.From, a.As)

	if d.Client, err = a.Client(d.options.userAgent()); err != nil {
		d.add("address", problem, "bitting login --url https://…", "%s", err)
		return
	}

	if d.reach(ctx) && d.caller(ctx) {
		d.organization(ctx)
		d.catalogue(ctx)
	}

	if a.AWS.Stack == "" {
		d.add("stack", skipped, "", "pass --stack to check tables, peppers and upkeep in AWS")
		return
	}

	d.stack(ctx, a.AWS)
}

// remedyOf returns what to do about an account that cannot be found, or a call that fails.
func remedyOf(err error) string {
	switch {
	case errors.Is(err, local.ErrNotRunning):
		return "bitting local"
	case errors.Is(err, signin.ErrSignedOut), errors.Is(err, client.ErrUnauthenticated),
		errors.Is(err, client.ErrInvalidKey):
		return "bitting login"
	case errors.Is(err, cloud.ErrRegion):
		return "export AWS_REGION=…"
	case errors.Is(err, cloud.ErrNotFound):
		return "aws cloudformation list-stacks"
	case errors.Is(err, cloud.ErrRefused):
		return "aws sts get-caller-identity"
	default:
		return "bitting login --help"
	}
}

// maxDocument is more than the API's document has, in bytes.
const maxDocument = 16 << 20

// reach asks for the API's document, which needs no key, and looks at the clock.
func (d *doctor) reach(ctx context.Context) bool {
	address := d.account.Base() + "/v1/openapi.json"
	mend := "curl -i " + address

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		d.add("address", problem, mend, "%s is no address", d.account.URL)
		return false
	}

	begun := time.Now()

	response, err := (&http.Client{
		Transport: cmp.Or[http.RoundTripper](d.account.Transport, http.DefaultTransport),
		Timeout:   client.RequestTimeout,
	}).Do(request)
	if err != nil {
		d.add("address", problem, mend, "%s does not answer: %s", d.account.URL, err)
		return false
	}

	defer func() { _ = response.Body.Close() }() // only read

	took := time.Since(begun)

	var document struct {
		OpenAPI string `json:"openapi"`
	}
	if json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(&document) != nil ||
		document.OpenAPI == "" {
		d.add("address", problem, mend, "%s answers, but not as Bitting: %s", d.account.URL,
			response.Status)
		return false
	}

	d.add("address", healthy, "", "it answers within %v", took.Round(time.Millisecond))

	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		d.add("clock", skipped, "", "the answer has no time")
		return true
	}

	// the time is in whole seconds
	off := begun.Add(took / 2).Sub(at.Add(time.Second / 2)).Round(time.Second)
	if off.Abs() >= oidc.Tolerance {
		d.add("clock", problem, "sudo timedatectl set-ntp true",
			"this machine's clock is %v %s the server's: sign-ins and AWS's signatures fail",
			off.Abs(), map[bool]string{true: "ahead of", false: "behind"}[off > 0])
		return true
	}

	d.add("clock", healthy, "", "it is within %v of the server's", max(off.Abs(), time.Second))
	return true
}

// soon is how early an end is told.
const soon = 7 * 24 * time.Hour

// caller asks who calls.
func (d *doctor) caller(ctx context.Context) bool {
	if d.account.Anonymous() {
		d.add("caller", problem, "bitting login", "there is no key, and nobody is signed in")
		return false
	}

	if d.account.Person() {
		me, err := d.GetMe(ctx)
		if err != nil {
			d.add("caller", problem, remedyOf(err), "%s", err)
			return false
		}

		d.add("caller", healthy, "", "%s is signed in, and in %d organizations", me.Email,
			len(me.Organizations))
		return true
	}

	who, err := d.Whoami(ctx)
	if err != nil {
		d.add("caller", problem, remedyOf(err), "%s", err)
		return false
	}

	if who.ExpiresAt != nil && time.Until(who.ExpiresAt.Time) < soon {
		d.add("caller", warning, "bitting keys update "+who.KeyID+" --expires-in 90d",
			"the key %s (%s) expires on %s", who.Name, who.KeyID, output.Exact(who.ExpiresAt.Time))
		return true
	}

	d.add("caller", healthy, "", "the key %s (%s) of %s", who.Name, who.KeyID, who.OrganizationID)
	return true
}

func (d *doctor) organization(ctx context.Context) {
	org := d.account.Organization
	if org == "" {
		d.add("organization", warning, "export BITTING_ORGANIZATION=…",
			"none is known: commands need --organization")
		return
	}

	found, err := d.GetOrganization(ctx, org)

	var refused *client.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		d.add("organization", skipped, "", "the caller may not see %s", org)
	case err != nil:
		d.add("organization", problem, "bitting me", "%s: %s", org, err)
	default:
		d.add("organization", healthy, "", "%s (%s)", found.Name, found.ID)
	}
}

// catalogue looks for permissions that open nothing. Which routes an API has the admin API does not
// know: protect compares them.
func (d *doctor) catalogue(ctx context.Context) {
	found, err := d.GetPermissions(ctx)
	if err != nil {
		d.add("permissions", skipped, "", "the caller may not see them: %s", err)
		return
	}

	var empty []string

	routes, own := 0, 0
	for _, p := range found.Permissions {
		if p.BuiltIn {
			continue
		}

		own++

		routes += len(p.Routes)
		if len(p.Routes) == 0 {
			empty = append(empty, p.Name)
		}
	}

	switch {
	case own == 0:
		d.add("permissions", warning, "bitting permissions import template.yaml --template --api NAME",
			"there are none, so no key opens a route")
	case len(empty) > 0:
		d.add("permissions", warning, "bitting permissions import template.yaml --template --api NAME",
			"%s open no route", strings.Join(empty, ", "))
	default:
		d.add("permissions", healthy, "", "%d permissions open %d routes; bitting protect --check finds "+
			"the routes of a template that none opens", own, routes)
	}
}

// write shows what was found.
func (d *doctor) write() error {
	if d.out.Format != output.Table {
		return output.List(d.out, []output.Column[finding]{
			{Name: "check", Of: func(f finding) any { return f.Check }},
			{Name: "status", Of: func(f finding) any { return f.Status }},
			{Name: "detail", Of: func(f finding) any { return f.Detail }},
			{Name: "mend", Of: func(f finding) any { return f.Mend }},
		}, func(f finding) string { return f.Check }, items(d.found))
	}

	looks := map[string]output.Look{
		healthy: output.Good, warning: output.Warn, problem: output.Bad, skipped: output.Plain,
	}

	for _, f := range d.found {
		// what others answer may be of several lines
		detail := d.out.Text(strings.Join(strings.Fields(f.Detail), " "))
		if f.Mend != "" {
			detail += "\n" + strings.Repeat(" ", 24) + "→ " + d.out.Text(f.Mend)
		}

		_, err := fmt.Fprintf(d.out.Out, "%s %-14s %s\n",
			d.out.Paint(looks[f.Status], fmt.Sprintf("%-8s", f.Status)), f.Check, detail)
		if err != nil {
			return err
		}
	}

	return nil
}
