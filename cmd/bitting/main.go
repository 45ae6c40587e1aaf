// Command bitting is Bitting's command line. `bitting local` runs a whole deployment on this
// machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/client"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main, with its exit code as a value.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	ran := false
	command := newRoot()
	marked(command, &ran)
	command.SetArgs(args)

	err := command.ExecuteContext(ctx)
	switch {
	case err == nil:
	case !ran:
		err = usage(err)
	case errors.Is(err, errInterrupted):
	case errors.Is(err, context.Canceled):
		err = errInterrupted // what was awaited then says nothing
	case ctx.Err() != nil:
		err = &exitError{err, exitInterrupted}
	}

	if err != nil {
		if exitCode(err) == exitInterrupted && isTerminal(os.Stderr) {
			_, _ = fmt.Fprintln(os.Stderr) // behind the terminal's own ^C
		}

		report(os.Stderr, err)
	}

	return exitCode(err)
}

// aBrand matches how a secret of any brand begins.
var aBrand = regexp.MustCompile(`([a-z][a-z0-9]{1,9})_(?:prod|stg|dev)_`)

// redact removes secrets from a text, of whatever brand: what is repeated of a command line may be
// a secret in a wrong place.
func redact(text string) string {
	for _, found := range aBrand.FindAllStringSubmatch(text, -1) {
		text = apikey.Brand(found[1]).Redact(text)
	}

	return text
}

// report writes an error: what the API said in its own words, then what to do. What an address
// answers may be anybody's, and must not steer the terminal. It holds no secret.
func report(to io.Writer, err error) {
	w := &strings.Builder{}
	defer func() { _, _ = io.WriteString(to, redact(w.String())) }()

	var refused *client.Error
	if !errors.As(err, &refused) || refused.Title == "" {
		lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
		for i, line := range lines {
			lines[i] = output.Visible(strings.ReplaceAll(line, "\t", "  "))
		}

		_, _ = fmt.Fprintln(w, "bitting:", strings.Join(lines, "\n"))

		switch {
		case errors.Is(err, client.ErrUnreadable):
			_, _ = fmt.Fprintln(w, "  The answer is not Bitting's: check the address.")
		case exitCode(err) == exitUnavailable:
			_, _ = fmt.Fprintln(w, "  Is it running, and is the address right?")
		}

		return
	}

	text := refused.Detail
	if !strings.HasPrefix(text, refused.Title) {
		text = strings.TrimSpace(refused.Title + ". " + text)
	}

	_, _ = fmt.Fprintf(w, "bitting: %s\n", output.Visible(text))
	for _, f := range refused.Errors {
		_, _ = fmt.Fprintf(w, "  %s: %s\n",
			output.Visible(strings.TrimPrefix(f.Location, "body.")), output.Visible(f.Message))
	}

	if refused.RequiredPermission != "" {
		_, _ = fmt.Fprintf(w, "  needed permission: %s\n",
			output.Visible(refused.RequiredPermission))
	}

	if advice := remedy(refused); advice != "" {
		_, _ = fmt.Fprintf(w, "  %s\n", advice)
	}

	if refused.RequestID != "" {
		_, _ = fmt.Fprintf(w, "  request %s\n", output.Visible(refused.RequestID))
	}
}

// remedy says what to do about a refusal; "" where the detail says it.
func remedy(e *client.Error) string {
	switch {
	case errors.Is(e, client.ErrUnauthenticated), errors.Is(e, client.ErrInvalidKey):
		return "Check BITTING_KEY or --key-file: is it an admin key of this deployment, and active? People " +
			"sign in by bitting login."
	case errors.Is(e, client.ErrStale):
		return "It was changed meanwhile: look at it again, then repeat the command."
	case e.RetryAfter > 0:
		return fmt.Sprintf("Try again after %s.", e.RetryAfter)
	case e.Code == "":
		return "The answer is not Bitting's: check the address."
	default:
		return ""
	}
}
