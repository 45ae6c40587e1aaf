package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
)

// secretTo says where a new secret goes; the zero place shows it.
type secretTo struct {
	apply.Secret

	overwrite bool
}

func (t *secretTo) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&t.File, "secret-file", "",
		"write the secret to this new file, which only you can read, and do not show it")
	f.StringVar(&t.SSM, "secret-ssm", "",
		"write the secret to this SSM parameter, a SecureString, and do not show it")
	f.StringVar(&t.SecretsManager, "secret-manager", "",
		"write the secret to this secret of Secrets Manager, and do not show it")
	f.BoolVar(&t.overwrite, "secret-overwrite", false,
		"replace the value of a parameter or secret that exists")
	c.MarkFlagsMutuallyExclusive("secret-file", "secret-ssm", "secret-manager")
}

// open reserves the place of the secret.
func (t *secretTo) open(ctx context.Context, aws cloud.Flags) (apply.Place, error) {
	if t.overwrite && t.SSM == "" && t.SecretsManager == "" {
		return nil, usage(errors.New("--secret-overwrite goes with --secret-ssm or --secret-manager"))
	}

	if t.Secret == (apply.Secret{}) {
		return nowhere{}, nil
	}

	taking := cloud.OnlyNew
	if t.overwrite {
		taking = cloud.Any
	}

	to, err := places(ctx, aws, taking)(&t.Secret)
	if err == nil {
		err = to.Reserve(ctx)
	}

	switch {
	case errors.Is(err, cloud.ErrExists) && t.File != "":
		return nil, usage(fmt.Errorf("--secret-file: %s exists, and is never overwritten", t.File))
	case errors.Is(err, cloud.ErrExists):
		return nil, usage(fmt.Errorf("%w; --secret-overwrite replaces its value", err))
	}

	return to, err
}

// places opens the places of secrets. The configuration of AWS is read by the first that needs it.
func places(ctx context.Context, flags cloud.Flags, taking cloud.Taking) apply.Places {
	config := sync.OnceValues(func() (aws.Config, error) {
		found, err := flags.Config(ctx)
		if err == nil {
			_, err = cloud.Credentials(ctx, found)
		}

		return found, err
	})

	return func(s *apply.Secret) (apply.Place, error) {
		if s.File != "" {
			return apply.NewSecretFile(s.File, taking), nil
		}

		found, err := config()
		switch {
		case err != nil:
			return nil, err
		case s.SSM != "":
			return cloud.NewParameter(found, s.SSM, taking), nil
		default:
			return cloud.NewManagedSecret(found, s.SecretsManager, taking), nil
		}
	}
}

// nowhere is the place of a secret that is shown.
type nowhere struct{}

func (nowhere) Waits(context.Context) (bool, error) { return false, nil }
func (nowhere) Reserve(context.Context) error       { return nil }
func (nowhere) Keep(context.Context, string) error  { return nil }
func (nowhere) Release(context.Context) error       { return nil }
func (nowhere) String() string                      { return "" }

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
	folder = filepath.Join(folder, "bitting")

	file := apply.NewSecretFile(filepath.Join(folder, "unsaved-"+key), cloud.OnlyNew)
	if err = cmp.Or(err, file.Reserve(s.command.Context())); err == nil {
		err = file.Keep(s.command.Context(), secret)
	}

	if err != nil {
		return fmt.Errorf("the key %s was made, but its secret could not be kept: %w\n  Nor in a file: "+
			"%w\n  Make another: bitting keys regenerate %s", key, because, err, key)
	}

	return fmt.Errorf("the key %s was made, but its secret could not be kept: %w\n  It is in %s: store "+
		"it and delete that file, or make another: bitting keys regenerate %s", key, because, file, key)
}
