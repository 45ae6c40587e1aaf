package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/local"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "bitting",
		Short:         "API keys for APIs behind Amazon API Gateway",
		Example:       "  bitting local\n  bitting keys list\n  bitting apply -f bitting.yaml",
		SilenceUsage:  true,
		SilenceErrors: true, // main prints the error, once
	}
	var o options
	o.flags(root)
	root.AddGroup(
		&cobra.Group{ID: "manage", Title: "Keys and who they are for:"},
		&cobra.Group{ID: "look", Title: "What happens:"},
		&cobra.Group{ID: "run", Title: "Deployments:"},
	)

	for group, commands := range map[string][]*cobra.Command{
		"manage": {
			newKeys(&o), newCustomers(&o), newMembers(&o), newOrganizations(&o), newApply(&o), newExport(&o),
		},
		"look": {
			newUsage(&o), newRequest(&o), newHistory(&o), newAdvice(&o), newJobs(&o), newWhoami(&o),
			newMe(&o), newInspect(&o), newDoctor(&o),
		},
		"run": {
			newLogin(&o), newLogout(&o), alone(newLocal()), newProtect(&o), newPermissions(&o),
			alone(newBootstrap()), newPepper(), alone(newStopAgain()),
		},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}

	root.AddCommand(alone(newVersion()), alone(newDocs()))
	completion(root)
	return root
}

// group makes a command that only holds others: a word that is none of them is an error.
func group(c *cobra.Command, inner ...*cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}

		text := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += ": did you mean " + strings.Join(near, " or ") + "?"
		}

		return errors.New(text)
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(inner...)
	return c
}

// alone takes the flags of the admin API out of the help of a command that does not call it.
func alone(c *cobra.Command) *cobra.Command {
	c.SetUsageTemplate(strings.Replace(c.UsageTemplate(),
		"{{if .HasAvailableInheritedFlags}}", "{{if false}}", 1))
	return c
}

// garbage is how much of it bitting local makes before it collects it, in percent of what it keeps.
const garbage = 400

func newLocal() *cobra.Command {
	var (
		o         local.Options
		functions string
		own       ownFlags
	)

	c := &cobra.Command{
		Use:   "local",
		Short: "Run a whole deployment on this machine, without AWS",
		Args:  cobra.NoArgs,
		Long: "Runs the functions of template.yaml behind a stand-in for API Gateway, with a " +
			"DynamoDB stand-in that keeps its data on\n" +
			"disk, and a demo to try. With --template, the APIs of your own template stand in place of " +
			"the demo's.",
		Example: "  bitting local\n  bitting local --listen 127.0.0.1:4001 --data /tmp/bitting " +
			"--fresh\n  bitting local --functions process --profile cached\n  bitting local " +
			"--template template.yaml --backend http://127.0.0.1:3000",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := check(o, functions); err != nil {
				return err
			}

			var err error
			if o.Own, err = own.read(); err != nil {
				return err
			}

			o.Processes = functions == "process"
			o.Command = os.Args[0]
			o.Out = c.OutOrStdout()
			// The reader of its output may be gone. It must still end in order, with its stand-in.
			signal.Ignore(syscall.SIGPIPE)

			// It keeps some 30 MB, and each call makes 35 KB of garbage: collecting that less often
			// takes little, and spares a tenth of the work. GOGC wins.
			if before := debug.SetGCPercent(garbage); before != 100 {
				debug.SetGCPercent(before)
			}

			return local.Run(c.Context(), o)
		},
	}
	c.AddCommand(newToken(), newDeps())
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:4000", "address to listen on")
	c.Flags().StringVar(&o.Data, "data", ".bitting", "folder for all data")
	c.Flags().StringVar(&o.Profile, "profile", "strict",
		"revocation profile: strict, fast or cached")
	c.Flags().StringVar(&o.API, "api", "rest", "kind of the demo APIs: rest or http")
	c.Flags().StringVar(&functions, "functions", "inprocess",
		"how the functions run: inprocess, or process (each from its built bootstrap binary)")
	c.Flags().StringVar(&o.DynamoDB, "dynamodb", "",
		"address of another DynamoDB to use, such as http://127.0.0.1:8000")
	c.Flags().StringVar(&o.CoreTable, "core-table", "",
		"table of --dynamodb to use as the table core, such as a restored one")
	c.Flags().BoolVar(&o.NoDemo, "no-demo", false, "create no demo organizations, people and keys")
	c.Flags().IntVar(&o.DemoKeys, "demo-keys", 0,
		"make `N` keys in the demo's second organization, to see long lists")
	own.add(c)
	c.Flags().BoolVar(&o.Fresh, "fresh", false, "delete the existing data first")
	return c
}

// check refuses a flag's wrong value before anything is started with it.
func check(o local.Options, functions string) error {
	if err := cmp.Or(
		oneOf("profile", o.Profile, "strict", "fast", "cached"),
		oneOf("api", o.API, "rest", "http"),
		oneOf("functions", functions, "inprocess", "process"),
	); err != nil {
		return err
	}

	if o.Data == "" {
		return errors.New("--data: expected a folder")
	}

	if _, port, err := net.SplitHostPort(o.Listen); err != nil || !isPort(port) {
		return fmt.Errorf("--listen %s: expected an address and a port, such as 127.0.0.1:4000",
			shown(o.Listen))
	}

	_, err := address("dynamodb", o.DynamoDB)
	return err
}

// oneOf refuses a flag's value that is none of those allowed.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}

	return fmt.Errorf("--%s %s: expected one of %s", flag, shown(value), strings.Join(allowed, ", "))
}

// address reads a flag that is the address of a server, or "".
func address(flag, value string) (*url.URL, error) {
	if value == "" {
		return nil, nil
	}

	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--%s %s: expected an address such as http://127.0.0.1:8000", flag, value)
	}

	return u, nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// shown makes an empty value visible.
func shown(value string) string {
	if value == "" {
		return `""`
	}

	return value
}

func newToken() *cobra.Command {
	var data, as string
	c := &cobra.Command{
		Use:   "token",
		Short: "Print a token for a person of the demo",
		Args:  cobra.NoArgs,
		Long: "Prints an ID token that is valid for an hour, as the sign-in page of the bitting local " +
			"that uses this data would issue it.",
		Example: "  bitting local token --as alice@acme.test",
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := local.Token(data, as)
			if err != nil {
				return err
			}

			_, err = fmt.Fprintln(c.OutOrStdout(), token)
			return err
		},
	}
	c.Flags().StringVar(&data, "data", ".bitting", "data folder of a running bitting local")
	c.Flags().StringVar(&as, "as", "", "e-mail address of the person")
	_ = c.MarkFlagRequired("as") // there is such a flag
	return c
}
