package dynamo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Rows are the rows of a table, read and written one by one.
type Rows struct {
	client Client
	table  string
	// Pause waits for d, or until the context ends.
	Pause func(ctx context.Context, d time.Duration) error
}

// NewRows returns the rows of the table with a name.
func NewRows(client Client, table string) *Rows {
	return &Rows{client: client, table: table, Pause: pause}
}

// Get reads one item, strongly consistent. It returns nil if there is none.
func (r *Rows) Get(ctx context.Context, at Key) (Item, error) {
	if item, read := r.take(ctx, at); read {
		return item, nil
	}

	item, err := r.client.Get(ctx, r.table, at)
	if err != nil {
		return nil, Unavailable("read", err)
	}

	if len(item) == 0 {
		return nil, nil
	}

	return item, nil
}

// MaxBatch is DynamoDB's limit of items in one BatchGetItem.
const MaxBatch = 100

// BatchGet reads items, strongly consistent, in batches of DynamoDB's limit. Missing items are left
// out.
func (r *Rows) BatchGet(ctx context.Context, keys []Key) (map[Key]Item, error) {
	found := make(map[Key]Item, len(keys))

	rest := make([]Key, 0, len(keys))
	for _, at := range keys {
		switch item, read := r.take(ctx, at); {
		case !read:
			rest = append(rest, at)
		case item != nil:
			found[at] = item
		}
	}

	for some := range slices.Chunk(rest, MaxBatch) {
		if err := r.batchInto(ctx, found, some); err != nil {
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
func (r *Rows) batchInto(ctx context.Context, found map[Key]Item, keys []Key) error {
	for attempt := 0; len(keys) > 0; attempt++ {
		if attempt == batchAttempts {
			return Unavailable("read", fmt.Errorf("%d items were left unprocessed", len(keys)))
		}

		if attempt > 0 {
			if err := r.Pause(ctx, backoff(batchPause, attempt)); err != nil {
				return Unavailable("read", err)
			}
		}

		items, left, err := r.client.BatchGet(ctx, r.table, keys)
		if err != nil {
			return Unavailable("read", err)
		}

		for _, item := range items {
			found[KeyOf(item)] = item
		}

		keys = left
	}

	return nil
}

// backoff returns the pause before an attempt, counted from 1: between half and all of a time that
// doubles, so that callers that were throttled together do not return together.
func backoff(first time.Duration, attempt int) time.Duration {
	most := first << (attempt - 1)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)) //nolint:gosec // jitter, not a secret
}

// pause is the Rows.Pause outside of tests.
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

// Update updates an item under a condition. what names the call in errors. Errors: ErrCondition,
// ErrInFlight, ErrRefused, ErrUnavailable.
func (r *Rows) Update(
	ctx context.Context, at Key, update Update, condition Condition, what string,
) error {
	_, err := r.client.Update(ctx, r.update(at, update, condition))
	return written(what, err)
}

// UpdateAndGet is Update, and returns the item as it is then; with ErrCondition, as it is without
// the update.
func (r *Rows) UpdateAndGet(
	ctx context.Context, at Key, update Update, condition Condition, what string,
) (Item, error) {
	w := r.update(at, update, condition)
	w.Return = true

	item, err := r.client.Update(ctx, w)
	if err != nil {
		return refused(err), written(what, err)
	}

	return item, nil
}

func (r *Rows) update(at Key, update Update, condition Condition) Request {
	w := Request{Table: r.table, Item: at.Item()}
	w.Condition = condition(&w.Expression)
	w.Update = update.text(&w.Expression)
	return w
}

// PutOrGet replaces an item under a condition. With ErrCondition it returns the item as it is.
func (r *Rows) PutOrGet(
	ctx context.Context, item Item, condition Condition, what string,
) (Item, error) {
	w := Request{Table: r.table, Item: item, Return: true}
	w.Condition = condition(&w.Expression)

	if err := r.client.Put(ctx, w); err != nil {
		return refused(err), written(what, err)
	}

	return item, nil
}
