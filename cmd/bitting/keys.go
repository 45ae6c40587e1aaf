package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
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
