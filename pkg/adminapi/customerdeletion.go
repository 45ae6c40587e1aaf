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

// deleteCustomer first lets no more keys be scoped to the customer, and only then looks which are:
// a key that is being made at that moment either was made before, and is found by the list that
// does not lag, or is not made.
func (a *API) deleteCustomer(
	ctx context.Context, s *request, in *deleteCustomerInput,
) (*acceptedOutput, error) {
	j, err := a.beginDeletion(ctx, s, in)
	if err != nil {
		return nil, err
	}

	return accepted(a.begin(ctx, s, j, removalTime), s.caller), nil
}

// beginDeletion marks the customer and makes the job that deletes it; of one that is being deleted,
// it returns that job.
func (a *API) beginDeletion(
	ctx context.Context, s *request, in *deleteCustomerInput,
) (*job.Job, error) {
	c, err := a.store.Customer(ctx, in.Org, in.Customer)
	if err != nil {
		return nil, err
	}

	if c.LeavingJob != "" { // a refusal must not take back what was acknowledged
		if j, err := a.store.Job(ctx, in.Org, c.LeavingJob); err != nil || j.Open() {
			return j, err
		}
	}

	if !in.Force { // before the mark, so that what is refused anyway writes nothing
		if err := a.unusedCustomer(ctx, c); err != nil {
			return nil, err
		}
	}

	if !in.Force {
		if err := a.mark(ctx, s, in, true); err != nil {
			return nil, err
		}

		if err := a.unusedCustomer(ctx, c); err != nil {
			return nil, errors.Join(err, a.mark(ctx, s, in, false))
		}
	}

	return change(ctx, a, s, func(s *request) (attempt[*job.Job], error) {
		return a.tryDeleteCustomer(ctx, s, in)
	})
}

// tryDeleteCustomer lets no more keys be scoped to the customer from now on, and makes the job that
// goes through those that are.
func (a *API) tryDeleteCustomer(
	ctx context.Context, s *request, in *deleteCustomerInput,
) (attempt[*job.Job], error) {
	c, err := a.store.Customer(ctx, in.Org, in.Customer)
	if err != nil {
		return attempt[*job.Job]{}, err
	}

	if c.LeavingJob != "" {
		if j, err := a.store.Job(ctx, in.Org, c.LeavingJob); err != nil || j.Open() {
			return attempt[*job.Job]{answer: j}, err
		}
	}

	j, err := a.newJob(s, job.DeleteCustomer, in.Org, goneCustomer{c.ID}, 0)
	if err != nil {
		return attempt[*job.Job]{}, err
	}

	named := *c
	named.Leaving = true
	named.LeavingJob = j.ID
	named.Version = c.Version + 1
	named.Pace, _ = c.Pace.Spend(apikey.Stop, s.now)
	return attempt[*job.Job]{
		answer:  j,
		writes:  []store.Write{a.store.PutJob(j, 0), a.store.PutCustomer(&named, c.Version)},
		urgency: apikey.Stop,
	}, nil
}

// mark marks a customer as one that is being deleted, before it is known whether it can be, or
// takes the mark away. Nobody sees it, so it makes no history.
func (a *API) mark(ctx context.Context, s *request, in *deleteCustomerInput, leaving bool) error {
	_, err := change(ctx, a, s, func(s *request) (got attempt[struct{}], err error) {
		c, err := a.store.Customer(ctx, in.Org, in.Customer)
		if err != nil || c.Leaving == leaving || c.LeavingJob != "" {
			return got, err
		}

		after := *c
		after.Leaving = leaving
		after.Version = c.Version + 1

		if !leaving {
			got.urgency = apikey.Stop // a refusal must not leave the mark, whoever else writes
		}

		if after.Pace, err = spend(c.Pace, got.urgency, s.now); err != nil {
			return got, err
		}

		got.writes = []store.Write{
			paced(a.store.PutCustomer(&after, c.Version), got.urgency, c.Pace),
		}
		return got, nil
	})
	return err
}

// unusedCustomer refuses to delete a customer that keys are scoped to.
func (a *API) unusedCustomer(ctx context.Context, c *organization.Customer) error {
	used, err := a.usesOf(ctx, c)
	if err == nil && used > 0 {
		many := map[bool]string{true: " or more"}[used == maxCounted]
		err = inUse.with(fmt.Sprintf("%d keys%s are scoped to this customer: change them first, "+
			"or say ?force=true, which disables them.", used, many))
	}

	return err
}

// maxCounted is how many keys of a customer are counted at most: from there on it is no matter how
// many they are.
const maxCounted = 1000

// usesOf counts the keys that are scoped to a customer, up to maxCounted; deleted ones count for
// nothing.
func (a *API) usesOf(ctx context.Context, c *organization.Customer) (used int, err error) {
	for after, more := "", true; more && used < maxCounted; more = after != "" {
		var keys []*apikey.Key
		if keys, after, err = a.store.KeysOfCustomer(ctx, c.OrganizationID, c.ID, after,
			store.MaxPage); err != nil {
			return 0, err
		}

		for _, k := range keys {
			if k.DeletedAt.IsZero() {
				used++
			}
		}
	}

	return min(used, maxCounted), nil
}

// customerPlan disables the keys of a customer, and then deletes it.
func (a *API) customerPlan(j *job.Job) (*plan, error) {
	var gone goneCustomer
	if err := unmarshalParameters(j, &gone); err != nil {
		return nil, err
	}

	keys := func(ctx context.Context, s *request, j *job.Job, limit int) ([]item, string, error) {
		page, next, err := a.store.KeysAtOfCustomer(ctx,
			j.OrganizationID, gone.ID, j.Position, limit)
		if err != nil {
			return nil, "", err
		}

		items, err := a.keyItems(ctx, s, j, page, "key.updated", "", disable)
		return items, next, err
	}
	last := func(ctx context.Context, s *request, j *job.Job) ([]store.Write, error) {
		c, err := a.store.Customer(ctx, j.OrganizationID, gone.ID)
		// another call deleted it, and it may have been made anew
		if errors.Is(err, organization.ErrNoCustomer) || err == nil && !c.Leaving {
			return nil, nil
		}

		if err != nil {
			return nil, err
		}

		e, err := a.customerEntry(s, "customer.deleted", c, nil)
		return []store.Write{a.store.RemoveCustomer(c), a.store.Append(e)}, err
	}
	return &plan{phases: []phase{keys}, last: last, stop: true}, nil
}

// disable is the change of keys that go with somebody or something.
func disable(_ *request, k *apikey.Key) error {
	k.Enabled = false
	return nil
}
