package account_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/cmd/bitting/account"
	"github.com/bitting-keys/bitting/cmd/bitting/cloud"
)

// Of several profiles of a stack, none is used by chance: they may be different callers.
func TestProfilesOfOneStack(t *testing.T) {
	t.Parallel()

	const profiles = `profiles:
  reader: {stack: keys, url: https://keys.test, key: a}
  writer: {stack: keys, url: https://keys.test, key: b}
  other: {stack: others, url: https://others.test, key: c}
`
	for name, test := range map[string]struct {
		text, stack, want, fault string
	}{
		"several":              {profiles, "keys", "", "the profiles reader, writer are of the stack keys"},
		"several, one default": {"default: writer\n" + profiles, "keys", "the profile writer", ""},
		"one":                  {profiles, "others", "the profile other", ""},
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}

		getenv := func(name string) string { return map[string]string{"BITTING_CONFIG": file}[name] }

		for range 8 { // the order of a map is another each time
			a, err := account.Find(t.Context(), account.Flags{AWS: cloud.Flags{Stack: test.stack}}, getenv)
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("%s: %+v, error %v", name, a, err)
				}

				continue
			}

			if err != nil || a.From != test.want {
				t.Errorf("%s: %+v, error %v", name, a, err)
			}
		}
	}
}
