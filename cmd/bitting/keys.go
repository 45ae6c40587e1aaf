package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/client"
)

func newKeys(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:     "keys",
		Aliases: []string{"key"},
		Short:   "Create, list, change, rotate and stop keys",
		Long: "Manages the keys of an organization. A KEY is an id, the name of one key, or - to read a " +
			"secret from standard input,\nof which only the id is used.",
		Example: "  bitting keys list\n  bitting keys create Website --environment production " +
			"--permission messages:read --expires-in 90d",
	}
	return group(c,
		newKeysList(o), newKeysShow(o), newKeysCreate(o), newKeysUpdate(o), newKeysDelete(o),
		newKeysRotate(o), newKeysRotation(o), newKeysFinish(o), newKeysRegenerate(o),
		newKeysRevoke(o), newKeysRestore(o), newKeysImport(o), newKeysBulk(o),
		newKeysUsage(o), newKeysRequests(o), newKeysHistory(o), newKeysExplain(o), newKeysAdvice(o),
	)
}

// keyColumns are what lists and the record of a key show.
func keyColumns() []output.Column[api.Key] {
	return []output.Column[api.Key]{
		{Name: "id", Of: func(k api.Key) any { return k.ID }},
		{Name: "name", Of: func(k api.Key) any { return k.Name }, Wide: true},
		{Name: "environment", Of: func(k api.Key) any { return k.Environment }},
		{Name: "status", Of: func(k api.Key) any { return keyStatus(k) }, Look: keyLook},
		{Name: "permissions", Of: func(k api.Key) any { return permissionsOf(k) }, Wide: true},
		{Name: "owner", Of: func(k api.Key) any { return ownerOf(k) }, Wide: true},
		{Name: "lastUsed", Of: func(k api.Key) any {
			if k.LastUsed == nil {
				return nil
			}

			return k.LastUsed.At.Time
		}},
		{Name: "expiresAt", Of: func(k api.Key) any { return moment(k.ExpiresAt) }},
	}
}

// keyFields are keyColumns with what only the record of one key shows.
func keyFields() []output.Column[api.Key] {
	return append(keyColumns(),
		output.Column[api.Key]{Name: "description", Of: func(k api.Key) any { return k.Description }},
		output.Column[api.Key]{Name: "hint", Of: func(k api.Key) any { return k.Hint }},
		output.Column[api.Key]{Name: "customers", Of: func(k api.Key) any { return k.Customers }},
		output.Column[api.Key]{Name: "rateLimits", Of: func(k api.Key) any { return limitsOf(k) }},
		output.Column[api.Key]{Name: "quota", Of: func(k api.Key) any {
			if k.Quota == nil {
				return nil
			}

			return fmt.Sprintf("%d/%s", k.Quota.Limit, k.Quota.Period)
		}},
		output.Column[api.Key]{Name: "allowedAddresses", Of: func(k api.Key) any {
			return k.AllowedAddresses
		}},
		output.Column[api.Key]{Name: "notBefore", Of: func(k api.Key) any { return moment(k.NotBefore) }},
		output.Column[api.Key]{Name: "tags", Of: func(k api.Key) any { return k.Tags }},
		output.Column[api.Key]{Name: "rotation", Of: func(k api.Key) any {
			if k.Rotation == nil {
				return nil
			}

			return "the old secret works until " + output.Exact(k.Rotation.OldSecretEndsAt.Time)
		}},
		output.Column[api.Key]{Name: "revocation", Of: func(k api.Key) any { return revocationOf(k) }},
		output.Column[api.Key]{Name: "createdBy", Of: func(k api.Key) any { return actorOf(k.CreatedBy) }},
		output.Column[api.Key]{Name: "createdAt", Of: func(k api.Key) any { return k.CreatedAt.Time }},
		output.Column[api.Key]{Name: "updatedAt", Of: func(k api.Key) any { return k.UpdatedAt.Time }},
		output.Column[api.Key]{Name: "version", Of: func(k api.Key) any { return k.Version }},
	)
}

func keyID(k api.Key) string { return k.ID }

// keyStatus is the status in one word, with the reason where a key is inactive.
func keyStatus(k api.Key) string {
	switch {
	case k.DeletedAt != nil:
		return "deleted"
	case k.Revocation != nil && k.Revocation.Compromised:
		return "compromised"
	case k.Revocation != nil:
		return "revoked"
	case k.Status == "inactive" && !k.Enabled:
		return "disabled"
	default:
		return k.Status
	}
}

func keyLook(k api.Key) output.Look {
	switch {
	case k.Status == "active" && k.DeletedAt == nil:
		return output.Good
	case k.Revocation != nil:
		return output.Bad
	default:
		return output.Faint
	}
}

func permissionsOf(k api.Key) any {
	if k.AllPermissions {
		return "all"
	}

	return k.Permissions
}

func ownerOf(k api.Key) string {
	if k.Ownership == "organization" {
		return "organization"
	}

	return actorOf(k.Owner)
}

func actorOf(a api.Actor) string {
	switch {
	case a.Email != "":
		return a.Email
	case a.KeyName != "":
		return a.KeyName
	default:
		return strings.TrimSpace(a.Type + " " + a.ID)
	}
}

func limitsOf(k api.Key) (out []string) {
	for _, l := range k.RateLimits {
		text := fmt.Sprintf("%s=%d/%s", l.Name, l.Limit, l.Window)
		if l.Burst != 0 && l.Burst != l.Limit {
			text += fmt.Sprintf(",burst=%d", l.Burst)
		}

		out = append(out, text)
	}

	return out
}

func revocationOf(k api.Key) any {
	r := k.Revocation
	if r == nil {
		return nil
	}

	text := "by " + actorOf(r.By) + " at " + output.Exact(r.At.Time)
	if r.Reason != "" {
		text += ": " + r.Reason
	}

	return text
}

// moment returns a time that may be missing.
func moment(t *api.Time) any {
	if t == nil {
		return nil
	}

	return t.Time
}

// key finds the key that an argument means: by its id, by a name that only one key has, or for "-"
// by a secret on standard input.
func (s *session) key(ctx context.Context, org, argument string) (string, error) {
	if argument == "-" {
		return idOfSecret(s.command.InOrStdin())
	}

	if id, ok := secretID(argument); ok {
		return "", usage(fmt.Errorf("that is a secret, which others on this machine can now see "+
			"in the list of processes, and your shell in its history: use its id, %s", id))
	}

	if apikey.ValidID(argument) {
		return argument, nil
	}

	var found []api.Key
	for k, err := range s.ListKeys(ctx, org, api.ListKeys{
		KeyFilter: api.KeyFilter{Status: "all", Text: argument},
	}) {
		if err != nil {
			return "", err
		}

		if k.Name == argument && k.DeletedAt == nil {
			found = append(found, k)
		}
	}

	switch len(found) {
	case 0:
		return "", &client.Error{Operation: "listKeys", Problem: api.Problem{
			Status: 404,
			Code:   api.CodeNotFound,
			Title:  "Not found",
			Detail: fmt.Sprintf("No key of %s has the id or the name %q.", org, argument),
		}}
	case 1:
		return found[0].ID, nil
	}

	ids := make([]string, 0, len(found))
	for _, k := range found {
		ids = append(ids, fmt.Sprintf("%s (%s)", k.ID, k.Environment))
	}

	return "", usage(fmt.Errorf("%d keys have the name %q: use the id of one, %s",
		len(found), argument, strings.Join(ids, ", ")))
}

// onKey makes the body of a command whose first argument is a KEY.
func (o *options) onKey(
	work func(ctx context.Context, s *session, org, key string) error,
) func(*cobra.Command, []string) error {
	return o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
		key, err := s.key(ctx, org, args[0])
		if err != nil {
			return err
		}

		return work(ctx, s, org, key)
	})
}

// inOrganization makes the body of a command that is about an organization.
func (o *options) inOrganization(
	work func(ctx context.Context, s *session, org string, args []string) error,
) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		s, err := o.open(c)
		if err != nil {
			return err
		}

		org, err := s.org()
		if err != nil {
			return err
		}

		return work(c.Context(), s, org, args)
	}
}

// pages are the flags of lists.
type pages struct {
	limit int
	all   bool
}

func (p *pages) flags(c *cobra.Command) {
	c.Flags().IntVar(&p.limit, "limit", 50, "how many to list")
	c.Flags().BoolVar(&p.all, "all", false, "list all")
	c.MarkFlagsMutuallyExclusive("limit", "all")
}

// size is that of a page to ask for.
func (p *pages) size() int {
	if p.all {
		return maxPage
	}

	return min(p.limit, maxPage)
}

// maxPage is the largest page that the API gives.
const maxPage = 200

// first ends a list after as many as were asked for, and says so on standard error.
func first[T any](s *session, p pages, items iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n := 0
		for item, err := range items {
			if err == nil && !p.all && n == p.limit {
				s.say("There are more: --all lists all.")
				return
			}

			if n++; !yield(item, err) {
				return
			}
		}
	}
}

func (p *pages) check() error {
	if p.limit < 1 {
		return usage(errors.New("--limit: expected a number of at least 1"))
	}

	return nil
}

// filterFlags are those of a list of keys and of a bulk change.
func filterFlags(c *cobra.Command, f *api.KeyFilter) {
	flags := c.Flags()
	flags.StringVar(&f.Status, "status", "", "active, inactive, expired or all (default active)")
	flags.StringVar(&f.Environment, "environment", "", "production, staging or development")
	flags.StringVar(&f.Ownership, "ownership", "", "personal or organization")
	flags.StringVar(&f.Owner, "owner", "", "id of the owner")
	flags.StringVar(&f.Customer, "customer", "", "customer that keys are scoped to")
	flags.StringVar(&f.Permission, "permission", "", "permission that keys hold")
	flags.StringVar(&f.Tag, "tag", "", "tag that keys have")
	flags.StringVar(&f.Text, "search", "", "part of the name, the id or the hint")
	flags.StringVar(&f.UnusedSince, "unused-since", "", "a time, or a duration such as 90d")
}

func newKeysList(o *options) *cobra.Command {
	var query api.ListKeys
	var p pages
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List keys, newest first",
		Args:    cobra.NoArgs,
		Example: "  bitting keys list --environment production --unused-since 90d\n" +
			"  bitting keys list --status all --all --output csv > keys.csv",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}

			query.Limit = p.size()
			return output.List(s.out, keyColumns(), keyID, first(s, p, s.ListKeys(ctx, org, query)))
		}),
	}
	filterFlags(c, &query.KeyFilter)
	c.Flags().StringVar(&query.Sort, "sort", "", "-createdAt, or createdAt for the oldest first")
	p.flags(c)
	return c
}

func newKeysShow(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "show KEY",
		Short:   "Show a key",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys show Website\n  bitting keys show - < secret.txt",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			k, err := s.GetKey(ctx, org, key)
			if err != nil {
				return err
			}

			return s.showKey(k)
		}),
	}
}

func (s *session) showKey(k api.Key) error {
	return output.Show(s.out, keyFields(), keyID, k)
}

func newKeysCreate(o *options) *cobra.Command {
	var k keyFlags
	var environment, ownership string
	var to secretTo
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a key",
		Args:  cobra.ExactArgs(1),
		Long: "Creates a key. Its secret is shown this once: as the last line of the table, as {key, " +
			"secret} in JSON, or in --secret-file.",
		Example: "  bitting keys create Website --environment production --permission messages:read " +
			"--expires-in 90d\n  bitting keys create CI --environment staging --rate-limit 100/1m " +
			"--secret-file ci.key",
		RunE: func(c *cobra.Command, args []string) error {
			settings, err := k.settings(c.Flags())
			if err != nil {
				return err
			}

			return o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
				return s.newSecret(to, func() (api.KeySecret, error) {
					return s.CreateKey(ctx, org, api.CreateKey{
						Name:        args[0],
						Environment: environment,
						Ownership:   ownership,
						KeySettings: settings,
					})
				})
			})(c, args)
		},
	}
	k.add(c)
	c.Flags().StringVar(&environment, "environment", "", "production, staging or development")
	c.Flags().StringVar(&ownership, "ownership", "", "personal or organization")
	_ = c.MarkFlagRequired("environment") // there is such a flag
	to.flags(c)
	return c
}

func newKeysUpdate(o *options) *cobra.Command {
	var k keyFlags
	var version int64
	c := &cobra.Command{
		Use:   "update KEY",
		Short: "Change a key",
		Args:  cobra.ExactArgs(1),
		Long: "Changes the given fields of a key, from the next check on. A list replaces the one " +
			"before; --clear empties a field.",
		Example: "  bitting keys update Website --permission messages:read --permission messages:write\n" +
			"  bitting keys update Website --clear quota --enabled=false",
		RunE: func(c *cobra.Command, args []string) error {
			change, err := k.change(c.Flags())
			if err != nil {
				return err
			}

			return o.onKey(func(ctx context.Context, s *session, org, key string) error {
				var options []client.Option
				if c.Flags().Changed("if-version") {
					options = append(options, client.IfVersion(version))
				}

				changed, err := s.UpdateKey(ctx, org, key, change, options...)
				if err != nil {
					return err
				}

				return s.showKey(changed)
			})(c, args)
		},
	}
	k.add(c)
	c.Flags().StringVar(&k.name, "name", "", "another name")
	c.Flags().StringSliceVar(&k.clear, "clear", nil, "field to empty, such as quota; may be repeated")
	c.Flags().Int64Var(&version, "if-version", 0, "change it only if it is still this version")
	return c
}

func newKeysDelete(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "delete KEY",
		Aliases: []string{"rm"},
		Short:   "Delete a key; its history and usage stay readable",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys delete Website --yes",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			k, err := s.GetKey(ctx, org, key)
			if err != nil {
				return err
			}

			if err := s.confirm(fmt.Sprintf("Delete the key %q (%s)? It cannot be brought back.",
				s.out.Text(k.Name), k.ID)); err != nil {
				return err
			}

			if err := s.DeleteKey(ctx, org, key); err != nil {
				return err
			}

			s.say("Deleted.")
			return nil
		}),
	}
}

func newKeysRevoke(o *options) *cobra.Command {
	var body api.RevokeKey
	c := &cobra.Command{
		Use:   "revoke KEY",
		Short: "Stop a key at once",
		Args:  cobra.ExactArgs(1),
		Long: "Stops a key at once and keeps everything about it. `bitting keys restore` brings it back, " +
			"unless it is --compromised:\nthen only `bitting keys regenerate` does.",
		Example: "  bitting keys revoke Website --reason 'contract ended'",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			revoked, err := s.RevokeKey(ctx, org, key, body)
			if err != nil {
				return err
			}

			if wait := time.Until(revoked.EffectiveBy.Time); wait > 0 {
				s.say("Revoked. Every check from %s on refuses it.",
					output.Exact(revoked.EffectiveBy.Time))
			}

			return s.showKey(revoked.Key)
		}),
	}
	c.Flags().StringVar(&body.Reason, "reason", "", "why, for the history")
	c.Flags().BoolVar(&body.Compromised, "compromised", false, "others may have the secret")
	return c
}

func newKeysRestore(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "restore KEY",
		Short:   "Lift a revocation",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys restore Website",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			restored, err := s.RestoreKey(ctx, org, key)
			if err != nil {
				return err
			}

			return s.showKey(restored.Key)
		}),
	}
}
