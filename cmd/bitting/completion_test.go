package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// completed is what a shell must complete: a subcommand, a flag, and a flag's value.
func completed() map[string][]string {
	return map[string][]string{
		"bitting ap":                           {"apply"},
		"bitting keys ro":                      {"rotate", "rotation"},
		"bitting apply --prun":                 {"--prune"},
		"bitting keys list --output js":        {"json", "jsonl"},
		"bitting keys bulk ext":                {"extend"},
		"bitting docs --form":                  {"--format"},
		"bitting keys create x --secret-manag": {"--secret-manager"},
	}
}

// Each script completes a line as Tab does, and prints what it found, a word a line.
func shells() map[string]string {
	return map[string]string{
		// bash-completion, which a distribution has, splits the line; here read does
		"bash": `
_get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD
  cur=${words[cword]}; prev=${words[cword-1]}; }
source <(bitting completion bash)
read -r -a COMP_WORDS <<< "$1"
COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_TYPE=9
complete -p bitting | grep -q -- '-F __start_bitting' || exit 1
__start_bitting
printf '%s\n' "${COMPREPLY[@]}"`,
		// the widget needs an editor: what it would offer is caught where it hands that over
		"zsh": `
compdef() { true; }
source <(bitting completion zsh)
words=(${(z)1}) CURRENT=${#words}
_describe() { local name; for name in "$@"; do
  [[ -n ${(P)name} ]] 2>/dev/null && print -rl -- "${(@P)name}"; done; return 0; }
_bitting`,
		"fish": `
bitting completion fish | source
complete -C $argv[1]`,
	}
}

// TestCompletion runs the shells themselves. One that is not installed is skipped; .ci/run says so at
// its end.
func TestCompletion(t *testing.T) {
	t.Parallel()

	for shell, script := range shells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()

			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%v: .ci/run installs it, or says that it could not", err)
			}

			for line, want := range completed() {
				arguments := map[string][]string{
					"bash": {"--norc", "-c", script, "bash", line},
					"zsh":  {"-f", "-c", script, "zsh", line},
					"fish": {"--no-config", "-c", script, line},
				}[shell]
				c := exec.CommandContext(t.Context(), shell, arguments...)
				c.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH="+filepath.Dir(binary)+
					string(os.PathListSeparator)+os.Getenv("PATH"))

				out, err := c.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}

				var got []string
				for found := range strings.Lines(string(out)) {
					// fish and zsh have a description behind the word
					word := strings.FieldsFunc(found, func(r rune) bool {
						return strings.ContainsRune(" \t:\n", r)
					})
					if len(word) > 0 && strings.HasPrefix(word[0], typed(line)) {
						got = append(got, word[0])
					}
				}

				if slices.Sort(got); !slices.Equal(slices.Compact(got), want) {
					t.Errorf("%q: %q, want %q", line, got, want)
				}
			}
		})
	}
}

// typed returns the beginning of the word that a line ends with. What does not begin with it is filtered
// by the shell.
func typed(line string) string { return line[strings.LastIndex(line, " ")+1:] }

// TestDocs writes the manual: each command that can be completed has a page with an example.
func TestDocs(t *testing.T) {
	t.Parallel()

	commands := subcommands(t)

	for format, of := range map[string]struct{ between, end, heading string }{
		"man":      {"-", ".1", ".SH EXAMPLE"},
		"markdown": {"_", ".md", "### Examples"},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if code, out, faults := run(t, "docs", "--dir", dir, "--format", format); code != 0 || out != "" {
			t.Fatalf("%s: exit code %d, %s%s", format, code, out, faults)
		}

		for _, path := range commands {
			name := strings.Join(append([]string{"bitting"}, path...), of.between) + of.end

			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !strings.Contains(string(text), of.heading) {
				t.Errorf("%s has no %s: %v", name, of.heading, err)
			}
		}

		pages, err := os.ReadDir(dir)
		if err != nil || len(pages) != len(commands) || len(pages) < 50 {
			t.Errorf("%d pages of %d commands: %v", len(pages), len(commands), err)
		}
	}

	if code, _, _ := run(t, "docs", "--dir", t.TempDir(), "--format", "html"); code != 2 {
		t.Errorf("an unknown format: exit code %d", code)
	}
}

// subcommands returns the commands below one, itself included, as the completion finds them.
func subcommands(t *testing.T, path ...string) [][]string {
	t.Helper()

	found := [][]string{path}

	_, out, _ := run(t, append(append([]string{"__complete"}, path...), "")...)
	for line := range strings.Lines(out) {
		word, description, described := strings.Cut(strings.TrimSpace(line), "\t")
		// a flag that must be given is offered too
		if described && description != "" && word != "help" && !strings.HasPrefix(word, "-") {
			found = append(found, subcommands(t, append(slices.Clone(path), word)...)...)
		}
	}

	return found
}

// TestExamples parses the commands of all examples: there are such commands, and such flags.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()

	if code, _, faults := run(t, "docs", "--dir", dir, "--format", "markdown"); code != 0 {
		t.Fatal(faults)
	}

	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}

	example := regexp.MustCompile("(?s)### Examples\n\n```\n(.*?)```")
	command := regexp.MustCompile(`bitting( [^|><&\n)]+)?`)
	examples := 0

	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}

		found := example.FindSubmatch(text)
		if found == nil {
			t.Errorf("%s has no example", filepath.Base(page))
			continue
		}

		for _, line := range strings.Split(strings.ReplaceAll(string(found[1]), "\\\n", " "), "\n") {
			if !strings.Contains(line, "bitting ") || strings.Contains(line, "completion") {
				continue
			}

			words := command.FindString(line[strings.Index(line, "bitting "):])
			examples++

			c := exec.CommandContext(t.Context(), "bash", "-c", words+" --help")
			c.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+
				os.Getenv("PATH"))

			if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "Usage:") {
				t.Errorf("%s: %v\n%s", words, err, out)
			}
		}
	}

	if examples < 60 {
		t.Errorf("%d examples", examples)
	}
}
