package template_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// root is the checkout's folder.
const root = "../../.."

// translation is the output of SAM's own translator for a template, with conditions decided and
// applied.
type translation struct {
	Parameters map[string]struct{ Default any }
	Conditions map[string]any
	Mappings   map[string]any
	Resources  map[string]struct {
		Type       string
		Condition  string
		Properties map[string]any
	}
	values map[string]string
}

// translate runs SAM. It never skips: without SAM nothing shows that this package reads templates
// as SAM does.
func translate(t *testing.T, file string, parameters map[string]string) *translation {
	t.Helper()

	python := root + "/.tools/venv/bin/python"
	if _, err := os.Stat(root + "/.tools/venv/.installed"); err != nil {
		t.Fatalf("SAM is not installed: run `make .tools/venv/.installed`, which `make test` "+
			"does (%v)", err)
	}

	args := []string{root + "/tools/sam-translate.py", file}
	for name, value := range parameters {
		args = append(args, name+"="+value)
	}

	var stderr strings.Builder
	command := exec.CommandContext(t.Context(), python, args...)
	command.Stderr = &stderr

	out, err := command.Output()
	if err != nil {
		t.Fatalf("SAM: %v\n%s", err, &stderr)
	}

	tr := &translation{values: parameters}
	if err := json.Unmarshal(out, tr); err != nil {
		t.Fatal(err)
	}

	for id, r := range tr.Resources {
		if r.Condition != "" && !tr.holds(t, map[string]any{"Condition": r.Condition}) {
			delete(tr.Resources, id)
			continue
		}

		r.Properties, _ = tr.expand(t, r.Properties).(map[string]any)
		tr.Resources[id] = r
	}

	return tr
}

// holds evaluates a condition.
func (tr *translation) holds(t *testing.T, condition any) bool {
	t.Helper()

	m, _ := condition.(map[string]any)
	for name, argument := range m {
		list, _ := argument.([]any)
		switch name {
		case "Condition":
			return tr.holds(t, tr.Conditions[argument.(string)])
		case "Fn::Equals":
			return tr.value(list[0]) == tr.value(list[1])
		case "Fn::Not":
			return !tr.holds(t, list[0])
		case "Fn::Or", "Fn::And":
			all := true
			for _, c := range list {
				if tr.holds(t, c) != (name == "Fn::And") {
					all = false
				}
			}

			return all == (name == "Fn::And")
		}
	}

	t.Fatalf("no condition: %v", condition)
	return false
}

// value returns a parameter's value, or the text itself.
func (tr *translation) value(v any) string {
	name, isRef := at(v, "Ref").(string)
	if !isRef {
		return asText(v)
	}

	if given, ok := tr.values[name]; ok {
		return given
	}

	return asText(tr.Parameters[name].Default)
}

// expand applies every Fn::If, and removes AWS::NoValue.
func (tr *translation) expand(t *testing.T, v any) any {
	t.Helper()

	switch v := v.(type) {
	case map[string]any:
		if at(v, "Ref") == "AWS::NoValue" {
			return nil
		}

		if choice, ok := v["Fn::If"].([]any); ok {
			if tr.holds(t, map[string]any{"Condition": choice[0]}) {
				return tr.expand(t, choice[1])
			}

			return tr.expand(t, choice[2])
		}

		out := map[string]any{}
		for key, child := range v {
			if child = tr.expand(t, child); child != nil {
				out[key] = child
			}
		}

		return out
	case []any:
		out := []any{}
		for _, child := range v {
			if child = tr.expand(t, child); child != nil {
				out = append(out, child)
			}
		}

		return out
	default:
		return v
	}
}

// mapped returns a text, which may come from a mapping.
func (tr *translation) mapped(t *testing.T, v any) string {
	t.Helper()

	path := asList(at(v, "Fn::FindInMap"))
	if path == nil {
		return asText(v)
	}

	found, ok := at(tr.Mappings, asText(path[0]), asText(path[1]), asText(path[2])).(string)
	if !ok {
		t.Fatalf("no mapping: %v", path)
	}

	return found
}

// at returns a member of nested objects; nil if it is absent.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}

	return v
}

func asText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}

	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}

	return string(b)
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }

func asList(v any) []any { l, _ := v.([]any); return l }
