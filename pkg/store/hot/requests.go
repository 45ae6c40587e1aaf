package hot

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// requestItem is a recorded call: it is in the list of its key, and once more under its id.
type requestItem struct {
	SK             string `dynamodbav:"sk,omitempty"`
	ID             string `dynamodbav:"requestId"`
	At             string `dynamodbav:"at"`
	Environment    string `dynamodbav:"environment"`
	OrganizationID string `dynamodbav:"organizationId"`
	KeyID          string `dynamodbav:"keyId"`
	KeyVersion     int64  `dynamodbav:"keyVersion"`
	API            string `dynamodbav:"api"`
	Method         string `dynamodbav:"method"`
	Route          string `dynamodbav:"route"`
	Path           string `dynamodbav:"path"`
	Outcome        string `dynamodbav:"outcome"`
	Permission     string `dynamodbav:"permission"`
	SourceIP       string `dynamodbav:"sourceIp"`
	UserAgent      string `dynamodbav:"userAgent"`
	LatencyMs      int64  `dynamodbav:"latencyMs"`
	OldSecret      bool   `dynamodbav:"oldSecret"`
	Omitted        int64  `dynamodbav:"omitted"`
}

// PutRequest implements usage.Writer.
func (t *Table) PutRequest(ctx context.Context, r usage.Request) error {
	attributes, err := attributevalue.MarshalMap(requestItem{
		ID:             r.ID,
		At:             dynamo.FormatTime(r.At),
		Environment:    string(r.Environment),
		OrganizationID: r.OrganizationID,
		KeyID:          r.KeyID,
		KeyVersion:     r.KeyVersion,
		API:            r.API,
		Method:         r.Method,
		Route:          r.Route,
		Path:           r.Path,
		Outcome:        string(r.Outcome),
		Permission:     r.Permission,
		SourceIP:       r.SourceIP,
		UserAgent:      r.UserAgent,
		LatencyMs:      r.LatencyMs,
		OldSecret:      r.OldSecret,
		Omitted:        r.Omitted,
	})
	if err != nil {
		return err
	}

	ends := r.At.Add(usage.RequestLife)
	// Two calls may have one id, since a client may choose it: the first stays under the id, and
	// both are in the list.
	if err := t.set(ctx, requestRow(r.Environment, r.ID), attributes, ends,
		dynamo.IsNew); err != nil {
		return err
	}

	return t.set(ctx, dynamo.At(keyPartition(r.Environment, r.KeyID), requestItemSort(r.At, r.ID)),
		attributes, ends, dynamo.IsNew)
}

func (i *requestItem) request() (usage.Request, error) {
	at, err := dynamo.ParseTime(i.At)
	if err != nil {
		return usage.Request{}, dynamo.Damaged("request", err)
	}

	return usage.Request{
		ID:             i.ID,
		At:             at,
		Environment:    apikey.Environment(i.Environment),
		OrganizationID: i.OrganizationID,
		KeyID:          i.KeyID,
		KeyVersion:     i.KeyVersion,
		API:            i.API,
		Method:         i.Method,
		Route:          i.Route,
		Path:           i.Path,
		Outcome:        check.Outcome(i.Outcome),
		Permission:     i.Permission,
		SourceIP:       i.SourceIP,
		UserAgent:      i.UserAgent,
		LatencyMs:      i.LatencyMs,
		OldSecret:      i.OldSecret,
		Omitted:        i.Omitted,
	}, nil
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

	items, more, err := t.rows.Query(ctx, dynamo.Range{
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
		var row requestItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, "", dynamo.Damaged("request", err)
		}

		// The range includes the position itself.
		if row.SK == after {
			continue
		}

		if len(page) == limit {
			return page, next, nil
		}

		r, err := row.request()
		if err != nil {
			return nil, "", err
		}

		page, next = append(page, r), row.SK
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
		var row requestItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return r, false, dynamo.Damaged("request", err)
		}

		if r, err = row.request(); err != nil || now.Sub(r.At) < usage.RequestLife {
			return r, err == nil, err
		}
	}

	return r, false, nil
}
