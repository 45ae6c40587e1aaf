package permission

import (
	"encoding/json"
	"slices"
)

// Catalogue is a valid set of permissions, made by [NewCatalogue]. It never
// changes, so it is safe for concurrent use, and its pointer identifies it.
type Catalogue struct {
	permissions []Permission
	byName      map[string]int
	// tables has the routes of every API that some route names, and everywhere
	// those of all other APIs.
	tables     map[string]*table
	everywhere *table
}

// NewCatalogue makes a catalogue of the operator's permissions and, after them,
// the built-in ones of the admin API. All fields that are wrong are reported at
// once, in an [*InvalidError].
//
// A built-in permission may be among ps if it says exactly what the built-in one
// says, so that what [Catalogue.Permissions] returned can be given back.
func NewCatalogue(ps []Permission) (*Catalogue, error) {
	if err := validate(ps); err != nil {
		return nil, err
	}
	c := &Catalogue{byName: make(map[string]int), tables: make(map[string]*table)}
	for _, p := range ps {
		if !p.BuiltIn {
			c.permissions = append(c.permissions, p)
		}
	}
	c.permissions = clonePermissions(append(c.permissions, builtIns()...))
	for i, p := range c.permissions {
		c.byName[p.Name] = i
		for _, r := range p.Routes {
			if r.API != anyAPI && c.tables[r.API] == nil {
				c.tables[r.API] = compile(r.API, c.permissions)
			}
		}
	}
	c.everywhere = compile(anyAPI, c.permissions)
	return c, nil
}

func (c *Catalogue) table(api string) *table {
	if t := c.tables[api]; t != nil {
		return t
	}
	return c.everywhere
}

// Permissions returns the permissions in the catalogue's order, the built-in ones
// last. The result is the caller's.
func (c *Catalogue) Permissions() []Permission {
	return clonePermissions(c.permissions)
}

// Lookup returns the permission with the name.
func (c *Catalogue) Lookup(name string) (Permission, bool) {
	i, ok := c.byName[name]
	if !ok {
		return Permission{}, false
	}
	p := c.permissions[i]
	p.Routes = slices.Clone(p.Routes)
	return p, true
}

// Defaults returns the names of what a new key holds when its maker names no
// permissions.
func (c *Catalogue) Defaults() []string {
	return c.names(func(p Permission) bool { return p.Default })
}

// DataPlane returns the names of all permissions but the built-in ones.
func (c *Catalogue) DataPlane() []string {
	return c.names(func(p Permission) bool { return !p.BuiltIn })
}

// BuiltIn returns the names of the built-in permissions, which open the admin API.
func (c *Catalogue) BuiltIn() []string {
	return c.names(func(p Permission) bool { return p.BuiltIn })
}

// IsAdmin reports whether the name is a built-in permission of the admin API.
func (c *Catalogue) IsAdmin(name string) bool {
	i, ok := c.byName[name]
	return ok && c.permissions[i].BuiltIn
}

// MarshalJSON gives {"permissions": [...]}, the built-in ones included.
func (c *Catalogue) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Permissions []Permission `json:"permissions"`
	}{c.permissions})
}

func (c *Catalogue) names(keep func(Permission) bool) []string {
	names := []string{}
	for _, p := range c.permissions {
		if keep(p) {
			names = append(names, p.Name)
		}
	}
	return names
}

// clonePermissions copies deeply, and makes absent routes an empty list, which is
// what JSON shall show.
func clonePermissions(ps []Permission) []Permission {
	cloned := make([]Permission, len(ps))
	for i, p := range ps {
		p.Routes = append([]Route{}, p.Routes...)
		cloned[i] = p
	}
	return cloned
}
