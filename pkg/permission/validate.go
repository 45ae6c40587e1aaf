package permission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// InvalidError lists everything that is wrong with a catalogue.
type InvalidError struct {
	Fields []FieldError
}

// FieldError describes what is wrong with one field.
type FieldError struct {
	// Location is a path such as permissions[2].routes[0].path, with indexes into the given list.
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error lists the fields.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("the permission catalogue is not valid")

	separator := ": "
	for _, f := range e.Fields {
		b.WriteString(separator + f.Location + " " + f.Message)
		separator = "; "
	}

	return b.String()
}

// The limits of a catalogue.
const (
	MaxPermissions = 200  // besides the built-in ones
	MaxTitle       = 100  // characters
	MaxDescription = 1000 // characters
	MaxRoutes      = 2000 // of all permissions
	// MaxPaths is API Gateway's default limit for an API, here for the paths that routes name;
	// see
	// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
	MaxPaths = 300
	// MaxBytes is the maximum size of a catalogue in the form that [Encode] returns. It is stored
	// in one item, which may have 400 KiB including all other attributes.
	MaxBytes = 350 << 10
)

const maxName = 65 // bytes: two parts of 32 and what is between them

// validator collects faults. It remembers names and routes to find collisions.
type validator struct {
	fields  []FieldError
	names   map[string]int
	routes  map[string][]seenRoute // by method and shape
	builtIn map[string]Permission
}

type seenRoute struct {
	Route
	permission int
	location   string
}

func validate(ps []Permission) error {
	v := validator{
		names:   make(map[string]int),
		routes:  make(map[string][]seenRoute),
		builtIn: make(map[string]Permission),
	}
	for _, p := range builtIns() {
		v.builtIn[p.Name] = p
	}

	own, routes := 0, 0
	for i, p := range ps {
		v.permission(i, p)

		routes += len(p.Routes)
		if !p.BuiltIn {
			own++
		}
	}

	if own > MaxPermissions {
		v.add("permissions", "must be at most %d, not %d", MaxPermissions, own)
	}

	if routes > MaxRoutes {
		v.add("permissions", "must have at most %d routes in total, not %d", MaxRoutes, routes)
	}

	v.resources(ps)
	v.size(ps)

	if len(v.fields) > 0 {
		return &InvalidError{Fields: v.fields}
	}

	return nil
}

// resources finds the APIs with too many paths. A route for every API counts for each.
func (v *validator) resources(ps []Permission) {
	paths := map[string]map[string]bool{anyAPI: {}}
	for _, p := range ps {
		for _, r := range p.Routes {
			if paths[r.API] == nil {
				paths[r.API] = map[string]bool{}
			}

			paths[r.API][shape(r.Path)] = true
		}
	}

	everywhere := paths[anyAPI]
	for _, api := range slices.Sorted(maps.Keys(paths)) {
		n := len(everywhere)
		for path := range paths[api] {
			if api != anyAPI && !everywhere[path] {
				n++
			}
		}

		if n > MaxPaths {
			v.add("permissions", "must name at most %d paths for each API, not %d for %s", MaxPaths,
				n, api)
		}

		if len(everywhere) > MaxPaths {
			return // the routes for every API exceed it alone
		}
	}
}

// size finds a catalogue that is too large to store. Most are far from that, and not encoded: here
// an authorizer would use encoding/json the only time before its first answer.
func (v *validator) size(ps []Permission) {
	if mostBytes(ps) <= MaxBytes {
		return
	}

	text, err := Encode(ps)
	switch {
	case err != nil:
		v.add("permissions", "cannot be encoded: %v", err)
	case len(text) > MaxBytes:
		v.add("permissions", "must have at most %d bytes as JSON, not %d", MaxBytes, len(text))
	}
}

// mostBytes returns a size that a catalogue does not exceed as JSON: a byte takes up to six, as in
// \u0000, and what is written around the values of a permission or a route up to what is added.
func mostBytes(ps []Permission) int {
	size := len("null")
	for _, p := range ps {
		size += 200 + 6*(len(p.Name)+len(p.Title)+len(p.Description))
		for _, r := range p.Routes {
			size += 50 + 6*(len(r.API)+len(r.Method)+len(r.Path))
		}
	}

	return size
}

// Encode returns the JSON in which a catalogue is stored.
func Encode(ps []Permission) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the escapes take six bytes, and this is never part of a page
	err := e.Encode(ps)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (v *validator) add(location, format string, args ...any) {
	v.fields = append(v.fields, FieldError{
		Location: location,
		Message:  fmt.Sprintf(format, args...),
	})
}

func (v *validator) permission(i int, p Permission) {
	at := fmt.Sprintf("permissions[%d]", i)
	v.name(at+".name", i, p)

	switch titled := utf8.RuneCountInString(p.Title); {
	case strings.TrimSpace(p.Title) == "":
		v.add(at+".title", "is required")
	case strings.ContainsFunc(p.Title, Invisible):
		v.add(at+".title", "must not have control or format characters")
	case titled > MaxTitle:
		v.add(at+".title", "must be at most %d characters long, not %d", MaxTitle, titled)
	}

	if n := utf8.RuneCountInString(p.Description); n > MaxDescription {
		v.add(at+".description", "must be at most %d characters long, not %d", MaxDescription, n)
	}

	for j, r := range p.Routes {
		v.route(fmt.Sprintf("%s.routes[%d]", at, j), i, r)
	}
}

func (v *validator) name(at string, i int, p Permission) {
	if !ValidName(p.Name) {
		v.add(at, "must be resource:action, such as messages:write, or resource_action")
	}

	if first, ok := v.names[p.Name]; ok {
		v.add(at, "is also the name of permissions[%d]", first)
	} else {
		v.names[p.Name] = i
	}

	builtIn, reserved := v.builtIn[p.Name]
	if len(p.Routes) == 0 {
		p.Routes = []Route{}
	}

	switch {
	case reserved && !reflect.DeepEqual(p, builtIn):
		v.add(at, "is built in and cannot be redefined")
	case p.BuiltIn && !reserved:
		v.add(strings.TrimSuffix(at, ".name")+".builtIn",
			"is only for permissions of the admin API")
	}
}

func (v *validator) route(at string, permission int, r Route) {
	if r.API != anyAPI && !ValidAPI(r.API) {
		v.add(at+".api",
			"must be * or a name of at most 32 lower-case letters, digits and hyphens that "+
				"starts with a letter")
	}

	if r.Method != anyMethod && methodIndex(r.Method) < 0 {
		v.add(at+".method", "must be one of %s or ANY", strings.Join(methods[:], ", "))
	}

	if _, err := ParsePath(r.Path); err != nil {
		v.add(at+".path", "%v", err)
		return
	}

	v.collision(at, permission, r)
}

// collision finds routes that are the same route. Two permissions may open it, but they must use
// the same names for its parameters: whether customerId is among them decides if a key's customers
// restrict the call.
func (v *validator) collision(at string, permission int, r Route) {
	key := r.Method + " " + shape(r.Path)
	for _, other := range v.routes[key] {
		if other.API != r.API && other.API != anyAPI && r.API != anyAPI {
			continue
		}

		if other.Path != r.Path {
			v.add(at+".path", "names its parameters differently from the same route in %s",
				other.location)
			break
		}

		if other.permission == permission && other.API == r.API {
			v.add(at, "is the same as %s", other.location)
			break
		}
	}

	v.routes[key] = append(v.routes[key], seenRoute{Route: r, permission: permission, location: at})
}

// Invisible reports whether nothing is seen of a character that is no space, and which may make the
// text around it look like something else.
func Invisible(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point) // the fillers of Hangul are letters
}
