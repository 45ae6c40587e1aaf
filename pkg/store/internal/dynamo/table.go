// Package dynamo is the store's access to DynamoDB: reads, batches, queries page by page,
// conditional writes and transactions, sizes, and their errors.
//
// It promises that a read of a table is strongly consistent, that unprocessed items are requested
// again, that nothing larger than DynamoDB's limits is sent, and that every failure is one of its
// errors. It does not know the rows of the tables, which belong to store and hot.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Client is the part of *dynamodb.Client that the store uses on a request's path.
type Client interface {
	GetItem(
		ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.GetItemOutput, error)
	BatchGetItem(
		ctx context.Context, in *dynamodb.BatchGetItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	Query(
		ctx context.Context, in *dynamodb.QueryInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.QueryOutput, error)
	UpdateItem(
		ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
	PutItem(
		ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.PutItemOutput, error)
	DeleteItem(
		ctx context.Context, in *dynamodb.DeleteItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.DeleteItemOutput, error)
	TransactWriteItems(
		ctx context.Context, in *dynamodb.TransactWriteItemsInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

// Table is a table, accessed through a client.
type Table struct {
	Client
	Name string
	// Pause waits for d, or until the context ends.
	Pause func(ctx context.Context, d time.Duration) error
}

// NewTable returns the table with a name.
func NewTable(client Client, name string) *Table {
	return &Table{Client: client, Name: name, Pause: pause}
}

// Get reads one item, strongly consistent. It returns nil if there is none.
func (t *Table) Get(ctx context.Context, at Key) (Item, error) {
	strong := true

	out, err := t.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &t.Name,
		Key:            at.Item(),
		ConsistentRead: &strong,
	})
	if err != nil {
		return nil, Unavailable("read", err)
	}

	if len(out.Item) == 0 {
		return nil, nil
	}

	return out.Item, nil
}

// MaxBatch is DynamoDB's limit of items in one BatchGetItem.
const MaxBatch = 100

// BatchGet reads items, strongly consistent, in batches of DynamoDB's limit. Missing items are left
// out.
func (t *Table) BatchGet(ctx context.Context, keys []Key) (map[Key]Item, error) {
	found := make(map[Key]Item, len(keys))
	for some := range slices.Chunk(keys, MaxBatch) {
		if err := t.batchInto(ctx, found, some); err != nil {
			return nil, err
		}
	}

	return found, nil
}

// The attempts at a batch, and the pause after the first answer with unprocessed items. It doubles
// with each further answer, less a random part.
const (
	batchAttempts = 5
	batchPause    = 20 * time.Millisecond
)

// batchInto reads up to MaxBatch items. Unprocessed items, as under throttling, are requested
// again: a limited number of times, after pauses.
func (t *Table) batchInto(ctx context.Context, found map[Key]Item, keys []Key) error {
	strong := true

	wanted := types.KeysAndAttributes{ConsistentRead: &strong}
	for _, at := range keys {
		wanted.Keys = append(wanted.Keys, at.Item())
	}

	request := map[string]types.KeysAndAttributes{t.Name: wanted}
	for attempt := 0; len(request) > 0; attempt++ {
		if attempt == batchAttempts {
			return Unavailable("read",
				fmt.Errorf("%d items were left unprocessed", len(request[t.Name].Keys)))
		}

		if attempt > 0 {
			if err := t.Pause(ctx, backoff(batchPause, attempt)); err != nil {
				return Unavailable("read", err)
			}
		}

		out, err := t.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			return Unavailable("read", err)
		}

		for _, item := range out.Responses[t.Name] {
			found[KeyOf(item)] = item
		}

		request = out.UnprocessedKeys
	}

	return nil
}

// backoff returns the pause before an attempt, counted from 1: between half and all of a time that
// doubles, so that callers that were throttled together do not return together.
func backoff(first time.Duration, attempt int) time.Duration {
	most := first << (attempt - 1)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)) //nolint:gosec // jitter, not a secret
}

// pause is the Table.Pause outside of tests.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Index is the name of an index, and the attributes that are its keys.
type Index struct{ Name, Partition, Sort string }

// Range is a part of a partition, in the order of its sort keys.
type Range struct {
	Index       Index // the zero value for the table itself
	Partition   string
	First, Last string // inclusive; "" for all
	After       string // instead of them: exclusive, in the direction of the reading
	Backwards   bool
	Limit       int32 // of items in one answer; 0 for as many as fit
	Lagging     bool  // may be moments old, for half the price; an index always is
}

// query returns the query of a range.
func (t *Table) query(r Range) *dynamodb.QueryInput {
	forwards, strong := !r.Backwards, !r.Lagging
	in := &dynamodb.QueryInput{
		TableName:                &t.Name,
		ScanIndexForward:         &forwards,
		ConsistentRead:           &strong,
		ExpressionAttributeNames: map[string]string{"#pk": PartitionAttribute},
		ExpressionAttributeValues: Item{
			":pk": Text(r.Partition),
		},
	}
	sort := SortAttribute

	if r.Limit > 0 {
		in.Limit = &r.Limit
	}

	if r.Index != (Index{}) {
		in.IndexName = &r.Index.Name
		in.ConsistentRead = nil
		in.ExpressionAttributeNames["#pk"] = r.Index.Partition
		sort = r.Index.Sort
	}

	condition := "#pk = :pk"
	switch {
	case r.After != "" && r.Backwards:
		condition += " AND #sk < :after"
	case r.After != "":
		condition += " AND #sk > :after"
	case r.Last != "":
		condition += " AND #sk BETWEEN :first AND :last"
		in.ExpressionAttributeValues[":first"] = Text(r.First)
		in.ExpressionAttributeValues[":last"] = Text(r.Last)
	}

	if r.After != "" {
		in.ExpressionAttributeValues[":after"] = Text(r.After)
	}

	if r.After != "" || r.Last != "" {
		in.ExpressionAttributeNames["#sk"] = sort
	}

	in.KeyConditionExpression = &condition
	return in
}

// Query reads one answer's items of a range, at most Limit; more reports whether the range may
// continue.
func (t *Table) Query(
	ctx context.Context, r Range, what string,
) (items []Item, more bool, err error) {
	out, err := t.Client.Query(ctx, t.query(r))
	if err != nil {
		return nil, false, Unavailable(what, err)
	}

	return out.Items, len(out.LastEvaluatedKey) > 0, nil
}

// All returns the items of a range, of which one answer at a time is in memory. It ends after an
// error.
func (t *Table) All(ctx context.Context, r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		pages := dynamodb.NewQueryPaginator(t.Client, t.query(r))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, Unavailable("read", err))
				return
			}

			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

// Update changes attributes of an item under a condition. Errors: ErrCondition, ErrInFlight,
// ErrUnavailable.
func (t *Table) Update(
	ctx context.Context, at Key, update expression.UpdateBuilder,
	condition expression.ConditionBuilder, what string,
) error {
	e, err := expression.NewBuilder().WithUpdate(update).WithCondition(condition).Build()
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}

	_, err = t.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &t.Name,
		Key:                       at.Item(),
		UpdateExpression:          e.Update(),
		ConditionExpression:       e.Condition(),
		ExpressionAttributeNames:  e.Names(),
		ExpressionAttributeValues: e.Values(),
	})
	return written(what, err)
}

// Delete removes an item under a condition. Errors: those of Update.
func (t *Table) Delete(
	ctx context.Context, at Key, condition expression.ConditionBuilder, what string,
) error {
	e, err := expression.NewBuilder().WithCondition(condition).Build()
	if err != nil {
		return fmt.Errorf("store: %s: %w", what, err)
	}

	_, err = t.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &t.Name,
		Key:                       at.Item(),
		ConditionExpression:       e.Condition(),
		ExpressionAttributeNames:  e.Names(),
		ExpressionAttributeValues: e.Values(),
	})
	return written(what, err)
}

// written converts the error of a write of one item.
func written(what string, err error) error {
	var failed *types.ConditionalCheckFailedException
	var conflict *types.TransactionConflictException

	switch {
	case errors.As(err, &failed):
		return ErrCondition
	case errors.As(err, &conflict):
		return fmt.Errorf("%w: %w", ErrInFlight, Unavailable(what, err))
	case err != nil:
		return Unavailable(what, err)
	}

	return nil
}

// ScanPage reads the rows after a key, and returns the key of the last one: the zero Key at the
// end.
func (t *Table) ScanPage(
	ctx context.Context, scanner dynamodb.ScanAPIClient, after Key, limit int32,
) (items []Item, last Key, err error) {
	strong := true

	in := &dynamodb.ScanInput{TableName: &t.Name, ConsistentRead: &strong, Limit: &limit}
	if after != (Key{}) {
		in.ExclusiveStartKey = after.Item()
	}

	out, err := scanner.Scan(ctx, in)
	if err != nil {
		return nil, Key{}, Unavailable("scan", err)
	}

	return out.Items, KeyOf(out.LastEvaluatedKey), nil
}

// Scan reads these attributes of every row, all if none is named, strongly consistent, page by page.
// It ends after an error.
func (t *Table) Scan(
	ctx context.Context, scanner dynamodb.ScanAPIClient, attributes []string,
) iter.Seq2[[]Item, error] {
	return func(yield func([]Item, error) bool) {
		strong := true
		in := &dynamodb.ScanInput{TableName: &t.Name, ConsistentRead: &strong}

		if len(attributes) > 0 {
			names := make([]expression.NameBuilder, 0, len(attributes))
			for _, name := range attributes {
				names = append(names, expression.Name(name))
			}

			e, err := expression.NewBuilder().
				WithProjection(expression.NamesList(names[0], names[1:]...)).Build()
			if err != nil {
				yield(nil, fmt.Errorf("store: scan: %w", err))
				return
			}

			in.ProjectionExpression, in.ExpressionAttributeNames = e.Projection(), e.Names()
		}

		pages := dynamodb.NewScanPaginator(scanner, in)

		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, Unavailable("scan", err))
				return
			}

			if !yield(page.Items, nil) {
				return
			}
		}
	}
}
