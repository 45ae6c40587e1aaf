package admin

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Catalogue returns the permission catalogue in its API form, and its version.
func (s *OrganizationService) Catalogue(r *Request) (shown api.Catalogue, version int64) {
	return viewCatalogue(r.catalogue), r.version
}

func viewCatalogue(c *permission.Catalogue) api.Catalogue { return ViewCatalogue(c.Permissions()) }

// ViewCatalogue returns permissions as the API shows and takes a catalogue.
func ViewCatalogue(permissions []permission.Permission) api.Catalogue {
	return api.Catalogue{Permissions: viewAll(permissions, viewPermission)}
}

// PermissionsOf returns the permissions of a catalogue as the API shows and takes it. It is what
// ViewCatalogue undoes.
func PermissionsOf(shown []api.Permission) []permission.Permission {
	out := make([]permission.Permission, 0, len(shown))
	for _, p := range shown {
		one := permission.Permission{
			Name:        p.Name,
			Title:       p.Title,
			Description: p.Description,
			Default:     p.Default,
			Publishable: p.Publishable,
			BuiltIn:     p.BuiltIn,
		}
		for _, route := range p.Routes {
			one.Routes = append(one.Routes, permission.Route(route))
		}

		out = append(out, one)
	}

	return out
}

func viewPermission(p permission.Permission) api.Permission {
	return api.Permission{
		Name:        p.Name,
		Title:       p.Title,
		Description: p.Description,
		Default:     p.Default,
		Publishable: p.Publishable,
		BuiltIn:     p.BuiltIn,
		Routes: viewAll(p.Routes, func(route permission.Route) api.Route {
			return api.Route(route)
		}),
	}
}

// catalogueVersion is a catalogue in its API form, at a version.
type catalogueVersion struct {
	shown   api.Catalogue
	version int64
}

// PutCatalogue replaces the permission catalogue, except the built-in permissions, and returns the
// new one and its version. With force it removes permissions even if keys hold them.
func (s *OrganizationService) PutCatalogue(
	ctx context.Context, r *Request, match Match, asked []permission.Permission, force bool,
) (shown api.Catalogue, version int64, err error) {
	if !match.holds(r.version) {
		return shown, 0, store.ErrCatalogueStale
	}

	read := r.version
	done, err := change(ctx, s.core, r, func(r *Request) (attempt[catalogueVersion], error) {
		if r.version != read { // replaced meanwhile, by a catalogue that this caller has not seen
			return attempt[catalogueVersion]{}, store.ErrCatalogueStale
		}

		return s.tryPutCatalogue(ctx, r, asked, force)
	})
	return done.shown, done.version, err
}

func (s *OrganizationService) tryPutCatalogue(
	ctx context.Context, r *Request, asked []permission.Permission, force bool,
) (got attempt[catalogueVersion], err error) {
	wanted := make([]permission.Permission, 0, len(asked))

	places := []int{}
	for i, p := range asked {
		// The catalogue can be sent back as it was read: built-in permissions are ignored.
		if p.BuiltIn && r.catalogue.IsAdmin(p.Name) {
			continue
		}

		p.BuiltIn = false
		places = append(places, i)
		wanted = append(wanted, p)
	}

	catalogue, err := permission.NewCatalogue(wanted)
	if err != nil {
		return got, asSent(err, places)
	}

	if !force {
		if err := s.unused(ctx, r, catalogue); err != nil {
			return got, err
		}
	}

	entry, err := s.event(r, history.PermissionsUpdated, apikey.OperatorOrganization, history.Object{
		Type: "permissions",
		ID:   "catalogue",
	})
	if err != nil {
		return got, err
	}

	version := r.version

	entry.Changes = catalogueChanges(r.catalogue, catalogue)
	if len(entry.Changes) > 0 {
		version++
		got.writes = []store.Write{
			s.store.PutCatalogue(ctx, wanted, r.version),
			s.store.Append(entry),
		}
	}

	got.answer = catalogueVersion{viewCatalogue(catalogue), version}
	return got, nil
}

var indexPattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`permissions\[(\d+)\]`)
})

// asSent converts the locations of a catalogue's errors to those in the body, where built-in
// permissions may have stood in between.
func asSent(err error, places []int) error {
	var invalid *permission.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}

	place := func(text string) string {
		return indexPattern().ReplaceAllStringFunc(text, func(match string) string {
			i, err := strconv.Atoi(indexPattern().FindStringSubmatch(match)[1])
			if err != nil || i >= len(places) {
				return match
			}

			return fmt.Sprintf("permissions[%d]", places[i])
		})
	}

	out := &permission.InvalidError{}
	for _, f := range invalid.Fields {
		f.Location, f.Message = place(f.Location), place(f.Message)
		out.Fields = append(out.Fields, f)
	}

	return out
}

// unused refuses to remove a permission that keys hold.
func (s *OrganizationService) unused(
	ctx context.Context, r *Request, next *permission.Catalogue,
) error {
	var removed []string
	for _, name := range r.catalogue.DataPlane() {
		if _, stays := next.Lookup(name); !stays {
			removed = append(removed, name)
		}
	}

	if len(removed) == 0 {
		return nil
	}

	holders, err := s.store.CountHolders(ctx, removed)
	if err != nil {
		return err
	}

	p := Refuse(api.CodeInUse,
		"Keys still hold a permission that would be removed: remove it from them "+
			"first, or send ?force=true.")
	for _, name := range removed {
		if holders[name] > 0 {
			p.Fields = append(p.Fields, api.FieldError{
				Location: "body.permissions",
				Message:  fmt.Sprintf("number of keys that hold %s: %d", name, holders[name]),
			})
		}
	}

	if len(p.Fields) == 0 {
		return nil
	}

	return p
}

// catalogueChanges returns the permissions that differ, each as a field with its name.
func catalogueChanges(before, after *permission.Catalogue) []history.FieldChange {
	old, recent := map[string]any{}, map[string]any{}

	names := slices.Concat(before.DataPlane(), after.DataPlane())
	slices.Sort(names)

	names = slices.Compact(names)
	for _, name := range names {
		for catalogue, into := range map[*permission.Catalogue]map[string]any{
			before: old,
			after:  recent,
		} {
			if p, ok := catalogue.Lookup(name); ok {
				into[name] = map[string]any{
					"title":       p.Title,
					"description": p.Description,
					"default":     p.Default,
					"publishable": p.Publishable,
					"routes":      fmt.Sprint(p.Routes),
				}
			}
		}
	}

	return differences(names, old, recent)
}
