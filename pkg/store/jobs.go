package store

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Job reads a job, strongly consistent. Errors: job.ErrNotFound, ErrDamaged, ErrUnavailable.
func (s *Store) Job(ctx context.Context, org, id string) (*job.Job, error) {
	return object[job.Job](ctx, s, dynamo.At(jobsPartition(org), id), "job "+id+" of "+org,
		job.ErrNotFound)
}

// PutJob writes a job. replaces is the version that the step started from, 0 for a new job. A new
// job also takes its place, and one that is over leaves it. Failures: job.ErrLost, job.ErrExists,
// job.ErrPlaceTaken.
func (s *Store) PutJob(j *job.Job, replaces int64) Write {
	item, err := encode(j, dynamo.At(jobsPartition(j.OrganizationID), j.ID))
	switch {
	case err != nil:
	case j.Open():
		listed(item, openJobsList, j.ID+"#"+j.OrganizationID)
	default:
		item[dynamo.PurgeAttribute] = dynamo.Number(j.FinishedAt.Add(job.Retention).Unix())
	}

	w := versioned(item, err, replaces, job.ErrLost, job.ErrExists).underSeal()
	switch {
	case j.Place == "":
	case replaces == 0:
		w.also = []Write{takePlace(j)}
	case !j.Open():
		w.also = []Write{leavePlace(j)}
	}

	return w
}

// takePlace returns the write by which a job takes its place.
func takePlace(j *job.Job) Write {
	item := dynamo.At(placesPartition(j.OrganizationID), j.Place).Item()
	item[placeJobAttribute] = dynamo.Text(j.ID)
	return fresh(item, nil, job.ErrPlaceTaken)
}

// leavePlace removes what takePlace wrote, or nothing: it must not hold up the end of a job.
func leavePlace(j *job.Job) Write {
	return Write{row: dynamo.Write{
		Kind:      dynamo.Remove,
		Item:      dynamo.At(placesPartition(j.OrganizationID), j.Place).Item(),
		Condition: dynamo.IsNew.Or(dynamo.Exists),
	}}
}

// FreePlace returns a place that no open job of the organization has, of most places with a common
// name. It picks one at random, so that concurrent callers do not all pick the same. Errors:
// job.ErrTooMany, ErrUnavailable.
func (s *Store) FreePlace(ctx context.Context, org, name string, most int) (string, error) {
	r := dynamo.Range{Partition: placesPartition(org)}
	r.First, r.Last = inOrder(name+"#", "")

	taken := map[string]bool{}
	for item, err := range s.core.All(ctx, r) {
		if err != nil {
			return "", err
		}

		taken[dynamo.KeyOf(item).Sort] = true
	}

	for _, n := range rand.Perm(most) { //nolint:gosec // chance, not a secret
		if place := name + "#" + strconv.Itoa(n); !taken[place] {
			return place, nil
		}
	}

	return "", job.ErrTooMany
}

// Jobs returns a page of an organization's jobs, newest first, strongly consistent, and the
// position of the next page: "" at the end. Damaged rows are logged and left out.
func (s *Store) Jobs(
	ctx context.Context, org, after string, limit int,
) (page []job.Job, next string, err error) {
	items, next, err := s.page(ctx, dynamo.Range{
		Partition: jobsPartition(org),
		After:     after,
		Backwards: true,
	}, limit, "jobs")
	if err != nil {
		return nil, "", err
	}

	page, _, err = decodeAll[job.Job](ctx, s, items, jobsPartition(org), "a job of "+org)
	return page, next, err
}

// JobRef identifies a job.
type JobRef struct{ OrganizationID, ID string }

// OpenJobs returns the open jobs of all organizations, oldest first. It reads the index, which lags
// by moments: the caller must read each job itself, and a job that is missing here is found the
// next time. Errors: ErrUnavailable.
func (s *Store) OpenJobs(ctx context.Context) ([]JobRef, error) {
	var out []JobRef
	err := s.walk(ctx, openJobsList, func(e entry) {
		id, org, _ := strings.Cut(e.position, "#")
		out = append([]JobRef{{org, id}}, out...)
	})
	return out, err
}
