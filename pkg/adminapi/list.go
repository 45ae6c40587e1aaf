package adminapi

import (
	"context"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
)

// Page is what part of a list is asked for.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"500" example:"q6hV0b3Jk9cXw2sT" doc:"nextCursor of the previous page"`
}

// organizationList asks for a list of an organization's.
type organizationList struct {
	OrganizationPath
	Page
}

func (in *organizationList) query(name string) (scope, Page) {
	return scope{List: name, Organization: in.Org}, in.Page
}

// keyList asks for a list of a key's.
type keyList struct {
	KeyPath
	Page
}

func (in *keyList) query(name string) (scope, Page) {
	return scope{List: name, Organization: in.Org, Object: in.KeyID}, in.Page
}

// lists is the operation that answers with a part of the list of a name. The name of an input type
// is told by its pointer.
func lists[I any, P interface {
	*I
	query(name string) (scope, Page)
}, T any](
	a *API, name string,
	read func(ctx context.Context, r *admin.Request, after string, limit int) ([]T, string, error),
) func(context.Context, *admin.Request, *I) (*answered[api.Page[T]], error) {
	return func(ctx context.Context, r *admin.Request, in *I) (*answered[api.Page[T]], error) {
		query, page := P(in).query(name)
		return answer(list(ctx, a, query, page.Cursor, func(after string) ([]T, string, error) {
			return read(ctx, r, after, page.Limit)
		}))
	}
}

// list makes a page of a list: what is read from the cursor's position on, and the cursor of where
// it goes on.
func list[T any](
	ctx context.Context, a *API, query scope, cursor string,
	read func(after string) (items []T, next string, err error),
) (page api.Page[T], err error) {
	after, err := a.readCursor(ctx, query, cursor)
	if err != nil {
		return page, err
	}

	items, next, err := read(after)
	if err != nil {
		return page, err
	}

	page.Items = append([]T{}, items...)
	page.NextCursor, err = a.nextCursor(ctx, query, next)
	return page, err
}
