package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
)

// scanTimeout is the maximum time for a page of the table, of up to a megabyte, including all
// attempts.
const scanTimeout = "20s"

const pepperAWS = "It needs AWS credentials for the deployment's table and KMS key, found as the AWS " +
	"CLI finds them."

const pepperReach = " --stack bitting --region eu-west-1"

func newPepper() *cobra.Command {
	var reach deployed
	c := &cobra.Command{
		Use:   "pepper",
		Short: "Rotate and retire the peppers that secrets are hashed with",
		Long: "Manages the peppers of a deployment: rotate creates a new version, status shows " +
			"what still needs an older one, and\n" +
			"retire removes one that is no longer needed.\n" + pepperAWS,
		Example: "  bitting pepper rotate --environment production" + pepperReach,
	}
	reach.flags(c.PersistentFlags())
	return group(c, newPepperRotate(&reach), newPepperStatus(&reach), newPepperRetire(&reach))
}

func newPepperRotate(reach *deployed) *cobra.Command {
	var names []string
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Create a new version of a pepper",
		Args:  cobra.NoArgs,
		Long: "Creates a new version of the pepper of each named environment. New secrets and " +
			"seals use it within a minute;\n" +
			"existing ones keep working. Upkeep reseals rows. A key's secret moves to the new " +
			"version when the key is\n" +
			"regenerated or rotated: see bitting pepper status.\n" + pepperAWS,
		Example: "  bitting pepper rotate --environment production --environment staging" +
			pepperReach,
		RunE: func(c *cobra.Command, _ []string) error {
			environments, err := environmentsOf(names)
			if err != nil {
				return err
			}

			peppers, err := reach.peppers(c.Context())
			if err != nil {
				return err
			}

			for _, env := range environments {
				version, err := peppers.Rotate(c.Context(), env)
				if errors.Is(err, pepper.ErrExists) {
					return fmt.Errorf("somebody else is rotating the pepper of %s right now", env)
				}

				if err != nil {
					return err
				}

				if _, err := fmt.Fprintf(c.OutOrStdout(),
					"%s: version %d is current\n", env, version); err != nil {
					return err
				}
			}

			return nil
		},
	}
	c.Flags().StringSliceVar(&names, "environment", nil,
		"environment whose pepper to rotate; may be repeated")
	_ = c.MarkFlagRequired("environment") // there is such a flag
	return c
}

func newPepperStatus(reach *deployed) *cobra.Command {
	var names []string
	var limit int
	var last bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what needs which version, and which keys have not moved",
		Args:  cobra.NoArgs,
		Long: "Reads the whole table, and shows for each environment and version what needs it " +
			"and which keys have not moved to the\n" +
			"current version. With --last it reads a single row instead: what upkeep counted " +
			"when it last resealed rows.\n" + pepperAWS,
		Example: "  bitting pepper status --environment production --limit 50" + pepperReach,
		RunE: func(c *cobra.Command, _ []string) error {
			environments := apikey.Environments()
			if len(names) > 0 {
				var err error
				if environments, err = environmentsOf(names); err != nil {
					return err
				}
			}

			if limit < 0 {
				return fmt.Errorf("--limit %d: expected 0 or more", limit)
			}

			peppers, err := reach.peppers(c.Context())
			if err != nil {
				return err
			}

			if last {
				pass, err := peppers.Stored.Pass(c.Context())
				if err != nil {
					return err
				}

				_, err = io.WriteString(c.OutOrStdout(), lastText(pass, environments))
				return err
			}

			status, err := peppers.Status(c.Context(), limit, progress(c.ErrOrStderr()))
			if err != nil {
				return err
			}

			_, err = io.WriteString(c.OutOrStdout(), statusText(status, environments))
			return err
		},
	}
	c.Flags().StringSliceVar(&names, "environment", nil,
		"environment to show (default: all); may be repeated")
	c.Flags().IntVar(&limit, "limit", 20, "how many keys to name for each version")
	c.Flags().BoolVar(&last, "last", false,
		"show what upkeep counted last, without reading the whole table")
	c.MarkFlagsMutuallyExclusive("last", "limit")
	return c
}

func newPepperRetire(reach *deployed) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "retire VERSION",
		Short: "Remove a version that is no longer needed",
		Args:  cobra.ExactArgs(1),
		Long: "Removes a version permanently, after reading the whole table. It refuses to remove " +
			"the current version, a version that\n" +
			"anything still needs, and any version within 15 minutes of a rotation. An older " +
			"backup of the table may still need the\n" +
			"removed version.\n" + pepperAWS,
		Example: "  bitting pepper retire 1 --environment production" + pepperReach,
		RunE: func(c *cobra.Command, args []string) error {
			version, err := strconv.Atoi(args[0])
			if err != nil || version < 1 {
				return fmt.Errorf("%s: expected a version number", shown(args[0]))
			}

			environments, err := environmentsOf([]string{name})
			if err != nil {
				return err
			}

			peppers, err := reach.peppers(c.Context())
			if err != nil {
				return err
			}

			scope := pepper.Scope{Environment: environments[0], Version: version}
			if err := peppers.Retire(c.Context(), scope, progress(c.ErrOrStderr())); err != nil {
				return fmt.Errorf("%s: version %d was not retired: %w",
					scope.Environment, version, err)
			}

			_, err = fmt.Fprintf(c.OutOrStdout(),
				"%s: version %d is retired\n", scope.Environment, version)
			return err
		},
	}
	c.Flags().StringVar(&name, "environment", "", "environment whose pepper to retire")
	_ = c.MarkFlagRequired("environment") // there is such a flag
	return c
}

// environmentsOf reads the flag --environment.
func environmentsOf(names []string) ([]apikey.Environment, error) {
	var out []apikey.Environment
	for _, name := range names {
		env := apikey.Environment(name)
		if !slices.Contains(apikey.Environments(), env) {
			return nil, fmt.Errorf("--environment %s: expected one of production, staging, "+
				"development", shown(name))
		}

		if !slices.Contains(out, env) {
			out = append(out, env)
		}
	}

	return out, nil
}

// peppers returns the peppers of the deployment.
func (d *deployed) peppers(ctx context.Context) (*operator.Peppers, error) {
	loaded, env, err := d.load(ctx, scanTimeout)
	if err != nil {
		return nil, err
	}

	connection := full.DynamoDB(env)
	return &operator.Peppers{
		Keyring: loaded.Keyring,
		Stored:  store.NewPeppers(connection, loaded.CoreTable),
		Scanner: connection,
		Now:     loaded.Now,
	}, nil
}

// progress returns a function that shows progress at a terminal, and nothing in a file or a pipe.
func progress(to io.Writer) func(rows int64) {
	file, ok := to.(*os.File)
	if !ok {
		return func(int64) {}
	}

	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(int64) {}
	}

	return func(rows int64) { _, _ = fmt.Fprintf(file, "\r%d rows read", rows) }
}

// statusText describes the peppers of these environments.
func statusText(status *operator.Status, environments []apikey.Environment) string {
	var out strings.Builder
	for _, v := range status.Versions {
		if slices.Contains(environments, v.Environment) {
			writeVersion(&out, v)
		}
	}

	if status.Unread > 0 {
		fmt.Fprintf(&out, "%d rows cannot be read, or name a version that is not stored, such as in %s\n",
			status.Unread, strings.Join(status.Places, ", "))
	}

	if status.Pass != nil {
		writePass(&out, status.Pass)
	}

	return out.String()
}

// lastText describes the counts of upkeep's last pass, for these environments.
func lastText(pass *store.PepperPass, environments []apikey.Environment) string {
	if pass == nil {
		return "upkeep has not resealed any rows yet\n"
	}

	var out strings.Builder
	if ended := pass.Finished(); ended != nil {
		for _, version := range slices.Sorted(maps.Keys(ended.Counts)) {
			env, number, _ := strings.Cut(version, "/")
			if slices.Contains(environments, apikey.Environment(env)) {
				fmt.Fprintf(&out, "%s: version %s was needed by\n", env, number)
				writeCounts(&out, ended.Counts[version])
			}
		}

		if ended.Unread > 0 {
			fmt.Fprintf(&out, "%d rows could not be read, or their seals are broken\n", ended.Unread)
		}
	}

	writePass(&out, pass)
	return out.String()
}

// writePass describes the progress of upkeep.
func writePass(out *strings.Builder, pass *store.PepperPass) {
	if ended := pass.Finished(); ended != nil {
		fmt.Fprintf(out, "upkeep resealed %d of %d rows, and finished on %s\n", ended.Resealed,
			ended.Rows, ended.EndedAt.UTC().Format(time.RFC3339))
	}

	if pass.EndedAt.IsZero() {
		fmt.Fprintf(out, "upkeep is resealing rows: %d of the %d read so far\n", pass.Resealed,
			pass.Rows)
	}
}

func writeVersion(out *strings.Builder, v operator.Version) {
	fmt.Fprintf(out, "%s: version %d, created %s", v.Environment, v.Version,
		v.CreatedAt.UTC().Format(time.DateOnly))

	switch {
	case !v.RetiredAt.IsZero():
		fmt.Fprintf(out, ", retired %s\n", v.RetiredAt.UTC().Format(time.DateOnly))
	case v.Current:
		out.WriteString(", current\n")
	case len(v.Use.Counts) == 0:
		out.WriteString(", can be retired: nothing needs it\n")
	default:
		out.WriteString("\n")
	}

	writeCounts(out, v.Use.Counts)

	for _, k := range v.Use.Keys {
		fmt.Fprintf(out, "  key %s of %s: %s\n", k.ID, k.OrganizationID, advice(k))
	}

	if v.Use.Unnamed > 0 {
		fmt.Fprintf(out, "  and %d more keys\n", v.Use.Unnamed)
	}
}

// writeCounts lists how many objects of each kind need a version.
func writeCounts(out *strings.Builder, counts map[string]int64) {
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "  %d %s\n", counts[what], what)
	}
}

// advice returns how a key moves to the current version.
func advice(k store.PepperKey) string {
	switch {
	case k.Deleted:
		return "deleted; its row will be removed in time"
	case slices.Contains(k.Uses, store.UseSecret):
		return "rotate or regenerate it"
	case slices.Contains(k.Uses, store.UseOldSecret):
		return "finish its rotation, and replace its secret until it forgets this one"
	case slices.Contains(k.Uses, store.UseEndedSecret):
		return "it remembers an old secret until five more have ended"
	}

	return "upkeep reseals its row"
}
