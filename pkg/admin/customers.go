package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

func viewCustomer(c *organization.Customer) api.Customer {
	out := api.Customer{
		ID:        c.ID,
		Name:      c.Name,
		Metadata:  c.Metadata,
		CreatedAt: api.Time{Time: c.CreatedAt},
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}

	return out
}

// NewCustomer is the input for a new customer.
type NewCustomer struct {
	ID       *string // nil: generated
	Name     string
	Metadata map[string]string
}

// CheckNewCustomer checks and trims the input for a new customer. Error: *InvalidError.
func CheckNewCustomer(in *NewCustomer) error {
	f := &validator{}
	in.Name = f.name("body.name", in.Name)

	if in.ID != nil && !permission.ValidCustomer(*in.ID) {
		f.add("body.id", "expected 1 to 64 letters, digits, dots, hyphens and underscores", *in.ID)
	}

	f.metadata(in.Metadata)
	return f.err()
}

// CreateCustomer makes a customer of the request's organization.
func (s *OrganizationService) CreateCustomer(
	ctx context.Context, r *Request, in *NewCustomer,
) (api.CustomerAnswer, error) {
	return idempotent(ctx, s.core, r, func(r *Request) (got attempt[api.CustomerAnswer], err error) {
		c := &organization.Customer{
			OrganizationID: r.call.Organization,
			Name:           in.Name,
			Metadata:       in.Metadata,
			CreatedAt:      r.now,
			Version:        1,
		}
		if in.ID != nil {
			c.ID = *in.ID
		} else if c.ID, err = apikey.NewID(s.random); err != nil {
			return got, err
		}

		e, err := s.customerEntry(r, history.CustomerCreated, nil, c)
		if err != nil {
			return got, err
		}

		got.writes = []store.Write{s.store.PutCustomer(c, 0), s.store.Append(e)}
		got.answer = api.CustomerAnswer{Customer: viewCustomer(c)}
		return got, nil
	})
}

func (s *OrganizationService) customerEntry(
	r *Request, action string, before, after *organization.Customer,
) (history.Entry, error) {
	of := after
	if of == nil {
		of = before
	}

	e, err := s.event(r, action, of.OrganizationID, history.Object{
		Type: "customer",
		ID:   of.ID,
		Name: of.Name,
	})
	if err != nil {
		return e, err
	}

	err = record(&e, before, after, viewCustomer)
	return e, err
}

// Customers returns customers of the request's organization after a position, by id, and the
// position of the next page: "" at the end.
func (s *OrganizationService) Customers(
	ctx context.Context, r *Request, after string, limit int,
) (shown []api.Customer, next string, err error) {
	customers, next, err := s.store.Customers(ctx, r.call.Organization, after, limit)
	for i := range customers {
		shown = append(shown, viewCustomer(&customers[i]))
	}

	return shown, next, err
}

// Customer returns a customer.
func (s *OrganizationService) Customer(
	ctx context.Context, r *Request, id string,
) (api.Customer, error) {
	c, err := s.store.Customer(ctx, r.call.Organization, id)
	if err != nil {
		return api.Customer{}, err
	}

	return viewCustomer(c), nil
}

// CheckCustomer checks and trims the input of a customer's change. Error: *InvalidError.
func CheckCustomer(in *api.UpdateCustomer) error {
	f := &validator{}
	if given(in.Name) {
		in.Name.Value = f.name("body.name", in.Name.Value)
	}

	f.metadata(in.Metadata.Value)
	return f.err()
}

// UpdateCustomer changes a customer.
func (s *OrganizationService) UpdateCustomer(
	ctx context.Context, r *Request, id string, in *api.UpdateCustomer,
) (api.Customer, error) {
	return change(ctx, s.core, r, func(r *Request) (got attempt[api.Customer], err error) {
		before, err := s.store.Customer(ctx, r.call.Organization, id)
		if err != nil {
			return got, err
		}

		if before.LeavingJob != "" {
			return got, Refuse(api.CodeConflict, "This customer is being deleted.")
		}

		after := *before
		if given(in.Name) {
			after.Name = in.Name.Value
		}

		if in.Metadata.Sent {
			after.Metadata = in.Metadata.Value
		}

		e, err := s.customerEntry(r, history.CustomerUpdated, before, &after)

		got.answer = viewCustomer(&after)
		if err != nil || len(e.Changes) == 0 {
			return got, err
		}

		after.Version++
		if after.Pace, err = r.spend(before.Pace, apikey.Ordinary); err != nil {
			return got, err
		}

		got.writes = []store.Write{
			s.store.PutCustomer(&after, before.Version).At(before.Pace), s.store.Append(e),
		}
		return got, nil
	})
}

// knownCustomers checks that a key's customers exist in the organization, except those that it
// already had.
func (f *validator) knownCustomers(
	ctx context.Context, s *core, r *Request, before, k *apikey.Key,
) {
	missing, err := s.store.MissingCustomers(ctx, r.organization.ID, addedCustomers(before, k))
	if err != nil {
		f.failed = err
		return
	}

	for _, id := range missing {
		f.add(fmt.Sprintf("body.customers[%d]", slices.Index(k.Customers, id)),
			"this customer does not exist", id)
	}
}
