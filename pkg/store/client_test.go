package store_test

import (
	"context"
	"sync"

	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// elsewhere answers every read of a key's row with the row of another place, though for the pk that
// was asked for, as far as the seal lets it.
type elsewhere struct {
	store.Client
	pk string
}

// Get implements store.Client.
func (e elsewhere) Get(
	ctx context.Context, table string, at dynamo.Key,
) (dynamo.Item, error) {
	if at.Sort == "key" {
		at.Partition = e.pk
	}

	return e.Client.Get(ctx, table, at)
}

// short answers a query with few entries at a time, as DynamoDB may: it promises no number.
type short struct {
	store.Client
	most int32
}

// Query implements store.Client.
func (s short) Query(
	ctx context.Context, q dynamo.Query,
) (items []dynamo.Item, next dynamo.Item, err error) {
	q.Limit = s.most
	return s.Client.Query(ctx, q)
}

// conflicting answers the first writes with a conflict, as DynamoDB does while another transaction
// is in the way.
type conflicting struct {
	store.Client
	left int
}

// Transact implements store.Client.
func (c *conflicting) Transact(ctx context.Context, writes []dynamo.Request) error {
	if c.left == 0 {
		return c.Client.Transact(ctx, writes)
	}

	c.left--
	return &dynamo.Fault{
		Code:    "TransactionCanceledException",
		Reasons: []string{"None", "", "TransactionConflict"},
	}
}

// Update implements store.Client.
func (c *conflicting) Update(ctx context.Context, w dynamo.Request) (dynamo.Item, error) {
	if c.left == 0 {
		return c.Client.Update(ctx, w)
	}

	c.left--
	return nil, &dynamo.Fault{Code: dynamo.CodeConflict}
}

// lagging answers every query of a list as the first one was answered, as an index does that lags
// behind.
type lagging struct {
	store.Client

	guard sync.Mutex // streams are read side by side
	first map[string]func() ([]dynamo.Item, dynamo.Item, error)
}

// Query implements store.Client.
func (l *lagging) Query(
	ctx context.Context, q dynamo.Query,
) (items []dynamo.Item, next dynamo.Item, err error) {
	l.guard.Lock()
	defer l.guard.Unlock()

	name := q.Index + " " + q.Values[":0"].Text()
	if answer := l.first[name]; answer != nil {
		return answer()
	}

	items, next, err = l.Client.Query(ctx, q)
	l.first[name] = func() ([]dynamo.Item, dynamo.Item, error) { return items, next, err }
	return items, next, err
}

// partial reads one half of a batch and leaves the rest for later, as DynamoDB does under load;
// stuck leaves all.
type partial struct {
	store.Client
	stuck bool
}

// BatchGet implements store.Client.
func (p partial) BatchGet(
	ctx context.Context, table string, keys []dynamo.Key,
) (items []dynamo.Item, left []dynamo.Key, err error) {
	if p.stuck {
		return nil, keys, nil
	}

	half := (len(keys) + 1) / 2
	items, left, err = p.Client.BatchGet(ctx, table, keys[:half])
	return items, append(left, keys[half:]...), err
}

// failing fails every transaction.
type failing struct {
	store.Client
	err error
}

// Transact implements store.Client.
func (f failing) Transact(context.Context, []dynamo.Request) error { return f.err }
