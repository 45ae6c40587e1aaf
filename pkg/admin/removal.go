package admin

import (
	"context"
	"errors"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// removalTime is how long the removal of a member works on their keys before it leaves them to
// upkeep: they are disabled before it returns, as far as a function's timeout permits.
const removalTime = 10 * time.Second

// removal is the member that a job removes.
type removal struct {
	Email string `json:"email"`
}

// RemoveMember removes a member of the request's organization, found by e-mail or id. A job
// disables their personal keys, and continues in the background if there are many. Repeated, it
// returns that job.
func (s *OrganizationService) RemoveMember(
	ctx context.Context, r *Request, user string,
) (api.Job, error) {
	j, err := change(ctx, s.core, r, func(r *Request) (attempt[*job.Job], error) {
		return s.tryRemoveMember(ctx, r, user)
	})
	if err != nil {
		return api.Job{}, err
	}

	return viewJob(s.jobs.begin(ctx, r, j, removalTime), r.caller), nil
}

// tryRemoveMember ends the membership at once, so that the person makes no more keys, and makes the
// job that does the rest. Repeated, it returns that job.
func (s *OrganizationService) tryRemoveMember(
	ctx context.Context, r *Request, user string,
) (got attempt[*job.Job], err error) {
	m, err := s.findMember(ctx, r.call.Organization, user)
	if err != nil {
		return got, err
	}

	if m.LeavingJob != "" {
		j, err := s.store.Job(ctx, m.OrganizationID, m.LeavingJob)
		if err == nil && j.Open() || !errors.Is(err, job.ErrNotFound) && err != nil {
			return attempt[*job.Job]{answer: j}, err
		}
	}

	j, err := s.newJob(r, job.RemoveMember, removal{m.Email}, 0)
	if err != nil {
		return got, err
	}

	leaving := *m
	leaving.LeavingJob = j.ID
	leaving.Version = m.Version + 1
	leaving.Pace, _ = r.spend(m.Pace, apikey.Stop)

	// A second job, after a failed one, must not count the admin again.
	first := m.LeavingAt.IsZero()
	if first {
		leaving.LeavingAt = r.now
	}

	got = attempt[*job.Job]{answer: j, urgency: apikey.Stop}

	got.writes = []store.Write{s.store.PutMember(&leaving, m.Version), s.store.PutJob(j, 0)}
	if first {
		got.writes, err = s.countAdmins(ctx, r, got.writes, m, nil)
	}

	return got, err
}

// removalPlan disables a person's keys, by a list that does not lag, and then removes the member. A
// key that they were making at that moment is either in the list, or was not made.
func (s *OrganizationService) removalPlan(j *job.Job) (*plan, error) {
	var of removal
	if err := unmarshalParameters(j, &of); err != nil {
		return nil, err
	}

	keys := func(ctx context.Context, r *Request, j *job.Job, limit int) ([]item, string, error) {
		m, err := s.leaving(ctx, j, of)
		if m == nil || err != nil || !m.Joined() {
			return nil, "", err
		}

		page, next, err := s.store.OwnKeys(ctx, j.OrganizationID, m.ID, j.Position, limit)
		if err != nil {
			return nil, "", err
		}

		items, err := s.keyItems(ctx, r, j, page, history.KeyUpdated, "", disable)
		return items, next, err
	}
	last := func(ctx context.Context, r *Request, j *job.Job) ([]store.Write, error) {
		m, err := s.leaving(ctx, j, of)
		if m == nil || err != nil {
			return nil, err
		}

		return s.memberRemoved(r, m)
	}
	return &plan{phases: []phase{keys}, last: last, stop: true}, nil
}

// leaving reads the member that a job removes; nil if they are gone.
func (s *OrganizationService) leaving(
	ctx context.Context, j *job.Job, of removal) (*organization.Member, error,
) {
	m, err := s.store.Member(ctx, j.OrganizationID, of.Email)
	if errors.Is(err, organization.ErrNoMember) || err == nil && m.LeavingJob != j.ID {
		return nil, nil
	}

	return m, err
}

func (s *OrganizationService) memberRemoved(
	r *Request, m *organization.Member,
) ([]store.Write, error) {
	entry, err := s.memberEntry(r, history.MemberRemoved, m, nil)
	return []store.Write{s.store.RemoveMember(m), s.store.Append(entry)}, err
}
