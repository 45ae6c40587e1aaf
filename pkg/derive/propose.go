package derive

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/bitting-keys/bitting/pkg/permission"
)

// Propose makes permissions of an API's operations, and notes of what it left out or decided:
//
//   - x-permission names the permission, or several of which any suffices.
//   - Otherwise a scope becomes a permission, such as orders:read, for each alternative that wants
//     only one.
//   - Otherwise the operation's first tag and its method do: read for GET and HEAD, delete for
//     DELETE, write for the others. Without a tag, the first word of the path that is no version.
func Propose(d *Document, api string) (permissions []permission.Permission, notes []string) {
	p := proposal{document: d, api: api, scopes: map[string]string{}}

	for _, o := range d.Operations {
		p.add(o)
	}

	return p.permissions, p.notes
}

type proposal struct {
	document    *Document
	api         string
	permissions []permission.Permission
	notes       []string
	scopes      map[string]string // the permissions that scopes became
}

func (p *proposal) note(o Operation, format string, args ...any) {
	at := ""
	if o.Line > 0 {
		at = fmt.Sprintf("line %d: ", o.Line)
	}

	p.notes = append(p.notes, at+o.Method+" "+o.Path+" "+fmt.Sprintf(format, args...))
}

// add gives an operation to permissions.
func (p *proposal) add(o Operation) {
	route := permission.Route{API: p.api, Method: o.Method, Path: o.Path}
	if o.Path != "/" {
		route.Path = strings.TrimSuffix(o.Path, "/") // as API Gateway does
	}

	switch _, err := permission.ParsePath(route.Path); {
	case o.Method == "OPTIONS":
		return // a preflight needs no key
	case o.Open && len(o.Named) == 0:
		p.note(o, "needs no key, and is in no permission")
		return
	case o.Method != "ANY" && !slices.Contains(permission.Methods(), o.Method):
		p.note(o, "is left out: API Gateway has no such method")
		return
	case err != nil:
		p.note(o, "is left out: the path %v", err)
		return
	}

	if other := p.sameRoute(route); other != "" {
		p.note(o, "is left out: API Gateway cannot tell it from %s", other)
		return
	}

	for _, name := range p.names(o) {
		p.open(name, route)
	}
}

// sameRoute returns the path of a route that differs in the names of its parameters only.
func (p *proposal) sameRoute(route permission.Route) string {
	for _, known := range p.permissions {
		for _, other := range known.Routes {
			if other.Method == route.Method && other.Path != route.Path &&
				permission.SameShape(other.Path, route.Path) {
				return other.Path
			}
		}
	}

	return ""
}

// names returns the permissions that open an operation.
func (p *proposal) names(o Operation) (names []string) {
	if len(o.Named) > 0 {
		return o.Named
	}

	var together bool
	for _, scopes := range o.Scopes {
		if len(scopes) > 1 {
			together = true
			continue
		}

		if name := p.ofScope(scopes[0]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}

	if len(names) > 0 {
		return names
	}

	name := p.ofTag(o)
	if together {
		p.note(o, "needs several scopes together, which one permission cannot say: %s is proposed", name)
	}

	return []string{name}
}

// ofScope makes a permission's name of a scope: its last part, as in
// https://example.com/auth/orders.read, with its own separator.
func (p *proposal) ofScope(scope string) string {
	if name, ok := p.scopes[scope]; ok {
		return name
	}

	name := scope
	if !permission.ValidName(name) {
		text := scope[strings.LastIndexByte(strings.TrimSuffix(scope, "/"), '/')+1:]

		resource, action, ok := strings.Cut(text, ":")
		if i := strings.LastIndexByte(text, '.'); !ok && i > 0 {
			resource, action, ok = text[:i], text[i+1:], true
		}

		if !ok {
			resource, action = text, "use"
		}

		name = p.name(resource, action)
		p.notes = append(p.notes, fmt.Sprintf("the scope %s becomes %s", scope, name))
	} else {
		name = p.unreserved(name)
	}

	p.scopes[scope] = name
	p.describe(name, p.document.Scopes[scope])
	return name
}

// ofTag makes a permission's name of an operation's tag and method.
func (p *proposal) ofTag(o Operation) string {
	resource := o.Tag
	if resource == "" {
		resource = p.firstWord(o.Path)
	}

	action := "write"

	switch o.Method {
	case "GET", "HEAD":
		action = "read"
	case "DELETE":
		action = "delete"
	}

	name := p.name(resource, action)
	p.describe(name, p.document.Tags[o.Tag])
	return name
}

var version = regexp.MustCompile(`^(api|rest|v[0-9][0-9.]*)$`)

// firstWord is the first literal of a path that says what it is about.
func (p *proposal) firstWord(path string) string {
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if segment != "" && !strings.HasPrefix(segment, "{") && !version.MatchString(segment) {
			return segment
		}
	}

	return p.api
}

var (
	hump    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	foreign = regexp.MustCompile(`[^a-z0-9]+`)
)

// word makes a part of a permission's name of any text.
func word(text string) string {
	text = strings.ToLower(hump.ReplaceAllString(text, "$1-$2"))
	text = strings.Trim(foreign.ReplaceAllString(text, "-"), "-")
	text = strings.TrimRight(text[:min(len(text), 32)], "-")

	if text == "" || text[0] < 'a' {
		return "x" + text[:min(len(text), 31)]
	}

	return text
}

func (p *proposal) name(resource, action string) string {
	return p.unreserved(word(resource) + ":" + word(action))
}

// unreserved puts the API's name before one that is the admin API's own.
func (p *proposal) unreserved(name string) string {
	empty, err := permission.NewCatalogue(nil)
	if err != nil || !empty.IsAdmin(name) {
		return name
	}

	resource, action, _ := strings.Cut(name, ":")
	return word(p.api+"-"+resource) + ":" + action
}

// describe makes a permission known, with its title.
func (p *proposal) describe(name, description string) {
	if p.index(name) >= 0 {
		return
	}

	p.permissions = append(p.permissions, permission.Permission{
		Name:        name,
		Title:       cut(title(name), permission.MaxTitle),
		Description: cut(description, permission.MaxDescription),
		Routes:      []permission.Route{},
	})
}

// title says a permission's name in words: "Read orders" for orders:read.
func title(name string) string {
	resource, action, ok := strings.Cut(name, ":")
	if !ok {
		return name
	}

	words := strings.NewReplacer("-", " ", "_", " ")
	text := []rune(words.Replace(action) + " " + words.Replace(resource))
	text[0] = unicode.ToUpper(text[0])
	return string(text)
}

// cut makes a text one line of at most so many characters.
func cut(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || permission.Invisible(r)
	}), " ")

	if runes := []rune(text); len(runes) > most {
		return strings.TrimSpace(string(runes[:most-1])) + "…"
	}

	return text
}

func (p *proposal) index(name string) int {
	return slices.IndexFunc(p.permissions, func(known permission.Permission) bool {
		return known.Name == name
	})
}

// open gives a route to a permission.
func (p *proposal) open(name string, route permission.Route) {
	p.describe(name, "")

	routes := &p.permissions[p.index(name)].Routes
	if !slices.Contains(*routes, route) {
		*routes = append(*routes, route)
	}
}
