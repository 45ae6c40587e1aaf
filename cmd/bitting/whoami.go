package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
)

func newWhoami(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Show which deployment is used, and as whom",
		Args:  cobra.NoArgs,
		Long: "Shows what the key in use is and may do and what is left of its limits; for a person who is " +
			"signed in, the same as\n`bitting me`.",
		Example: "  bitting whoami\n  bitting whoami --key-file - < secret.txt",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.open(c)
			if err != nil {
				return err
			}

			s.say("By %s, %s.", s.account.From, s.account.As)

			if s.account.Person() {
				return s.showMe(c.Context())
			}

			who, err := s.Whoami(c.Context())
			if err != nil {
				return err
			}

			return output.Show(s.out, whoamiFields(), func(w api.Whoami) string {
				return w.KeyID
			}, who)
		},
	}
}

func whoamiFields() []output.Column[api.Whoami] {
	return []output.Column[api.Whoami]{
		{Name: "keyId", Of: func(w api.Whoami) any { return w.KeyID }},
		{Name: "name", Of: func(w api.Whoami) any { return w.Name }},
		{Name: "organizationId", Of: func(w api.Whoami) any { return w.OrganizationID }},
		{Name: "environment", Of: func(w api.Whoami) any { return w.Environment }},
		{Name: "status", Of: func(w api.Whoami) any { return w.Status }},
		{Name: "permissions", Of: func(w api.Whoami) any {
			if w.AllPermissions {
				return "all"
			}

			return w.Permissions
		}},
		{Name: "customers", Of: func(w api.Whoami) any { return w.Customers }},
		{Name: "expiresAt", Of: func(w api.Whoami) any { return moment(w.ExpiresAt) }},
		{Name: "rateLimits", Of: func(w api.Whoami) any { return limitsLeft(w) }},
		{Name: "quota", Of: func(w api.Whoami) any {
			if w.Quota == nil {
				return nil
			}

			return left(w.Quota.Remaining, w.Quota.Limit, w.Quota.Period)
		}},
	}
}

func limitsLeft(w api.Whoami) (out []string) {
	for _, l := range w.RateLimits {
		out = append(out, l.Name+": "+left(l.Remaining, l.Limit, l.Window))
	}

	return out
}

func left(remaining *int64, limit int64, per string) string {
	if remaining == nil {
		return fmt.Sprintf("%d/%s", limit, per)
	}

	return fmt.Sprintf("%d left of %d/%s", *remaining, limit, per)
}

func newMe(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "me",
		Short:   "Show your organizations, when you are signed in",
		Args:    cobra.NoArgs,
		Example: "  bitting me --as alice@acme.test",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := o.open(c)
			if err != nil {
				return err
			}

			return s.showMe(c.Context())
		},
	}
}

// showMe shows the person who is signed in.
func (s *session) showMe(ctx context.Context) error {
	me, err := s.GetMe(ctx)
	if err != nil {
		return err
	}

	if s.out.Format == output.JSON {
		return output.Show(s.out, []output.Column[api.Me]{}, nil, me)
	}

	s.say("%s", s.out.Text(me.Email))
	return output.List(s.out, []output.Column[api.MyMembership]{
		{Name: "id", Of: func(m api.MyMembership) any { return m.ID }},
		{Name: "name", Of: func(m api.MyMembership) any { return m.Name }, Wide: true},
		{Name: "role", Of: func(m api.MyMembership) any { return m.Role }},
		{Name: "grants", Of: func(m api.MyMembership) any { return m.Grants }},
	}, func(m api.MyMembership) string { return m.ID }, items(me.Organizations))
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Args:    cobra.NoArgs,
		Example: "  bitting version",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), version())
			return err
		},
	}
}
