package store

import (
	"context"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// MaxCustomers is the most customers that a key may be scoped to. A transaction has 100 items: a
// change of all customers of a key takes its row, its history entry, a receipt, a condition on a
// member, and for each customer a removed item, a new item and a condition on the customer.
const MaxCustomers = 30

// putCustomerKeys writes a key's item for each of its customers, with its place in lists as of a
// time. The item has what lists filter by.
func putCustomerKeys(k *apikey.Key, at time.Time, failure error) []Write {
	row, out := sealed.EncodeKey(k), make([]Write, 0, len(k.Customers))
	row.PutInt(dynamo.PurgeAttribute, purgeAt(k))

	// a transaction may name an item only once
	for _, customer := range slices.Compact(slices.Sorted(slices.Values(k.Customers))) {
		item := dynamo.Item{}
		for _, name := range customerKeyAttributes {
			if v, has := row[name]; has {
				item[name] = v
			}
		}

		listsOf(k, customer, at).putIn(item)
		dynamo.At(customerKeysPartition(k.OrganizationID, customer),
			sealed.KeyPartition(k.Environment, k.ID)).Of(item)

		out = append(out, noNewer(dynamo.Put, item, k.Version, failure))
	}

	return out
}

// customerKeyAttributes are those of a key's row that are in its items for customers.
var customerKeyAttributes = []string{
	"name", "hint", "permissions", "tags", "enabled", "revokedAt", "deletedAt", "expiresAt",
	"version", dynamo.PurgeAttribute,
}

// noNewer returns a write that replaces no item of a later version. The key's row in the same
// transaction is written on its exact version.
func noNewer(
	kind dynamo.WriteKind, item dynamo.Item, version int64, failure error,
) Write {
	return Write{
		row: dynamo.Write{
			Kind: kind,
			Item: item,
			Condition: dynamo.IsNew.Or(
				dynamo.AtMost(dynamo.Number(version), "version"),
			),
			Failure: failure,
		},
	}
}

// LeaveCustomers removes a key from the lists of customers that it is no longer scoped to. It
// belongs to the transaction of PutKey(after). Failure: apikey.ErrStale.
func (s *Store) LeaveCustomers(before, after *apikey.Key) []Write {
	var out []Write
	for _, customer := range before.Customers {
		if !slices.Contains(after.Customers, customer) {
			key := dynamo.At(customerKeysPartition(before.OrganizationID, customer),
				sealed.KeyPartition(before.Environment, before.ID))
			out = append(out,
				noNewer(dynamo.Remove, key.Item(), after.Version, apikey.ErrStale))
		}
	}

	return out
}

// KeysOfCustomer returns a page of the keys that are scoped to a customer, in no particular order,
// and the position of the next page: "" at the end. It is strongly consistent, unlike Keys: for
// decisions that depend on whether there are any. Errors: ErrUnavailable.
func (s *Store) KeysOfCustomer(
	ctx context.Context, org, customer, after string, limit int,
) (page []*apikey.Key, next string, err error) {
	rows, next, err := s.keysIn(ctx, customerKeysPartition(org, customer), after, limit,
		"keys of a customer")
	if err != nil {
		return nil, "", err
	}

	keys, err := s.keysOf(ctx, rows)
	if err != nil {
		return nil, "", err
	}

	page = slices.DeleteFunc(keys, func(k *apikey.Key) bool {
		return k.OrganizationID != org || !slices.Contains(k.Customers, customer)
	})

	return page, next, nil
}
