package store

import (
	"context"
	"strings"

	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Customer reads a customer, strongly consistent. Errors: organization.ErrNoCustomer, ErrDamaged,
// ErrUnavailable.
func (s *Store) Customer(ctx context.Context, org, id string) (*organization.Customer, error) {
	return object[organization.Customer](ctx, s, customerRow(org, id),
		"customer "+id+" of "+org, organization.ErrNoCustomer)
}

// MissingCustomers returns the ids that are not customers of the organization, or are being
// deleted. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) MissingCustomers(ctx context.Context, org string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}

	rows := make([]dynamo.Key, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, customerRow(org, id))
	}

	found, err := s.core.BatchGet(ctx, rows)
	if err != nil {
		return nil, err
	}

	var missing []string
	for i, id := range ids {
		item := found[rows[i]]
		if item == nil {
			missing = append(missing, id)
			continue
		}

		c, err := decode[organization.Customer](ctx, s, item, rows[i],
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
// position of the next page: "" at the end. Damaged rows are logged and left out.
func (s *Store) Customers(
	ctx context.Context, org, after string, limit int,
) ([]organization.Customer, string, error) {
	r := dynamo.Range{Partition: organizationPartition(org)}
	r.First, r.Last = inOrder(customerSort(""), after)

	items, next, err := s.page(ctx, r, limit, "customers")
	if err != nil {
		return nil, "", err
	}

	page, _, err := decodeAll[organization.Customer](ctx, s, items, organizationPartition(org),
		"a customer of "+org)
	return page, strings.TrimPrefix(next, customerSort("")), err
}

// PutCustomer writes a customer. replaces is the version that the change started from, 0 for a new
// one. Failures: organization.ErrCustomerStale, organization.ErrCustomerExists.
func (s *Store) PutCustomer(c *organization.Customer, replaces int64) Write {
	item, err := encode(c, customerRow(c.OrganizationID, c.ID))
	return versioned(item, err, replaces, organization.ErrCustomerStale,
		organization.ErrCustomerExists).underSeal()
}

// RemoveCustomer removes a customer at its version. Failure: organization.ErrCustomerStale.
func (s *Store) RemoveCustomer(c *organization.Customer) Write {
	return atVersion(dynamo.Remove, customerRow(c.OrganizationID, c.ID), c.Version,
		organization.ErrCustomerStale)
}

// StillCustomer writes nothing, but fails a transaction if there is no such customer, or it is
// being deleted. Failure: organization.ErrNoCustomer.
func (s *Store) StillCustomer(org, id string) Write {
	return Write{row: dynamo.Write{
		Kind: dynamo.Look,
		Item: customerRow(org, id).Item(),
		Condition: dynamo.Exists.And(
			dynamo.Absent("leaving").Or(dynamo.Is(dynamo.Bool(false), "leaving")),
		),
		Failure: organization.ErrNoCustomer,
	}}
}
