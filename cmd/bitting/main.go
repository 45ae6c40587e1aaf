// Command bitting is Bitting's command line. `bitting local` runs a whole deployment on this
// machine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main, with its exit code as a value.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	command := newRoot()
	command.SetArgs(args)

	if err := command.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bitting:", strings.TrimSpace(err.Error()))
		return 1
	}

	return 0
}
