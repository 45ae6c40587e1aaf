package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/api"
)

// Document is a file that was read, with the lines of its objects.
type Document struct {
	File

	name  string
	lines map[string]int // by path, such as keys[0]
}

// at returns an error about an object of the file, with its line.
func (d *Document) at(path, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s: %w", d.name, d.lines[path], path, fmt.Errorf(format, args...))
}

// folder is what paths in the file are relative to.
func (d *Document) folder() string { return filepath.Dir(d.name) }

// maxNodes bounds what aliases may make of a small file.
const maxNodes = 1_000_000

// Read reads a file. All errors are reported at once, each with the line.
func Read(text []byte, name string) (*Document, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))

	var root, more yaml.Node
	if err := decoder.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: expected one document, without ---", name)
	}

	d := &Document{name: name, lines: map[string]int{}}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("%s: it is empty", name)
	}

	r := reader{document: d}
	value := r.read(root.Content[0], reflect.TypeFor[File](), "", "")

	if err := errors.Join(r.wrong...); err != nil {
		return nil, err
	}

	encoded, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(encoded, &d.File)
	}

	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	return d, d.check()
}

// reader turns YAML into what encoding/json decodes, and finds what the types do not have.
type reader struct {
	document *Document
	wrong    []error
	nodes    int
}

func (r *reader) add(n *yaml.Node, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}

	r.wrong = append(r.wrong, fmt.Errorf("%s:%d: %s%w", r.document.name, n.Line, path,
		fmt.Errorf(format, args...)))
}

// read returns a node's value. enum has the values that it may have, separated by commas.
func (r *reader) read(n *yaml.Node, t reflect.Type, path, enum string) any {
	if r.nodes++; r.nodes == maxNodes {
		r.add(n, path, "the file is too large")
	}

	if r.nodes >= maxNodes {
		return nil
	}

	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}

	if patched, ok := patch(t); ok {
		t = patched
	}

	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}

	r.document.lines[path] = n.Line
	switch {
	case n.ShortTag() == "!!null":
		return nil
	case t == reflect.TypeFor[time.Time]():
		return r.time(n, path)
	}

	switch t.Kind() {
	case reflect.Struct:
		return r.object(n, path, fieldsOf(t))
	case reflect.Map:
		return r.texts(n, path)
	case reflect.Slice:
		return r.list(n, t.Elem(), path)
	default:
		return r.scalar(n, t, path, enum)
	}
}

// field is a field of an object.
type field struct {
	of   reflect.Type
	enum string
}

// fieldsOf returns the fields of a struct by their JSON names. Those of an embedded struct are its
// own, and stand behind what it has itself.
func fieldsOf(t reflect.Type) map[string]field {
	out := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == fromNow {
			continue
		}

		if _, own := out[name]; !own || len(f.Index) == 1 {
			out[name] = field{f.Type, f.Tag.Get("enum")}
		}
	}

	return out
}

// patch returns the type of the value of an api.Patch.
func patch(t reflect.Type) (reflect.Type, bool) {
	of := reflect.TypeFor[api.Patch[string]]()
	if t.PkgPath() != of.PkgPath() || !strings.HasPrefix(t.Name(), "Patch[") {
		return nil, false
	}

	value, ok := t.FieldByName("Value")
	return value.Type, ok
}

func (r *reader) object(n *yaml.Node, path string, fields map[string]field) any {
	if n.Kind != yaml.MappingNode {
		r.add(n, path, "expected fields, such as name: value")
		return nil
	}

	out := map[string]any{}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]

		f, known := fields[name.Value]
		if !known {
			r.add(name, path, "%s", unknown(name.Value, fields))
			continue
		}

		if _, twice := out[name.Value]; twice {
			r.add(name, path, "%s stands there twice", name.Value)
		}

		inner := name.Value
		if path != "" {
			inner = path + "." + inner
		}

		out[name.Value] = r.read(value, f.of, inner, f.enum)
	}

	return out
}

func unknown(name string, fields map[string]field) string {
	if name == fromNow {
		return "expiresIn is counted from the moment of a call: use expiresAt"
	}

	names := make([]string, 0, len(fields))
	for f := range fields {
		names = append(names, f)
	}

	return fmt.Sprintf("unknown field %q%s", name, suggest(name, names))
}

func (r *reader) list(n *yaml.Node, of reflect.Type, path string) any {
	if n.Kind != yaml.SequenceNode {
		r.add(n, path, "expected a list")
		return nil
	}

	out := []any{}
	for i, item := range n.Content {
		inner := fmt.Sprintf("%s[%d]", path, i)
		if item.ShortTag() == "!!null" {
			r.add(item, inner, "it is empty")
		}

		out = append(out, r.read(item, of, inner, ""))
	}

	return out
}

// texts reads a map of texts.
func (r *reader) texts(n *yaml.Node, path string) any {
	if n.Kind != yaml.MappingNode {
		r.add(n, path, "expected names with texts")
		return nil
	}

	out := map[string]any{}
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if _, twice := out[name]; twice {
			r.add(n.Content[i], path, "%q stands there twice", name)
		}

		out[name] = r.scalar(n.Content[i+1], reflect.TypeFor[string](), path+"."+name, "")
	}

	return out
}

func (r *reader) time(n *yaml.Node, path string) any {
	at, err := time.Parse(time.RFC3339, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		r.add(n, path, "expected a time such as 2027-01-31T12:00:00Z")
	}

	return at
}

func (r *reader) scalar(n *yaml.Node, t reflect.Type, path, enum string) any {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}

	tag := n.ShortTag()
	switch kind := t.Kind(); {
	case n.Kind != yaml.ScalarNode:
		r.add(n, path, "expected one value")
	case kind == reflect.Bool && tag == "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
	case kind == reflect.Bool:
		r.add(n, path, "expected true or false")
	case kind == reflect.Int64 && tag == "!!int":
		if number, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return number
		}

		r.add(n, path, "expected a whole number in decimal digits")
	case kind == reflect.Float64 && (tag == "!!float" || tag == "!!int"):
		if number, err := strconv.ParseFloat(n.Value, 64); err == nil && number == number {
			return number
		}

		r.add(n, path, "expected a number")
	case kind == reflect.Int64 || kind == reflect.Float64:
		r.add(n, path, "expected a number")
	case tag != "!!str":
		r.add(n, path, "expected text: put it in quotes")
	case enum != "" && !slices.Contains(strings.Split(enum, ","), n.Value):
		r.add(n, path, "%q: expected one of %s%s", n.Value, strings.ReplaceAll(enum, ",", ", "),
			suggest(n.Value, strings.Split(enum, ",")))
	default:
		return n.Value
	}

	return nil
}

// check finds what no type says.
func (d *Document) check() error {
	var wrong []error

	seen := map[string]string{}
	once := func(kind, path string, parts ...string) {
		if slices.Contains(parts, "") {
			wrong = append(wrong, d.at(path, "expected %s", kind))
			return
		}

		id := fmt.Sprintf("%s %q", kind, parts)
		if first, twice := seen[id]; twice {
			wrong = append(wrong, d.at(path, "it has the %s of %s", kind, first))
			return
		}

		seen[id] = path
	}

	for i, p := range d.Permissions {
		once("name", fmt.Sprintf("permissions[%d]", i), "permission", p.Name)
	}

	for i, c := range d.Customers {
		once("id", fmt.Sprintf("customers[%d]", i), "customer", c.ID)
	}

	for i, m := range d.Members {
		once("email", fmt.Sprintf("members[%d]", i), "member", strings.ToLower(m.Email))
	}

	for i := range d.Keys {
		wrong = append(wrong, d.checkKey(i, once)...)
	}

	return errors.Join(wrong...)
}

func (d *Document) checkKey(i int, once func(kind, path string, parts ...string)) (wrong []error) {
	path, k := fmt.Sprintf("keys[%d]", i), &d.Keys[i]
	if k.ID == "" {
		once("name and environment", path, k.Environment, k.Name)
	} else {
		once("id", path, "key", k.ID)
	}

	if k.Name == "" || k.Environment == "" {
		return append(wrong, d.at(path, "expected name and environment"))
	}

	if k.Enabled.Null {
		wrong = append(wrong, d.at(path, "enabled: expected true or false"))
	}

	if s := k.Secret; s != nil {
		places := slices.DeleteFunc([]string{s.File, s.SSM, s.SecretsManager}, func(place string) bool {
			return place == ""
		})
		if len(places) != 1 {
			return append(wrong, d.at(path, "secret: expected one of file, ssm and secretsManager"))
		}

		if s.File != "" && !filepath.IsAbs(s.File) {
			s.File = filepath.Join(d.folder(), s.File)
		}

		once("secret", path, s.String())
	}

	return wrong
}

// suggest returns ": did you mean …?" where one of the names is near.
func suggest(name string, names []string) string {
	best, least := "", 3
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}

	if best == "" {
		return ""
	}

	return fmt.Sprintf(": did you mean %s?", best)
}

// distance is how many bytes must be put in, taken out or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1

		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}

			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}

	return row[len(b)]
}
