package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
)

const (
	customersPath = "/v1/organizations/{org}/customers"
	customerPath  = customersPath + "/{customer}"
)

func (a *API) registerCustomers() {
	register(a, operation{
		id:      organization.CreateCustomer,
		group:   GroupOrganizations,
		method:  http.MethodPost,
		path:    customersPath,
		status:  http.StatusCreated,
		summary: "Create a customer",
	}, a.createCustomer)
	register(a, operation{
		id:      organization.ListCustomers,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    customersPath,
		summary: "List customers",
		about:   "By id.",
	}, a.listCustomers)
	register(a, operation{
		id:      organization.GetCustomer,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    customerPath,
		summary: "Show a customer",
	}, a.getCustomer)
	register(a, operation{
		id:      organization.UpdateCustomer,
		group:   GroupOrganizations,
		method:  http.MethodPatch,
		path:    customerPath,
		summary: "Change a customer",
	}, a.updateCustomer)
	register(a, operation{
		id:      organization.DeleteCustomer,
		group:   GroupOrganizations,
		method:  http.MethodDelete,
		path:    customerPath,
		status:  http.StatusAccepted,
		summary: "Delete a customer",
		about: "Refused while keys are scoped to it. With force, those keys are disabled, " +
			"never widened, before this answers 204. Where they are very many, a job goes on " +
			"with them: 202.",
	}, a.deleteCustomer)
}

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

type createCustomerInput struct {
	OrganizationPath
	IdempotencyHeader
	Body struct {
		ID       *string           `json:"id" required:"false" doc:"1 to 64 letters, digits, dots, hyphens and underscores; made up where it is absent"`
		Name     string            `json:"name" maxLength:"100"`
		Metadata map[string]string `json:"metadata" required:"false"`
	}
	RawBody []byte
}

// Resolve implements huma.Resolver.
func (in *createCustomerInput) Resolve(huma.Context) []error {
	f := &validator{}
	if fieldsOf(in.RawBody)["name"] {
		in.Body.Name = f.name("body.name", in.Body.Name)
	}

	if in.Body.ID != nil && !permission.ValidCustomer(*in.Body.ID) {
		f.add("body.id", "expected 1 to 64 letters, digits, dots, hyphens and underscores",
			*in.Body.ID)
	}

	f.metadata(in.Body.Metadata)
	return f.errors
}

func (a *API) createCustomer(
	ctx context.Context, s *request, in *createCustomerInput,
) (*posted[api.CustomerAnswer], error) {
	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.CustomerAnswer]], error) {
		c := &organization.Customer{
			OrganizationID: in.Org,
			Name:           in.Body.Name,
			Metadata:       in.Body.Metadata,
			CreatedAt:      s.now,
			Version:        1,
		}
		if c.ID = value(in.Body.ID); c.ID == "" {
			id, err := apikey.NewID(a.random)
			if err != nil {
				return attempt[posted[api.CustomerAnswer]]{}, err
			}

			c.ID = id
		}

		e, err := a.customerEntry(s, "customer.created", nil, c)
		if err != nil {
			return attempt[posted[api.CustomerAnswer]]{}, err
		}

		return attempt[posted[api.CustomerAnswer]]{
			writes: []store.Write{a.store.PutCustomer(c, 0), a.store.Append(e)},
			answer: posted[api.CustomerAnswer]{
				Status:   http.StatusCreated,
				Location: "/v1/organizations/" + in.Org + "/customers/" + c.ID,
				Body:     api.CustomerAnswer{Customer: viewCustomer(c)},
			},
		}, nil
	})
}

func (a *API) customerEntry(
	s *request, action string, before, after *organization.Customer,
) (history.Entry, error) {
	of := after
	if of == nil {
		of = before
	}

	e, err := a.event(s, action, of.OrganizationID, history.Object{
		Type: "customer",
		ID:   of.ID,
		Name: of.Name,
	})
	if err != nil {
		return e, err
	}

	e.Changes, err = shownDifferences(before, after, viewCustomer)
	return e, err
}

type listCustomersInput struct {
	OrganizationPath
	Page
}

type customerPage api.Page[api.Customer]

type listCustomersOutput struct{ Body customerPage }

func (a *API) listCustomers(
	ctx context.Context, _ *request, in *listCustomersInput,
) (*listCustomersOutput, error) {
	query := scope{List: "customers", Organization: in.Org}

	after, err := a.readCursor(ctx, query, in.Cursor)
	if err != nil {
		return nil, err
	}

	customers, next, err := a.store.Customers(ctx, in.Org, after, in.Limit)
	if err != nil {
		return nil, err
	}

	out := &listCustomersOutput{}

	out.Body.Items = make([]api.Customer, 0, len(customers))
	for i := range customers {
		out.Body.Items = append(out.Body.Items, viewCustomer(&customers[i]))
	}

	out.Body.NextCursor, err = a.nextCursor(ctx, query, next)
	return out, err
}

// CustomerPath is the path of an operation on a customer.
type CustomerPath struct {
	Org      string `path:"org"`
	Customer string `path:"customer" maxLength:"64"`
}

type customerOutput struct{ Body api.Customer }

func (a *API) getCustomer(
	ctx context.Context, _ *request, in *CustomerPath,
) (*customerOutput, error) {
	c, err := a.store.Customer(ctx, in.Org, in.Customer)
	if err != nil {
		return nil, err
	}

	return &customerOutput{viewCustomer(c)}, nil
}

type updateCustomerInput struct {
	CustomerPath
	Body struct {
		Name     *string           `json:"name" required:"false" nullable:"false" maxLength:"100"`
		Metadata map[string]string `json:"metadata" required:"false"`
	}
	RawBody []byte
}

// Resolve implements huma.Resolver.
func (in *updateCustomerInput) Resolve(huma.Context) []error {
	f := &validator{}
	if in.Body.Name != nil {
		*in.Body.Name = f.name("body.name", *in.Body.Name)
	}

	f.metadata(in.Body.Metadata)
	return f.errors
}

func (a *API) updateCustomer(
	ctx context.Context, s *request, in *updateCustomerInput,
) (*customerOutput, error) {
	return change(ctx, a, s, func(s *request) (attempt[*customerOutput], error) {
		return a.tryUpdateCustomer(ctx, s, in)
	})
}

func (a *API) tryUpdateCustomer(
	ctx context.Context, s *request, in *updateCustomerInput,
) (got attempt[*customerOutput], err error) {
	before, err := a.store.Customer(ctx, in.Org, in.Customer)
	if err != nil {
		return got, err
	}

	after := *before
	if in.Body.Name != nil {
		after.Name = *in.Body.Name
	}

	if fieldsOf(in.RawBody)["metadata"] {
		after.Metadata = in.Body.Metadata
	}

	e, err := a.customerEntry(s, "customer.updated", before, &after)

	got.answer = &customerOutput{viewCustomer(&after)}
	if err != nil || len(e.Changes) == 0 {
		return got, err
	}

	after.Version++
	if after.Pace, err = spend(before.Pace, apikey.Ordinary, s.now); err != nil {
		return got, err
	}

	got.writes = []store.Write{
		a.store.PutCustomer(&after, before.Version).At(before.Pace), a.store.Append(e),
	}
	return got, nil
}

// knownCustomers checks that a key's customers are customers of the organization; those that it had
// before are not asked about.
func (f *validator) knownCustomers(ctx context.Context, a *API, s *request, before, k *apikey.Key) {
	missing, err := a.store.MissingCustomers(ctx, s.organization.ID, addedCustomers(before, k))
	if err != nil {
		f.errors = append(f.errors, a.problem(ctx, err))
		return
	}

	for _, id := range missing {
		f.add(fmt.Sprintf("body.customers[%d]", slices.Index(k.Customers, id)),
			"there is no such customer", id)
	}
}
