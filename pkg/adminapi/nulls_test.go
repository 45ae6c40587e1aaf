package adminapi_test

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/adminapi"
)

// takesNull reports whether a schema of the document has null among its values.
func takesNull(t *testing.T, schema any) bool {
	t.Helper()

	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}

	var s struct {
		Type  any
		Ref   string `json:"$ref"`
		AnyOf []any
		Enum  []any
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}

	if s.Enum != nil && !slices.Contains(s.Enum, nil) {
		return false
	}

	types, _ := s.Type.([]any)
	return s.Type == "null" || slices.Contains(types, any("null")) ||
		slices.ContainsFunc(s.AnyOf, func(one any) bool { return takesNull(t, one) }) ||
		s.Type == nil && s.AnyOf == nil && s.Ref == ""
}

// What is nil in Go is null in an answer. A generated client of a document that does not say so
// fails where it reads one.
func TestPointersInAnswersMayBeNull(t *testing.T) {
	t.Parallel()

	doc := adminapi.Document()
	seen := map[reflect.Type]bool{}
	pointers := 0

	var walk func(s *huma.Schema)
	walk = func(s *huma.Schema) {
		if s == nil {
			return
		}

		for _, one := range s.AnyOf {
			walk(one)
		}

		walk(s.Items)

		if s.Ref == "" {
			return
		}

		of := doc.Components.Schemas.TypeFromRef(s.Ref)
		if seen[of] {
			return
		}

		seen[of] = true

		properties := doc.Components.Schemas.SchemaFromRef(s.Ref).Properties
		for _, f := range reflect.VisibleFields(of) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			kind := f.Type.Kind()

			nils := kind == reflect.Pointer || f.Tag.Get("nullable") == "true"
			if p := properties[name]; p != nil && nils && options == "" {
				pointers++

				if !takesNull(t, p) {
					t.Errorf("%s.%s is null where there is none, and not declared so", of.Name(), name)
				}
			}
		}

		for _, p := range properties {
			walk(p)
		}
	}

	for _, op := range declaredOperations(doc) {
		for _, response := range op.Responses {
			for _, media := range response.Content {
				walk(media.Schema)
			}
		}
	}

	if !seen[reflect.TypeFor[adminapi.Problem]()] || pointers < 20 {
		t.Errorf("only %d pointers in %d types", pointers, len(seen))
	}
}

func declaredOperations(doc *huma.OpenAPI) (out []*huma.Operation) {
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{
			item.Get, item.Post, item.Put, item.Patch, item.Delete,
		} {
			if op != nil {
				out = append(out, op)
			}
		}
	}

	return out
}

// bodyField is a field of a request's body.
type bodyField struct {
	path     []string
	nullable bool
	about    string
}

// bodyFields are the fields of an operation's body, and of the objects in it.
func bodyFields(t *testing.T, doc *huma.OpenAPI, op *huma.Operation) (out []bodyField) {
	t.Helper()

	var walk func(s *huma.Schema, path []string)

	walk = func(s *huma.Schema, path []string) {
		if s.Ref != "" {
			s = doc.Components.Schemas.SchemaFromRef(s.Ref)
		}

		for name, p := range s.Properties {
			at := append(slices.Clone(path), name)

			switch {
			case p.Ref != "":
				walk(p, at)
			case p.Type == huma.TypeArray && p.Items.Ref != "" && name == "keys":
				walk(p.Items, append(at, "0"))
			default:
				out = append(out, bodyField{at, takesNull(t, p), p.Description})
			}
		}
	}
	if op.RequestBody != nil && op.RequestBody.Content["application/json"].Schema.Ref != "" {
		walk(op.RequestBody.Content["application/json"].Schema, nil)
	}

	return out
}

// with is a body with null in one place.
func with(t *testing.T, base any, path []string) any {
	t.Helper()

	if len(path) == 0 {
		return nil
	}

	if path[0] == "0" {
		return []any{with(t, base.([]any)[0], path[1:])}
	}

	fields, _ := base.(map[string]any)

	fields = maps.Clone(fields)
	if fields == nil {
		fields = map[string]any{}
	}

	fields[path[0]] = with(t, fields[path[0]], path[1:])
	return fields
}

// A field that is declared nullable takes null. Of a change, the others refuse it, and the document
// says what null does.
func TestNullIsTakenWhereItIsDeclared(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	key := func() map[string]any { return map[string]any{"name": "A key", "environment": "staging"} }
	imported := func() map[string]any {
		digest := sha256.Sum256([]byte(rand.Text()))
		entry := key()
		entry["hash"] = map[string]any{
			"algorithm": "sha256",
			"value":     hex.EncodeToString(digest[:]),
		}
		return map[string]any{"keys": []any{entry}}
	}
	nothing := func() map[string]any { return map[string]any{} }
	named := func() map[string]any { return map[string]any{"name": "N" + rand.Text()} }
	// what each operation takes without the field
	bodies := map[string]func() map[string]any{
		"createKey":  key,
		"updateKey":  nothing,
		"importKeys": imported,
		"rotateKey":  nothing,
		"revokeKey":  nothing,
		"bulkKeys": func() map[string]any {
			return map[string]any{"action": "enable", "filter": map[string]any{}}
		},
		"explainKey": func() map[string]any {
			return map[string]any{"method": "GET", "path": "/messages"}
		},
		"createOrganization": named,
		"updateOrganization": nothing,
		"createCustomer":     named,
		"updateCustomer":     nothing,
		"putMember":          func() map[string]any { return map[string]any{"role": "viewer"} },
	}
	// a person: operators have to name an organization's first admin, and a key may not import all
	admin := o.join(t, "admin", "admin")
	path := strings.NewReplacer("{org}", o.id, "{customer}", "c1", "{user}", address("invited"))

	doc := adminapi.Document()
	for _, op := range declaredOperations(doc) {
		for _, f := range bodyFields(t, doc, op) {
			patch := op.Method == http.MethodPatch

			body := bodies[op.OperationID]
			if !f.nullable && !patch || op.OperationID == "reportLeak" {
				continue // of leaks, few may be reported
			}

			where := op.OperationID + " with null as " + strings.Join(f.path, ".")
			if body == nil {
				t.Errorf("%s: there is no body to try it with", where)
				continue
			}

			to := path.Replace(op.Path)
			if strings.Contains(to, "{keyId}") {
				to = strings.ReplaceAll(to, "{keyId}", o.key(t, key()).Key.ID)
			}

			got := admin.Call(t, op.Method, to, with(t, body(), f.path))

			location := "body." + strings.Join(f.path, ".")
			switch {
			case !f.nullable:
				p := got.Refused(t, http.StatusUnprocessableEntity,
					cmp.Or(immutable[location], "validation"))
				if !slices.Equal(p.Locations(), []string{location}) {
					t.Errorf("%s: refused for %q", where, p.Locations())
				}
			case got.Status >= http.StatusBadRequest:
				t.Errorf("%s: %d %s", where, got.Status, got.Body)
			case op.OperationID == "importKeys" && decoded(t, got.Body)["imported"] != 1.0:
				t.Errorf("%s: %s", where, got.Body)
			case patch && !strings.Contains(f.about, "null: "):
				t.Errorf("%s: the document does not say what it does, but %q", where, f.about)
			}
		}
	}
}

// immutable are the fields of a key that are refused with a code of their own.
var immutable = map[string]string{
	"body.environment": "immutable",
	"body.ownership":   "immutable",
}
