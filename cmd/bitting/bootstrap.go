package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/operator"
)

func newBootstrap() *cobra.Command {
	var reach deployed
	var to secretTo
	var again bool
	c := &cobra.Command{
		Use:   "bootstrap",
		Short: "Create the first operator key of a deployment",
		Args:  cobra.NoArgs,
		Long: "Creates the first operator key, and a pepper for each environment. It can be run only " +
			"once, and the key is shown only once.\n" +
			"Rotate or regenerate the key within 24 hours, or it expires. If no operator key works any " +
			"more, --again creates another.\n" +
			"It needs AWS credentials that may write the deployment's table and use its KMS key, " +
			"found as the AWS CLI finds them.",
		Example: "  bitting bootstrap --stack bitting --region eu-west-1",
		RunE: func(c *cobra.Command, _ []string) error {
			d, _, err := reach.load(c.Context(), "")
			if err != nil {
				return err
			}

			kept, err := to.open(c.Context(), reach.aws)
			if err != nil {
				return err
			}

			create := operator.First
			if again {
				create = operator.Again
			}

			secret, err := create(c.Context(), operator.Config{
				Brand:   d.Brand,
				Store:   d.Store,
				Keyring: d.Keyring,
				Now:     d.Now,
			})
			if err != nil {
				return errors.Join(err, kept.Release(context.WithoutCancel(c.Context())))
			}

			where := "shown only once"
			if kept.String() != "" {
				where = "in " + kept.String()
				err = kept.Keep(context.WithoutCancel(c.Context()), secret.Reveal())
			}

			if err != nil { // a deployment has no second first key
				where = "shown only once: it could not be kept"
				_, _ = fmt.Fprintln(c.ErrOrStderr(), "bitting:", err)
			}

			if err != nil || kept.String() == "" {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", secret.Reveal())
			}

			_, _ = fmt.Fprintf(c.ErrOrStderr(),
				"This operator key is %s. Rotate or regenerate it within 24 hours, or it expires.\n", where)
			return err
		},
	}
	reach.flags(c.Flags())
	to.flags(c)
	c.Flags().BoolVar(&again, "again", false, "create another operator key, since none works any more")
	return c
}

// deployed holds the flags that identify a deployment in AWS: by its stack, or part by part.
type deployed struct {
	aws               cloud.Flags
	table, key, brand string
}

func (d *deployed) flags(set *pflag.FlagSet) {
	d.aws.Add(set)
	set.StringVar(&d.table, "table", "", "name of the table, without --stack (its output CoreTable)")
	set.StringVar(&d.key, "kms-key", "", "ARN of the KMS key (the stack's output PepperKeyArn)")
	set.StringVar(&d.brand, "brand", "", `the deployment's brand (the stack's parameter Brand, or "bt")`)
}

// variables returns the environment of a function of the deployment.
func (d *deployed) variables(ctx context.Context) (map[string]string, error) {
	table, hot, key, brand := d.table, d.table, d.key, d.brand

	flags := d.aws
	flags.Stack = cmp.Or(flags.Stack, getenv("BITTING_STACK"))

	switch {
	case table != "" && d.aws.Stack != "":
		return nil, usage(errors.New("--stack and --table exclude each other"))
	case table == "" && flags.Stack == "":
		return nil, usage(errors.New("which deployment? Pass --stack, or --table and --kms-key"))
	case table == "":
		stack, err := flags.Describe(ctx)
		if err != nil {
			return nil, err
		}

		table, hot = stack.Outputs[cloud.CoreTable], stack.Outputs[cloud.HotTable]
		key = cmp.Or(key, stack.Outputs[cloud.PepperKey])
		brand = cmp.Or(brand, stack.Parameters["Brand"])
	}

	given := map[string]string{
		"BITTING_CORE_TABLE": table,
		"BITTING_HOT_TABLE":  cmp.Or(hot, table), // nothing is counted here
		"BITTING_KMS_KEY":    key,
		"BITTING_BRAND":      brand,
	}
	maps.DeleteFunc(given, func(_, value string) bool { return value == "" })
	return given, nil
}

// asFlags names flags in place of a function's variables.
var asFlags = strings.NewReplacer("BITTING_CORE_TABLE", "--table", "BITTING_KMS_KEY", "--kms-key",
	"BITTING_BRAND", "--brand")

// load makes the deployment, with the credentials that AWS's tools would use. timeout is how long an
// operation of AWS may take; "" for the usual time.
func (d *deployed) load(
	ctx context.Context, timeout string,
) (*full.Deployment, boot.Environment, error) {
	given, err := d.variables(ctx)
	if err != nil {
		return nil, nil, err
	}

	env := func(name string) string {
		value, ok := given[name]
		if !ok {
			value = getenv(name)
		}

		if value == "" && strings.HasPrefix(name, "AWS_ENDPOINT_URL_") {
			value = getenv("AWS_ENDPOINT_URL")
		}

		return value
	}
	if env("BITTING_AWS_TIMEOUT") == "" && timeout != "" {
		given["BITTING_AWS_TIMEOUT"] = timeout
	}

	if _, err := boot.Configure(env); err != nil { // before anybody is asked for credentials
		return nil, nil, usage(errors.New(asFlags.Replace(err.Error())))
	}

	config, err := d.aws.Config(ctx)
	if err != nil {
		return nil, nil, err
	}

	credentials, err := cloud.Credentials(ctx, config)
	if err != nil {
		return nil, nil, err
	}

	given["AWS_REGION"] = config.Region
	given["AWS_ACCESS_KEY_ID"] = credentials.AccessKeyID
	given["AWS_SECRET_ACCESS_KEY"] = credentials.SecretAccessKey
	given["AWS_SESSION_TOKEN"] = credentials.SessionToken

	loaded, err := full.Load(env, slog.New(slog.DiscardHandler))
	return loaded, env, err
}
