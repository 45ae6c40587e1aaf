package adminapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

type deleteCustomerInput struct {
	CustomerPath
	Force bool `query:"force" doc:"Disable the keys that are scoped to the customer"`
}

// goneCustomer is what a job deletes.
type goneCustomer struct {
	ID string `json:"id"`
}

// deleteCustomer first lets no more keys be scoped to the customer, and only then looks which are: a key that is being made at that moment either was made
// before, and is found by the list that does not lag, or is not made.
func (a *API) deleteCustomer(ctx context.Context, s *session, in *deleteCustomerInput) (*acceptedOutput, error) {
	for attempt := 1; ; attempt++ {
		j, err := a.tryDeleteCustomer(ctx, s, in)
		if err == nil {
			return accepted(a.begin(ctx, s, j, removalTime), s.caller), nil
		}
		if !raced(err) || attempt == changeAttempts {
			return nil, err
		}
	}
}

func (a *API) tryDeleteCustomer(ctx context.Context, s *session, in *deleteCustomerInput) (*job.Job, error) {
	c, err := a.store.Customer(ctx, in.Org, in.Customer)
	if err != nil {
		return nil, err
	}
	if c.LeavingJob != "" { // a refusal must not take back what was acknowledged
		if j, err := a.store.Job(ctx, in.Org, c.LeavingJob); err != nil || j.Open() {
			return j, err
		}
	}
	if c, err = a.leave(ctx, c, true); err != nil {
		return nil, err
	}
	used, err := a.usesOf(ctx, c)
	if err != nil {
		return nil, err
	}
	if used > 0 && !in.Force {
		if _, err := a.leave(ctx, c, false); err != nil {
			return nil, err
		}
		return nil, inUse.with(fmt.Sprintf("%d keys are scoped to this customer: change them first, or say ?force=true, which disables them.", used))
	}
	j, err := a.newJob(s, job.DeleteCustomer, in.Org, goneCustomer{c.ID}, used)
	if err != nil {
		return nil, err
	}
	named := *c
	named.LeavingJob, named.Version = j.ID, c.Version+1
	return j, a.store.Commit(ctx, a.store.PutJob(j, 0), a.store.PutCustomer(&named, c.Version))
}

// leave marks a customer as one that is being deleted, or takes the mark away. Nobody sees it, so it makes no history.
func (a *API) leave(ctx context.Context, c *organization.Customer, leaving bool) (*organization.Customer, error) {
	if c.Leaving == leaving {
		return c, nil
	}
	after := *c
	after.Leaving, after.Version = leaving, c.Version+1
	return &after, a.store.Commit(ctx, a.store.PutCustomer(&after, c.Version))
}

// usesOf counts the keys that are scoped to a customer; deleted ones count for nothing.
func (a *API) usesOf(ctx context.Context, c *organization.Customer) (used int, err error) {
	for after, more := "", true; more; more = after != "" {
		var keys []*apikey.Key
		if keys, after, err = a.store.KeysOfCustomer(ctx, c.OrganizationID, c.ID, after, store.MaxPage); err != nil {
			return 0, err
		}
		for _, k := range keys {
			if k.DeletedAt.IsZero() {
				used++
			}
		}
	}
	return used, nil
}

// customerPlan disables the keys of a customer, and then deletes it.
func (a *API) customerPlan(j *job.Job) (*plan, error) {
	var gone goneCustomer
	if err := unmarshalParameters(j, &gone); err != nil {
		return nil, err
	}
	keys := func(ctx context.Context, s *session, j *job.Job, limit int) ([]item, string, error) {
		page, next, err := a.store.PlacedKeysOfCustomer(ctx, j.OrganizationID, gone.ID, j.Position, limit)
		if err != nil {
			return nil, "", err
		}
		items, err := a.keyItems(ctx, s, j, page, "key.updated", "", disable)
		return items, next, err
	}
	last := func(ctx context.Context, s *session, j *job.Job) ([]store.Write, error) {
		c, err := a.store.Customer(ctx, j.OrganizationID, gone.ID)
		if errors.Is(err, organization.ErrNoCustomer) || err == nil && !c.Leaving { // another call deleted it, and it may have been made anew
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		e, err := a.customerEntry(s, "customer.deleted", c, nil)
		return []store.Write{a.store.RemoveCustomer(c), a.store.Append(e)}, err
	}
	return &plan{[]phase{keys}, last}, nil
}

// disable is the change of keys that go with somebody or something.
func disable(_ *session, k *apikey.Key) error {
	k.Enabled = false
	return nil
}
