package adminapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// removalTime is how long the removal of a member works on their keys before it leaves them to
// upkeep: they are disabled before it returns, as far as that is within a function's time.
const removalTime = 10 * time.Second

// removal is what a job removes.
type removal struct {
	Email string `json:"email"`
}

// acceptedOutput is the answer of what is done, 204 without a body, or goes on by itself, 202.
type acceptedOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     *api.JobAnswer
}

func accepted(j *job.Job, to *organization.Caller) *acceptedOutput {
	if j.State == job.Done {
		return &acceptedOutput{Status: http.StatusNoContent}
	}

	return &acceptedOutput{
		Status:   http.StatusAccepted,
		Location: jobPath(j),
		Body:     &api.JobAnswer{Job: viewJob(j, to)},
	}
}

func (a *API) deleteMember(
	ctx context.Context, s *request, in *MemberPath,
) (*acceptedOutput, error) {
	j, err := change(ctx, a, s, func(s *request) (attempt[*job.Job], error) {
		return a.removeMember(ctx, s, in)
	})
	if err != nil {
		return nil, err
	}

	return accepted(a.begin(ctx, s, j, removalTime), s.caller), nil
}

// removeMember takes the membership at once, so that the person makes no more keys, and makes the
// job that does the rest. Repeated, it returns that job.
func (a *API) removeMember(
	ctx context.Context, s *request, in *MemberPath,
) (got attempt[*job.Job], err error) {
	m, err := a.findMember(ctx, in.Org, in.User)
	if err != nil {
		return got, err
	}

	if m.LeavingJob != "" {
		j, err := a.store.Job(ctx, in.Org, m.LeavingJob)
		if err == nil && j.Open() || !errors.Is(err, job.ErrNotFound) && err != nil {
			return attempt[*job.Job]{answer: j}, err
		}
	}

	j, err := a.newJob(s, job.RemoveMember, in.Org, removal{m.Email}, 0)
	if err != nil {
		return got, err
	}

	leaving := *m
	leaving.LeavingJob = j.ID
	leaving.Version = m.Version + 1
	leaving.Pace, _ = m.Pace.Spend(apikey.Stop, s.now)

	first := m.LeavingAt.IsZero()
	if first {
		leaving.LeavingAt = s.now
	}

	got = attempt[*job.Job]{answer: j, urgency: apikey.Stop}

	got.writes = []store.Write{a.store.PutMember(&leaving, m.Version), a.store.PutJob(j, 0)}
	if first {
		got.writes, err = a.countAdmins(ctx, s, got.writes, m, nil, in.Org)
	}

	return got, err
}

// removalPlan disables a person's keys, by the list that misses none, and then removes them. A key
// that they were making when they were removed was either made before, and is in the list, or was
// not made.
func (a *API) removalPlan(j *job.Job) (*plan, error) {
	var r removal
	if err := unmarshalParameters(j, &r); err != nil {
		return nil, err
	}

	keys := func(ctx context.Context, s *request, j *job.Job, limit int) ([]item, string, error) {
		m, err := a.leaving(ctx, j, r)
		if m == nil || err != nil || !m.Joined() {
			return nil, "", err
		}

		page, next, err := a.store.OwnKeys(ctx, j.OrganizationID, m.ID, j.Position, limit)
		if err != nil {
			return nil, "", err
		}

		items, err := a.keyItems(ctx, s, j, page, "key.updated", "", disable)
		return items, next, err
	}
	last := func(ctx context.Context, s *request, j *job.Job) ([]store.Write, error) {
		m, err := a.leaving(ctx, j, r)
		if m == nil || err != nil {
			return nil, err
		}

		return a.memberRemoved(s, m)
	}
	return &plan{phases: []phase{keys}, last: last, stop: true}, nil
}

// leaving reads the member that a job removes; nil where they are gone.
func (a *API) leaving(ctx context.Context, j *job.Job, r removal) (*organization.Member, error) {
	m, err := a.store.Member(ctx, j.OrganizationID, r.Email)
	if errors.Is(err, organization.ErrNoMember) || err == nil && m.LeavingJob != j.ID {
		return nil, nil
	}

	return m, err
}

func (a *API) memberRemoved(s *request, m *organization.Member) ([]store.Write, error) {
	entry, err := a.memberEntry(s, "member.removed", m, nil)
	return []store.Write{a.store.RemoveMember(m), a.store.Append(entry)}, err
}
