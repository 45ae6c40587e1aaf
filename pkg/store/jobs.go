package store

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/job"
)

// Job reads a job, strongly consistent. Errors: job.ErrNotFound, ErrDamaged, ErrUnavailable.
func (s *Store) Job(ctx context.Context, org, id string) (*job.Job, error) {
	return object[job.Job](ctx, s, place{jobsPartition(org), id}, "job "+id+" of "+org, job.ErrNotFound)
}

// PutJob writes a job. replaces is the version that the step started from, 0 for a new job. Failures: job.ErrLost, job.ErrExists.
func (s *Store) PutJob(j *job.Job, replaces int64) Write {
	item, err := marshalJSONTags(j, jobsPartition(j.OrganizationID), j.ID)
	switch {
	case err != nil:
	case j.Open():
		listed(item, openJobsList, j.ID+"#"+j.OrganizationID)
	default:
		item[purgeAttribute] = number(j.FinishedAt.Add(job.Retention).Unix())
	}
	return versioned(item, err, replaces, job.ErrLost, job.ErrExists).underSeal()
}

// Jobs returns a page of an organization's jobs, newest first, strongly consistent, and the position after it: "" where it ends. Damaged rows are
// told of and left out.
func (s *Store) Jobs(ctx context.Context, org, after string, limit int) (page []job.Job, next string, err error) {
	strong, backwards, most, condition := true, false, int32(limit)+1, "pk = :jobs"
	in := &dynamodb.QueryInput{
		TableName: &s.core, ConsistentRead: &strong, ScanIndexForward: &backwards, Limit: &most, KeyConditionExpression: &condition,
		ExpressionAttributeValues: map[string]types.AttributeValue{":jobs": textValue(jobsPartition(org))},
	}
	if after != "" {
		condition += " AND sk < :after"
		in.ExpressionAttributeValues[":after"] = textValue(after)
	}
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, "", unavailable("jobs", err)
	}
	items, next := firstOf(out, limit)
	page, _, err = decodeAll[job.Job](ctx, s, items, jobsPartition(org), "a job of "+org)
	return page, next, err
}

// JobRef names a job.
type JobRef struct{ OrganizationID, ID string }

// OpenJobs names the jobs of all organizations that are not over, oldest first. It is read from the index, which lags by moments: what it names is to be read
// before it is believed, and what it does not name yet it names the next time. Errors: ErrUnavailable.
func (s *Store) OpenJobs(ctx context.Context) ([]JobRef, error) {
	var out []JobRef
	err := s.walk(ctx, openJobsList, func(e entry) {
		id, org, _ := strings.Cut(e.position, "#")
		out = append([]JobRef{{org, id}}, out...)
	})
	return out, err
}
