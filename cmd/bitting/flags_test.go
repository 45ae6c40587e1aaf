package main_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestWrongFlags(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		args []string
		want string // all that it prints
	}{
		"no such command": {
			[]string{"lokal"},
			"bitting: unknown command \"lokal\" for \"bitting\"\n\nDid you mean this?\n  local",
		},
		"no such flag": {
			[]string{"local", "--port", "1"},
			"bitting: unknown flag: --port",
		},
		"an argument": {
			[]string{"local", "here"},
			`bitting: unknown command "here" for "bitting local"`,
		},
		"profile": {
			[]string{"local", "--profile", "slow"},
			"bitting: --profile slow: expected one of strict, fast, cached",
		},
		"empty profile": {
			[]string{"local", "--profile="},
			`bitting: --profile "": expected one of strict, fast, cached`,
		},
		"api": {
			[]string{"local", "--api", "soap"},
			"bitting: --api soap: expected one of rest, http",
		},
		"functions": {
			[]string{"local", "--functions", "threads"},
			"bitting: --functions threads: expected one of inprocess, process",
		},
		"a flag's value": {
			[]string{"local", "--fresh=maybe"},
			`bitting: invalid argument "maybe" for "--fresh" flag: strconv.ParseBool: parsing "maybe": invalid syntax`,
		},
		"an address": {
			[]string{"local", "--listen", "nowhere"},
			"bitting: --listen nowhere: expected an address and a port, such as 127.0.0.1:4000",
		},
		"a port": {
			[]string{"local", "--listen", "127.0.0.1:http-alt-x"},
			"bitting: --listen 127.0.0.1:http-alt-x: expected an address and a port, such as " +
				"127.0.0.1:4000",
		},
		"a DynamoDB address": {
			[]string{"local", "--dynamodb", "localhost:8000"},
			"bitting: --dynamodb localhost:8000: expected an address such as http://127.0.0.1:8000",
		},
		"a DynamoDB that is not there": {
			[]string{
				"local", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--dynamodb",
				"http://127.0.0.1:1",
			},
			"bitting: the DynamoDB at http://127.0.0.1:1 does not take the tables: ",
		},
		"a backend without a template": {
			[]string{"local", "--backend", "http://127.0.0.1:1"},
			"bitting: --backend, --lambda and --parameter go with --template",
		},
		"two that answer": {
			[]string{
				"local", "--template", "t.yaml", "--backend", "http://127.0.0.1:1", "--lambda",
				"http://127.0.0.1:1",
			},
			"bitting: --backend and --lambda exclude each other: either a server answers, or functions do",
		},
		"a backend's address": {
			[]string{"local", "--template", "t.yaml", "--backend", "localhost:3000"},
			"bitting: --backend localhost:3000: expected an address such as http://127.0.0.1:8000",
		},
		"a parameter": {
			[]string{"local", "--template", "t.yaml", "--parameter", "Stage"},
			"bitting: --parameter Stage: expected NAME=VALUE",
		},
		"no data folder": {[]string{"local", "--data="}, "bitting: --data: expected a folder"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			code, out, faults := run(t, test.args...)
			if code == 0 || out != "" {
				t.Errorf("exit code %d and output %q", code, out)
			}

			if got := strings.TrimSuffix(faults, "\n"); got != test.want &&
				(!strings.HasSuffix(test.want, ": ") || !strings.HasPrefix(got, test.want)) {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
}

// TestHelp checks that the page names every existing command and flag, and no other.
func TestHelp(t *testing.T) {
	t.Parallel()

	code, out, _ := run(t, "--help")
	if code != 0 || !strings.Contains(out, "API keys for APIs behind Amazon API Gateway") {
		t.Errorf("exit code %d, %s", code, out)
	}

	if got := words(out, `(?m)^  ([a-z-]+) +[A-Z]`); !slices.Equal(got, []string{
		"advice", "apply", "bootstrap", "completion", "customers", "doctor", "export", "help", "history",
		"inspect",
		"jobs", "keys", "local", "login", "logout", "me", "members",
		"organizations", "pepper", "permissions", "protect",
		"request", "stop-again", "usage", "version", "whoami",
	}) {
		t.Errorf("commands %v", got)
	}

	code, out, _ = run(t, "local", "--help")

	want := []string{
		"api", "backend", "core-table", "data", "demo-keys", "dynamodb", "fresh", "functions", "help",
		"lambda", "listen", "no-demo", "parameter", "profile", "template",
	}
	if got := words(out, `(?m)^ .*--([a-z-]+) .*  +[a-z]`); code != 0 || !slices.Equal(got, want) {
		t.Errorf("exit code %d, flags %v, want %v", code, got, want)
	}

	if alone, again, _ := run(t); alone != 0 || !strings.Contains(again, "bitting [command]") {
		t.Errorf("without a command: exit code %d, %s", alone, again)
	}
}

// words returns what the pattern's group matches, sorted and without duplicates.
func words(text, pattern string) []string {
	var out []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, match[1])
	}

	slices.Sort(out)
	return slices.Compact(out)
}
