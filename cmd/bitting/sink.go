package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
)

// secretTo says where a new secret goes.
type secretTo struct {
	file, parameter, managed string
	overwrite                bool
}

func (t *secretTo) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&t.file, "secret-file", "",
		"write the secret to this new file, which only you can read, and do not show it")
	f.StringVar(&t.parameter, "secret-ssm", "",
		"write the secret to this SSM parameter, a SecureString, and do not show it")
	f.StringVar(&t.managed, "secret-manager", "",
		"write the secret to this secret of Secrets Manager, and do not show it")
	f.BoolVar(&t.overwrite, "secret-overwrite", false,
		"replace the value of a parameter or secret that exists")
	c.MarkFlagsMutuallyExclusive("secret-file", "secret-ssm", "secret-manager")
}

// sink is where a secret goes.
type sink interface {
	Reserve(ctx context.Context) error
	Keep(ctx context.Context, secret string) error
	Release(ctx context.Context) error
	fmt.Stringer
}

// open reserves the place of the secret.
func (t *secretTo) open(ctx context.Context, aws cloud.Flags) (sink, error) {
	var to sink = nowhere{}

	switch {
	case t.overwrite && t.parameter == "" && t.managed == "":
		return nil, usage(errors.New("--secret-overwrite goes with --secret-ssm or --secret-manager"))
	case t.file != "":
		to = &fileSink{name: t.file}
	case t.parameter != "" || t.managed != "":
		config, err := aws.Config(ctx)
		if err != nil {
			return nil, err
		}

		if _, err := cloud.Credentials(ctx, config); err != nil {
			return nil, err
		}

		to = cloud.NewParameter(config, t.parameter, t.overwrite)
		if t.managed != "" {
			to = cloud.NewManagedSecret(config, t.managed, t.overwrite)
		}
	}

	err := to.Reserve(ctx)
	if errors.Is(err, cloud.ErrExists) {
		err = usage(fmt.Errorf("%w; --secret-overwrite replaces its value", err))
	}

	return to, err
}

// nowhere is the sink of a secret that is shown.
type nowhere struct{}

func (nowhere) Reserve(context.Context) error      { return nil }
func (nowhere) Keep(context.Context, string) error { return nil }
func (nowhere) Release(context.Context) error      { return nil }
func (nowhere) String() string                     { return "" }

// fileSink is a new file that only its owner can read.
type fileSink struct {
	name string
	file *os.File
}

func (f *fileSink) String() string { return f.name }

// Reserve makes the file.
func (f *fileSink) Reserve(context.Context) (err error) {
	f.file, err = os.OpenFile(f.name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usage(fmt.Errorf("--secret-file: %s exists, and is never overwritten", f.name))
	}

	return err
}

// Keep writes the secret and a line feed.
func (f *fileSink) Keep(_ context.Context, secret string) error {
	_, err := io.WriteString(f.file, secret+"\n")
	if err == nil {
		err = f.file.Sync()
	}

	return errors.Join(err, f.file.Close())
}

// Release removes the file.
func (f *fileSink) Release(context.Context) error {
	return errors.Join(f.file.Close(), os.Remove(f.name))
}

// rescue keeps a secret that could not go where it was to go: at a terminal it shows it, and
// elsewhere it writes it to a file that only its owner can read. It returns what to do.
func (s *session) rescue(key, secret string, because error) error {
	to, ok := s.command.ErrOrStderr().(*os.File)
	if ok && term.IsTerminal(int(to.Fd())) {
		_, _ = fmt.Fprintf(to, "The secret, which is shown only this once: %s\n", secret)
		return fmt.Errorf("the key %s was made, but its secret could not be kept: %w\n  Store the "+
			"secret that is shown above, or make another: bitting keys regenerate %s", key, because, key)
	}

	folder, err := os.UserConfigDir()
	if err == nil {
		folder = filepath.Join(folder, "bitting")
		err = os.MkdirAll(folder, 0o700)
	}

	file := &fileSink{name: filepath.Join(folder, "unsaved-"+key)}
	if err = cmp.Or(err, file.Reserve(s.command.Context())); err == nil {
		err = file.Keep(s.command.Context(), secret)
	}

	if err != nil {
		return fmt.Errorf("the key %s was made, but its secret could not be kept: %w\n  Nor in a file: "+
			"%w\n  Make another: bitting keys regenerate %s", key, because, err, key)
	}

	return fmt.Errorf("the key %s was made, but its secret could not be kept: %w\n  It is in %s: store "+
		"it and delete that file, or make another: bitting keys regenerate %s", key, because, file.name,
		key)
}
