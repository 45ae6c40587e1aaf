// Package docs_test checks the documentation against the project: what it names exists, and what
// must be explained is.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
)

// root is the checkout, as seen from here.
const root = ".."

// read returns a file of the checkout.
func read(t *testing.T, path string) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// pages returns every page of documentation by its path in the checkout.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{
		"README.md":    read(t, "README.md"),
		"CHANGELOG.md": read(t, "CHANGELOG.md"),
	}

	err := fs.WalkDir(os.DirFS(root), "docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			found[path] = read(t, path)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return found
}

// submatches returns the first group of every match, in order and each once.
func submatches(pattern, text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}

	slices.Sort(found)
	return slices.Compact(found)
}

func TestEveryProblemIsExplained(t *testing.T) {
	t.Parallel()

	want := slices.Concat(
		submatches(`"code":"(\w+)"`, read(t, "template.yaml")),
		submatches(`return "(\w+)"`, read(t, "pkg/demo/demo.go")), // the codes of limits
	)

	for _, code := range api.Codes() {
		want = append(want, string(code))
	}

	for _, outcome := range check.Outcomes() {
		if outcome != check.Allowed {
			want = append(want, outcome.Code())
		}
	}

	slices.Sort(want)

	want = slices.Compact(want)
	if len(want) < 20 {
		t.Fatalf("found only the codes %v", want)
	}

	page := read(t, "docs/problems.md")
	if diff := cmp.Diff(want, submatches(`(?m)^## (.+)$`, page)); diff != "" {
		t.Errorf("headings of problems.md (-codes +headings):\n%s", diff)
	}

	if diff := cmp.Diff(want, submatches(`\[.(\w+).\]\(#\w+\) *[,|]`, page)); diff != "" {
		t.Errorf("table of problems.md (-codes +rows):\n%s", diff)
	}
}

func TestLinksResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)

	all := pages(t)
	for path, text := range all {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.HasPrefix(target, "https://") {
				continue
			}

			file := path
			if target != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(path), target))
			}

			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s: %v", path, match[1], err)
			}

			if anchor != "" && !slices.Contains(anchors(all[file]), anchor) {
				t.Errorf("%s links to %s, which is not a heading", path, match[1])
			}
		}
	}
}

// anchors returns the anchors that GitHub gives the headings of a page.
func anchors(page string) []string {
	headings := submatches(`(?m)^#+ (.+)$`, page)
	for i, heading := range headings {
		heading = regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading), "")
		headings[i] = strings.ReplaceAll(heading, " ", "-")
	}

	return headings
}

func TestNothingIsLeftOverOrPrivate(t *testing.T) {
	t.Parallel()

	forbidden := regexp.MustCompile(`TODO|FIXME|XXX|TBD|(^|[\s"'(=])/(work|tmp|home|root|Users)/`)
	for path, text := range pages(t) {
		if found := forbidden.FindString(text); found != "" {
			t.Errorf("%s says %q", path, found)
		}
	}
}

func TestMakeTargetsExist(t *testing.T) {
	t.Parallel()

	targets := submatches(`(?m)^([a-z0-9-]+):`, read(t, "Makefile"))
	for path, text := range pages(t) {
		for _, target := range submatches("(?m)(?:`|^)make ([a-z0-9-]+)", text) {
			if !slices.Contains(targets, target) {
				t.Errorf("%s names make %s, which the Makefile has not", path, target)
			}
		}
	}
}

// sources returns every file of Go by its path in the checkout.
func sources(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}

	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && path != "." &&
			(strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
			return fs.SkipDir
		}

		if strings.HasSuffix(path, ".go") {
			found[path] = read(t, path)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return found
}

func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	var tests []string

	for path, text := range sources(t) {
		if strings.HasSuffix(path, "_test.go") {
			tests = append(tests, submatches(`(?m)^func ((?:Test|Fuzz)\w+)\(`, text)...)
		}
	}

	for path, text := range pages(t) {
		for _, name := range submatches("((?:Test|Fuzz)[A-Z]\\w+)", text) {
			if !slices.Contains(tests, name) {
				t.Errorf("%s relies on %s, which is not a test", path, name)
			}
		}
	}
}

func TestLayoutIsTheTree(t *testing.T) {
	t.Parallel()
	readme := read(t, "README.md")

	folders, err := os.ReadDir(filepath.Join(root, "pkg"))
	if err != nil {
		t.Fatal(err)
	}

	want := []string{".ci", "authorizer", "bench", "cmd/bitting", "docs", "events", "functions", "tools"}
	for _, folder := range folders {
		if folder.IsDir() {
			want = append(want, "pkg/"+folder.Name())
		}
	}

	slices.Sort(want)

	if diff := cmp.Diff(want, submatches("\\[`([^`]+)/`\\]", readme)); diff != "" {
		t.Errorf("folders in the README (-tree +README):\n%s", diff)
	}
}

func TestParametersAndOutcomesAreExplained(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/operations.md")
	rows := submatches("(?m)^\\| `(\\w+)` \\|", page)

	parameters, _, found := strings.Cut(read(t, "template.yaml"), "\nConditions:")
	if !found {
		t.Fatal("template.yaml has no Conditions after its Parameters")
	}

	for _, name := range submatches(`(?m)^  ([A-Z]\w+):$`, parameters) {
		if !slices.Contains(rows, name) {
			t.Errorf("operations.md has no row for the parameter %s", name)
		}
	}

	for _, outcome := range check.Outcomes() {
		if !slices.Contains(rows, string(outcome)) {
			t.Errorf("operations.md has no row for the outcome %s", outcome)
		}
	}
}

// The names of outcomes are in one table, so that a new one is not forgotten elsewhere. Names of one
// word are left out: they have other meanings.
func TestOutcomesAreSpelledOnce(t *testing.T) {
	t.Parallel()

	files := []string{
		"pkg/check/outcome.go",
		"pkg/guard/guard.go",       // imports no more than backends must carry; has a test of its own
		"pkg/api/problem.go",       // problem codes: problems.md has a heading for each
		"tools/clients/go/main.go", // a client made of the document alone
	}

	for path, text := range sources(t) {
		if strings.HasSuffix(path, "_test.go") || slices.Contains(files, path) {
			continue
		}

		for _, outcome := range check.Outcomes() {
			if name := string(outcome); strings.Contains(name, "_") &&
				strings.Contains(text, strconv.Quote(name)) {
				t.Errorf("%s spells out %s", path, name)
			}
		}
	}
}

// The secrets on the pages have the right form, so that they look real, but are plainly made up.
func TestSecretsAreMadeUp(t *testing.T) {
	t.Parallel()

	for path, text := range pages(t) {
		for _, secret := range submatches(`(bt_(?:prod|stg|dev)_[0-9A-Za-z]+_[0-9A-Za-z]+)`, text) {
			if _, err := apikey.Brand("bt").Parse(secret); err != nil {
				t.Errorf("%s shows %s: %v", path, secret, err)
			}

			if !strings.Contains(secret, "0123456789") ||
				!strings.Contains(secret, "ABCDEFGHIJKL") {
				t.Errorf("%s shows %s, which looks real", path, secret)
			}
		}
	}
}
