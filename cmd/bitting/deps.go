package main

import (
	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/pkg/localstore"
)

func newDeps() *cobra.Command {
	return &cobra.Command{
		Use:   "deps",
		Short: "Install what bitting local needs: a DynamoDB stand-in",
		Args:  cobra.NoArgs,
		Long: "Installs a DynamoDB stand-in for this user, if none is there: a binary from npm, or " +
			"DynamoDB Local by Maven\n" +
			"or as a container, or a binary built by cargo, whichever this machine has the tools for.\n" +
			"It does nothing if one is installed.",
		Example: "  bitting local deps && bitting local",
		RunE: func(c *cobra.Command, _ []string) error {
			return localstore.ThisHost(".").Install(c.Context(), c.ErrOrStderr())
		},
	}
}
