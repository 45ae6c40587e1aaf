package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// goneCustomer is the customer that a job deletes.
type goneCustomer struct {
	ID string `json:"id"`
}

// DeleteCustomer deletes a customer of the request's organization. With force, a job disables the
// keys that are scoped to it, and continues in the background if there are many.
//
// It first prevents more keys from being scoped to the customer, and only then looks for those that
// are. So a key that is being made at that moment is either found, by a list that does not lag, or
// not made.
func (s *OrganizationService) DeleteCustomer(
	ctx context.Context, r *Request, id string, force bool,
) (api.Job, error) {
	j, err := s.beginDeletion(ctx, r, id, force)
	if err != nil {
		return api.Job{}, err
	}

	return viewJob(s.jobs.begin(ctx, r, j, removalTime), r.caller), nil
}

// beginDeletion marks the customer and makes the job that deletes it. For a customer that is being
// deleted, it returns that job.
func (s *OrganizationService) beginDeletion(
	ctx context.Context, r *Request, id string, force bool,
) (*job.Job, error) {
	if !force {
		if j, err := s.markUnused(ctx, r, id); j != nil || err != nil {
			return j, err
		}
	}

	return change(ctx, s.core, r, func(r *Request) (attempt[*job.Job], error) {
		return s.tryDeleteCustomer(ctx, r, id)
	})
}

// markUnused marks a customer that no key is scoped to, so that none can be from then on. For one
// that is being deleted, it returns the job. Error: *Error if keys are scoped to it.
func (s *OrganizationService) markUnused(
	ctx context.Context, r *Request, id string,
) (*job.Job, error) {
	c, err := s.store.Customer(ctx, r.call.Organization, id)
	if err != nil {
		return nil, err
	}

	if c.LeavingJob != "" { // a refusal must not take back what was acknowledged
		if j, err := s.store.Job(ctx, c.OrganizationID, c.LeavingJob); err != nil || j.Open() {
			return j, err
		}
	}

	// before the mark, so that a deletion that is refused anyway writes nothing
	if err := s.unusedCustomer(ctx, c); err != nil {
		return nil, err
	}

	if err := s.mark(ctx, r, id, true); err != nil {
		return nil, err
	}

	// Again after the mark: a key may have been scoped to the customer in between.
	if err := s.unusedCustomer(ctx, c); err != nil {
		return nil, errors.Join(err, s.mark(ctx, r, id, false))
	}

	return nil, nil
}

// tryDeleteCustomer prevents more keys from being scoped to the customer, and makes the job that
// disables those that are.
func (s *OrganizationService) tryDeleteCustomer(
	ctx context.Context, r *Request, id string,
) (attempt[*job.Job], error) {
	c, err := s.store.Customer(ctx, r.call.Organization, id)
	if err != nil {
		return attempt[*job.Job]{}, err
	}

	if c.LeavingJob != "" {
		if j, err := s.store.Job(ctx, c.OrganizationID, c.LeavingJob); err != nil || j.Open() {
			return attempt[*job.Job]{answer: j}, err
		}
	}

	j, err := s.newJob(r, job.DeleteCustomer, goneCustomer{c.ID}, 0)
	if err != nil {
		return attempt[*job.Job]{}, err
	}

	named := *c
	named.Leaving = true
	named.LeavingJob = j.ID
	named.Version = c.Version + 1
	named.Pace, _ = r.spend(c.Pace, apikey.Stop)
	return attempt[*job.Job]{
		answer:  j,
		writes:  []store.Write{s.store.PutJob(j, 0), s.store.PutCustomer(&named, c.Version)},
		urgency: apikey.Stop,
	}, nil
}

// mark marks a customer as being deleted, before it is known whether it can be, or removes the
// mark. The mark is not visible, so it has no history entry.
func (s *OrganizationService) mark(ctx context.Context, r *Request, id string, leaving bool) error {
	_, err := change(ctx, s.core, r, func(r *Request) (got attempt[struct{}], err error) {
		c, err := s.store.Customer(ctx, r.call.Organization, id)
		if err != nil || c.Leaving == leaving || c.LeavingJob != "" {
			return got, err
		}

		after := *c
		after.Leaving = leaving
		after.Version = c.Version + 1

		if !leaving {
			got.urgency = apikey.Stop // remove the mark after a refusal even if others write
		}

		if after.Pace, err = r.spend(c.Pace, got.urgency); err != nil {
			return got, err
		}

		got.writes = []store.Write{
			paced(s.store.PutCustomer(&after, c.Version), got.urgency, c.Pace),
		}
		return got, nil
	})
	return err
}

// unusedCustomer refuses to delete a customer that keys are scoped to.
func (s *OrganizationService) unusedCustomer(ctx context.Context, c *organization.Customer) error {
	used, err := s.usesOf(ctx, c)
	if err == nil && used > 0 {
		many := map[bool]string{true: " or more"}[used == maxCounted]
		err = Refuse(api.CodeInUse,
			fmt.Sprintf("%d keys%s are scoped to this customer: change them first, "+
				"or send ?force=true, which disables them.", used, many))
	}

	return err
}

// maxCounted bounds the count of a customer's keys: more make no difference to the refusal.
const maxCounted = 1000

// usesOf counts the keys that are scoped to a customer, up to maxCounted. Deleted keys do not
// count.
func (s *OrganizationService) usesOf(
	ctx context.Context, c *organization.Customer,
) (used int, err error) {
	for after, more := "", true; more && used < maxCounted; more = after != "" {
		var keys []*apikey.Key
		if keys, after, err = s.store.KeysOfCustomer(ctx, c.OrganizationID, c.ID, after,
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
func (s *OrganizationService) customerPlan(j *job.Job) (*plan, error) {
	var gone goneCustomer
	if err := unmarshalParameters(j, &gone); err != nil {
		return nil, err
	}

	keys := func(ctx context.Context, r *Request, j *job.Job, limit int) ([]item, string, error) {
		page, next, err := s.store.KeysAtOfCustomer(ctx,
			j.OrganizationID, gone.ID, j.Position, limit)
		if err != nil {
			return nil, "", err
		}

		items, err := s.keyItems(ctx, r, j, page, history.KeyUpdated, "", disable)
		return items, next, err
	}
	last := func(ctx context.Context, r *Request, j *job.Job) ([]store.Write, error) {
		c, err := s.store.Customer(ctx, j.OrganizationID, gone.ID)
		// another call deleted it, and it may have been created again
		if errors.Is(err, organization.ErrNoCustomer) || err == nil && !c.Leaving {
			return nil, nil
		}

		if err != nil {
			return nil, err
		}

		e, err := s.customerEntry(r, history.CustomerDeleted, c, nil)
		return []store.Write{s.store.RemoveCustomer(c), s.store.Append(e)}, err
	}
	return &plan{phases: []phase{keys}, last: last, stop: true}, nil
}

// disable is the change of the keys of a removed owner or customer.
func disable(_ *Request, k *apikey.Key) error {
	k.Enabled = false
	return nil
}
