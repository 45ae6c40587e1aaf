package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/store"
)

func newStopAgain() *cobra.Command {
	var reach deployed
	var from, since string
	var yes bool
	c := &cobra.Command{
		Use:   "stop-again",
		Short: "Stop in a restored table what was stopped since",
		Args:  cobra.NoArgs,
		Long: "Reads the history of a table from the time on that another one was restored to, and " +
			"revokes there every key that\n" +
			"was revoked, disabled, deleted or given a new secret since: the restored table would " +
			"still admit them, or their old\n" +
			"secrets. It may be repeated. Other changes are counted, and not made again.\n" + pepperAWS,
		Example: "  bitting stop-again --table RESTORED --kms-key ARN --from CORE " +
			"--since 2026-11-01T10:00:00Z --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := time.Parse(time.RFC3339, since)
			if err != nil {
				return usage(fmt.Errorf("--since %s: expected a time such as 2026-11-01T10:00:00Z",
					shown(since)))
			}

			loaded, env, err := reach.load(c.Context(), scanTimeout)
			if err != nil {
				return err
			}

			if from == loaded.CoreTable {
				return usage(errors.New("--from is the table that was restored from, and --table the " +
					"restored one"))
			}

			connection := full.DynamoDB(env)
			restored := &operator.Restored{
				Store: loaded.Store,
				From: store.New(store.NewPeppers(connection, from), loaded.Keyring,
					loaded.Logger),
				Scanner: connection,
				Now:     loaded.Now,
			}

			missed, err := restored.Missed(c.Context(), at, progress(c.ErrOrStderr()))
			if err != nil {
				return err
			}

			for _, stop := range missed.Stops {
				if yes {
					if err := restored.Repeat(c.Context(), stop); err != nil {
						return fmt.Errorf("key %s: %w", stop.KeyID, err)
					}
				}

				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s of %s (%s): %s on %s\n", stop.KeyID,
					stop.OrganizationID, stop.Name, stop.Why,
					stop.At.UTC().Format(time.RFC3339)); err != nil {
					return err
				}
			}

			for _, action := range slices.Sorted(maps.Keys(missed.Others)) {
				_, _ = fmt.Fprintf(c.ErrOrStderr(), "not made again: %d %s\n", missed.Others[action],
					action)
			}

			if !yes {
				_, err = fmt.Fprintf(c.ErrOrStderr(), "%d keys are to be revoked: --yes does it\n",
					len(missed.Stops))
				return err
			}

			_, err = fmt.Fprintf(c.ErrOrStderr(), "%d keys are revoked\n", len(missed.Stops))
			return err
		},
	}
	reach.flags(c.Flags())
	c.Flags().StringVar(&from, "from", "", "name of the table that was restored from")
	c.Flags().StringVar(&since, "since", "", "the time that it was restored to")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "revoke the keys, and do not only show them")
	_ = c.MarkFlagRequired("from") // there are such flags
	_ = c.MarkFlagRequired("since")
	return c
}
