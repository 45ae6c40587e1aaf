package permission

import (
	"encoding/json"
	"slices"
	"sync"
)

// Catalogue is a valid set of permissions, made by [NewCatalogue]. What it says never
// changes, so it is safe for concurrent use, and its pointer identifies it.
type Catalogue struct {
	permissions []Permission
	byName      map[string]int
	apis        map[string]bool // those that some route names

	// tables has the routes of the APIs that were asked for, by their names; anyAPI
	// is all that no route names. A process has to do with few of them, and
	// the routes of every API stand in each table.
	mu     sync.RWMutex
	tables map[string]*table
}

// maxTables is how many APIs' tables a catalogue keeps at a time.
const maxTables = 16

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

	c := &Catalogue{
		byName: make(map[string]int),
		apis:   make(map[string]bool),
		tables: make(map[string]*table),
	}
	for _, p := range ps {
		if !p.BuiltIn {
			c.permissions = append(c.permissions, p)
		}
	}

	c.permissions = clonePermissions(append(c.permissions, builtIns()...))
	for i, p := range c.permissions {
		c.byName[p.Name] = i
		for _, r := range p.Routes {
			c.apis[r.API] = true
		}
	}

	return c, nil
}

// table returns the routes of an API.
func (c *Catalogue) table(api string) *table {
	if !c.apis[api] {
		api = anyAPI
	}

	c.mu.RLock()
	t := c.tables[api]
	c.mu.RUnlock()

	if t != nil {
		return t
	}

	t = compile(api, c.permissions)
	c.mu.Lock()
	defer c.mu.Unlock()

	if known := c.tables[api]; known != nil {
		return known // it was compiled by two at once
	}

	if len(c.tables) >= maxTables {
		clear(c.tables)
	}

	c.tables[api] = t
	return t
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
