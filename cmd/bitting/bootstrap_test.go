package main_test

import (
	"strings"
	"testing"
)

// Without the name of a deployment, bootstrap makes nothing.
func TestBootstrapRefusesToGuess(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no table": {[]string{"bootstrap"}, "Pass --stack, or --table and --kms-key"},
		"no KMS key": {
			[]string{"bootstrap", "--table", "core", "--region", "eu-west-1"},
			"--kms-key is not set",
		},
		"a bad brand": {
			[]string{"bootstrap", "--table", "core", "--kms-key", "k", "--brand", "B T"},
			`--brand "B T" is not valid`,
		},
		"an argument": {[]string{"bootstrap", "now"}, `unknown command "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			code, out, faults := run(t, test.args...)
			if code != 1 && code != 2 || out != "" || !strings.Contains(faults, test.want) {
				t.Errorf("exit code %d, output %q, error %q; want %q", code, out, faults, test.want)
			}
		})
	}
}
