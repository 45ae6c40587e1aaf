package apply_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/pkg/api"
)

// Each fault is told with its line, all at once.
func TestReadIsStrict(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][]string{
		"":                          {"bitting.yaml: it is empty"},
		"keys: [":                   {"bitting.yaml: yaml: line 1"},
		"keys: []\n---\nkeys: []":   {"expected one document"},
		"keyz: []":                  {`bitting.yaml:1: unknown field "keyz": did you mean keys?`},
		"organisation: {id: acme}":  {`unknown field "organisation": did you mean organization?`},
		"keys: {}":                  {"bitting.yaml:1: keys: expected a list"},
		"keys: [Website]":           {"bitting.yaml:1: keys[0]: expected fields, such as name: value"},
		"keys: [null]":              {"keys[0]: it is empty"},
		"<<: {keys: []}":            {`unknown field "<<"`},
		"members: [{role: viewer}]": {"bitting.yaml:1: members[0]: expected email"},
		"customers:\n- {id: a, name: A}\n- {id: a, name: B}": {
			"bitting.yaml:3: customers[1]: it has the id of customers[0]",
		},
		"members: [{email: A@b.test, role: admin}, {email: a@B.test, role: viewer}]": {
			"members[1]: it has the email of members[0]",
		},
		"permissions: [{name: a:read}, {name: a:read}]": {
			"permissions[1]: it has the name of permissions[0]",
		},
		"keys:\n- name: Website\n  environment: prod\n  permission: [a:read]\n  enabled: yes please\n" +
			"  expiresIn: 90d\n  quota: {limit: many, period: dat}\n  notBefore: tomorrow\n" +
			"  metadata: {port: 8080}\n  tags: [1]\n  name: Twice": {
			`bitting.yaml:3: keys[0].environment: "prod": expected one of production, staging, development`,
			`bitting.yaml:4: keys[0]: unknown field "permission": did you mean permissions?`,
			"bitting.yaml:5: keys[0].enabled: expected true or false",
			"bitting.yaml:6: keys[0]: expiresIn is counted from the moment of a call: use expiresAt",
			"bitting.yaml:7: keys[0].quota.limit: expected a number",
			`bitting.yaml:7: keys[0].quota.period: "dat": expected one of day, month: did you mean day?`,
			"bitting.yaml:8: keys[0].notBefore: expected a time such as 2027-01-31T12:00:00Z",
			"bitting.yaml:9: keys[0].metadata.port: expected text: put it in quotes",
			"bitting.yaml:10: keys[0].tags[0]: expected text: put it in quotes",
			"bitting.yaml:11: keys[0]: name stands there twice",
		},
		"keys: [{name: A}]": {"keys[0]: expected name and environment"},
		"keys: [{name: A, environment: staging, secret: {file: a, ssm: b}}]": {
			"keys[0]: secret: expected one of file, ssm and secretsManager",
		},
		"keys: [{name: A, environment: staging, secret: {file: a}}, " +
			"{name: B, environment: staging, secret: {file: ./a}}]": {
			"keys[1]: it has the secret of keys[0]",
		},
		"keys: [{name: A, environment: staging}, {name: A, environment: staging}]": {
			"keys[1]: it has the name and environment of keys[0]",
		},
	} {
		_, err := apply.Read([]byte(text), "bitting.yaml")
		if err == nil {
			t.Errorf("%q is read", text)
			continue
		}

		for _, line := range want {
			if !strings.Contains(err.Error(), line) {
				t.Errorf("%q: want %q in:\n%v", text, line, err)
			}
		}
	}
}

// A small file cannot become a large one.
func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	bomb := "keys:\n- &k {name: a, environment: staging, tags: [" + strings.Repeat("x, ", 2000) + "]}\n" +
		strings.Repeat("- *k\n", 2000)

	if _, err := apply.Read([]byte(bomb), "bitting.yaml"); err == nil ||
		!strings.Contains(err.Error(), "the file is too large") {
		t.Error("it is read")
	}
}

// validator returns what checks a YAML text by the schema that editors use.
func validator(t *testing.T) func(text []byte) error {
	t.Helper()

	text, err := apply.Schema()
	if err != nil {
		t.Fatal(err)
	}

	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}

	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()

	if err := compiler.AddResource("bitting.schema.json", parsed); err != nil {
		t.Fatal(err)
	}

	schema, err := compiler.Compile("bitting.schema.json")
	if err != nil {
		t.Fatal(err)
	}

	return func(text []byte) error {
		var file any
		if err := yaml.Unmarshal(text, &file); err != nil {
			return err
		}

		encoded, err := json.Marshal(file)
		if err != nil {
			return err
		}

		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
		if err != nil {
			return err
		}

		return schema.Validate(value)
	}
}

// Each example is one for the reader and for editors, and each field that the reader has is in the
// schema: both are made of the same types.
func TestSchemaFitsExamples(t *testing.T) {
	t.Parallel()
	valid := validator(t)

	files := map[string]string{}
	for _, pattern := range []string{"../../../docs/apply.md", "../../../examples/*/bitting.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}

		for _, name := range found {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}

			if filepath.Ext(name) == ".yaml" {
				files[name] = string(text)
			}

			for i, match := range regexp.MustCompile("(?s)```yaml bitting.yaml\n(.*?)```").
				FindAllStringSubmatch(string(text), -1) {
				files[name+string(rune('a'+i))] = match[1]
			}
		}
	}

	for name, text := range files {
		if _, err := apply.Read([]byte(text), name); err != nil {
			t.Error(err)
		}

		if err := valid([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	for _, wrong := range []string{
		"keyz: []", "keys: [{name: A}]", "keys: [{name: A, environment: prod}]",
		"keys: [{name: A, environment: staging, expiresIn: 90d}]",
		"keys: [{name: A, environment: staging, quota: {limit: 0, period: day}}]",
	} {
		if valid([]byte(wrong)) == nil {
			t.Errorf("the schema takes %s", wrong)
		}
	}
}

// An export is a file of the schema, has every field of what exists, and does not differ from it.
func TestExportDoesNotDiffer(t *testing.T) {
	t.Parallel()
	valid := validator(t)

	rapid.Check(t, func(t *rapid.T) {
		s := state(t, "state", nil)
		if len(s.Keys) > 1 && rapid.Bool().Draw(t, "same name") {
			s.Keys[1].Name = s.Keys[0].Name
		}

		s.Keys = append(s.Keys, api.Key{
			ID: "personal", Name: "k1", Environment: "production", Ownership: "personal",
		})

		text, personal, err := apply.Export(s)
		if err != nil || personal != 1 {
			t.Fatal(personal, err)
		}

		if err := valid(text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}

		d, err := apply.Read(text, "bitting.yaml")
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}

		plan, err := apply.New(d, s, apply.Options{Prune: true, Waits: never})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}

		if len(plan.Items) > 0 || len(plan.Steps) > 0 {
			t.Fatalf("%+v\n%s", plan.Items, text)
		}

		again, _, err := apply.Export(s)
		if diff := cmp.Diff(string(text), string(again)); err != nil || diff != "" {
			t.Fatal(diff, err)
		}
	})
}
