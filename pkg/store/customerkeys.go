package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// MaxCustomers is the most customers that a key may be scoped to. A transaction takes 100 items: a
// change of all customers of a key is its row, its history entry, a receipt, the look at a member,
// and for each customer an item that goes, one that comes and a look at the customer.
const MaxCustomers = 30

// customerKeyItem is the item that makes a key an entry of a customer's lists. It holds what lists
// filter by, is written with the key's row, and is not believed: a list asks the row.
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

// putCustomerKeys writes a key's item of each of its customers, as lists are to find it from at on.
func putCustomerKeys(k *apikey.Key, at time.Time, failure error) []Write {
	row, out := toKeyItem(k, at), make([]Write, 0, len(k.Customers))
	// a transaction takes an item once
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

		out = append(out, noNewer(Write{item: item, err: err, failure: failure}, k.Version))
	}

	return out
}

// noNewer lets a write replace no item of a later version. The row beside it is written on its
// exact version.
func noNewer(w Write, version int64) Write {
	w.condition = isNew + " OR #version <= :version"
	w.names = map[string]string{
		"#version": "version",
	}
	w.values = map[string]types.AttributeValue{":version": number(version)}
	return w
}

// LeaveCustomers removes a key from the lists of customers that it had before and has no longer. It
// goes with PutKey(after). Failure: apikey.ErrStale.
func (s *Store) LeaveCustomers(before, after *apikey.Key) []Write {
	var out []Write
	for _, customer := range before.Customers {
		if !slices.Contains(after.Customers, customer) {
			key := primaryKey(customerKeysPartition(before.OrganizationID, customer),
				keyPartition(before.Environment, before.ID))
			out = append(out, noNewer(Write{
				item:    key,
				kind:    remove,
				failure: apikey.ErrStale,
			}, after.Version))
		}
	}

	return out
}

// KeysOfCustomer returns a page of the keys that are scoped to a customer, in no telling order, and
// the position after it: "" where it ends. It is strongly consistent, where Keys lags: for what is
// decided by whether there are any. Errors: ErrUnavailable.
func (s *Store) KeysOfCustomer(
	ctx context.Context, org, customer, after string, limit int,
) (page []*apikey.Key, next string, err error) {
	strong, most := true, int32(min(limit, MaxPage))
	in := &dynamodb.QueryInput{
		TableName:      &s.core,
		ConsistentRead: &strong,
		Limit:          &most,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":customer": textValue(customerKeysPartition(org, customer)),
		},
	}

	condition := "pk = :customer"
	if after != "" {
		condition += " AND sk > :after"
		in.ExpressionAttributeValues[":after"] = textValue(after)
	}

	in.KeyConditionExpression = &condition

	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, "", unavailable("keys of a customer", err)
	}

	var refs []keyRef
	for _, item := range out.Items {
		e := entry{keyItem: keyItem{SK: text(item[sortAttribute])}}
		refs, after = append(refs, e.ref()), e.SK
	}

	keys, err := s.keysOf(ctx, refs)
	if err != nil {
		return nil, "", err
	}

	page = slices.DeleteFunc(keys, func(k *apikey.Key) bool {
		return k.OrganizationID != org || !slices.Contains(k.Customers, customer)
	})

	if len(out.LastEvaluatedKey) == 0 {
		after = ""
	}

	return page, after, nil
}
