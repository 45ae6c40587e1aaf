package main_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// Incomplete or wrong flags change nothing.
func TestPepperRefusesToGuess(t *testing.T) {
	t.Parallel()

	reach := []string{"--table", "core", "--region", "eu-west-1"}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no table": {
			[]string{"rotate", "--environment", "staging"},
			"Pass --stack, or --table and --kms-key",
		},
		"no environment": {
			append([]string{"rotate"}, reach...), `required flag(s) "environment" not set`,
		},
		"a wrong environment": {
			append([]string{"rotate", "--environment", "prod"}, reach...),
			"--environment prod: expected one of",
		},
		"no environment retired": {
			append([]string{"retire", "1"}, reach...), `required flag(s) "environment" not set`,
		},
		"no KMS key": {append([]string{"status"}, reach...), "--kms-key is not set"},
		"the last with keys": {
			append([]string{"status", "--last", "--limit=1"}, reach...),
			"if any flags in the group [last limit] are set none of the others can be",
		},
		"a negative limit": {
			append([]string{"status", "--limit=-1"}, reach...), "--limit -1: expected 0 or more",
		},
		"no version": {
			append([]string{"retire", "--environment", "staging"}, reach...),
			"accepts 1 arg(s), received 0",
		},
		"a wrong version": {
			append([]string{
				"retire", "v1", "--environment", "staging",
			}, reach...), "v1: expected a version number",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			code, out, faults := run(t, append([]string{"pepper"}, test.args...)...)
			if code != 1 && code != 2 || out != "" || !strings.Contains(faults, test.want) {
				t.Errorf("exit code %d, output %q, error %q; want %q", code, out, faults, test.want)
			}
		})
	}
}

func TestPepperRotatesAndRetires(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	folder := t.TempDir()

	provider, err := pepper.NewLocal(folder)
	if err != nil {
		t.Fatal(err)
	}

	kit.Process = *kit.With(provider)
	kit.Provider = provider // the command's
	k, secret := kit.MustKey(t, nil)

	pepper := func(args ...string) (int, string, string) {
		c := command(t.Context(), append([]string{
			"pepper", "--table", kit.CoreTable, "--region", "us-east-1",
		}, args...)...)
		c.Env = append(os.Environ(), "BITTING_LOCAL_KEYS="+folder,
			"AWS_ENDPOINT_URL_DYNAMODB="+*kit.Client.Options().BaseEndpoint,
			"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
		var out, faults bytes.Buffer
		c.Stdout = &out
		c.Stderr = &faults
		_ = c.Run() // its exit code is checked
		return c.ProcessState.ExitCode(), out.String(), faults.String()
	}

	code, out, faults := pepper("rotate", "--environment", "production,staging")
	if code != 0 || out != "production: version 2 is current\nstaging: version 2 is current\n" ||
		faults != "" {
		t.Fatalf("rotate: %d, %q, %q", code, out, faults)
	}

	code, out, faults = pepper("status", "--environment", "production")
	for _, want := range []string{
		"production: version 1, created 2026-11-24\n",
		"  1 secrets of keys\n",
		"  key " + k.ID + " of acme: rotate or regenerate it\n", "production: version 2, created ",
		", current\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("status has no %q", want)
		}
	}

	if code != 0 || faults != "" || strings.Contains(out, "staging") ||
		strings.Contains(out, secret.Reveal()) {
		t.Errorf("status: %d, %q, %q", code, out, faults)
	}

	code, out, faults = pepper("status", "--last")
	if code != 0 || out != "upkeep has not resealed any rows yet\n" || faults != "" {
		t.Errorf("the last before the first: %d, %q, %q", code, out, faults)
	}

	kit.Clock.Set(time.Now().Add(time.Hour)) // the command has its own clock
	kit.Change(t, "production#organization#acme", "settings", "version", 7)

	p := kit.With(provider)
	if n, err := p.Store.PassPeppers(t.Context(), p.Connection, kit.Clock.Now); n != 2 || err != nil {
		t.Errorf("%d seals, %v", n, err) // the key, and the runtime settings of staging
	}

	code, out, faults = pepper("status", "--last", "--environment", "production")
	for _, want := range []string{
		"production: version 1 was needed by\n  1 seals of runtime settings\n  1 secrets of keys\n",
		"production: version 2 was needed by\n  1 seals of keys\n",
		"1 rows could not be read, or their seals are broken\n",
		"upkeep resealed 2 of ",
		" rows, and finished on 20",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the last has no %q:\n%s", want, out)
		}
	}

	if code != 0 || faults != "" || strings.Contains(out, "staging") {
		t.Errorf("the last: %d, %q, %q", code, out, faults)
	}

	code, out, faults = pepper("retire", "2", "--environment", "production")
	if code != 1 || out != "" ||
		!strings.Contains(faults,
			"production: version 2 was not retired: it is the current version") {
		t.Errorf("retire the current: %d, %q, %q", code, out, faults)
	}

	if _, err := kit.Restart().Keyring.Version(t.Context(), apikey.Production, 1); err != nil {
		t.Error(err)
	}
}
