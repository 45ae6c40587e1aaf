package apply

import (
	"context"
	"errors"
	"iter"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

// State is what exists.
type State struct {
	Organization api.Organization
	Permissions  []api.Permission
	Customers    []api.Customer
	Members      []api.Member
	Keys         []api.Key // the organization's own and personal ones, without deleted ones
	// Self is the id of the key that reads the state; "" for a person. No plan removes it.
	Self string

	organizationETag, catalogueETag string
}

// pageSize is the longest page that the API has.
const pageSize = 200

// ReadState reads what exists of an organization, by page. A section that nobody asks for is not read:
// all have whether customers and members are among them.
func ReadState(ctx context.Context, c *client.Client, org string, all bool, f *File) (s State, err error) {
	if s.Organization, err = c.GetOrganization(ctx, org, client.ETag(&s.organizationETag)); err != nil {
		return s, err
	}

	catalogue, err := c.GetPermissions(ctx, client.ETag(&s.catalogueETag))
	if err != nil {
		return s, err
	}

	s.Permissions = catalogue.Permissions

	if all || f.Customers != nil {
		if s.Customers, err = collect(c.ListCustomers(ctx, org, api.List{Limit: pageSize})); err != nil {
			return s, err
		}
	}

	if all || f.Members != nil {
		if s.Members, err = collect(c.ListMembers(ctx, org, api.List{Limit: pageSize})); err != nil {
			return s, err
		}
	}

	// a change of the catalogue is about every key that holds it
	keys, err := collect(c.ListKeys(ctx, org, api.ListKeys{
		KeyFilter: api.KeyFilter{Status: "all"},
		List:      api.List{Limit: pageSize},
	}))
	if err != nil {
		return s, err
	}

	for _, k := range keys {
		if k.DeletedAt == nil {
			s.Keys = append(s.Keys, k)
		}
	}

	me, err := c.Whoami(ctx)

	var refused *client.Error
	if errors.As(err, &refused) && refused.Status < 500 {
		return s, nil // a person, or an operator
	}

	s.Self = me.KeyID
	return s, err
}

// collect returns the items of a list.
func collect[T any](items iter.Seq2[T, error]) (out []T, err error) {
	for item, err := range items {
		if err != nil {
			return nil, err
		}

		out = append(out, item)
	}

	return out, nil
}
