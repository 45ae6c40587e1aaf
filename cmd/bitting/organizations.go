package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
)

func newOrganizations(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "organizations",
		Aliases: []string{"orgs"},
		Short:   "Create, show, change and delete organizations",
		Example: "  bitting organizations show\n  bitting organizations create Acme --first-admin " +
			"alice@example.com",
	}
	return group(c,
		newOrganizationsShow(o), newOrganizationsCreate(o), newOrganizationsUpdate(o),
		newOrganizationsDelete(o),
	)
}

func organizationFields() []output.Column[api.Organization] {
	return []output.Column[api.Organization]{
		{Name: "id", Of: func(o api.Organization) any { return o.ID }},
		{Name: "name", Of: func(o api.Organization) any { return o.Name }, Wide: true},
		{Name: "organizationKeysBy", Of: func(o api.Organization) any {
			return o.Settings.OrganizationKeysBy
		}},
		{Name: "personalKeysBy", Of: func(o api.Organization) any { return o.Settings.PersonalKeysBy }},
		{Name: "memberPermissions", Of: func(o api.Organization) any {
			return o.Settings.MemberPermissions
		}},
		{Name: "defaultPermissions", Of: func(o api.Organization) any {
			return o.Settings.DefaultPermissions
		}},
		{Name: "longestLife", Of: func(o api.Organization) any { return lives(o.Settings.LongestLife) }},
		{Name: "legacyKeysAccepted", Of: func(o api.Organization) any {
			return o.Settings.LegacyKeysAccepted
		}},
		{Name: "allowedAddresses", Of: func(o api.Organization) any {
			return o.Settings.AllowedAddresses
		}},
		{Name: "sampleRequests", Of: func(o api.Organization) any { return o.Settings.SampleRequests }},
		{Name: "createdAt", Of: func(o api.Organization) any { return o.CreatedAt.Time }},
	}
}

func organizationID(o api.Organization) string { return o.ID }

func lives(l api.LongestLife) (out []string) {
	for _, of := range []struct {
		environment string
		life        *string
	}{{"production", l.Production}, {"staging", l.Staging}, {"development", l.Development}} {
		if of.life != nil {
			out = append(out, of.environment+"="+*of.life)
		}
	}

	return out
}

func newOrganizationsShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show an organization and its settings",
		Args:    cobra.NoArgs,
		Example: "  bitting organizations show --organization acme",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			found, err := s.GetOrganization(ctx, org)
			if err != nil {
				return err
			}

			return output.Show(s.out, organizationFields(), organizationID, found)
		}),
	}
}

func newOrganizationsCreate(o *options) *cobra.Command {
	var body api.CreateOrganization
	var to secretTo
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an organization and its default key",
		Args:  cobra.ExactArgs(1),
		Long: "Creates an organization, its first admin and its default key, whose secret is shown this " +
			"once. Operators name the\nfirst admin; a person who is signed in becomes it.",
		Example: "  bitting organizations create Acme --first-admin alice@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := o.open(c)
			if err != nil {
				return err
			}

			operator, err := s.account.Operator(version())
			if err != nil {
				return err
			}

			body.Name = args[0]
			return s.newSecret(to, func() (api.KeySecret, error) {
				made, err := operator.CreateOrganization(c.Context(), body)
				return made.KeySecret, err
			})
		},
	}
	c.Flags().StringVar(&body.ID, "id", "", "id of your own (default: made of the name)")
	c.Flags().StringVar(&body.FirstAdmin, "first-admin", "", "e-mail address of the first admin")
	to.flags(c)
	return c
}

// organizationFlags are the flags that change an organization, named as the fields of the API.
type organizationFlags struct {
	name, organizationKeysBy, personalKeysBy                string
	memberPermissions, defaultPermissions, allowedAddresses []string
	legacyKeysAccepted                                      bool
	sampleRequests                                          float64
	longestLife                                             map[string]string
}

func newOrganizationsUpdate(o *options) *cobra.Command {
	var f organizationFlags
	c := &cobra.Command{
		Use:   "update",
		Short: "Change an organization's name and settings",
		Args:  cobra.NoArgs,
		Example: "  bitting organizations update --personal-keys-by admins --longest-life production=365d\n" +
			"  bitting organizations update --longest-life production=",
		RunE: func(c *cobra.Command, args []string) error {
			change, err := f.change(c)
			if err != nil {
				return usage(err)
			}

			return o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
				changed, err := s.UpdateOrganization(ctx, org, change)
				if err != nil {
					return err
				}

				return output.Show(s.out, organizationFields(), organizationID, changed)
			})(c, args)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.name, "name", "", "another name")
	flags.StringVar(&f.organizationKeysBy, "organization-keys-by", "", "admins or members")
	flags.StringVar(&f.personalKeysBy, "personal-keys-by", "", "members, admins or nobody")
	flags.StringSliceVar(&f.memberPermissions, "member-permission", nil,
		"permission that members may grant; may be repeated; replaces all")
	flags.StringSliceVar(&f.defaultPermissions, "default-permission", nil,
		"permission of a key that names none; may be repeated; replaces all")
	flags.StringToStringVar(&f.longestLife, "longest-life", nil,
		"ENVIRONMENT=DURATION, such as production=365d; without a duration: no limit")
	flags.BoolVar(&f.legacyKeysAccepted, "legacy-keys-accepted", false, "accept imported keys")
	flags.StringSliceVar(&f.allowedAddresses, "allowed-address", nil,
		"network that calls may come from; may be repeated; replaces all")
	flags.Float64Var(&f.sampleRequests, "sample-requests", 0, "share of allowed calls to record, 0 to 1")
	return c
}

func (f *organizationFlags) change(c *cobra.Command) (u api.UpdateOrganization, err error) {
	given := c.Flags()
	set := func(flag string, take func() error) {
		if given.Changed(flag) {
			err = errors.Join(err, take())
		}
	}

	set("name", value(&u.Name, f.name))
	set("organization-keys-by", value(&u.Settings.OrganizationKeysBy, f.organizationKeysBy))
	set("personal-keys-by", value(&u.Settings.PersonalKeysBy, f.personalKeysBy))
	set("member-permission", value(&u.Settings.MemberPermissions, f.memberPermissions))
	set("default-permission", value(&u.Settings.DefaultPermissions, f.defaultPermissions))
	set("legacy-keys-accepted", value(&u.Settings.LegacyKeysAccepted, f.legacyKeysAccepted))
	set("allowed-address", value(&u.Settings.AllowedAddresses, f.allowedAddresses))
	set("sample-requests", value(&u.Settings.SampleRequests, f.sampleRequests))

	fields := map[string]*api.Patch[string]{
		"production":  &u.Settings.LongestLife.Production,
		"staging":     &u.Settings.LongestLife.Staging,
		"development": &u.Settings.LongestLife.Development,
	}
	for environment, life := range f.longestLife {
		field := fields[environment]

		switch {
		case field == nil:
			err = errors.Join(err, fmt.Errorf("--longest-life %s: expected production, staging or "+
				"development", environment))
		case strings.TrimSpace(life) == "":
			*field = api.Null[string]()
		default:
			*field = api.Set(life)
		}
	}

	return u, err
}

func newOrganizationsDelete(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "delete",
		Short:   "Delete an organization with all its keys",
		Args:    cobra.NoArgs,
		Example: "  bitting organizations delete --organization acme",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := s.confirm("Delete the organization " + org +
				" and all its keys? It cannot be brought back."); err != nil {
				return err
			}

			job, err := s.DeleteOrganization(ctx, org)
			if err != nil {
				return err
			}

			s.say("No key of it works any more. The job %s cleans up.", job.ID)
			return nil
		}),
	}
}
