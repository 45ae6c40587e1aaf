package derive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/derive"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// opens lists which permission opens what.
func opens(permissions []permission.Permission) []string {
	out := []string{}
	for _, p := range permissions {
		for _, r := range p.Routes {
			out = append(out, p.Name+" "+r.API+" "+r.Method+" "+r.Path)
		}
	}

	return out
}

func read(t *testing.T, text string) *derive.Document {
	t.Helper()

	d, err := derive.ReadOpenAPI([]byte(text), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	return d
}

const head30 = "openapi: 3.0.3\ninfo: {title: Orders, version: '1'}\n"

func TestProposals(t *testing.T) {
	t.Parallel()

	responses := "responses: {'200': {description: ok}}"

	tests := map[string]struct {
		document string
		want     []string
		notes    []string // what each begins with
	}{
		"tags and methods, in 3.1": {
			"openapi: 3.1.0\ninfo: {title: Orders, version: '1'}\npaths:\n" +
				"  /orders:\n    get: {tags: [Orders, Lists]}\n    post: {tags: [Orders]}\n" +
				"  /orders/{id}:\n    delete: {tags: [Orders]}\n    options: {tags: [Orders]}\n" +
				"  /v1/user-accounts/:\n    head: {}\n  /:\n    put: {}\n",
			[]string{
				"orders:read shop GET /orders", "orders:write shop POST /orders",
				"orders:delete shop DELETE /orders/{id}",
				"user-accounts:read shop HEAD /v1/user-accounts", "shop:write shop PUT /",
			},
			nil,
		},
		"x-permission": {
			head30 + "security: [{key: []}]\npaths:\n  /a:\n    x-permission: things:read\n    get: {" +
				responses + "}\n    put:\n      x-permission: [things:write, things:all]\n      " +
				responses + "\n    delete: {x-permission: things:end, security: [], " + responses + "}\n" +
				"components: {securitySchemes: {key: {type: apiKey, in: header, name: X-Api-Key}}}\n",
			[]string{
				"things:read shop GET /a", "things:write shop PUT /a", "things:all shop PUT /a",
				"things:end shop DELETE /a",
			},
			nil,
		},
		"scopes": {
			head30 + "security: [{oauth: [orders:read]}]\npaths:\n" +
				"  /a: {get: {" + responses + "}}\n" +
				"  /b: {get: {security: [{oauth: [orders:read]}, {oauth: [https://x.test/auth/drive.file]}], " +
				responses + "}}\n" +
				"  /c: {get: {security: [{oauth: [a:b, c:d]}], tags: [see], " + responses + "}}\n" +
				"  /d: {get: {security: [{oauth: [a:b]}, {}], " + responses + "}}\n" +
				"  /e: {get: {security: [], " + responses + "}}\n" +
				"  /f: {get: {security: [{oauth: [repo]}], " + responses + "}}\n" +
				"components: {securitySchemes: {oauth: {type: oauth2, flows: {clientCredentials: " +
				"{tokenUrl: https://x.test, scopes: {orders:read: See orders}}}}}}\n",
			[]string{
				"orders:read shop GET /a", "orders:read shop GET /b", "drive:file shop GET /b",
				"see:read shop GET /c", "repo:use shop GET /f",
			},
			[]string{
				"the scope https://x.test/auth/drive.file becomes drive:file",
				"line 7: GET /c needs several scopes together",
				"line 8: GET /d needs no key", "line 9: GET /e needs no key",
				"the scope repo becomes repo:use",
			},
		},
		"what API Gateway cannot have": {
			head30 + "paths:\n  /a/{id}.json: {get: {tags: [a], " + responses + "}}\n" +
				"  /a/{x}/b: {get: {tags: [a], " + responses + "}}\n" +
				"  /a/{y}/b: {get: {tags: [a], " + responses + "}}\n" +
				"  /c: {trace: {tags: [a], " + responses + "}}\n",
			[]string{"a:read shop GET /a/{x}/b"},
			[]string{
				"line 4: GET /a/{id}.json is left out", "line 6: GET /a/{y}/b is left out: API Gateway " +
					"cannot tell it from /a/{x}/b",
				"line 7: TRACE /c is left out",
			},
		},
		"names that the admin API has": {
			head30 + "paths:\n  /keys: {get: {tags: [keys], " + responses + "}}\n" +
				"  /m: {get: {security: [{o: ['members:write']}], " + responses + "}}\n" +
				"components: {securitySchemes: {o: {type: apiKey, in: header, name: k}}}\n",
			[]string{"shop-keys:read shop GET /keys", "shop-members:write shop GET /m"},
			nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			permissions, notes := derive.Propose(read(t, test.document), "shop")
			if diff := cmp.Diff(test.want, opens(permissions)); diff != "" {
				t.Errorf("proposed (-want +got):\n%s", diff)
			}

			if err := derive.Valid(permissions); err != nil {
				t.Error(err)
			}

			for i, note := range notes {
				if i >= len(test.notes) || !strings.HasPrefix(note, test.notes[i]) {
					t.Errorf("note %q", note)
				}
			}

			if len(notes) < len(test.notes) {
				t.Errorf("%d notes, want %q", len(notes), test.notes)
			}
		})
	}
}

func TestWords(t *testing.T) {
	t.Parallel()

	permissions, _ := derive.Propose(&derive.Document{
		Operations: []derive.Operation{
			{Method: "GET", Path: "/a", Tag: "UserAccounts & more"},
			{Method: "POST", Path: "/b", Scopes: [][]string{{"b:write"}}},
			{Method: "POST", Path: "/c", Tag: "123"},
		},
		Tags:   map[string]string{"UserAccounts & more": "All\n  about\u202e accounts"},
		Scopes: map[string]string{"b:write": strings.Repeat("long ", 300)},
	}, "shop")

	if err := derive.Valid(permissions); err != nil {
		t.Fatal(err)
	}

	first := permissions[0]
	if first.Name != "user-accounts-more:read" || first.Title != "Read user accounts more" ||
		first.Description != "All about accounts" {
		t.Errorf("%+v", first)
	}

	if n := len([]rune(permissions[1].Description)); n > permission.MaxDescription {
		t.Errorf("a description of %d characters", n)
	}

	if permissions[2].Name != "x123:write" {
		t.Errorf("name %s", permissions[2].Name)
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ text, want string }{
		"2.0":        {`{"swagger": "2.0", "info": {"title": "a", "version": "1"}, "paths": {}}`, "it is OpenAPI 2"},
		"no paths":   {head30, "has no paths"},
		"a template": {"Resources: {}", "not an OpenAPI document"},
		"bad extension": {
			head30 + "paths: {/a: {get: {x-permission: {a: b}, responses: {}}}}",
			"GET /a: line 3: x-permission must be",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := derive.ReadOpenAPI([]byte(test.text), t.TempDir())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// Files beside a document are read, those of other hosts are not asked for.
func TestReferences(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()

	err := os.WriteFile(filepath.Join(folder, "orders.yaml"), []byte(
		"get: {tags: [Orders], responses: {'200': {description: ok}}}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}

	d, err := derive.ReadOpenAPI([]byte(head30+"paths: {/orders: {$ref: orders.yaml}}"), folder)
	if err != nil {
		t.Fatal(err)
	}

	permissions, _ := derive.Propose(d, "shop")
	if diff := cmp.Diff([]string{"orders:read shop GET /orders"}, opens(permissions)); diff != "" {
		t.Error(diff)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()

	of := func(name, title string, routes ...permission.Route) permission.Permission {
		return permission.Permission{Name: name, Title: title, Routes: routes}
	}
	route := func(api, path string) permission.Route {
		return permission.Route{API: api, Method: "GET", Path: path}
	}

	current := []permission.Permission{
		{Name: "kept:words", Title: "Mine", Default: true, Routes: []permission.Route{
			route("shop", "/old"), route("other", "/x"),
		}},
		of("gone:now", "Gone", route("shop", "/gone")),
		of("never:opened", "Nothing"),
		of("all:apis", "All", route("*", "/health")),
		{Name: "keys:read", Title: "Read keys", BuiltIn: true},
	}
	proposed := []permission.Permission{
		of("kept:words", "Theirs", route("shop", "/new")),
		of("new:one", "New", route("shop", "/one")),
	}

	got := string(derive.Text(derive.Merge(current, "shop", proposed, false)))
	want := "kept:words\n    title Mine\n    default\n    opens other GET /x\n    opens shop GET /new\n" +
		"never:opened\n    title Nothing\nall:apis\n    title All\n    opens * GET /health\n" +
		"new:one\n    title New\n    opens shop GET /one\n"

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}

	edited := string(derive.Text(derive.Merge(current, "shop", proposed, true)))
	if !strings.HasPrefix(edited, "kept:words\n    title Theirs\n    opens other GET /x\n") {
		t.Errorf("an edited catalogue's words:\n%s", edited)
	}

	if len(current[0].Routes) != 2 || current[0].Routes[0].Path != "/old" {
		t.Error("the given catalogue is changed")
	}

	again := derive.Merge(derive.Merge(current, "shop", proposed, false), "shop", proposed, false)
	if diff := cmp.Diff(want, string(derive.Text(again))); diff != "" {
		t.Errorf("merged twice:\n%s", diff)
	}
}

// paths makes an API with so many paths.
func paths(api string, n, tags int) []permission.Permission {
	d := &derive.Document{}
	for i := range n {
		d.Operations = append(d.Operations, derive.Operation{
			Method: "GET", Path: fmt.Sprintf("/p%d", i), Tag: fmt.Sprintf("t%d", i%tags),
		})
	}

	permissions, _ := derive.Propose(d, api)
	return permissions
}

func TestLimits(t *testing.T) {
	t.Parallel()

	var many []permission.Permission
	for i := range 6 { // as many APIs as fit, each as large as one may be
		api := fmt.Sprintf("api%d", i)
		many = derive.Merge(many, api, paths(api, permission.MaxPaths, 20), false)
	}

	if err := derive.Valid(many); err != nil {
		t.Fatalf("six APIs of 300 paths: %v", err)
	}

	for name, test := range map[string]struct {
		permissions []permission.Permission
		want        []string
	}{
		"paths": {
			paths("shop", permission.MaxPaths+1, 20),
			[]string{"300 paths", "301 for shop", "--only PREFIX"},
		},
		"permissions": {
			paths("shop", permission.MaxPermissions+1, 1000),
			[]string{"200, not 201", "x-permission"},
		},
		"routes": {
			derive.Merge(many, "api6", paths("api6", 201, 20), false),
			[]string{"2000 routes", "2001", "deployment of their own"},
		},
		"a field": {
			[]permission.Permission{{Name: "a:b", Title: "A", Routes: []permission.Route{
				{API: "shop", Method: "GET", Path: "/a/"},
			}}},
			[]string{"a:b: .routes[0].path must not end with a slash"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := derive.Valid(test.permissions)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q in it", err, want)
				}
			}
		})
	}
}
