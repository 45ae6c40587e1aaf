package admin

import (
	"context"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// DeleteOrganization deletes the request's organization, by a job. Repeated, it returns that job.
func (s *OrganizationService) DeleteOrganization(
	ctx context.Context, r *Request, match Match,
) (api.Job, error) {
	j, err := change(ctx, s.core, r, func(r *Request) (attempt[*job.Job], error) {
		return s.tryDeleteOrganization(ctx, r, match)
	})
	if err != nil {
		return api.Job{}, err
	}

	return viewJob(s.jobs.begin(ctx, r, j, callTime), r.caller), nil
}

// tryDeleteOrganization marks the organization as deleted, for the gate and for every check, and
// makes the job that does the rest, in one transaction.
func (s *OrganizationService) tryDeleteOrganization(
	ctx context.Context, r *Request, match Match,
) (got attempt[*job.Job], err error) {
	before := r.organization
	if !before.DeletedAt.IsZero() {
		got.answer, err = s.store.Job(ctx, before.ID, before.DeletionJob)
		return got, err
	}

	if !match.holds(before.Version) {
		return got, fmt.Errorf("%w: %w", errCondition, organization.ErrStale)
	}

	j, err := s.newJob(r, job.DeleteOrganization, struct{}{}, 0)
	if err != nil {
		return got, err
	}

	after := *before
	after.DeletedAt = r.now
	after.DeletedBy = r.caller.Actor()
	after.DeletionJob = j.ID
	after.Version = before.Version + 1
	after.Pace, _ = r.spend(before.Pace, apikey.Stop)

	e, err := s.event(r, history.OrganizationDeleted, before.ID, history.Object{
		Type: "organization",
		ID:   before.ID,
		Name: before.Name,
	})
	if err != nil {
		return got, err
	}

	e.Changes = []history.FieldChange{{Field: "deletedAt", After: r.now}}
	// Every check reads the runtime settings, so the keys are refused before the job gets to them.
	writes := []store.Write{
		s.store.PutOrganization(&after, before.Version), s.store.Append(e), s.store.PutJob(j, 0),
	}
	return attempt[*job.Job]{
		answer: j,
		writes: append(writes, s.store.PutRuntimeSettings(ctx, &after)...),

		urgency: apikey.Stop,
	}, nil
}

// deletionPlan deletes the keys of an organization, which leaves their tombstones, then its members
// and its customers. It may miss keys, because an index lags or a key is just being made. They are
// refused all the same: the organization's runtime settings are marked, and each check reads those.
func (s *OrganizationService) deletionPlan(*job.Job) (*plan, error) {
	return &plan{
		phases: []phase{s.keysToDelete, s.membersToDelete, s.customersToDelete},
		stop:   true,
	}, nil
}

func (s *OrganizationService) keysToDelete(
	ctx context.Context, r *Request, j *job.Job, limit int,
) ([]item, string, error) {
	page, next, err := s.store.KeysAt(ctx, j.OrganizationID, store.Filter{
		Living: true,
	}, j.Position, limit, r.now)
	if err != nil {
		return nil, "", err
	}

	items, err := s.keyItems(ctx, r, j, page, history.KeyDeleted,
		"", func(r *Request, k *apikey.Key) error {
			k.Delete(r.now)
			return nil
		})
	return items, next, err
}

func (s *OrganizationService) membersToDelete(
	ctx context.Context, r *Request, j *job.Job, limit int,
) ([]item, string, error) {
	members, err := s.store.Members(ctx, j.OrganizationID)
	if err != nil {
		return nil, "", err
	}

	var out []item
	for i := range members {
		if members[i].Email <= j.Position {
			continue
		}

		if len(out) == limit {
			return out, out[limit-1].after, nil
		}

		writes, err := s.memberRemoved(r, &members[i])
		if err != nil {
			return nil, "", err
		}

		out = append(out, item{after: members[i].Email, writes: writes})
	}

	return out, "", nil
}

func (s *OrganizationService) customersToDelete(
	ctx context.Context, r *Request, j *job.Job, limit int,
) ([]item, string, error) {
	customers, next, err := s.store.Customers(ctx, j.OrganizationID, j.Position, limit)
	if err != nil {
		return nil, "", err
	}

	var out []item
	for i := range customers {
		e, err := s.customerEntry(r, history.CustomerDeleted, &customers[i], nil)
		if err != nil {
			return nil, "", err
		}

		out = append(out, item{
			after:  customers[i].ID,
			writes: []store.Write{s.store.RemoveCustomer(&customers[i]), s.store.Append(e)},
		})
	}

	return out, next, nil
}
