package permission_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/permission"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t,
		perm("read:all", "GET /", "GET /m", "GET /m/{id}", "GET /m/{id}/parts/{part}",
			"ANY /m/{id}/{rest+}"),
		perm("read:some", "GET /m/{id}", "demo GET /m/latest", "POST /m/new", "GET /{x}/latest/y"),
		perm("any:x", "ANY /any", "other GET /only"),
		perm("get:x", "GET /any", "other GET /any"),
		perm("tags:x", "GET /t/{id}"),
	)

	tests := map[string]struct {
		api, call string
		want      string // route, parameters, permissions; empty for none
	}{
		"root":   {"demo", "GET /", "* GET / [] [read:all]"},
		"static": {"demo", "GET /m", "* GET /m [] [read:all]"},
		"parameter, two permissions": {
			"demo", "GET /m/7", "* GET /m/{id} [{id 7}] [read:all read:some]",
		},
		"static before parameter": {
			"demo", "GET /m/latest", "demo GET /m/latest [] [read:some]",
		},
		"which another API has not": {
			"other", "GET /m/latest", "* GET /m/{id} [{id latest}] [read:all read:some]",
		},
		"the path decides before method": {"demo", "GET /m/new", ""},
		"two parameters": {
			"demo", "GET /m/7/parts/8", "* GET /m/{id}/parts/{part} [{id 7} {part 8}] [read:all]",
		},
		"parameter before greedy, method": {"demo", "POST /m/7/parts/8", ""},
		"greedy": {
			"demo", "POST /m/7/parts/8/9",
			"* ANY /m/{id}/{rest+} [{id 7} {rest parts/8/9}] [read:all]",
		},
		"greedy, one segment": {
			"demo", "GET /m/7/parts", "* ANY /m/{id}/{rest+} [{id 7} {rest parts}] [read:all]",
		},
		"greedy needs one": {"demo", "DELETE /m/7/", ""},
		"left static wins": {
			"demo", "GET /m/latest/y", "* ANY /m/{id}/{rest+} [{id latest} {rest y}] [read:all]",
		},
		"a static that leads nowhere": {
			"demo", "GET /any/latest/y", "* GET /{x}/latest/y [{x any}] [read:some]",
		},
		"method before ANY":              {"demo", "GET /any", "* GET /any [] [get:x]"},
		"ANY":                            {"demo", "PATCH /any", "* ANY /any [] [any:x]"},
		"ANY is not every word":          {"demo", "TRACE /any", ""},
		"the word ANY":                   {"demo", "ANY /any", ""},
		"lower case":                     {"demo", "get /any", ""},
		"one API only":                   {"other", "GET /only", "other GET /only [] [any:x]"},
		"not another":                    {"demo", "GET /only", ""},
		"no named API":                   {"third", "GET /only", ""},
		"trailing slash":                 {"demo", "GET /m/", "* GET /m [] [read:all]"},
		"trailing slash after parameter": {"demo", "GET /t/7/", "* GET /t/{id} [{id 7}] [tags:x]"},
		"where a greedy one has been":    {"demo", "GET /m/7/parts/8/", ""},
		"where a greedy one begins":      {"demo", "GET /m/7/", ""},
		"trailing slash after greedy": {
			"demo", "PUT /m/7/a/b/", "* ANY /m/{id}/{rest+} [{id 7} {rest a/b}] [read:all]",
		},
		"raw": {
			"demo", "PUT /m/7/x/%20%C3%A9",
			"* ANY /m/{id}/{rest+} [{id 7} {rest x/%20%C3%A9}] [read:all]",
		},
		"case matters": {"demo", "GET /M", ""},
		"glob characters are only text": {
			"demo", "GET /m/*", "* GET /m/{id} [{id *}] [read:all read:some]",
		},
		"dots in a name": {
			"demo", "GET /m/...", "* GET /m/{id} [{id ...}] [read:all read:some]",
		},
		"unknown":                       {"demo", "GET /x", ""},
		"no slash":                      {"demo", "GET m", ""},
		"empty":                         {"demo", "GET ", ""},
		"a query":                       {"demo", "GET /m/7?x", ""},
		"a fragment":                    {"demo", "GET /m/7#x", ""},
		"two slashes":                   {"demo", "GET //", ""},
		"two slashes at the end":        {"demo", "GET /m//", ""},
		"two slashes before":            {"demo", "GET //m", ""},
		"empty parameter":               {"demo", "GET /m//parts/8", ""},
		"dot":                           {"demo", "GET /m/.", ""},
		"dot and slash":                 {"demo", "GET /m/./", ""},
		"dots":                          {"demo", "GET /m/..", ""},
		"dots inside":                   {"demo", "PUT /m/1/../2", ""},
		"backslash":                     {"demo", `GET /m/a\b`, ""},
		"encoded dot":                   {"demo", "GET /m/a%2eb", ""},
		"encoded dot, upper case":       {"demo", "GET /m/%2E", ""},
		"encoded slash":                 {"demo", "GET /m/a%2fb", ""},
		"encoded slash, upper case":     {"demo", "GET /m/a%2F", ""},
		"encoded backslash":             {"demo", "GET /m/%5c", ""},
		"encoded backslash, upper case": {"demo", "GET /m/%5C", ""},
		"after a percent sign":          {"demo", "GET /m/%%2e", ""},
		"control character":             {"demo", "GET /m/a\x1fb", ""},
		"delete character":              {"demo", "GET /m/\x7f", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.call, " ")
			got, ok := c.Match(tt.api, method, path)

			text := ""
			if ok {
				text = fmt.Sprintf("%s %s %s %v %v", got.Route.API, got.Route.Method,
					got.Route.Path, slices.AppendSeq([]permission.Param{}, got.Params()), got.Permissions)
			}

			if diff := cmp.Diff(tt.want, text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t, perm("a:x", "ANY /any", "demo GET /m/{id}"),
		perm("b:x", "GET /any", "GET /m/{id}", "other GET /x"))

	var got []string
	for _, e := range c.Routes("demo") {
		got = append(got, fmt.Sprint(e.Route, e.Methods, e.Permissions, len(e.Segments)))
	}

	want := []string{
		"{* ANY /any} [POST PUT PATCH DELETE HEAD OPTIONS] [a:x] 1",
		"{demo GET /m/{id}} [GET] [a:x b:x] 2",
		"{* GET /any} [GET] [b:x] 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// wildcard is a parameter in a template.
var wildcard = regexp.MustCompile(`\{[^}]+\}`)

// model implements the rules directly: among the templates that match as regular expressions, it
// finds the one whose kinds of segments come first from the left.
func model(routes []permission.Route, method, path string) (template string, ok bool) {
	if path != "/" && strings.HasSuffix(path, "/") {
		for _, r := range routes { // an empty greedy parameter would be another reading
			parent, greedy := strings.CutSuffix(r.Path, "+}")
			if greedy &&
				regexp.MustCompile("^"+wildcard.ReplaceAllString(parent[:strings.LastIndex(parent,
					"/")+1], "[^/]+")+"$").MatchString(path) {
				return "", false
			}
		}

		template, ok := model(routes, method, strings.TrimSuffix(path, "/"))
		greedies := slices.DeleteFunc(slices.Clone(routes), func(r permission.Route) bool {
			return !strings.HasSuffix(r.Path, "+}")
		})
		other, _ := model(greedies, method, strings.TrimSuffix(path, "/"))
		return template, ok && (other == "" || other == template)
	}

	best, found := "", ""
	for _, r := range routes {
		expression, rank := "", ""
		for _, s := range strings.Split(r.Path, "/")[1:] {
			switch {
			case strings.HasSuffix(s, "+}"):
				expression, rank = expression+"/.+", rank+"3"
			case strings.HasPrefix(s, "{"):
				expression, rank = expression+"/[^/]+", rank+"2"
			default:
				expression, rank = expression+"/"+regexp.QuoteMeta(s), rank+"1"
			}
		}

		if regexp.MustCompile("^"+expression+"$").MatchString(path) && (best == "" || rank < best) {
			best, found = rank, r.Path
		}
	}

	if best == "" {
		return "", false
	}

	return found, slices.ContainsFunc(routes, func(r permission.Route) bool {
		return permission.SameShape(r.Path, found) && (r.Method == method || r.Method == "ANY")
	})
}

func TestMatchIsModel(t *testing.T) {
	t.Parallel()
	segments := []string{"a", "b", "c", "{p}", "{p}", "{p+}"}
	rapid.Check(t, func(t *rapid.T) {
		var p permission.Permission
		p.Name = "a:x"

		p.Title = "T"
		for range rapid.IntRange(1, 8).Draw(t, "routes") {
			parts := rapid.SliceOfN(rapid.SampledFrom(segments), 1, 4).Draw(t, "parts")
			for i, part := range parts {
				parts[i] = strings.Replace(part, "p", fmt.Sprintf("p%d", i), 1)
				if i < len(parts)-1 {
					parts[i] = strings.Replace(parts[i], "+", "", 1)
				}
			}

			r := permission.Route{
				API:    "*",
				Method: rapid.SampledFrom([]string{"GET", "POST", "ANY"}).Draw(t, "method"),
				Path:   "/" + strings.Join(parts, "/"),
			}
			if !slices.Contains(p.Routes, r) {
				p.Routes = append(p.Routes, r)
			}
		}

		c, err := permission.NewCatalogue([]permission.Permission{p})
		if err != nil {
			t.Fatal(err)
		}

		for range 20 {
			path := "/" +
				strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}),
					0, 5).Draw(t, "path"), "/")
			if path != "/" && rapid.Bool().Draw(t, "slash") {
				path += "/"
			}

			got, ok := c.Match("demo", "GET", path)
			if want, wanted := model(p.Routes, "GET", path); ok != wanted ||
				(ok && got.Route.Path != want) {
				t.Fatalf("%s: %s %t, the model says %s %t", path, got.Route.Path, ok, want, wanted)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	var routes []string
	for i := range 70 {
		routes = append(routes, fmt.Sprintf("GET /r%d", i), fmt.Sprintf("GET /r%d/{id}", i),
			fmt.Sprintf("GET /r%d/{id}/parts/{part}", i), fmt.Sprintf("ANY /r%d/{id}/{rest+}", i))
	}

	c := newCatalogue(b, perm("a:x", routes...))
	for name, path := range map[string]string{
		"static":     "/r42",
		"parameters": "/r42/1/parts/2",
		"greedy":     "/r42/1/a/b/c",
		"none":       "/x/y",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				c.Match("demo", "GET", path)
			}
		})
	}
}
