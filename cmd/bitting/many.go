package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

func newKeysBulk(o *options) *cobra.Command {
	var body api.BulkKeys
	var expiresAt string
	var wait bool
	c := &cobra.Command{
		Use:       "bulk ACTION",
		Short:     "Revoke, disable, enable or extend all keys that a filter finds",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"revoke", "disable", "enable", "extend"},
		Long: "Counts the keys that a filter finds, shows some of them and asks before it changes them. " +
			"The change runs as a job, which\n--wait waits for. An interrupted wait does not stop the job.",
		Example: "  bitting keys bulk revoke --customer c1 --reason 'contract ended'\n" +
			"  bitting keys bulk extend --tag ci --expires-in 90d --yes",
		RunE: func(c *cobra.Command, args []string) error {
			body.Action = args[0]

			if expiresAt != "" {
				at, err := timeOf(expiresAt)
				if err != nil {
					return usage(fmt.Errorf("--expires-at: %w", err))
				}

				body.ExpiresAt = at
			}

			return o.inOrganization(func(ctx context.Context, s *session, org string, _ []string) error {
				return s.bulk(ctx, org, body, wait)
			})(c, args)
		},
	}
	filterFlags(c, &body.Filter)
	c.Flags().StringVar(&body.Reason, "reason", "", "why, for the history")
	c.Flags().BoolVar(&body.Compromised, "compromised", false, "with revoke: others may have the secrets")
	c.Flags().StringVar(&expiresAt, "expires-at", "", "with extend: when the keys expire")
	c.Flags().StringVar(&body.ExpiresIn, "expires-in", "", "with extend: how long until the keys expire")
	c.Flags().BoolVar(&wait, "wait", true, "wait until the job is over")
	return c
}

// bulk counts, asks and changes. What is changed is what was counted: the API refuses another
// number.
func (s *session) bulk(ctx context.Context, org string, body api.BulkKeys, wait bool) error {
	preview, err := s.BulkKeys(ctx, org, body)
	if err != nil {
		return err
	}

	if preview.Matched == nil || *preview.Matched == 0 {
		s.say("No key matches.")
		return nil
	}

	for _, k := range preview.Sample {
		s.say("  %s  %s  %s", k.ID, k.Environment, s.out.Text(k.Name))
	}

	if more := *preview.Matched - len(preview.Sample); more > 0 {
		s.say("  and %d more", more)
	}

	if err := s.confirm(fmt.Sprintf("%s %d keys?", body.Action, *preview.Matched)); err != nil {
		return err
	}

	no := false
	body.DryRun, body.Expected = &no, preview.Matched

	begun, err := s.BulkKeys(ctx, org, body)
	if err != nil {
		return err
	}

	if begun.Job == nil {
		return errors.New("the answer has no job: look at bitting jobs list")
	}

	return s.showJob(ctx, org, *begun.Job, wait)
}

// maxImport is how many keys a call imports at most.
const maxImport = 1000

func newKeysImport(o *options) *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over keys of another system by the hashes of their secrets",
		Args:  cobra.ExactArgs(1),
		Long: "Reads keys from a file with a JSON object a line, or an array of them, - for standard " +
			"input. Each is as in the API:\nname, environment, hash {algorithm, value}, and any setting " +
			"of a key. They keep working as they are sent today.\nWhat cannot be imported is listed, " +
			"and the exit code is 1. It may be repeated: what was imported is not imported twice.",
		Example: `  echo '{"name":"old","environment":"production","hash":{"algorithm":"sha256","value":"…"}}' |` +
			"\n    bitting keys import -",
		RunE: o.inOrganization(func(ctx context.Context, s *session, org string, args []string) error {
			keys, err := readImport(args[0], s.command.InOrStdin())
			if err != nil {
				return usage(err)
			}

			return s.importKeys(ctx, org, keys, from)
		}),
	}
	c.Flags().StringVar(&from, "idempotency-key", "",
		"name of this import, so that a repeated one continues it")
	return c
}

func readImport(name string, in io.Reader) (keys []api.ImportKey, err error) {
	text, err := io.ReadAll(in)
	if name != "-" {
		text, err = os.ReadFile(name) //nolint:gosec // the file that was named
	}

	if err != nil {
		return nil, err
	}

	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()

	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		if err := decoder.Decode(&keys); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}

		return keys, nil
	}

	for {
		var k api.ImportKey

		err := decoder.Decode(&k)
		if errors.Is(err, io.EOF) {
			return keys, nil
		}

		if err != nil {
			return nil, fmt.Errorf("%s, key %d: %w", name, len(keys)+1, err)
		}

		keys = append(keys, k)
	}
}

// importKeys imports in calls of at most maxImport. An interrupt leaves whole keys.
func (s *session) importKeys(
	ctx context.Context, org string, keys []api.ImportKey, name string,
) error {
	var failed []api.ImportFailure
	imported := 0

	for from := 0; from < len(keys); from += maxImport {
		part := keys[from:min(from+maxImport, len(keys))]

		var options []client.Option
		if name != "" {
			options = append(options, client.IdempotencyKey(fmt.Sprintf("%s-%d", name, from)))
		}

		done, err := s.ImportKeys(ctx, org, api.ImportKeys{Keys: part}, options...)
		if err != nil {
			s.say("%d of %d are imported, and perhaps some of the %d after them: repeat the command, "+
				"which imports none twice.", imported, len(keys), len(part))
			return err
		}

		imported += done.Imported
		for _, f := range done.Failed {
			f.Index += from
			failed = append(failed, f)
		}

		s.say("%d of %d", from+len(part), len(keys))
	}

	if err := output.List(s.out, []output.Column[api.ImportFailure]{
		{Name: "index", Of: func(f api.ImportFailure) any { return f.Index }},
		{Name: "code", Of: func(f api.ImportFailure) any { return string(f.Code) }},
		{Name: "detail", Of: func(f api.ImportFailure) any { return f.Detail }, Wide: true},
	}, func(f api.ImportFailure) string { return fmt.Sprint(f.Index) }, items(failed)); err != nil {
		return err
	}

	s.say("%d imported.", imported)

	if len(failed) > 0 {
		return fmt.Errorf("%d of %d keys were not imported", len(failed), len(keys))
	}

	return nil
}
