package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

func newMembers(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "members",
		Short:   "Add, change and remove the people of an organization",
		Example: "  bitting members list\n  bitting members put bob@example.com --role member",
	}
	return group(c, newMembersList(o), newMembersShow(o), newMembersPut(o), newMembersRemove(o))
}

func memberColumns() []output.Column[api.Member] {
	return []output.Column[api.Member]{
		{Name: "email", Of: func(m api.Member) any { return m.Email }},
		{Name: "role", Of: func(m api.Member) any { return m.Role }},
		{Name: "grants", Of: func(m api.Member) any { return m.Grants }},
		{Name: "status", Of: func(m api.Member) any { return m.Status }},
		{Name: "joinedAt", Of: func(m api.Member) any { return moment(m.JoinedAt) }},
		{Name: "id", Of: func(m api.Member) any { return m.ID }},
	}
}

func memberID(m api.Member) string { return m.Email }

func newMembersList(o *options) *cobra.Command {
	var p pages
	c := &cobra.Command{
		Use:     "list",
		Short:   "List members",
		Args:    cobra.NoArgs,
		Example: "  bitting members list --output csv",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}

			return output.List(s.out, memberColumns(), memberID,
				first(s, p, s.ListMembers(ctx, org, api.List{Limit: p.size()})))
		}),
	}
	p.flags(c)
	return c
}

func newMembersShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "show EMAIL",
		Short:   "Show a member",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting members show bob@example.com",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			m, err := s.GetMember(ctx, org, args[0])
			if err != nil {
				return err
			}

			return output.Show(s.out, memberColumns(), memberID, m)
		}),
	}
}

func newMembersPut(o *options) *cobra.Command {
	var body api.PutMember
	c := &cobra.Command{
		Use:     "put EMAIL",
		Aliases: []string{"add", "update"},
		Short:   "Add a member, or change their role and grants",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting members put carol@example.com --role member --grant manage_others_keys",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			m, err := s.PutMember(ctx, org, args[0], body)
			if err != nil {
				return err
			}

			for _, k := range m.Bounded {
				s.say("The key %s (%s) holds more than its owner may grant now, and is bounded.",
					s.out.Text(k.Name), k.ID)
			}

			return output.Show(s.out, memberColumns(), memberID, m)
		}),
	}
	c.Flags().StringVar(&body.Role, "role", "", "admin, member or viewer")
	c.Flags().StringSliceVar(&body.Grants, "grant", nil,
		"manage_organization_keys or manage_others_keys; may be repeated")
	_ = c.MarkFlagRequired("role") // there is such a flag
	return c
}

func newMembersRemove(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "delete EMAIL",
		Aliases: []string{"rm"},
		Short:   "Remove a member, and disable their personal keys",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting members delete bob@example.com",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			if err := s.confirm(fmt.Sprintf("Remove %s and disable their personal keys?",
				args[0])); err != nil {
				return err
			}

			job, err := s.DeleteMember(ctx, org, args[0])
			return s.ended(ctx, org, job, err, "Removed.")
		}),
	}
}

// ended shows the job that an end goes on with, or says that all is done.
func (s *session) ended(
	ctx context.Context, org string, job *api.Job, err error, done string,
) error {
	if err != nil {
		return err
	}

	if job != nil {
		return s.endJob(ctx, org, *job, true)
	}

	s.say("%s", done)
	return nil
}

func newCustomers(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "customers",
		Short:   "Add, change and remove the customers that keys are scoped to",
		Example: "  bitting customers list\n  bitting customers create 'Example Ltd' --id example",
	}
	return group(c,
		newCustomersList(o), newCustomersShow(o), newCustomersCreate(o),
		newCustomersUpdate(o), newCustomersDelete(o),
	)
}

func customerColumns() []output.Column[api.Customer] {
	return []output.Column[api.Customer]{
		{Name: "id", Of: func(c api.Customer) any { return c.ID }},
		{Name: "name", Of: func(c api.Customer) any { return c.Name }, Wide: true},
		{Name: "createdAt", Of: func(c api.Customer) any { return c.CreatedAt.Time }},
	}
}

func customerID(c api.Customer) string { return c.ID }

func newCustomersList(o *options) *cobra.Command {
	var p pages
	c := &cobra.Command{
		Use:     "list",
		Short:   "List customers",
		Args:    cobra.NoArgs,
		Example: "  bitting customers list --all",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}

			return output.List(s.out, customerColumns(), customerID,
				first(s, p, s.ListCustomers(ctx, org, api.List{Limit: p.size()})))
		}),
	}
	p.flags(c)
	return c
}

func newCustomersShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "show CUSTOMER",
		Short:   "Show a customer",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting customers show example",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			c, err := s.GetCustomer(ctx, org, args[0])
			if err != nil {
				return err
			}

			return output.Show(s.out, customerColumns(), customerID, c)
		}),
	}
}

func newCustomersCreate(o *options) *cobra.Command {
	var body api.CreateCustomer
	c := &cobra.Command{
		Use:     "create NAME",
		Short:   "Add a customer",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting customers create 'Example Ltd' --id example",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			body.Name = args[0]

			made, err := s.CreateCustomer(ctx, org, body)
			if err != nil {
				return err
			}

			return output.Show(s.out, customerColumns(), customerID, made.Customer)
		}),
	}
	c.Flags().StringVar(&body.ID, "id", "", "id of your own (default: a new one)")
	c.Flags().StringToStringVar(&body.Metadata, "metadata", nil, "name=value; may be repeated")
	return c
}

func newCustomersUpdate(o *options) *cobra.Command {
	var name string
	var metadata map[string]string
	c := &cobra.Command{
		Use:     "update CUSTOMER",
		Short:   "Change a customer",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting customers update example --name 'Example Inc'",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			var body api.UpdateCustomer
			if s.command.Flags().Changed("name") {
				body.Name = api.Set(name)
			}

			if s.command.Flags().Changed("metadata") {
				body.Metadata = api.Set(metadata)
			}

			changed, err := s.UpdateCustomer(ctx, org, args[0], body)
			if err != nil {
				return err
			}

			return output.Show(s.out, customerColumns(), customerID, changed)
		}),
	}
	c.Flags().StringVar(&name, "name", "", "another name")
	c.Flags().StringToStringVar(&metadata, "metadata", nil, "name=value; may be repeated; replaces all")
	return c
}

func newCustomersDelete(o *options) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:     "delete CUSTOMER",
		Aliases: []string{"rm"},
		Short:   "Remove a customer that no key is scoped to",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting customers delete example --force",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			question, options := "Remove the customer "+args[0]+"?", []client.Option{}
			if force {
				question = "Remove the customer " + args[0] + " and disable keys that have no other?"
				options = append(options, client.Force())
			}

			if err := s.confirm(question); err != nil {
				return err
			}

			job, err := s.DeleteCustomer(ctx, org, args[0], options...)
			return s.ended(ctx, org, job, err, "Removed.")
		}),
	}
	c.Flags().BoolVar(&force, "force", false, "take it off the keys that are scoped to it")
	return c
}
