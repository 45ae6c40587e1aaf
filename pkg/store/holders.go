package store

import (
	"context"
	"slices"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// organizationsList is the partition of the index with all organizations.
const organizationsList = "organizations"

// CountHolders counts, across all organizations, the keys that hold each of the permissions, except
// deleted keys. It walks the index, which lags by moments: it is for an operator's rare question,
// not for a request's path.
func (s *Store) CountHolders(ctx context.Context, permissions []string) (map[string]int, error) {
	orgs := []string{operators}
	if err := s.walk(ctx, organizationsList, func(e entry) {
		orgs = append(orgs, e.position)
	}); err != nil {
		return nil, err
	}

	holders := map[string]int{}

	count := func(e entry) {
		for _, p := range permissions {
			if !e.damaged && e.key.DeletedAt.IsZero() && slices.Contains(e.key.Permissions, p) {
				holders[p]++
			}
		}
	}
	for _, org := range orgs {
		for _, ownership := range []apikey.Ownership{apikey.Organization, apikey.Personal} {
			if err := s.walk(ctx, keysList(org, "", ownership), count); err != nil {
				return nil, err
			}
		}
	}

	return holders, nil
}

// walk visits every entry of a list.
func (s *Store) walk(ctx context.Context, list string, visit func(entry)) error {
	from := stream{index: byOrganization, list: list}
	for after, more := "", true; more; {
		var entries []entry

		var err error
		if entries, more, err = s.query(ctx, from, after, maxEntries, false); err != nil {
			return err
		}

		for _, e := range entries {
			visit(e)
			after = e.position
		}
	}

	return nil
}

// listed makes an item an entry of a list.
func listed(item dynamo.Item, list, order string) {
	if item == nil {
		return // it could not be encoded, and its error is reported
	}

	item[byOrganization.Partition] = dynamo.Text(list)
	item[byOrganization.Sort] = dynamo.Text(order)
}
