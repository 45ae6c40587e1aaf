package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/operator"
)

func newBootstrap() *cobra.Command {
	var reach deployed
	c := &cobra.Command{
		Use:   "bootstrap",
		Short: "Create the first operator key of a deployment",
		Args:  cobra.NoArgs,
		Long: "Creates the first operator key and prints it. It can be run only once, and the key " +
			"is shown only once.\n" +
			"Rotate or regenerate the key within 24 hours, or it expires.\n" +
			"It needs AWS credentials that may write the deployment's table and use its KMS key, " +
			"in the environment variables\n" +
			"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. `aws configure " +
			"export-credentials --format env`\n" +
			"prints those of a profile.",
		Example: "  bitting bootstrap --table bitting-Core-ABC --kms-key " +
			"arn:aws:kms:eu-west-1:123456789012:key/… --region eu-west-1",
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := boot.Load(reach.environment(), slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}

			secret, err := operator.First(c.Context(), operator.Config{
				Brand:   d.Brand,
				Store:   d.Store,
				Keyring: d.Keyring,
				Now:     d.Now,
			})
			if err != nil {
				return err
			}

			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", secret.Reveal())
			if err != nil {
				return err
			}

			_, err = fmt.Fprintln(c.ErrOrStderr(),
				"This operator key is shown only once. Rotate or regenerate it within 24 hours, "+
					"or it expires.")
			return err
		},
	}
	reach.flags(c.Flags().StringVar)
	c.Flags().StringVar(&reach.brand, "brand", "bt", "the deployment's brand")
	_ = c.MarkFlagRequired("table") // the flag exists
	return c
}

// deployed holds the flags that identify a deployment in AWS.
type deployed struct{ table, key, region, brand string }

func (d *deployed) flags(add func(p *string, name, value, usage string)) {
	add(&d.table, "table", "", "name of the table (the stack's output CoreTable)")
	add(&d.key, "kms-key", "", "ARN of the KMS key (the stack's output PepperKeyArn)")
	add(&d.region, "region", "", "AWS region (default: the environment variable AWS_REGION)")
}

// environment returns the flags as variables; all others come from the caller's environment.
func (d *deployed) environment() boot.Environment {
	given := map[string]string{
		"BITTING_CORE_TABLE": d.table,
		"BITTING_HOT_TABLE":  d.table, // nothing is counted here
		"BITTING_KMS_KEY":    d.key,
		"BITTING_BRAND":      d.brand,
		"AWS_REGION":         d.region,
	}
	return func(name string) string {
		if value := given[name]; value != "" {
			return value
		}

		return os.Getenv(name) //nolint:forbidigo // the caller's own AWS credentials
	}
}
