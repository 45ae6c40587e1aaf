package hot

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// PutRequest implements usage.Writer. A recorded call is in the list of its key, and once more
// under its id.
func (m *Meter) PutRequest(ctx context.Context, r usage.Request) error {
	attributes := dynamo.Item{}
	attributes.PutText("requestId", r.ID)
	attributes.PutTime("at", r.At)
	attributes.PutText("environment", string(r.Environment))
	attributes.PutText("organizationId", r.OrganizationID)
	attributes.PutText("keyId", r.KeyID)
	attributes.PutInt("keyVersion", r.KeyVersion)
	attributes.PutText("api", r.API)
	attributes.PutText("method", r.Method)
	attributes.PutText("route", r.Route)
	attributes.PutText("path", r.Path)
	attributes.PutText("outcome", string(r.Outcome))
	attributes.PutText("permission", r.Permission)
	attributes.PutText("sourceIp", r.SourceIP)
	attributes.PutText("userAgent", r.UserAgent)
	attributes.PutInt("latencyMs", r.LatencyMs)
	attributes.PutBool("oldSecret", r.OldSecret)
	attributes.PutInt("omitted", r.Omitted)

	ends := r.At.Add(usage.RequestLife)
	// Two calls may have one id, since a client may choose it: the first stays under the id, and
	// both are in the list.
	if err := m.set(ctx, requestRow(r.Environment, r.ID), attributes, ends,
		dynamo.IsNew); err != nil {
		return err
	}

	return m.set(ctx, dynamo.At(keyPartition(r.Environment, r.KeyID), requestItemSort(r.At, r.ID)),
		attributes, ends, dynamo.IsNew)
}

// parseRequest decodes a recorded call. Errors: ErrDamaged.
func parseRequest(item dynamo.Item) (usage.Request, error) {
	f := dynamo.Read(item)

	r := usage.Request{
		ID:             f.Text("requestId"),
		At:             f.Time("at"),
		Environment:    apikey.Environment(f.Text("environment")),
		OrganizationID: f.Text("organizationId"),
		KeyID:          f.Text("keyId"),
		KeyVersion:     f.Int("keyVersion"),
		API:            f.Text("api"),
		Method:         f.Text("method"),
		Route:          f.Text("route"),
		Path:           f.Text("path"),
		Outcome:        check.Outcome(f.Text("outcome")),
		Permission:     f.Text("permission"),
		SourceIP:       f.Text("sourceIp"),
		UserAgent:      f.Text("userAgent"),
		LatencyMs:      f.Int("latencyMs"),
		OldSecret:      f.Bool("oldSecret"),
		Omitted:        f.Int("omitted"),
	}
	if err := f.Err(); err != nil {
		return usage.Request{}, dynamo.Damaged("request", err)
	}

	return r, nil
}

// Requests returns a page of a key's recorded calls, newest first, and the position of the next
// page: "" at the end. Errors: ErrDamaged, ErrUnavailable.
func (t *Table) Requests(
	ctx context.Context, env apikey.Environment, id, after string, limit int, now time.Time,
) (page []usage.Request, next string, err error) {
	last := requestPrefix + "~"
	if after != "" {
		last = after
	}

	items, more, err := t.table.Query(ctx, dynamo.Range{
		Partition: keyPartition(env, id),
		First:     requestItemSort(now.Add(-usage.RequestLife), ""),
		Last:      last,
		Backwards: true,
		// the one that the previous page ended with, and one to see whether the list continues
		Limit: int32(limit) + 2,
	}, "requests")
	if err != nil {
		return nil, "", err
	}

	for _, item := range items {
		// The range includes the position itself.
		position := dynamo.KeyOf(item).Sort
		if position == after {
			continue
		}

		if len(page) == limit {
			return page, next, nil
		}

		r, err := parseRequest(item)
		if err != nil {
			return nil, "", err
		}

		page, next = append(page, r), position
	}

	if more {
		return page, next, nil
	}

	return page, "", nil
}

// Request returns a recorded call of any environment by its id; found is false if there is none.
// Errors: ErrDamaged, ErrUnavailable.
func (t *Table) Request(
	ctx context.Context, id string, now time.Time,
) (r usage.Request, found bool, err error) {
	var keys []dynamo.Key
	for _, env := range apikey.Environments() {
		keys = append(keys, requestRow(env, id))
	}

	items, err := t.rows.BatchGet(ctx, keys)
	if err != nil {
		return r, false, err
	}

	for _, item := range items {
		if r, err = parseRequest(item); err != nil || now.Sub(r.At) < usage.RequestLife {
			return r, err == nil, err
		}
	}

	return r, false, nil
}
