package permission_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/permission"
)

var builtIns = []string{
	"keys:read", "keys:write", "keys:rotate", "keys:revoke", "usage:read",
	"history:read", "members:write", "organization:write", "permissions:write",
}

func newCatalogue(t testing.TB, ps ...permission.Permission) *permission.Catalogue {
	t.Helper()

	c, err := permission.NewCatalogue(ps)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// perm returns a permission of routes such as "GET /messages" of every API, or "demo GET
// /messages" of one.
func perm(name string, routes ...string) permission.Permission {
	p := permission.Permission{Name: name, Title: name, Routes: []permission.Route{}}
	for _, r := range routes {
		p.Routes = append(p.Routes, route(r))
	}

	return p
}

func route(text string) permission.Route {
	fields := strings.Split(text, " ")
	if len(fields) == 2 {
		fields = append([]string{"*"}, fields...)
	}

	return permission.Route{API: fields[0], Method: fields[1], Path: fields[2]}
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	write := perm("messages:write", "POST /messages")
	write.Default = true
	read := perm("messages_read")
	read.Routes = nil
	given := []permission.Permission{write, read}
	c := newCatalogue(t, given...)
	given[0].Name = "changed"
	given[0].Routes[0].Path = "/changed"

	var names []string
	for _, p := range c.Permissions() {
		names = append(names, p.Name)
		if p.BuiltIn != c.IsAdmin(p.Name) || p.Title == "" || p.Routes == nil ||
			(p.BuiltIn && p.Description == "") {
			t.Errorf("%+v", p)
		}
	}

	if diff := cmp.Diff(append([]string{"messages:write", "messages_read"}, builtIns...),
		names); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"messages:write"}, c.Defaults()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}

	if diff := cmp.Diff([]string{"messages:write", "messages_read"}, c.DataPlane()); diff != "" {
		t.Errorf("data plane (-want +got):\n%s", diff)
	}

	if c.IsAdmin("messages:write") || c.IsAdmin("unknown:name") {
		t.Error("a permission of the data plane, or none, is one of the admin API")
	}

	c.Permissions()[0].Routes[0].Path = "/changed"
	got, ok := c.Lookup("messages:write")
	want := perm("messages:write", "POST /messages")

	want.Default = true
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("lookup (-want +got):\n%s", diff)
	}

	got.Routes[0].Path = "/changed"

	if _, ok := c.Match("demo", "POST", "/messages"); !ok {
		t.Error("the catalogue was changed from outside")
	}

	if _, ok := c.Lookup("unknown:name"); ok {
		t.Error("found what is not there")
	}
}

func TestCatalogueJSON(t *testing.T) {
	t.Parallel()
	p := perm("messages:write", "POST /messages")
	p.Title = "Write messages"
	p.Description = "…"
	p.Default = true
	p.Publishable = true

	data, err := json.Marshal(newCatalogue(t, p))
	if err != nil {
		t.Fatal(err)
	}

	const first = `{"permissions":[{"name":"messages:write","title":"Write messages","description":"…","default":true,"publishable":true,"builtIn":false,"routes":[{"api":"*","method":"POST","path":"/messages"}]},` +
		`{"name":"keys:read","title":"Read keys",`
	if !strings.HasPrefix(string(data), first) {
		t.Errorf("starts %.250s", data)
	}

	if !strings.HasSuffix(string(data),
		`"default":false,"publishable":false,"builtIn":true,"routes":[]}]}`) {
		t.Errorf("ends %s", data[len(data)-100:])
	}

	var again struct{ Permissions []permission.Permission }
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}

	c, err := permission.NewCatalogue(again.Permissions)
	if err != nil {
		t.Fatalf("what was got cannot be put: %v", err)
	}

	if got, err := json.Marshal(c); err != nil || string(got) != string(data) {
		t.Errorf("put and got again: %s, %v", got, err)
	}
}

func TestInvalidFields(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 101)
	bad := perm("Bad:Name", "demo_1 get messages", "GET /a/", "GET /ok", "* ANY /{a}/{a}")
	bad.Title = long
	bad.Description = strings.Repeat("é", 1001)
	builtIn := perm("mine:too")
	builtIn.BuiltIn = true
	_, err := permission.NewCatalogue([]permission.Permission{
		perm("a:ok", "GET /x/{id}"), bad, perm("a:ok"), perm("keys:read"),
		{
			Name:  "untitled:x",
			Title: " ",
		},
		builtIn,
		perm("b:ok", "demo GET /x/{customerId}", "POST /x/{customerId}", "POST /x/{customerId}"),
		{Name: "reversed:x", Title: "a\u202eb"},
	})

	var invalid *permission.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}

	var got []string
	for _, f := range invalid.Fields {
		got = append(got, f.Location+": "+f.Message)
		if !strings.Contains(err.Error(), f.Location+" "+f.Message) {
			t.Errorf("%q does not tell of %s", err, f.Location)
		}
	}

	want := []string{
		"permissions[1].name: must be resource:action, such as messages:write, or resource_action",
		"permissions[1].title: must be at most 100 characters long, not 101",
		"permissions[1].description: must be at most 1000 characters long, not 1001",
		"permissions[1].routes[0].api: must be * or a name of at most 32 lower-case letters, " +
			"digits and hyphens that starts with a letter",
		"permissions[1].routes[0].method: must be one of GET, POST, PUT, PATCH, DELETE, HEAD, " +
			"OPTIONS or ANY",
		"permissions[1].routes[0].path: must start with a slash",
		"permissions[1].routes[1].path: must not end with a slash",
		"permissions[1].routes[3].path: names the parameter a twice",
		"permissions[2].name: is also the name of permissions[0]",
		"permissions[3].name: is built in and cannot be redefined",
		"permissions[4].title: is required",
		"permissions[5].builtIn: is only for permissions of the admin API",
		"permissions[6].routes[0].path: names its parameters differently from the same route in " +
			"permissions[0].routes[0]",
		"permissions[6].routes[2]: is the same as permissions[6].routes[1]",
		"permissions[7].title: must not have control or format characters",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()

	p32 := "a" + strings.Repeat("b", 31)
	for name, want := range map[string]bool{
		"messages:write":      true,
		"m:w":                 true,
		"a-1:b_2-c":           true,
		p32 + ":" + p32:       true,
		"messages_write":      true,
		"Messages_Write-2":    true,
		"a_b_c":               true,
		p32 + "_" + p32:       true,
		"":                    false,
		"messages":            false,
		"messages:":           false,
		":write":              false,
		"messages:write:all":  false,
		"Messages:write":      false,
		"messages:Write":      false,
		"1a:b":                false,
		"a_b:c":               false,
		"a,b:c":               false,
		"messages:*":          false,
		"messages:wríte":      false,
		p32 + "b:w":           false,
		"m:" + p32 + "b":      false,
		p32 + "_" + p32 + "b": false,
		"_":                   false,
		"_a":                  false,
		"a_":                  false,
		"messages write":      false,
		"a_b\n":               false,
		"a:b\n":               false,
		"a_b,c":               false,
	} {
		if permission.ValidName(name) != want {
			t.Errorf("%q: not %t", name, want)
		}

		if _, err := permission.NewCatalogue(
			[]permission.Permission{perm(name)},
		); (err == nil) != want {
			t.Errorf("catalogue with %q: %v", name, err)
		}
	}
}

func TestCatalogueLimits(t *testing.T) {
	t.Parallel()

	many := func(permissions, routes int) []permission.Permission {
		var ps []permission.Permission
		for i := range permissions {
			ps = append(ps, perm(fmt.Sprintf("p%d:x", i)))
		}

		for i := range routes {
			p := &ps[i%len(ps)]
			p.Routes = append(p.Routes, route(fmt.Sprintf("GET /r%d", i)))
		}

		return ps
	}
	for _, tt := range []struct {
		permissions, routes int
		want                bool
	}{{200, 300, true}, {201, 0, false}} {
		if _, err := permission.NewCatalogue(many(tt.permissions,
			tt.routes)); (err == nil) != tt.want {
			t.Errorf("%d permissions, %d routes: %v", tt.permissions, tt.routes, err)
		}
	}

	full := newCatalogue(t, many(200, 300)...)
	if _, err := permission.NewCatalogue(full.Permissions()); err != nil {
		t.Errorf("a full catalogue cannot be given back: %v", err)
	}

	p := perm("a:b")
	p.Title = strings.Repeat("é", 100)

	p.Description = strings.Repeat("é", 1000)
	if _, err := permission.NewCatalogue([]permission.Permission{p}); err != nil {
		t.Errorf("the longest title and description: %v", err)
	}
}

// A catalogue may have as many bytes as fit in its item, in whatever characters.
func TestCatalogueSize(t *testing.T) {
	t.Parallel()

	sized := func(size int, letter string) []permission.Permission {
		var ps []permission.Permission
		for i := range 200 {
			ps = append(ps, perm(fmt.Sprintf("p%d:x", i)))
		}

		for i := range ps {
			text, err := permission.Encode(ps)
			if err != nil {
				t.Fatal(err)
			}

			left := (size - len(text)) / len(letter)
			ps[i].Description = strings.Repeat(letter, min(left, permission.MaxDescription))
		}

		return ps
	}

	for _, letter := range []string{"é", "語", "🔑"} {
		if _, err := permission.NewCatalogue(sized(permission.MaxBytes, letter)); err != nil {
			t.Errorf("%s: %v", letter, err)
		}

		_, err := permission.NewCatalogue(sized(permission.MaxBytes+len(letter), letter))
		if err == nil || !strings.Contains(err.Error(), "as JSON") {
			t.Errorf("%s, one more: %v", letter, err)
		}
	}

	if err := quick.Check(func(ps []permission.Permission) bool {
		text, err := permission.Encode(ps)
		return err == nil && len(text) <= permission.MostBytes(ps)
	}, nil); err != nil {
		t.Error(err)
	}

	for _, letter := range []string{"\x00", "\xff", "\u2028", "<"} {
		p := perm(letter, letter+" "+letter)
		p.Title, p.Description = letter, strings.Repeat(letter, 10_000)

		text, err := permission.Encode([]permission.Permission{p})
		if most := permission.MostBytes([]permission.Permission{p}); err != nil || len(text) > most {
			t.Errorf("%q: %d bytes, expected at most %d, %v", letter, len(text), most, err)
		}
	}
}

// An API may have as many paths as an API of API Gateway has resources, regardless of their
// methods and names of parameters. All APIs together may have more routes.
func TestRoutesAndPaths(t *testing.T) {
	t.Parallel()
	// routes returns routes of an API: so many paths of different shapes, with so many methods
	// each.
	routes := func(api, prefix string, paths, methods int) (out []permission.Route) {
		for i := range paths {
			for _, method := range permission.Methods()[:methods] {
				out = append(out, permission.Route{
					API:    api,
					Method: method,
					Path:   fmt.Sprintf("/%s%d/{id}", prefix, i),
				})
			}
		}

		return out
	}
	for name, tt := range map[string]struct {
		routes []permission.Route
		want   string // part of the error; "" for a valid catalogue
	}{
		"as many paths of one API as there may be": {routes("demo", "a", 300, 1), ""},
		"each with several methods":                {routes("demo", "a", 285, 7), ""},
		"one path more": {
			routes("demo", "a", 301, 1), "at most 300 paths for each API, not 301 for demo",
		},
		"as many of another API": {
			slices.Concat(routes("demo", "a", 300, 1), routes("shop", "a", 300, 1)), "",
		},
		"with one of every API": {
			slices.Concat(routes("demo", "a", 300, 1), routes("*", "b", 1, 1)), "not 301 for demo",
		},
		"with one of every API that it has": {
			slices.Concat(routes("demo", "a", 300, 1), routes("*", "a", 300, 1)), "",
		},
		"too many of every API": {
			slices.Concat(routes("demo", "a", 2, 1), routes("*", "b", 301, 1)), "not 301 for *",
		},
		"as many routes as there may be": {
			slices.Concat(routes("a", "a", 250, 4), routes("b", "a", 250, 4)), "",
		},
		"one route more": {
			slices.Concat(routes("a", "a", 250, 4), routes("b", "a", 250, 4),
				routes("c", "a", 1, 1)), "at most 2000 routes in total, not 2001",
		},
	} {
		p := perm("a:b")
		p.Routes = tt.routes

		_, err := permission.NewCatalogue([]permission.Permission{p})
		if tt.want == "" && err != nil ||
			tt.want != "" && !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// Of a thousand APIs, only those that were asked for use memory for their routes, and each is
// found.
func TestManyAPIs(t *testing.T) {
	t.Parallel()

	p := perm("a:b")
	for i := range 1000 {
		p.Routes = append(p.Routes, permission.Route{
			API:    "*",
			Method: permission.Methods()[i%5],
			Path:   fmt.Sprintf("/shared%d", i/5),
		})
		p.Routes = append(p.Routes, permission.Route{
			API:    fmt.Sprintf("api-%d", i),
			Method: "GET",
			Path:   fmt.Sprintf("/own%d", i),
		})
	}

	c := newCatalogue(t, p)
	for _, i := range []int{0, 7, 999, 7, 500} {
		api := fmt.Sprintf("api-%d", i)
		if _, ok := c.Match(api, "GET", fmt.Sprintf("/own%d", i)); !ok {
			t.Errorf("%s has not its own route", api)
		}

		if _, ok := c.Match(api, "GET", "/own1"); ok {
			t.Errorf("%s has another API's route", api)
		}

		if _, ok := c.Match("none", "GET", "/shared3"); !ok || len(c.Routes(api)) != 1001 ||
			len(c.Routes("none")) != 1000 {
			t.Errorf("%s has %d routes, and an API that no route names %d", api, len(c.Routes(api)),
				len(c.Routes("none")))
		}
	}

	var all sync.WaitGroup
	for i := range 50 { // concurrently
		all.Go(func() {
			if _, ok := c.Match(fmt.Sprintf("api-%d", i), "GET", fmt.Sprintf("/own%d", i)); !ok {
				t.Errorf("api-%d has not its own route", i)
			}
		})
	}

	all.Wait()

	if c.Tables() > 16 {
		t.Errorf("%d tables are kept", c.Tables())
	}
}

func TestParsePath(t *testing.T) {
	t.Parallel()
	literal := func(text string) permission.Segment { return permission.Segment{Text: text} }

	tests := map[string][]permission.Segment{
		"/":                nil,
		"/a":               {literal("a")},
		"/._~$@!+=,:-/...": {literal("._~$@!+=,:-"), literal("...")},
		"/a/{id}":          {literal("a"), {Kind: permission.Parameter, Text: "id"}},
		"/{a-b.c_1}/{proxy+}": {{
			Kind: permission.Parameter,
			Text: "a-b.c_1",
		}, {
			Kind: permission.Greedy,
			Text: "proxy",
		}},
		"/" + strings.Repeat("a", 199): {literal(strings.Repeat("a", 199))},
	}
	for path, want := range tests {
		got, err := permission.ParsePath(path)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", path, err, diff)
		}
	}

	for _, path := range []string{
		"", "a", "a/b", "//", "/a/", "/a//b", "/.", "/..", "/a/../b", "/a*", "/*", "/a?", "/%61",
		"/a b", "/é", `/a\b`, "/a\x00",
		"/{}", "/{+}", "/{a", "/a}", "/{a}b", "/b{a}", "/{a}{b}", "/{a/b}", "/{a+}/b", "/{a}/{a}",
		"/{a}/{a+}", "/{a*}", "/{a b}", "/{{a}}", "/${a}", "/a#b", "/a\n", "/a;b",
		"/{" + strings.Repeat("a", 65) + "}", "/" + strings.Repeat("a", 200),
	} {
		if got, err := permission.ParsePath(path); err == nil {
			t.Errorf("%q is read as %+v", path, got)
		}
	}
}

func TestSameShape(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"/", "/", true},
		{"/a/{x}/b", "/a/{y}/b", true},
		{"/a/{x+}", "/a/{proxy+}", true},
		{"/a/{x}", "/a/{x+}", false},
		{"/a/{x}", "/a/x", false},
		{"/a/{x}", "/b/{x}", false},
		{"/a/{x}", "/a/{x}/b", false},
		{"/a", "/a/", false},
		{"/A", "/a", false},
	} {
		if permission.SameShape(tt.a, tt.b) != tt.want ||
			permission.SameShape(tt.b, tt.a) != tt.want {
			t.Errorf("%s and %s: not %t", tt.a, tt.b, tt.want)
		}
	}
}
