package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
		if ctx.Err() != nil {
			s.say("The answer was not awaited, so the change may have begun: bitting jobs list shows it.")
		}

		return err
	}

	if begun.Job == nil {
		return errors.New("the answer has no job: look at bitting jobs list")
	}

	return s.endJob(ctx, org, *begun.Job, wait)
}

// importPart is how many keys a call imports: fewer than it may, so that there is progress to see.
const importPart = 200

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
			keys, err := readImport(ctx, args[0], s.command.InOrStdin())
			if err != nil {
				return readError(err)
			}

			return s.importKeys(ctx, org, keys, from)
		}),
	}
	c.Flags().StringVar(&from, "idempotency-key", "",
		"name of this import: a repeated one goes on with it (default: made of what is imported)")
	return c
}

// maxImportFile is the longest file of keys to import that is read, in bytes.
const maxImportFile = 256 << 20

func readImport(ctx context.Context, name string, in io.Reader) (keys []api.ImportKey, err error) {
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the file that was named
		if err != nil {
			return nil, err
		}

		defer func() { _ = file.Close() }() // only read

		in = file
	}

	text, err := readAll(ctx, in, maxImportFile)
	if err != nil {
		return nil, err
	}

	if len(text) > maxImportFile {
		return nil, usage(fmt.Errorf("%s is longer than %d MiB: import it in parts", name,
			maxImportFile>>20))
	}

	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()

	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		if err := decoder.Decode(&keys); err != nil {
			return nil, usage(fmt.Errorf("%s: %w", name, err))
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
			return nil, usage(fmt.Errorf("%s, key %d: %w", name, len(keys)+1, err))
		}

		keys = append(keys, k)
	}
}

// importKeys imports in calls of at most importPart. An interrupt leaves whole keys.
func (s *session) importKeys(
	ctx context.Context, org string, keys []api.ImportKey, name string,
) error {
	var failed []api.ImportFailure
	imported, before := 0, 0

	for from := 0; from < len(keys); from += importPart {
		part := keys[from:min(from+importPart, len(keys))]
		s.progress(from, len(keys), "keys")

		id, err := importID(org, name, from, part)
		if err != nil {
			return err
		}

		done, err := s.ImportKeys(ctx, org, api.ImportKeys{Keys: part}, client.IdempotencyKey(id))
		if err != nil {
			s.live.Draw("")
			s.say("%d of %d are imported, and perhaps some of the %d after them. What is done stays: run it "+
				"again to go on, and none is imported twice.", imported, len(keys), len(part))
			return err
		}

		imported += done.Imported
		if done.Replayed {
			before += done.Imported
		}

		for _, f := range done.Failed {
			f.Index += from
			failed = append(failed, f)
		}

		if s.live == nil {
			s.say("%d of %d", from+len(part), len(keys))
		}
	}

	s.live.Draw("")

	if err := output.List(s.out, []output.Column[api.ImportFailure]{
		{Name: "index", Of: func(f api.ImportFailure) any { return f.Index }},
		{Name: "code", Of: func(f api.ImportFailure) any { return string(f.Code) }},
		{Name: "detail", Of: func(f api.ImportFailure) any { return f.Detail }, Wide: true},
	}, func(f api.ImportFailure) string { return fmt.Sprint(f.Index) }, items(failed)); err != nil {
		return err
	}

	s.say("%d imported.", imported)

	if before > 0 {
		s.say("%d of them were imported by an earlier run of the last 24 hours: to import keys again that "+
			"were deleted since, pass another --idempotency-key.", before)
	}

	if len(failed) > 0 {
		return fmt.Errorf("%d of %d keys were not imported", len(failed), len(keys))
	}

	return nil
}

// importID returns the idempotency key of a call. It follows from what is imported, so that a repeated
// import goes on where the one before ended.
func importID(org, name string, from int, part []api.ImportKey) (string, error) {
	if name != "" {
		return fmt.Sprintf("%s-%d", name, from), nil
	}

	text, err := json.Marshal(part)
	sum := sha256.Sum256(append([]byte(org+" "), text...))
	return "import-" + hex.EncodeToString(sum[:16]), err
}
