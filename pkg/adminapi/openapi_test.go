package adminapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// document is the OpenAPI document, as anybody gets it.
func document(t *testing.T) map[string]any {
	t.Helper()

	a := machine.As("").Call(t, http.MethodGet, "/v1/openapi.json", nil).Want(t, http.StatusOK)
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}

	return decoded(t, a.Body)
}

// declared is an operation of the document.
type declared struct{ ID, Group string }

// operations are the document's, by method and path.
func operations(t *testing.T, doc map[string]any) map[string]declared {
	t.Helper()

	out := map[string]declared{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			o := op.(map[string]any)
			out[strings.ToUpper(method)+" "+path] = declared{
				o["operationId"].(string), o["tags"].([]any)[0].(string),
			}
		}
	}

	return out
}

// The template routes exactly the paths that the document declares, each to the function of its
// group, and all but whoami and the reports of leaks behind the authorizer.
func TestDocumentAndTemplateAgree(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	parsed, err := template.Read(source, nil)
	if err != nil {
		t.Fatal(err)
	}

	type route struct{ Group, Authorizer string }

	want, got := map[string]route{}, map[string]route{}
	for name, op := range operations(t, document(t)) {
		_, path, _ := strings.Cut(name, " ")
		if other := want[path].Group; other != "" && other != op.Group {
			t.Errorf("%s is of two functions, %s and %s", path, other, op.Group)
		}

		want[path] = route{op.Group, "Admin"}
	}

	want["/v1/whoami"] = route{"usage", ""}
	want["/v1/leaks"] = route{"revocation", ""}
	want["/v1/leaks/github"] = route{"revocation", ""}
	want["/v1/openapi.json"] = route{"organizations", ""}
	want["/v1/docs"] = route{"organizations", ""}
	want["/console"] = route{"console", ""} // no operations, but pages
	want["/console/{proxy+}"] = route{"console", ""}

	for _, r := range parsed.APIs["AdminApi"].Routes {
		if r.Method != "ANY" {
			t.Errorf("%s takes %s alone", r.Path, r.Method)
		}

		got[r.Path] = route{
			strings.TrimPrefix(parsed.Functions[r.Function].CodeURI, "functions/"), r.Authorizer,
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes of the template (-document +template):\n%s", diff)
	}
}

// Every operation has a rule on who may, and every rule is of an operation; an operation without
// one would be open to nobody.
func TestEveryOperationHasARule(t *testing.T) {
	t.Parallel()

	var got []string
	for _, op := range operations(t, document(t)) {
		// for whoever holds a key, or found one
		if !slices.Contains([]string{"whoami", "reportLeak", "reportGitHubLeaks"}, op.ID) {
			got = append(got, strings.TrimSuffix(op.ID, "Csv")) // the same in another form
		}
	}

	var want []string
	for op := range organization.Rules() {
		want = append(want, string(op))
	}

	slices.Sort(got)
	slices.Sort(want)

	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("operations (-rules +document):\n%s", diff)
	}
}

// The structure of OpenAPI 3.1: what every reader of such a document relies on.
func TestDocumentIsWhole(t *testing.T) {
	t.Parallel()

	doc := document(t)
	if doc["openapi"] != "3.1.0" || doc["info"].(map[string]any)["title"] == "" {
		t.Errorf("openapi %v, info %v", doc["openapi"], doc["info"])
	}

	components := doc["components"].(map[string]any)
	schemas := components["schemas"].(map[string]any)
	references(doc, func(ref string) {
		name, ok := strings.CutPrefix(ref, "#/components/schemas/")
		if _, has := schemas[name]; !ok || !has {
			t.Errorf("%s refers to nothing", ref)
		}
	})

	ids := map[string]bool{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			o := op.(map[string]any)
			where := method + " " + path

			if id := o["operationId"].(string); ids[id] {
				t.Errorf("two operations are called %s", id)
			} else {
				ids[id] = true
			}

			if o["summary"] == "" || o["summary"] == nil {
				t.Errorf("%s says nothing of itself", where)
			}

			parameters(t, where, path, o)
			bodies(t, where, o)
		}
	}

	for _, requirement := range doc["security"].([]any) {
		for scheme := range requirement.(map[string]any) {
			if _, has := components["securitySchemes"].(map[string]any)[scheme]; !has {
				t.Errorf("there is no security scheme %s", scheme)
			}
		}
	}
}

// What the document is completed with is found by name: none of the names is of something that was
// renamed since.
func TestDocumentIsCompletedByNamesThatAreThere(t *testing.T) {
	t.Parallel()

	schemas := objects(document(t)["components"].(map[string]any)["schemas"])

	// by schema or operation, and name
	found := map[string]map[string]any{}
	for name, schema := range schemas {
		for field, property := range objects(schema["properties"]) {
			if items := objects(property)["items"]; items != nil {
				property = items
			}

			found[name+"."+field] = property
		}
	}

	for _, item := range objects(document(t)["paths"]) {
		for _, op := range objects(item) {
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				name := fmt.Sprint(op["operationId"], ".", p.(map[string]any)["name"])
				found[name] = objects(p)["schema"]
			}
		}
	}

	for place, values := range adminapi.ClosedSets() {
		if got, _ := found[place]["enum"].([]any); len(got) != len(values) {
			t.Errorf("%s: the document has %v", place, got)
		}
	}

	for place, pattern := range adminapi.Patterns() {
		has := false
		for name, schema := range found {
			if name != place && !strings.HasSuffix(name, "."+place) {
				continue
			}

			has = true

			if got, _ := schema["pattern"].(string); got != pattern && adminapi.Patterns()[name] == "" {
				t.Errorf("%s: the pattern is %q, not %s", name, got, pattern)
			}
		}

		if !has {
			t.Errorf("%s: the document has no such place", place)
		}
	}

	for bare, better := range adminapi.SchemaNames() {
		if schemas[better] == nil || schemas[bare] != nil {
			t.Errorf("%s is not called %s", bare, better)
		}
	}
}

// The patterns take what the operations take, and nothing else.
func TestPatternsAreTheValidators(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	duration := func(text string) bool {
		errs := o.admin.Call(t, http.MethodPost, o.keys, map[string]any{
			"name": "A key", "environment": "staging", "expiresIn": text,
		})
		return !strings.Contains(string(errs.Body), "expected a duration")
	}

	long := strings.Repeat("a", 64)
	for place, takes := range map[string]func(string) bool{
		"keyId": apikey.ValidID,
		"org": func(id string) bool {
			return organization.ValidID(id) || id == apikey.OperatorOrganization
		},
		"CreateOrganizationRequest.id": organization.ValidID,
		"customers":                    permission.ValidCustomer,
		"expiresIn":                    duration,
	} {
		pattern := regexp.MustCompile(adminapi.Patterns()[place])
		for _, text := range []string{
			"", "a", "A", "1", "a1", "a-", "-a", "a.b", "a_b", " a", "a ", "a b", "ä", "a/b", "...",
			"7Qm2Xb0aVd91KtZs", "7Qm2Xb0aVd91KtZ", "7Qm2Xb0aVd91KtZs1", "7Qm2Xb0aVd91KtZ-",
			long, long + "a", long[:39], long[:40],
			apikey.OperatorOrganization, "1d", "1D", "01d", " 1d", "1d ", "d",
			"30s", "15m", "24h", "2w", "1y", "1.5h", "+1d", "0d", "101y",
		} {
			if takes(text) != pattern.MatchString(text) {
				t.Errorf("%s: %q: the operations say %t, the pattern %s", place, text, takes(text),
					pattern)
			}
		}
	}
}

// parameters must include each of the path, which are required.
func parameters(t *testing.T, where, path string, op map[string]any) {
	t.Helper()

	var want, got []string
	for _, match := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		want = append(want, match[1])
	}

	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := p.(map[string]any)
		if p["schema"] == nil {
			t.Errorf("%s: parameter %s has no schema", where, p["name"])
		}

		if p["in"] == "path" {
			got = append(got, p["name"].(string))
			if p["required"] != true {
				t.Errorf("%s: path parameter %s is not required", where, p["name"])
			}
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: path parameters (-path +declared):\n%s", where, diff)
	}
}

// bodies are JSON both ways, and a refusal is a problem.
func bodies(t *testing.T, where string, op map[string]any) {
	t.Helper()

	if body, ok := op["requestBody"].(map[string]any); ok {
		content := body["content"].(map[string]any)
		if _, ok := content["application/json"]; !ok || len(content) != 1 {
			t.Errorf("%s: a body may be of %v", where, content)
		}
	}

	responses := op["responses"].(map[string]any)
	delete(responses, "304") // which has no body

	for _, status := range []string{"4XX", "5XX"} {
		answer, _ := responses[status].(map[string]any)
		content, _ := answer["content"].(map[string]any)

		if _, ok := content["application/problem+json"]; !ok || len(content) != 1 {
			t.Errorf("%s: a refusal is of %v", where, content)
		}

		delete(responses, status)
	}

	for status, answer := range responses {
		if !strings.HasPrefix(status, "2") {
			t.Errorf("%s: declares %s", where, status)
		}

		// a generated client takes one
		if content := objects(answer.(map[string]any)["content"]); len(content) > 1 {
			t.Errorf("%s: a body may be of %v", where, content)
		}
	}
}

// references finds every $ref.
func references(v any, found func(string)) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			found(ref)
		}

		for _, inner := range v {
			references(inner, found)
		}
	case []any:
		for _, inner := range v {
			references(inner, found)
		}
	}
}

// The reference page loads only files of the console, by addresses that change when they do, and runs
// no script that stands in it.
func TestReferencePage(t *testing.T) {
	t.Parallel()

	a := machine.As("").Call(t, http.MethodGet, "/v1/docs", nil).Want(t, http.StatusOK)

	policy := a.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") ||
		strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy %q", policy)
	}

	if got := a.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}

	text, err := os.ReadFile("../../console/package.json")
	if err != nil {
		t.Fatal(err)
	}

	var needs struct{ DevDependencies map[string]string }
	if err := json.Unmarshal(text, &needs); err != nil {
		t.Fatal(err)
	}

	page := string(a.Body)
	version := needs.DevDependencies["swagger-ui-dist"]

	loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(loads) < 4 || version == "" {
		t.Errorf("the page loads %v, of Swagger UI %q", loads, version)
	}

	for _, load := range loads {
		if load[1] != "openapi.json" && load[1] != "../console/" &&
			(!strings.HasPrefix(load[1], "../console/assets/reference/") ||
				!strings.Contains(load[1], "?"+version+"-")) {
			t.Errorf("the page loads %s", load[1])
		}
	}

	if strings.Contains(page, "<style") || regexp.MustCompile(`<script>| on[a-z]+=`).MatchString(page) {
		t.Error("the page has scripts or styles in it")
	}
}
