package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/local"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use: "bitting", Short: "API keys for APIs behind Amazon API Gateway",
		SilenceUsage: true, SilenceErrors: true, // main prints the error, once
	}
	root.AddCommand(newLocal())
	return root
}

func newLocal() *cobra.Command {
	var o local.Options
	var functions string
	c := &cobra.Command{
		Use: "local", Short: "Run a whole deployment on this machine, without AWS", Args: cobra.NoArgs,
		Long: "Runs the functions of template.yaml behind gateways that answer as API Gateway does, with a DynamoDB stand-in whose data\n" +
			"is on disk, and a demo to try. Start it in a checkout, after `make deps`.",
		Example: "  bitting local\n  bitting local --listen 127.0.0.1:4001 --data /tmp/bitting --fresh\n  bitting local --functions process --profile cached",
		RunE: func(c *cobra.Command, _ []string) error {
			for _, f := range []struct {
				flag, value string
				allowed     []string
			}{
				{"profile", o.Profile, []string{"strict", "fast", "cached"}},
				{"api", o.API, []string{"rest", "http"}},
				{"functions", functions, []string{"inprocess", "process"}},
			} {
				if !slices.Contains(f.allowed, f.value) {
					return fmt.Errorf("--%s %s: expected one of %s", f.flag, f.value, strings.Join(f.allowed, ", "))
				}
			}
			o.Processes, o.Out = functions == "process", c.OutOrStdout()
			return local.Run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:4000", "address to listen on")
	c.Flags().StringVar(&o.Data, "data", ".bitting", "folder of all data")
	c.Flags().StringVar(&o.Profile, "profile", "strict", "revocation profile: strict, fast or cached")
	c.Flags().StringVar(&o.API, "api", "rest", "kind of the demo APIs: rest or http")
	c.Flags().StringVar(&functions, "functions", "inprocess", "how the functions run: inprocess, or process for each as its built bootstrap")
	c.Flags().StringVar(&o.DynamoDB, "dynamodb", "", "address of another DynamoDB, such as http://127.0.0.1:8000")
	c.Flags().BoolVar(&o.NoDemo, "no-demo", false, "make no demo organizations, people and keys")
	c.Flags().BoolVar(&o.Fresh, "fresh", false, "start without the data of before")
	return c
}
