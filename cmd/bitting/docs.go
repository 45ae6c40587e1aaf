package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newDocs is for those who package the program: people find these texts by --help.
func newDocs() *cobra.Command {
	var dir, format string
	c := &cobra.Command{
		Use:    "docs",
		Short:  "Write the manual of all commands, a page each",
		Args:   cobra.NoArgs,
		Hidden: true,
		Example: "  bitting docs --dir /usr/local/share/man/man1 --format man\n" +
			"  bitting docs --dir reference --format markdown",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "man", "markdown"); err != nil {
				return usage(err)
			}

			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // pages are for everybody
				return err
			}

			root := c.Root()
			root.DisableAutoGenTag = true // the same texts are the same pages

			if format == "man" {
				return doc.GenManTree(root, &doc.GenManHeader{
					Section: "1",
					Source:  "Bitting " + version(),
					Manual:  "Bitting's manual",
				}, dir)
			}

			return doc.GenMarkdownTree(root, dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder for the pages")
	c.Flags().StringVar(&format, "format", "man", "man or markdown")
	_ = c.MarkFlagRequired("dir") // there is such a flag
	return c
}

// completion gives cobra's own commands for completion what all others have: examples.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()

	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Example = "  source <(bitting completion bash)"

			for _, shell := range c.Commands() {
				shell.Example = map[string]string{
					"bash": "  bitting completion bash > ~/.local/share/bash-completion/completions/bitting",
					"zsh":  `  bitting completion zsh > "${fpath[1]}/_bitting"`,
					"fish": "  bitting completion fish > ~/.config/fish/completions/bitting.fish",

					"powershell": "  bitting completion powershell | Out-String | Invoke-Expression",
				}[shell.Name()]
			}
		}
	}
}
