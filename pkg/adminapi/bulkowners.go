package adminapi

import (
	"context"
	"slices"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// owned keeps a bulk change from enabling the personal keys of people who are no members: their removal disabled them, and a filter finds them among others
// that were disabled for other reasons. Of a member, the change fails where they are removed meanwhile, so that it enables nothing that the removal has looked at.
func (a *API) owned(ctx context.Context, org string, items []item) error {
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
		owner := slices.IndexFunc(members, func(m organization.Member) bool { return m.Joined() && m.ID == i.key.Owner.ID && m.LeavingAt.IsZero() })
		switch {
		case owner < 0:
			i.writes, i.err = nil, validation.with("Its owner is no member: enable this key by itself, if it is meant.")
		case !looked[i.key.Owner.ID]:
			looked[i.key.Owner.ID] = true
			i.writes = append(i.writes, a.store.StillMember(&members[owner]))
		}
	}
	return nil
}
