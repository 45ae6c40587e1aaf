package store

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/organization"
)

// Customer reads a customer, strongly consistent. Errors: organization.ErrNoCustomer, ErrDamaged,
// ErrUnavailable.
func (s *Store) Customer(ctx context.Context, org, id string) (*organization.Customer, error) {
	return object[organization.Customer](ctx, s, place{
		organizationPartition(org), customerSort(id),
	}, "customer "+id+" of "+org, organization.ErrNoCustomer)
}

// MissingCustomers returns those of the ids that are no customers of the organization, or are being
// deleted. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) MissingCustomers(ctx context.Context, org string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}

	keys := make([]map[string]types.AttributeValue, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, primaryKey(organizationPartition(org), customerSort(id)))
	}

	found, err := s.batch(ctx, keys)
	if err != nil {
		return nil, err
	}

	var missing []string
	for i, id := range ids {
		item := found[itemName(keys[i])]
		if item == nil {
			missing = append(missing, id)
			continue
		}

		c, err := decode[organization.Customer](ctx, s, item, placeOf(keys[i]),
			"customer "+id+" of "+org)
		if err != nil {
			return nil, err
		}

		if c.Leaving {
			missing = append(missing, id)
		}
	}

	return missing, nil
}

// Customers returns a page of an organization's customers by id, strongly consistent, and the
// position after it: "" where it ends. Damaged rows are told of and left out.
func (s *Store) Customers(
	ctx context.Context, org, after string, limit int,
) ([]organization.Customer, string, error) {
	strong, most := true, int32(limit)+1
	condition := "pk = :org AND sk BETWEEN :first AND :last"

	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName:              &s.core,
		ConsistentRead:         &strong,
		Limit:                  &most,
		KeyConditionExpression: &condition,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":org": textValue(organizationPartition(org)),
			// after that id, and before every longer one
			":first": textValue(customerSort(after) + "\x01"),
			":last":  textValue(customerSort("\x7f")),
		},
	})
	if err != nil {
		return nil, "", unavailable("customers", err)
	}

	items, next := firstOf(out, limit)
	page, _, err := decodeAll[organization.Customer](ctx, s, items, organizationPartition(org),
		"a customer of "+org)
	return page, strings.TrimPrefix(next, customerSort("")), err
}

// firstOf are the first items of a query's answer, and the sort key of the last of them: "" where
// the list ends with them.
func firstOf(
	out *dynamodb.QueryOutput, limit int,
) (items []map[string]types.AttributeValue, next string) {
	if items = out.Items[:min(limit, len(out.Items))]; len(items) == 0 ||
		len(items) == len(out.Items) && len(out.LastEvaluatedKey) == 0 {
		return items, ""
	}

	return items, placeOf(items[len(items)-1]).sort
}

// PutCustomer writes a customer. replaces is the version that the change started from, 0 for a new
// one. Failures: organization.ErrCustomerStale, organization.ErrCustomerExists.
func (s *Store) PutCustomer(c *organization.Customer, replaces int64) Write {
	item, err := marshalJSONTags(c, organizationPartition(c.OrganizationID), customerSort(c.ID))
	return versioned(item, err, replaces, organization.ErrCustomerStale,
		organization.ErrCustomerExists).underSeal()
}

// RemoveCustomer removes a customer at its version. Failure: organization.ErrCustomerStale.
func (s *Store) RemoveCustomer(c *organization.Customer) Write {
	key := primaryKey(organizationPartition(c.OrganizationID), customerSort(c.ID))
	return atVersion(remove, key, c.Version, organization.ErrCustomerStale)
}

// StillCustomer writes nothing, but lets a transaction fail when there is no such customer, or it
// is being deleted. Failure: organization.ErrNoCustomer.
func (s *Store) StillCustomer(org, id string) Write {
	return Write{
		item:      primaryKey(organizationPartition(org), customerSort(id)),
		kind:      look,
		failure:   organization.ErrNoCustomer,
		condition: "attribute_exists(pk) AND (attribute_not_exists(leaving) OR leaving = :no)",
		values: map[string]types.AttributeValue{
			":no": &types.AttributeValueMemberBOOL{Value: false},
		},
	}
}
