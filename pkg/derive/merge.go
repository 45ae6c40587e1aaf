package derive

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// Merge returns the catalogue with a proposal for one API in it. The API's routes are those of the
// proposal; other APIs' stay. A permission that there was keeps its title, description and marks,
// unless those of the proposal are edited. One that only opened routes of the API, and opens none
// any more, goes. Built-in permissions are left out.
func Merge(
	current []permission.Permission, api string, proposed []permission.Permission, edited bool,
) (next []permission.Permission) {
	have := map[string]bool{}

	for _, p := range current {
		if p.BuiltIn {
			continue
		}

		before := len(p.Routes)
		p.Routes = slices.DeleteFunc(slices.Clone(p.Routes), func(r permission.Route) bool {
			return r.API == api
		})

		emptied := len(p.Routes) == 0 && before > 0

		for _, more := range proposed {
			if more.Name != p.Name {
				continue
			}

			have[p.Name] = true

			routes := append(p.Routes, more.Routes...)
			if edited {
				p = more
			}

			p.Routes = routes
		}

		if !emptied || have[p.Name] {
			next = append(next, p)
		}
	}

	for _, p := range proposed {
		if !have[p.Name] {
			next = append(next, p)
		}
	}

	return next
}

// Text is a catalogue as lines, for a diff. The routes of a permission are in order.
func Text(permissions []permission.Permission) []byte {
	var out strings.Builder
	for _, p := range permissions {
		if p.BuiltIn {
			continue
		}

		fmt.Fprintf(&out, "%s\n    title %s\n", p.Name, p.Title)

		if p.Description != "" {
			fmt.Fprintf(&out, "    description %s\n", cut(p.Description, permission.MaxDescription))
		}

		if p.Default {
			out.WriteString("    default\n")
		}

		if p.Publishable {
			out.WriteString("    publishable\n")
		}

		var routes []string
		for _, r := range p.Routes {
			routes = append(routes, fmt.Sprintf("    opens %s %s %s\n", r.API, r.Method, r.Path))
		}

		slices.Sort(routes)
		out.WriteString(strings.Join(routes, ""))
	}

	return []byte(out.String())
}

// Valid reports what a catalogue cannot take, with what to do at each of its limits.
func Valid(permissions []permission.Permission) error {
	_, err := permission.NewCatalogue(permissions)

	var invalid *permission.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}

	var all []string
	for _, f := range invalid.Fields {
		text := f.Location + " " + f.Message
		if i := index(f.Location); i >= 0 && i < len(permissions) {
			text = fmt.Sprintf("%s: %s %s", permissions[i].Name,
				f.Location[strings.IndexByte(f.Location, ']')+1:], f.Message)
		}

		all = append(all, strings.TrimSpace(text))
	}

	return errors.New(strings.Join(append(all, advice(permissions)...), "\n  "))
}

// index returns the index in a location such as permissions[2].name, or -1.
func index(location string) int {
	i := -1
	if _, err := fmt.Sscanf(location, "permissions[%d]", &i); err != nil {
		return -1
	}

	return i
}

// advice says what to do at the limits that are exceeded.
func advice(permissions []permission.Permission) (advice []string) {
	paths := map[string]map[string]bool{}
	routes := 0

	for _, p := range permissions {
		routes += len(p.Routes)

		for _, r := range p.Routes {
			if paths[r.API] == nil {
				paths[r.API] = map[string]bool{}
			}

			paths[r.API][r.Path] = true
		}
	}

	tooMany := false
	for _, known := range paths {
		tooMany = tooMany || len(known) > permission.MaxPaths
	}

	if tooMany {
		advice = append(advice, "API Gateway has as many resources in an API by default: split the API, "+
			"and import each part by --only PREFIX under a name of its own, or let one {proxy+} path "+
			"stand for several")
	}

	if len(permissions) > permission.MaxPermissions {
		advice = append(advice, "let operations share permissions: by x-permission in the document, or "+
			"by editing what --print prints; several APIs may share them too")
	}

	if routes > permission.MaxRoutes {
		advice = append(advice, "let ANY and {proxy+} routes stand for several, or give some APIs a "+
			"deployment of their own")
	}

	if text, err := permission.Encode(permissions); err == nil && len(text) > permission.MaxBytes {
		advice = append(advice, "shorten descriptions, or give some APIs a deployment of their own")
	}

	return advice
}
