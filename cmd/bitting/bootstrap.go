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
	var table, key, region, brand string
	c := &cobra.Command{
		Use: "bootstrap", Short: "Make the first operator key of a deployment", Args: cobra.NoArgs,
		Long: "Makes the first operator key, once, and prints it, once. Rotate or regenerate it within 24 hours, or it ends.\n" +
			"It writes to the deployment's table and uses its KMS key with the AWS credentials in the environment (AWS_ACCESS_KEY_ID,\n" +
			"AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN); `aws configure export-credentials --format env` prints those of a profile.",
		Example: "  bitting bootstrap --table bitting-Core-ABC --kms-key arn:aws:kms:eu-west-1:123456789012:key/… --region eu-west-1",
		RunE: func(c *cobra.Command, _ []string) error {
			given := map[string]string{"BITTING_CORE_TABLE": table, "BITTING_HOT_TABLE": table, // nothing is counted here
				"BITTING_KMS_KEY": key, "BITTING_BRAND": brand, "AWS_REGION": region}
			d, err := boot.Load(func(name string) string {
				if value := given[name]; value != "" {
					return value
				}
				return os.Getenv(name) //nolint:forbidigo // the caller's own AWS credentials
			}, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			secret, err := operator.First(c.Context(), d)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", secret.Reveal())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.ErrOrStderr(), "This operator key is shown once. Regenerate or rotate it within 24 hours, or it ends.")
			return err
		},
	}
	c.Flags().StringVar(&table, "table", "", "name of the table (the stack's output CoreTable)")
	c.Flags().StringVar(&key, "kms-key", "", "ARN of the KMS key (the stack's output PepperKeyArn)")
	c.Flags().StringVar(&region, "region", "", "AWS region; AWS_REGION where it is absent")
	c.Flags().StringVar(&brand, "brand", "bt", "the deployment's brand")
	_ = c.MarkFlagRequired("table") // there is such a flag
	return c
}
