package template_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strconv"
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
		Type       any
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

	tr.decide(t)

	return tr
}

// decide leaves out what conditions leave out.
func (tr *translation) decide(t *testing.T) {
	t.Helper()

	for id, r := range tr.Resources {
		if r.Condition != "" && !tr.holds(t, map[string]any{"Condition": r.Condition}) {
			delete(tr.Resources, id)
			continue
		}

		r.Properties, _ = tr.expand(t, r.Properties).(map[string]any)
		tr.Resources[id] = r
	}
}

// holds evaluates a condition.
func (tr *translation) holds(t *testing.T, condition any) bool {
	t.Helper()

	if verdict, ok := condition.(bool); ok {
		return verdict
	}

	m, _ := condition.(map[string]any)
	for name, argument := range m {
		list, _ := argument.([]any)
		switch name {
		case "Condition":
			if name, ok := argument.(string); ok {
				if argument, ok = tr.Conditions[name]; !ok {
					return false // some of SAM's tests do not declare all of theirs
				}
			}

			return tr.holds(t, argument)
		case "Fn::Equals":
			return tr.value(t, list[0]) == tr.value(t, list[1])
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

	t.Errorf("no condition: %v", condition)
	return false
}

// value returns a text of a condition.
func (tr *translation) value(t *testing.T, v any) string {
	t.Helper()
	return tr.text(tr.expand(t, v))
}

// text writes an expanded value into a text, as Fn::Sub and Fn::Join do.
func (tr *translation) text(v any) string {
	if path := asList(at(v, "Fn::GetAtt")); path != nil {
		return asText(path[0]) + "." + asText(path[1])
	}

	if name, ok := at(v, "Ref").(string); ok {
		return name
	}

	return asText(v)
}

// pseudo are the values of pseudo parameters, as package template has them.
var pseudo = map[string]any{
	"AWS::Region":    "us-east-1",
	"AWS::AccountId": "123456789012",
	"AWS::Partition": "aws",
	"AWS::StackName": "local",
	"AWS::StackId":   "arn:aws:cloudformation:us-east-1:123456789012:stack/local/local",
	"AWS::URLSuffix": "amazonaws.com",
}

// expand evaluates the intrinsic functions, and removes AWS::NoValue. References to resources stay.
func (tr *translation) expand(t *testing.T, v any) any {
	t.Helper()

	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return tr.call(t, name, argument)
				}
			}
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

func (tr *translation) call(t *testing.T, name string, argument any) any {
	t.Helper()
	list := asList(argument)

	switch name {
	case "Ref":
		return tr.ref(asText(argument))
	case "Fn::If":
		if tr.holds(t, map[string]any{"Condition": list[0]}) {
			return tr.expand(t, list[1])
		}

		return tr.expand(t, list[2])
	case "Fn::Sub":
		own := map[string]any{}
		if list != nil {
			argument, own = list[0], asMap(list[1])
		}

		return placeholder.ReplaceAllStringFunc(asText(argument), func(found string) string {
			name := found[2 : len(found)-1]
			if v, ok := own[name]; ok {
				return tr.text(tr.expand(t, v))
			}

			return tr.text(tr.ref(name))
		})
	case "Fn::Join":
		var parts []string
		for _, v := range asList(tr.expand(t, list[1])) {
			parts = append(parts, tr.text(v))
		}

		return strings.Join(parts, asText(list[0]))
	case "Fn::Select":
		if i, err := strconv.Atoi(asText(list[0])); err == nil {
			return asList(tr.expand(t, list[1]))[i]
		}
	case "Fn::Split":
		var parts []any
		for part := range strings.SplitSeq(tr.value(t, list[1]), asText(list[0])) {
			parts = append(parts, part)
		}

		return parts
	case "Fn::FindInMap":
		return at(tr.Mappings, tr.value(t, list[0]), tr.value(t, list[1]), tr.value(t, list[2]))
	}

	return map[string]any{name: argument}
}

var placeholder = regexp.MustCompile(`\$\{[\w:.]+\}`)

func (tr *translation) ref(name string) any {
	if name == "AWS::NoValue" {
		return nil
	}

	if v, ok := pseudo[name]; ok {
		return v
	}

	if given, ok := tr.values[name]; ok {
		return given
	}

	if p, ok := tr.Parameters[name]; ok {
		return p.Default
	}

	return map[string]any{"Ref": name}
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
