package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

const (
	customersPath = "/v1/organizations/{org}/customers"
	customerPath  = customersPath + "/{customer}"
)

func (a *API) registerCustomers() {
	register(a, operation{
		id:      organization.CreateCustomer,
		headers: []string{"Location"},
		group:   GroupOrganizations,
		method:  http.MethodPost,
		path:    customersPath,
		status:  http.StatusCreated,
		summary: "Create a customer",
		about:   "Keys can be scoped to it from then on. The id is yours: what your routes have in the path.",
	}, a.createCustomer)
	register(a, operation{
		id:      organization.ListCustomers,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    customersPath,
		summary: "List customers",
		about:   "By id.",
	}, lists[organizationList](a, "customers", a.admin.Customers))
	register(a, operation{
		id:      organization.GetCustomer,
		group:   GroupOrganizations,
		method:  http.MethodGet,
		path:    customerPath,
		summary: "Show a customer",
		about:   "By the id that it was created with.",
	}, a.getCustomer)
	register(a, operation{
		id:      organization.UpdateCustomer,
		group:   GroupOrganizations,
		method:  http.MethodPatch,
		path:    customerPath,
		summary: "Change a customer",
		about:   "Absent fields stay. Refused while it is being deleted.",
	}, a.updateCustomer)
	register(a, operation{
		id:       organization.DeleteCustomer,
		group:    GroupOrganizations,
		method:   http.MethodDelete,
		path:     customerPath,
		status:   http.StatusAccepted,
		outcomes: removed(),
		summary:  "Delete a customer",
		about: "Refused while keys are scoped to the customer. With force, those keys are " +
			"disabled, never widened, before the response, 204. If there are very many, a job " +
			"continues: 202.",
	}, a.deleteCustomer)
}

type createCustomerInput struct {
	OrganizationPath
	IdempotencyHeader
	Body struct {
		ID       *string           `json:"id" required:"false" doc:"1 to 64 letters, digits, dots, hyphens and underscores; default: generated"`
		Name     string            `json:"name" maxLength:"100"`
		Metadata map[string]string `json:"metadata" required:"false"`
	}

	customer admin.NewCustomer // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *createCustomerInput) Resolve(ctx huma.Context) []error {
	in.customer = admin.NewCustomer(in.Body)
	return resolved(ctx, admin.CheckNewCustomer(&in.customer))
}

func (a *API) createCustomer(
	ctx context.Context, r *admin.Request, in *createCustomerInput,
) (*posted[api.CustomerAnswer], error) {
	made := func(c api.CustomerAnswer) posted[api.CustomerAnswer] {
		return posted[api.CustomerAnswer]{
			Status:   http.StatusCreated,
			Location: "/v1/organizations/" + in.Org + "/customers/" + c.ID,
			Body:     c,
		}
	}
	return post(r, made, func() (api.CustomerAnswer, error) {
		return a.admin.CreateCustomer(ctx, r, &in.customer)
	})
}

// CustomerPath is the path of an operation on a customer.
type CustomerPath struct {
	Org      string `path:"org"`
	Customer string `path:"customer" maxLength:"64"`
}

type updateCustomerInput struct {
	CustomerPath
	Body api.UpdateCustomer
}

// Resolve implements huma.Resolver.
func (in *updateCustomerInput) Resolve(ctx huma.Context) []error {
	return resolved(ctx, admin.CheckCustomer(&in.Body))
}

func (a *API) getCustomer(
	ctx context.Context, r *admin.Request, in *CustomerPath,
) (*answered[api.Customer], error) {
	return answer(a.admin.Customer(ctx, r, in.Customer))
}

func (a *API) updateCustomer(
	ctx context.Context, r *admin.Request, in *updateCustomerInput,
) (*answered[api.Customer], error) {
	return answer(a.admin.UpdateCustomer(ctx, r, in.Customer, &in.Body))
}

type deleteCustomerInput struct {
	CustomerPath
	Force bool `query:"force" doc:"Disable the keys that are scoped to the customer"`
}

func (a *API) deleteCustomer(
	ctx context.Context, r *admin.Request, in *deleteCustomerInput,
) (*acceptedOutput, error) {
	return accepted(a.admin.DeleteCustomer(ctx, r, in.Customer, in.Force))
}
