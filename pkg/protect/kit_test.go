package protect_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/protect"
)

// options are those of most tests.
func options(change ...func(*protect.Options)) protect.Options {
	o := protect.Options{Stack: "bitting", Environment: "production"}
	for _, f := range change {
		f(&o)
	}

	return o
}

func read(t *testing.T, text string) *protect.Document {
	t.Helper()

	d, err := protect.Read([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	return d
}

// protected protects a file, and fails unless all that stood in the file still does, in order, but for
// lines that have one of the replaced texts. Protecting it again must change nothing.
func protected(t *testing.T, text string, o protect.Options, replaced ...string) (string, []string) {
	t.Helper()

	after, notes, err := read(t, text).Protect(o)
	if err != nil {
		t.Fatal(err)
	}

	rest := after
	for line := range strings.Lines(text) {
		if containsAny(line, replaced) {
			continue
		}

		// what is inserted into braces stands within a line
		for _, word := range strings.SplitAfter(line, " ") {
			for _, c := range strings.TrimRight(word, "\r\n") {
				i := strings.IndexRune(rest, c)
				if i < 0 {
					t.Fatalf("%q of the line %q is gone, or moved:\n%s", word, line, after)
				}

				rest = rest[i+len(string(c)):]
			}
		}

		if comment := strings.Index(line, "#"); comment >= 0 && !strings.Contains(after,
			strings.TrimRight(line[comment:], "\r\n")) {
			t.Errorf("the comment %q is gone:\n%s", line[comment:], after)
		}
	}

	var decoded any
	if err := yaml.Unmarshal([]byte(after), &decoded); err != nil {
		t.Fatalf("%v\n%s", err, after)
	}

	again, _, err := read(t, after).Protect(o)
	if err != nil || again != after {
		t.Errorf("protecting it again: %v\n%s\n---- after\n%s", err, after, again)
	}

	return after, notes
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}

	return false
}

// codes are the codes of what is found, in order.
func codes(t *testing.T, text string, o protect.Options) (codes []string) {
	t.Helper()

	findings, _, err := read(t, text).Check(o)
	if err != nil {
		t.Fatal(err)
	}

	for _, f := range findings {
		codes = append(codes, f.Code)

		if f.Line < 1 || f.Line > strings.Count(text, "\n")+1 || f.Message == "" || f.Mend == "" {
			t.Errorf("%+v", f)
		}
	}

	return codes
}

// has fails unless a text has all of these.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()

	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}

// at returns the value at a path of keys of a YAML text, as text; "" where there is none.
func at(t *testing.T, text string, keys ...string) string {
	t.Helper()

	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}

	value := n.Content[0]
	for _, key := range keys {
		var found *yaml.Node
		for i := 0; i+1 < len(value.Content); i += 2 {
			if value.Kind == yaml.MappingNode && value.Content[i].Value == key {
				found = value.Content[i+1]
			}
		}

		if found == nil {
			return ""
		}

		value = found
	}

	if value.Kind == yaml.ScalarNode {
		return value.Value
	}

	out, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}

	return string(out)
}
