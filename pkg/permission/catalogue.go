package permission

import (
	"encoding/json"
	"slices"
	"sync"
)

// Catalogue is a valid set of permissions, made by [NewCatalogue]. It never changes, so it is safe
// for concurrent use, and its pointer identifies it.
type Catalogue struct {
	permissions []Permission
	byName      map[string]int
	apis        map[string]bool // those that some route names

	// tables has the routes of the APIs that were asked for, by name. anyAPI stands for every API
	// that no route names. They are compiled on demand: a process uses few APIs, and the routes
	// for every API are in each table.
	mu     sync.RWMutex
	tables map[string]*table
}

// maxTables is the maximum number of API tables that a catalogue keeps.
const maxTables = 16

// NewCatalogue returns a catalogue of the operator's permissions followed by the built-in ones of
// the admin API. It reports all invalid fields at once, in an [*InvalidError].
//
// ps may contain a built-in permission if it equals the built-in one, so that the result of
// [Catalogue.Permissions] is valid input.
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
		return known // two callers compiled it at once
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

// Defaults returns the names of the permissions that a new key gets by default.
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

// MarshalJSON returns {"permissions": [...]}, including the built-in ones.
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

// clonePermissions copies deeply, and turns absent routes into an empty list, which JSON should
// show.
func clonePermissions(ps []Permission) []Permission {
	cloned := make([]Permission, len(ps))
	for i, p := range ps {
		p.Routes = append([]Route{}, p.Routes...)
		cloned[i] = p
	}

	return cloned
}
