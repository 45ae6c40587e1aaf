package main

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
	"github.com/bitting-keys/bitting/cmd/bitting/signin"
	"github.com/bitting-keys/bitting/pkg/client"
)

// What every command keeps to:
//
//   - Data goes to stdout, everything else to stderr.
//   - An error is one line, "bitting: what is wrong, what to do".
//   - The exit code says what kind of error it is.
//   - Colours are for terminals, and for nobody who sets NO_COLOR.
//   - Secrets are read from the environment or a file, never from an argument, where others see them.

// The exit codes.
const (
	exitFailed      = 1 // it did not work, or a check found something
	exitUsage       = 2 // the command line is wrong
	exitRefused     = 3 // the API refused: the caller may not do it, or it is not valid
	exitNotFound    = 4
	exitConflict    = 5 // somebody else changed it, or it is in use
	exitDrift       = 6 // what is there is not what was described
	exitUnavailable = 7 // nobody answered, or try again later
	exitInterrupted = 130
)

// exitError is an error with an exit code.
type exitError struct {
	error

	code int
}

// Unwrap returns the error itself.
func (e *exitError) Unwrap() error { return e.error }

// errInterrupted is the end of what was ended by Ctrl-C, or by a request to stop.
var errInterrupted = &exitError{errors.New("interrupted"), exitInterrupted}

// usage makes an error one of the command line.
func usage(err error) error {
	if err == nil {
		return nil
	}

	return &exitError{err, exitUsage}
}

// exitCode returns the exit code of an error.
func exitCode(err error) int {
	var own *exitError
	var refused *client.Error
	var network *net.OpError

	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &refused):
		return exitCodeOf(refused.Status)
	case errors.Is(err, cloud.ErrRegion):
		return exitUsage
	case errors.Is(err, cloud.ErrNotFound):
		return exitNotFound
	case errors.Is(err, cloud.ErrRefused), errors.Is(err, signin.ErrRefused),
		errors.Is(err, signin.ErrSignedOut):
		return exitRefused
	case errors.As(err, &network) && network.Op != "listen", errors.Is(err, client.ErrNoAnswer),
		errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	default:
		return exitFailed
	}
}

// exitCodeOf returns the exit code of an answer's status.
func exitCodeOf(status int) int {
	switch {
	case status == http.StatusNotFound:
		return exitNotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return exitConflict
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return exitUnavailable
	case status >= http.StatusBadRequest:
		return exitRefused
	default:
		return exitFailed
	}
}

// marked wraps every command below c, so that ran is true once one begins: an error before that is
// one of the command line.
func marked(c *cobra.Command, ran *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*ran = true
			return run(c, args)
		}
	}

	for _, child := range c.Commands() {
		marked(child, ran)
	}
}
