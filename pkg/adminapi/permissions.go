package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

func (a *API) registerPermissions() {
	register(a, operation{
		id:      organization.GetPermissions,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    "/v1/permissions",
		summary: "Show the permission catalogue",
	}, a.getPermissions)
	register(a, operation{
		id:      organization.PutPermissions,
		group:   GroupOrganizations,
		method:  http.MethodPut,
		path:    "/v1/permissions",
		summary: "Replace the permission catalogue",
		about: "The whole of it, but for the built-in ones, which are left as they are: at " +
			"most 200 permissions, 2,000 routes in all and 300 paths of an API. A change acts " +
			"within 10 seconds. For operators only.",
	}, a.putPermissions)
}

type permissionsOutput struct {
	ETag string `header:"ETag"`
	Body api.Catalogue
}

func (a *API) getPermissions(
	_ context.Context, s *request, _ *struct{},
) (*permissionsOutput, error) {
	return &permissionsOutput{
		ETag: etag(s.version),
		Body: viewCatalogue(s.catalogue),
	}, nil
}

func viewCatalogue(c *permission.Catalogue) api.Catalogue {
	return api.Catalogue{Permissions: viewAll(c.Permissions(), viewPermission)}
}

func viewPermission(p permission.Permission) api.Permission {
	return api.Permission{
		Name:        p.Name,
		Title:       p.Title,
		Description: p.Description,
		Default:     p.Default,
		Publishable: p.Publishable,
		BuiltIn:     p.BuiltIn,
		Routes: viewAll(p.Routes, func(r permission.Route) api.Route {
			return api.Route(r)
		}),
	}
}

// permissionInput is a permission as it is sent: what is left out is empty.
type permissionInput struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Default     bool        `json:"default,omitempty"`
	Publishable bool        `json:"publishable,omitempty"`
	BuiltIn     bool        `json:"builtIn,omitempty" doc:"Built-in permissions may be sent back; they are left as they are"`
	Routes      []api.Route `json:"routes,omitempty"`
}

type putPermissionsInput struct {
	MatchHeader
	Force bool `query:"force" doc:"Remove permissions although keys hold them; those keys keep the name, which opens nothing"`
	Body  struct {
		Permissions []permissionInput `json:"permissions" nullable:"false" maxItems:"220"`
	}
}

func (a *API) putPermissions(
	ctx context.Context, s *request, in *putPermissionsInput,
) (*permissionsOutput, error) {
	if !in.matches(s.version) {
		return nil, store.ErrCatalogueStale
	}

	read := s.version
	return change(ctx, a, s, func(s *request) (attempt[*permissionsOutput], error) {
		if s.version != read { // somebody else replaced it: nobody has seen theirs
			return attempt[*permissionsOutput]{}, store.ErrCatalogueStale
		}

		return a.tryPutPermissions(ctx, s, in)
	})
}

func (a *API) tryPutPermissions(
	ctx context.Context, s *request, in *putPermissionsInput,
) (got attempt[*permissionsOutput], err error) {
	wanted := make([]permission.Permission, 0, len(in.Body.Permissions))

	places := []int{}
	for i, p := range in.Body.Permissions {
		if p.BuiltIn && s.catalogue.IsAdmin(p.Name) {
			continue
		}

		places = append(places, i)
		wanted = append(wanted, permission.Permission{
			Name:        p.Name,
			Title:       p.Title,
			Description: p.Description,
			Default:     p.Default,
			Publishable: p.Publishable,
			Routes: viewAll(p.Routes, func(r api.Route) permission.Route {
				return permission.Route(r)
			}),
		})
	}

	catalogue, err := permission.NewCatalogue(wanted)
	if err != nil {
		return got, asSent(err, places)
	}

	if !in.Force {
		if err := a.unused(ctx, s, catalogue); err != nil {
			return got, err
		}
	}

	entry, err := a.event(s, "permissions.updated", apikey.OperatorOrganization, history.Object{
		Type: "permissions",
		ID:   "catalogue",
	})
	if err != nil {
		return got, err
	}

	version := s.version

	entry.Changes = catalogueChanges(s.catalogue, catalogue)
	if len(entry.Changes) > 0 {
		version++
		got.writes = []store.Write{
			a.store.PutCatalogue(ctx, wanted, s.version),
			a.store.Append(entry),
		}
	}

	got.answer = &permissionsOutput{
		ETag: etag(version),
		Body: viewCatalogue(catalogue),
	}
	return got, nil
}

var indexPattern = regexp.MustCompile(`permissions\[(\d+)\]`)

// asSent gives the faults of a catalogue the places that its permissions had in the body, where
// built-in ones may have stood between them.
func asSent(err error, places []int) error {
	var invalid *permission.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}

	place := func(text string) string {
		return indexPattern.ReplaceAllStringFunc(text, func(match string) string {
			i, err := strconv.Atoi(indexPattern.FindStringSubmatch(match)[1])
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
func (a *API) unused(ctx context.Context, s *request, next *permission.Catalogue) error {
	var removed []string
	for _, name := range s.catalogue.DataPlane() {
		if _, stays := next.Lookup(name); !stays {
			removed = append(removed, name)
		}
	}

	if len(removed) == 0 {
		return nil
	}

	holders, err := a.store.CountHolders(ctx, removed)
	if err != nil {
		return err
	}

	p := inUse.with("Keys still hold a permission that would go: take it from them first, or say " +
		"?force=true.")
	for _, name := range removed {
		if holders[name] > 0 {
			p.Errors = append(p.Errors, api.FieldError{
				Location: "body.permissions",
				Message:  fmt.Sprintf("number of keys that hold %s: %d", name, holders[name]),
			})
		}
	}

	if len(p.Errors) == 0 {
		return nil
	}

	return p
}

// catalogueChanges lists the permissions that differ, each as a field by its name.
func catalogueChanges(before, after *permission.Catalogue) []history.FieldChange {
	old, recent := map[string]any{}, map[string]any{}

	names := slices.Concat(before.DataPlane(), after.DataPlane())
	for _, name := range names {
		for catalogue, into := range map[*permission.Catalogue]map[string]any{
			before: old,
			after:  recent,
		} {
			into[name] = nil
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

	return differences(old, recent)
}
