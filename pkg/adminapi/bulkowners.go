package adminapi

import (
	"context"
	"errors"
	"slices"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// owned keeps a bulk change from enabling what the removal of its owner, or of a customer that it
// is scoped to, disabled: a filter finds such keys among others that were disabled for other
// reasons. Of who is there, the change fails where they are removed meanwhile, so that it enables
// nothing that the removal has looked at.
func (a *API) owned(ctx context.Context, org string, items []item) error {
	if err := a.ownedByMembers(ctx, org, items); err != nil {
		return err
	}

	return a.ofCustomers(ctx, org, items)
}

// ownedByMembers leaves out the personal keys of people who are no members.
func (a *API) ownedByMembers(ctx context.Context, org string, items []item) error {
	var members []organization.Member

	looked := map[string]bool{} // a transaction looks at a row once
	for n := range items {
		i := &items[n]
		if len(i.writes) == 0 || i.key.Ownership != apikey.Personal {
			continue
		}

		if members == nil {
			var err error
			if members, err = a.store.Members(ctx, org); err != nil {
				return err
			}
		}

		owner := slices.IndexFunc(members, func(m organization.Member) bool {
			return m.Joined() && m.ID == i.key.Owner.ID && m.LeavingAt.IsZero()
		})
		switch {
		case owner < 0:
			i.writes = nil
			i.err = validation.with("Its owner is no member: enable this key by itself, if it is meant.")
		case !looked[i.key.Owner.ID]:
			looked[i.key.Owner.ID] = true
			i.writes = append(i.writes, a.store.StillMember(&members[owner]))
		}
	}

	return nil
}

// ofCustomers leaves out the keys that are scoped to a customer who is gone, or is being deleted.
func (a *API) ofCustomers(ctx context.Context, org string, items []item) error {
	looked := map[string]bool{}
	for n := range items {
		i := &items[n]
		if len(i.writes) == 0 || len(i.key.Customers) == 0 {
			continue
		}

		missing, err := a.store.MissingCustomers(ctx, org, i.key.Customers)
		switch {
		case errors.Is(err, store.ErrDamaged): // who they are cannot be read: the other keys go on
			i.writes = nil
			i.err = err
		case err != nil:
			return err
		case len(missing) > 0:
			i.writes = nil
			i.err = validation.with("A customer that it is scoped to is gone: enable this key by " +
				"itself, if it is meant.")
		}

		if i.err != nil {
			continue
		}

		for _, id := range i.key.Customers {
			if !looked[id] {
				looked[id] = true
				i.writes = append(i.writes, a.store.StillCustomer(org, id))
			}
		}
	}

	return nil
}
