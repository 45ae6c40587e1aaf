package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
)

// CreateCustomer makes a customer.
func (c *Client) CreateCustomer(
	ctx context.Context, org string, body api.CreateCustomer, options ...Option,
) (api.CustomerAnswer, error) {
	return post[api.CustomerAnswer](ctx, c, "createCustomer", in(org, "customers"), body,
		options...)
}

// ListCustomers returns an organization's customers.
func (c *Client) ListCustomers(
	ctx context.Context, org string, query api.List,
) iter.Seq2[api.Customer, error] {
	return walk(ctx, org, query, c.ListCustomersPage)
}

// ListCustomersPage returns a page of ListCustomers.
func (c *Client) ListCustomersPage(
	ctx context.Context, org string, query api.List,
) (api.Page[api.Customer], error) {
	return get[api.Page[api.Customer]](ctx, c, "listCustomers", in(org, "customers"), query)
}

// GetCustomer returns a customer.
func (c *Client) GetCustomer(ctx context.Context, org, customer string) (api.Customer, error) {
	return get[api.Customer](ctx, c, "getCustomer", in(org, "customers", customer), nil)
}

// UpdateCustomer changes a customer.
func (c *Client) UpdateCustomer(
	ctx context.Context, org, customer string, body api.UpdateCustomer,
) (api.Customer, error) {
	return send[api.Customer](ctx, c, "updateCustomer", http.MethodPatch,
		in(org, "customers", customer), body)
}

// DeleteCustomer removes a customer. It returns [ErrInUse] if keys are scoped to it, unless [Force]
// is given, which disables those keys; then it returns the job that continues with them, or nil if
// all is done.
func (c *Client) DeleteCustomer(
	ctx context.Context, org, customer string, options ...Option,
) (*api.Job, error) {
	return jobOrDone(remove[*api.JobAnswer](ctx, c, "deleteCustomer",
		in(org, "customers", customer), options...))
}
