package adminapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

func (a *API) registerDeletion() {
	register(a, operation{
		id:      organization.DeleteOrganization,
		group:   GroupOrganizations,
		method:  http.MethodDelete,
		path:    "/v1/organizations/{org}",
		status:  http.StatusAccepted,
		summary: "Delete an organization",
		about: "Its keys are refused within ten seconds; a job then deletes keys, members and " +
			"customers. Its people and its keys find it no more; who deleted it can watch " +
			"the job, operators read its history, and nobody gets its id again. Repeated, it " +
			"answers with the same job.",
	}, a.deleteOrganization)
}

type deleteOrganizationInput struct {
	OrganizationPath
	MatchHeader
}

func (a *API) deleteOrganization(
	ctx context.Context, s *request, in *deleteOrganizationInput,
) (*jobOutput, error) {
	j, err := change(ctx, a, s, func(s *request) (attempt[*job.Job], error) {
		return a.tryDeleteOrganization(ctx, s, in)
	})
	if err != nil {
		return nil, err
	}

	j = a.begin(ctx, s, j, callTime)
	return &jobOutput{Location: jobPath(j), Body: api.JobAnswer{Job: viewJob(j, s.caller)}}, nil
}

// tryDeleteOrganization marks the organization as deleted, for the gate and for every check, and
// makes the job that does the rest, in one transaction.
func (a *API) tryDeleteOrganization(
	ctx context.Context, s *request, in *deleteOrganizationInput,
) (got attempt[*job.Job], err error) {
	before := s.organization
	if !before.DeletedAt.IsZero() {
		got.answer, err = a.store.Job(ctx, in.Org, before.DeletionJob)
		return got, err
	}

	if !in.matches(before.Version) {
		return got, fmt.Errorf("%w: %w", errCondition, organization.ErrStale)
	}

	j, err := a.newJob(s, job.DeleteOrganization, in.Org, struct{}{}, 0)
	if err != nil {
		return got, err
	}

	after := *before
	after.DeletedAt = s.now
	after.DeletedBy = s.caller.Actor()
	after.DeletionJob = j.ID
	after.Version = before.Version + 1
	after.Pace, _ = before.Pace.Spend(apikey.Stop, s.now)

	e, err := a.event(s, "organization.deleted", before.ID, history.Object{
		Type: "organization",
		ID:   before.ID,
		Name: before.Name,
	})
	if err != nil {
		return got, err
	}

	e.Changes = []history.FieldChange{{Field: "deletedAt", After: s.now}}
	writes := []store.Write{
		a.store.PutOrganization(&after, before.Version), a.store.Append(e), a.store.PutJob(j, 0),
	}
	return attempt[*job.Job]{
		answer: j,
		writes: append(writes, a.store.PutRuntimeSettings(ctx, &after)...),

		urgency: apikey.Stop,
	}, nil
}

// deletionPlan deletes the keys of an organization, which leaves their tombstones, then its members
// and its customers. What it does not find, since an index lags or because it was being made at
// that moment, is refused all the same: the organization's runtime settings say so at each check.
func (a *API) deletionPlan() *plan {
	return &plan{
		phases: []phase{a.keysToDelete, a.membersToDelete, a.customersToDelete},
		stop:   true,
	}
}

func (a *API) keysToDelete(
	ctx context.Context, s *request, j *job.Job, limit int,
) ([]item, string, error) {
	page, next, err := a.store.KeysAt(ctx, j.OrganizationID, store.Filter{
		Living: true,
	}, j.Position, limit, s.now)
	if err != nil {
		return nil, "", err
	}

	items, err := a.keyItems(ctx, s, j, page, "key.deleted",
		"", func(s *request, k *apikey.Key) error {
			k.Delete(s.now)
			return nil
		})
	return items, next, err
}

func (a *API) membersToDelete(
	ctx context.Context, s *request, j *job.Job, limit int,
) ([]item, string, error) {
	members, err := a.store.Members(ctx, j.OrganizationID)
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

		writes, err := a.memberRemoved(s, &members[i])
		if err != nil {
			return nil, "", err
		}

		out = append(out, item{after: members[i].Email, writes: writes})
	}

	return out, "", nil
}

func (a *API) customersToDelete(
	ctx context.Context, s *request, j *job.Job, limit int,
) ([]item, string, error) {
	customers, next, err := a.store.Customers(ctx, j.OrganizationID, j.Position, limit)
	if err != nil {
		return nil, "", err
	}

	var out []item
	for i := range customers {
		e, err := a.customerEntry(s, "customer.deleted", &customers[i], nil)
		if err != nil {
			return nil, "", err
		}

		out = append(out, item{
			after:  customers[i].ID,
			writes: []store.Write{a.store.RemoveCustomer(&customers[i]), a.store.Append(e)},
		})
	}

	return out, next, nil
}
