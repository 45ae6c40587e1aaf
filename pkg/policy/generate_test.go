package policy_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// scene is a catalogue, a grant and the parts of the catalogue that paths are made from.
type scene struct {
	catalogue *permission.Catalogue
	api       string
	grant     permission.Grant
	templates []string
}

// Few words, so that routes overlap and customers share names with literals.
var (
	literals = []string{"a", "b", "customers", "a.b", "$x", "a:b"}
	values   = []string{
		"a", "b", "customers", "1", "2", "~", "~~", "a b", "x:y", "é", "%41", "${x}", "*", "#*",
		"a*", "a%20b", "caf%C3%A9", "1;x=2", "x%40y",
	}
	customers = []string{"1", "2", "a", ".", "..", "no/id", "*", "a.b"}
	called    = []string{
		"GET", "GET", "GET", "GET", "GET", "POST", "POST", "POST", "DELETE", "OPTIONS", "HEAD",
		"PUT", "PATCH", "TRACE", "get", "ANY",
	}
)

func genTemplate() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		depth := rapid.IntRange(0, 4).Draw(t, "depth")
		var b strings.Builder

		customer := false
		for i := range depth {
			kind := rapid.IntRange(0, 9).Draw(t, "kind")
			switch {
			case kind < 5:
				b.WriteString("/" + rapid.SampledFrom(literals).Draw(t, "literal"))
			case kind < 7 && !customer:
				customer = true
				b.WriteString("/{customerId}")
			case kind == 9 && i == depth-1:
				fmt.Fprintf(&b, "/{p%d+}", i)
			default:
				fmt.Fprintf(&b, "/{p%d}", i)
			}
		}

		if b.Len() == 0 {
			return "/"
		}

		return b.String()
	})
}

func genScene() *rapid.Generator[scene] {
	return rapid.Custom(func(t *rapid.T) scene {
		s := scene{api: rapid.SampledFrom([]string{"one", "one", "two", "three"}).Draw(t, "api")}

		var ps []permission.Permission
		for i := range rapid.IntRange(1, 5).Draw(t, "permissions") {
			ps = append(ps, permission.Permission{Name: fmt.Sprintf("p%d:use", i), Title: "T"})
		}

		for range rapid.IntRange(1, 9).Draw(t, "routes") {
			p := &ps[rapid.IntRange(0, len(ps)-1).Draw(t, "permission")]
			r := permission.Route{
				API: rapid.SampledFrom([]string{"*", "*", "*", "one", "one", "two"}).Draw(t,
					"route's api"),
				Method: rapid.SampledFrom([]string{"GET", "GET", "GET", "POST", "ANY"}).Draw(t,
					"route's method"),
				Path: genTemplate().Draw(t, "template"),
			}

			p.Routes = append(p.Routes, r)
			if _, err := permission.NewCatalogue(ps); err != nil {
				p.Routes = p.Routes[:len(p.Routes)-1] // the same route with other names
				continue
			}

			s.templates = append(s.templates, r.Path)
		}

		c, err := permission.NewCatalogue(ps)
		if err != nil {
			t.Fatal(err)
		}

		s.catalogue = c

		s.grant.All = rapid.IntRange(0, 9).Draw(t, "all") == 0
		for _, p := range ps {
			if rapid.IntRange(0, 2).Draw(t, "held") > 0 {
				s.grant.Permissions = append(s.grant.Permissions, p.Name)
			}
		}

		if rapid.IntRange(0, 2).Draw(t, "scoped") == 0 {
			s.grant.Customers = rapid.SliceOfN(rapid.SampledFrom(customers), 1, 3).Draw(t,
				"customers")
		}

		return s
	})
}

// genPath makes paths of routes, allowed or not, and near misses of them.
func genPath(s scene) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		segments := strings.Split(rapid.SampledFrom(append(s.templates, "/", "/a/b")).Draw(t, "of"),
			"/")[1:]

		var path []string
		for _, segment := range segments {
			switch {
			case strings.HasSuffix(segment, "+}"):
				path = append(path,
					rapid.SliceOfN(rapid.SampledFrom(values), 1, 3).Draw(t, "tail")...)
			case strings.HasPrefix(segment, "{"):
				path = append(path, rapid.SampledFrom(values).Draw(t, "value"))
			default:
				path = append(path, segment)
			}
		}

		for range max(0, rapid.IntRange(-2, 2).Draw(t, "mutations")) {
			at := rapid.IntRange(0, len(path)).Draw(t, "at")
			switch rapid.IntRange(0, 4).Draw(t, "mutation") {
			case 0: // deeper
				inserted := rapid.SampledFrom(append(values, literals...)).Draw(t, "inserted")
				path = append(path[:at:at], append([]string{inserted}, path[at:]...)...)
			case 1: // shallower
				path = path[:at]
			case 2: // another segment
				if at < len(path) {
					path[at] = rapid.SampledFrom(append(values, literals...)).Draw(t, "replaced")
				}

			case 3: // unclean
				odd := rapid.SampledFrom([]string{
					"", ".", "..", "%2e", "x%2Fy", "%2f", "%2E%2E", "%5c", "a%5C", `\`, "...",
					".a", "%2",
				}).Draw(t, "odd")
				path = append(path[:at:at], append([]string{odd}, path[at:]...)...)
			case 4: // another spelling
				if at < len(path) && path[at] != "" {
					path[at] = respell(t, path[at])
				}
			}
		}

		return "/" + strings.Join(path,
			"/") + rapid.SampledFrom([]string{"", "", "", "/", "/", "//"}).Draw(t, "end")
	})
}

// respell spells a segment in another way that some reader decodes to the original.
func respell(t *rapid.T, segment string) string {
	at := rapid.IntRange(0, len(segment)-1).Draw(t, "character")

	escape := fmt.Sprintf(rapid.SampledFrom([]string{"%%%02x", "%%%02X", "%%25%02x"}).Draw(t,
		"escape"), segment[at])
	switch rapid.IntRange(0, 3).Draw(t, "spelling") {
	case 0:
		return segment + rapid.SampledFrom([]string{
			"%20", "%00", ";x=1", "%3bx", "%3Bx", "%C2%A0", "%3f", "%23x", "%09",
		}).Draw(t, "after")
	case 1:
		return rapid.SampledFrom([]string{"%20", ";", "%00", "%c2%85"}).Draw(t, "before") + segment
	default:
		return segment[:at] + escape + segment[at+1:]
	}
}

// stage returns the ARN of a generated request.
func stage(method, path string) policy.ARN {
	return policy.ARN{
		Partition: "aws",
		Region:    "eu-west-1",
		Account:   "123456789012",
		API:       "a1b2c3",
		Stage:     "$default",
		Method:    method,
		Path:      path,
	}
}
