package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/client"
)

// newSecret makes a secret and shows it, or keeps it where it is to go. A secret that cannot be kept
// must not be made, so that is tried first.
func (s *session) newSecret(to secretTo, create func() (api.KeySecret, error)) error {
	ctx := s.command.Context()

	sink, err := to.open(ctx, s.options.account.AWS)
	if err != nil {
		return err
	}

	made, err := create()
	if err != nil {
		if ctx.Err() != nil {
			s.say("The answer was not awaited, so the secret may have been made, and is lost then: look at " +
				"bitting keys list, and repeat the command or regenerate the key.")
		}

		return errors.Join(err, sink.Release(context.WithoutCancel(ctx)))
	}

	if made.Secret == nil {
		s.say("The answer to the first attempt was lost, and the secret with it: bitting keys "+
			"regenerate %s makes another.", made.Key.ID)
		return errors.Join(sink.Release(context.WithoutCancel(ctx)), s.showSecret(made))
	}

	secret := *made.Secret

	if sink.String() == "" {
		if s.out.Terminal() {
			s.say("%s", s.out.Paint(output.Warn, "Copy the secret now: it is shown only this once."))
		}

		return s.showSecret(made)
	}

	made.Secret = nil

	if err := sink.Keep(context.WithoutCancel(ctx), secret); err != nil {
		return errors.Join(s.rescue(made.Key.ID, secret, err), s.showSecret(made))
	}

	s.say("The secret is in %s.", sink)
	return s.showSecret(made)
}

func (s *session) showSecret(made api.KeySecret) error {
	fields := []output.Column[api.KeySecret]{}
	for _, c := range keyFields() {
		fields = append(fields, output.Column[api.KeySecret]{
			Name: c.Name,
			Of:   func(m api.KeySecret) any { return c.Of(m.Key) },
		})
	}

	fields = append(fields, output.Column[api.KeySecret]{
		Name: "secret",
		Of: func(m api.KeySecret) any {
			if m.Secret == nil {
				return nil
			}

			return *m.Secret
		},
		Look: func(api.KeySecret) output.Look { return output.Bold },
	})
	return output.Show(s.out, fields,
		func(m api.KeySecret) string { return m.Key.ID }, made)
}

func newKeysRegenerate(o *options) *cobra.Command {
	var to secretTo
	c := &cobra.Command{
		Use:   "regenerate KEY",
		Short: "Give a key another secret; the old one stops at once",
		Args:  cobra.ExactArgs(1),
		Long: "Gives a key another secret, at once, and lifts its revocation. To change secrets without " +
			"an interruption, use\n`bitting keys rotate`.",
		Example: "  bitting keys regenerate Website --secret-file website.key",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			if err := s.confirm("Stop the secret that " + key + " has now, at once?"); err != nil {
				return err
			}

			return s.newSecret(to, func() (api.KeySecret, error) {
				return s.RegenerateKey(ctx, org, key)
			})
		}),
	}
	to.flags(c)
	return c
}

func newKeysRotate(o *options) *cobra.Command {
	var to secretTo
	var body api.RotateKey
	var firstUse bool
	c := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Give a key another secret; the old one lives on for a while",
		Args:  cobra.ExactArgs(1),
		Example: "  bitting keys rotate Website --overlap 7d\n  bitting keys rotate Website --overlap " +
			"24h --from-first-use --longest 30d",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			if firstUse {
				body.StartsAt = "first_use"
			}

			return s.newSecret(to, func() (api.KeySecret, error) {
				return s.RotateKey(ctx, org, key, body)
			})
		}),
	}
	c.Flags().StringVar(&body.Overlap, "overlap", "", "how long the old secret lives on, such as 7d")
	c.Flags().BoolVar(&firstUse, "from-first-use", false,
		"count the overlap from the first use of the new secret")
	c.Flags().StringVar(&body.Longest, "longest", "",
		"with --from-first-use: when the old secret ends if the new one is never used")
	to.flags(c)
	return c
}

func newKeysFinish(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "finish KEY",
		Short:   "End the old secret of a rotation now",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys finish Website",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			finished, err := s.FinishRotation(ctx, org, key)
			if err != nil {
				return err
			}

			return s.showKey(finished.Key)
		}),
	}
}

func newKeysRotation(o *options) *cobra.Command {
	var w watching
	c := &cobra.Command{
		Use:     "rotation KEY",
		Short:   "Show who still uses the old secret of a rotation",
		Args:    cobra.ExactArgs(1),
		Example: "  bitting keys rotation Website\n  bitting keys rotation Website --watch",
		RunE: o.onKey(func(ctx context.Context, s *session, org, key string) error {
			if err := w.check(s); err != nil {
				return err
			}

			if w.on {
				return s.watchRotation(ctx, w, org, key)
			}

			state, err := s.GetRotation(ctx, org, key)
			if err != nil {
				return err
			}

			return showRotation(s, key, state)
		}),
	}
	w.flags(c)
	return c
}

// watchRotation shows a rotation again and again until it is over.
func (s *session) watchRotation(ctx context.Context, w watching, org, key string) error {
	var last *api.RotationState
	over := false

	return watch(ctx, s, w, func(ctx context.Context) (api.RotationState, error) {
		state, err := s.GetRotation(ctx, org, key)
		// at first, that there is none is an error
		if over = last != nil && errors.Is(err, client.ErrNoRotation); over {
			s.say("The rotation is over: only the new secret works.")
			return *last, nil
		}

		if err == nil {
			last = &state
		}

		return state, err
	}, func(s *session, state api.RotationState) error {
		return showRotation(s, key, state)
	}, func(api.RotationState) bool { return over })
}

func showRotation(s *session, key string, state api.RotationState) error {
	err := output.Show(s.out, rotationFields(), func(api.RotationState) string { return key }, state)
	if err != nil || s.out.Format != output.Table || len(state.OldSecret.Sources) == 0 {
		return err
	}

	if _, err := fmt.Fprintln(s.out.Out); err != nil {
		return err
	}

	return output.List(s.out, sourceColumns(), nil, items(state.OldSecret.Sources))
}

func rotationFields() []output.Column[api.RotationState] {
	return []output.Column[api.RotationState]{
		{Name: "oldSecretEndsAt", Of: func(r api.RotationState) any { return r.OldSecret.EndsAt.Time }},
		{Name: "oldSecretHint", Of: func(r api.RotationState) any { return r.OldSecret.Hint }},
		{Name: "callsWithOldSecret", Of: func(r api.RotationState) any {
			return r.OldSecret.CallsSinceRotation
		}},
		{Name: "oldSecretLastUsed", Of: func(r api.RotationState) any {
			if r.OldSecret.LastUsed == nil {
				return nil
			}

			return r.OldSecret.LastUsed.At.Time
		}},
		{Name: "newSecretFirstUsedAt", Of: func(r api.RotationState) any {
			return moment(r.NewSecret.FirstUsedAt)
		}},
	}
}

func sourceColumns() []output.Column[api.Source] {
	return []output.Column[api.Source]{
		{Name: "sourceIp", Of: func(s api.Source) any { return s.SourceIP }},
		{Name: "userAgent", Of: func(s api.Source) any { return s.UserAgent }, Wide: true},
		{Name: "calls", Of: func(s api.Source) any { return s.Calls }},
		{Name: "lastAt", Of: func(s api.Source) any { return s.LastAt.Time }},
	}
}

// maxSecret is more than a secret has, in bytes.
const maxSecret = 4096

// idOfSecret reads a secret and returns the id in it. Its checksum need not be right.
func idOfSecret(ctx context.Context, in io.Reader) (string, error) {
	text, err := readAll(ctx, in, maxSecret)
	if err != nil {
		return "", err
	}

	id, ok := secretID(strings.TrimSpace(string(text)))
	if !ok {
		return "", usage(errors.New("standard input has no secret of Bitting's form"))
	}

	return id, nil
}

// secretID returns the id in a text that has the form of a secret of any brand.
func secretID(text string) (string, bool) {
	parts := strings.Split(text, "_")
	if len(parts) != 4 || !apikey.Brand(parts[0]).Valid() || !apikey.ValidID(parts[2]) {
		return "", false
	}

	return parts[2], true
}

// inspection is what a secret says of itself.
type inspection struct {
	Brand       string `json:"brand"`
	Environment string `json:"environment"`
	KeyID       string `json:"keyId"`
	Valid       bool   `json:"valid"`
	Detail      string `json:"detail,omitempty"`
}

func newInspect(o *options) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "inspect",
		Short: "Say what a secret is, without asking anybody",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && !slices.Equal(args, []string{"-"}) { // - is standard input
				return errors.New("a secret is no argument, where others can see it: give it on standard " +
					"input, or a file with it as --file")
			}

			return nil
		},
		Long: "Reads a secret from standard input or a file, and says its brand, its environment, the id " +
			"of its key, and whether its\nchecksum is right. It calls nobody: whether the key works, " +
			"`bitting whoami` says. The exit code is 1 if it is not valid.",
		Example: "  bitting inspect < secret.txt\n  pbpaste | bitting inspect --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := o.printer(c)
			if err != nil {
				return err
			}

			in := c.InOrStdin()
			if file != "" {
				f, err := os.Open(file) //nolint:gosec // the file that was named
				if err != nil {
					return err
				}

				defer func() { _ = f.Close() }() // only read

				in = f
			}

			text, err := readAll(c.Context(), in, maxSecret)
			if err != nil {
				return err
			}

			found := inspect(strings.TrimSpace(string(text)))
			if err := output.Show(p, inspectionFields(), func(i inspection) string {
				return i.KeyID
			}, found); err != nil || found.Valid {
				return err
			}

			return errors.New("it is not a valid secret")
		},
	}
	c.Flags().StringVar(&file, "file", "", "file with the secret, instead of standard input")
	return c
}

func inspect(text string) inspection {
	id, ok := secretID(text)
	if !ok {
		return inspection{Detail: "expected BRAND_ENVIRONMENT_ID_SECRET, such as bt_prod_…"}
	}

	brand, _, _ := strings.Cut(text, "_")

	parts, err := apikey.Brand(brand).Parse(text)
	if err != nil {
		return inspection{
			Brand:  brand,
			KeyID:  id,
			Detail: "its length, its environment or its checksum is wrong: it was cut or mistyped",
		}
	}

	return inspection{
		Brand:       brand,
		Environment: string(parts.Environment),
		KeyID:       id,
		Valid:       true,
	}
}

func inspectionFields() []output.Column[inspection] {
	return []output.Column[inspection]{
		{Name: "brand", Of: func(i inspection) any { return i.Brand }},
		{Name: "environment", Of: func(i inspection) any { return i.Environment }},
		{Name: "keyId", Of: func(i inspection) any { return i.KeyID }},
		{Name: "valid", Of: func(i inspection) any { return i.Valid }},
		{Name: "detail", Of: func(i inspection) any { return i.Detail }},
	}
}
