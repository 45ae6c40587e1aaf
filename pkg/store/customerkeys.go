package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// MaxCustomers is the most customers that a key may be scoped to. A transaction has 100 items: a
// change of all customers of a key takes its row, its history entry, a receipt, a condition on a
// member, and for each customer a removed item, a new item and a condition on the customer.
const MaxCustomers = 30

// customerKeyItem is the item that puts a key into a customer's lists. It holds what lists filter
// by, and is written with the key's row. Lists do not trust it: they read the row.
type customerKeyItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
	lists
	Name        string   `dynamodbav:"name"`
	Hint        string   `dynamodbav:"hint"`
	Permissions []string `dynamodbav:"permissions,omitempty"`
	Tags        []string `dynamodbav:"tags,omitempty"`
	Enabled     bool     `dynamodbav:"enabled"`
	RevokedAt   string   `dynamodbav:"revokedAt,omitempty"`
	DeletedAt   string   `dynamodbav:"deletedAt,omitempty"`
	ExpiresAt   string   `dynamodbav:"expiresAt,omitempty"`
	Version     int64    `dynamodbav:"version"`
	PurgeAt     int64    `dynamodbav:"purgeAt,omitempty"`
}

// putCustomerKeys writes a key's item for each of its customers, with its place in lists as of a
// time.
func putCustomerKeys(k *apikey.Key, at time.Time, failure error) []Write {
	row, out := toKeyItem(k, at), make([]Write, 0, len(k.Customers))
	// a transaction may name an item only once
	for _, customer := range slices.Compact(slices.Sorted(slices.Values(k.Customers))) {
		item, err := attributevalue.MarshalMap(&customerKeyItem{
			PK:          customerKeysPartition(k.OrganizationID, customer),
			SK:          row.PK,
			lists:       listsOf(k, customer, at),
			Name:        row.Name,
			Hint:        row.Hint,
			Permissions: row.Permissions,
			Tags:        row.Tags,
			Enabled:     row.Enabled,
			RevokedAt:   row.RevokedAt,
			DeletedAt:   row.DeletedAt,
			ExpiresAt:   row.ExpiresAt,
			Version:     row.Version,
			PurgeAt:     row.PurgeAt,
		})
		if err != nil {
			err = fmt.Errorf("store: encode key of a customer: %w", err)
		}

		out = append(out, noNewer(dynamo.Put, item, err, k.Version, failure))
	}

	return out
}

// noNewer returns a write that replaces no item of a later version. The key's row in the same
// transaction is written on its exact version.
func noNewer(
	kind dynamo.Kind, item dynamo.Item, err error, version int64, failure error,
) Write {
	return Write{
		row: dynamo.Write{
			Kind: kind,
			Item: item,
			Condition: dynamo.IsNew.Or(
				expression.Name("version").LessThanEqual(expression.Value(version)),
			),
			Failure: failure,
		},
		err: err,
	}
}

// LeaveCustomers removes a key from the lists of customers that it is no longer scoped to. It
// belongs to the transaction of PutKey(after). Failure: apikey.ErrStale.
func (s *Store) LeaveCustomers(before, after *apikey.Key) []Write {
	var out []Write
	for _, customer := range before.Customers {
		if !slices.Contains(after.Customers, customer) {
			key := dynamo.At(customerKeysPartition(before.OrganizationID, customer),
				keyPartition(before.Environment, before.ID))
			out = append(out,
				noNewer(dynamo.Remove, key.Item(), nil, after.Version, apikey.ErrStale))
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
