// Package dynamo is how the store speaks DynamoDB: reads, batches, queries page by page,
// conditional writes and transactions, sizes, and the errors of all of them.
//
// It promises that a read of a table is strongly consistent, that what DynamoDB leaves for later is
// asked for again, that nothing is sent which is larger than DynamoDB takes, and that every failure
// is one of its errors. It knows no row of any table: what a row is and who writes it, store and
// hot say.
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

// Table is a table, or what a client says of it.
type Table struct {
	Client
	Name string
	// Pause waits until d is over, or the context.
	Pause func(ctx context.Context, d time.Duration) error
}

// NewTable returns the table of that name.
func NewTable(client Client, name string) *Table {
	return &Table{Client: client, Name: name, Pause: pause}
}

// Get reads one item, strongly consistent; nil where there is none.
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

// BatchGet reads items, strongly consistent, as many at a time as DynamoDB takes. What is not there
// is left out.
func (t *Table) BatchGet(ctx context.Context, keys []Key) (map[Key]Item, error) {
	found := make(map[Key]Item, len(keys))
	for some := range slices.Chunk(keys, MaxBatch) {
		if err := t.batchInto(ctx, found, some); err != nil {
			return nil, err
		}
	}

	return found, nil
}

// How often a batch is asked for, and how long it waits after the first answer that left something:
// twice as long after each other one, less a random part.
const (
	batchAttempts = 5
	batchPause    = 20 * time.Millisecond
)

// batchInto reads up to MaxBatch items. What DynamoDB leaves for later, as it does where it is
// asked for too much, is asked for again: a bounded number of times, and not at once.
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

// backoff is how long to wait before an attempt, the first repetition being 1: between a half and
// the whole of a time that doubles, so that those who were refused together do not come back
// together.
func backoff(first time.Duration, attempt int) time.Duration {
	most := first << (attempt - 1)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)) //nolint:gosec // jitter, not a secret
}

// pause is Table.Pause outside of tests.
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

// Index names an index, and the attributes that are its keys.
type Index struct{ Name, Partition, Sort string }

// Range is a part of a partition, in the order of its sort keys.
type Range struct {
	Index       Index // the zero value for the table itself
	Partition   string
	First, Last string // both of them too; "" for all
	After       string // in place of them: what follows, in the direction of the reading
	Backwards   bool
	Limit       int32 // of items that are read at once; 0 for as many as an answer holds
	Lagging     bool  // may be as it was moments ago, for half the price; an index always is
}

// query is the query of a range.
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

// Query reads what one answer holds of a range, at most Limit items; more is whether the range may
// go on.
func (t *Table) Query(
	ctx context.Context, r Range, what string,
) (items []Item, more bool, err error) {
	out, err := t.Client.Query(ctx, t.query(r))
	if err != nil {
		return nil, false, Unavailable(what, err)
	}

	return out.Items, len(out.LastEvaluatedKey) > 0, nil
}

// All are the items of a range, of which an answer at a time is in memory. It ends with an error.
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

// written is the error of a write of one item.
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

// ScanPage reads rows after one, and returns the last of them: none where the table ends.
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

// Scan reads these attributes of every row, strongly consistent, and hands on page by page. It ends
// with an error.
func (t *Table) Scan(
	ctx context.Context, scanner dynamodb.ScanAPIClient, attributes []string,
) iter.Seq2[[]Item, error] {
	return func(yield func([]Item, error) bool) {
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

		strong := true
		pages := dynamodb.NewScanPaginator(scanner, &dynamodb.ScanInput{
			TableName:                &t.Name,
			ConsistentRead:           &strong,
			ProjectionExpression:     e.Projection(),
			ExpressionAttributeNames: e.Names(),
		})

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
