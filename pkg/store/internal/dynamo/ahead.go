package dynamo

import (
	"context"
	"maps"
	"sync"
)

// ReadAhead reads items in one strongly consistent call, in place of one call each. With the
// returned context, the first read of each of them is answered from memory; any other read asks the
// table. Error: ErrUnavailable.
func (r *Rows) ReadAhead(ctx context.Context, keys []Key) (context.Context, error) {
	read := &ahead{table: r.table, items: make(map[Key]Item, len(keys))}
	for _, at := range keys {
		read.items[at] = nil // remember those that do not exist, too
	}

	items, err := r.BatchGet(ctx, keys)
	if err != nil {
		return ctx, err
	}

	maps.Copy(read.items, items)
	return context.WithValue(ctx, aheadKey{}, read), nil
}

type aheadKey struct{}

// ahead holds what was read ahead of a table; nil for an item that does not exist.
type ahead struct {
	table string
	guard sync.Mutex
	items map[Key]Item
}

// take returns an item that was read ahead, once: a caller that reads it a second time wants its
// current state.
func (r *Rows) take(ctx context.Context, at Key) (item Item, read bool) {
	a, _ := ctx.Value(aheadKey{}).(*ahead)
	if a == nil || a.table != r.table {
		return nil, false
	}

	a.guard.Lock()
	defer a.guard.Unlock()

	item, read = a.items[at]
	delete(a.items, at)
	return item, read
}
