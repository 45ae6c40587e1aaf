// Package dynamo is the store's access to DynamoDB: the values of items, expressions, reads,
// batches, queries page by page, conditional writes and transactions, sizes, and their errors.
//
// It promises that a read of a table is strongly consistent, that unprocessed items are requested
// again, that nothing larger than DynamoDB's limits is sent, and that every failure is one of its
// errors. It does not know the rows of the tables, which belong to sealed, store and hot, nor what
// carries its calls: the SDK, or for checks the small client of package dynamodbjson.
package dynamo

import (
	"context"
	"fmt"
	"iter"
)

// Table is a table, with all that can be done with it.
type Table struct {
	Rows

	admin AdminClient
}

// NewTable returns the table with a name.
func NewTable(client AdminClient, name string) *Table {
	return &Table{Rows: *NewRows(client, name), admin: client}
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
func (t *Table) query(r Range) Query {
	q := Query{
		Table:     t.table,
		Index:     r.Index.Name,
		Strong:    !r.Lagging && r.Index.Name == "",
		Backwards: r.Backwards,
		Limit:     r.Limit,
	}

	partition, sort := PartitionAttribute, SortAttribute
	if r.Index.Name != "" {
		partition, sort = r.Index.Partition, r.Index.Sort
	}

	condition := Is(Text(r.Partition), partition)
	within := func(e *Expression) string { return "" }

	switch {
	case r.After != "" && r.Backwards:
		within = Below(Text(r.After), sort)
	case r.After != "":
		within = Above(Text(r.After), sort)
	case r.Last != "":
		within = Between(Text(r.First), Text(r.Last), sort)
	}

	q.Condition = condition(&q.Expression)
	if text := within(&q.Expression); text != "" {
		q.Condition += " AND " + text
	}

	return q
}

// Query reads one answer's items of a range, at most Limit; more reports whether the range may
// continue.
func (t *Table) Query(
	ctx context.Context, r Range, what string,
) (items []Item, more bool, err error) {
	items, next, err := t.admin.Query(ctx, t.query(r))
	if err != nil {
		return nil, false, Unavailable(what, err)
	}

	return items, len(next) > 0, nil
}

// All returns the items of a range, of which one answer at a time is in memory. It ends after an
// error.
func (t *Table) All(ctx context.Context, r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		q := t.query(r)
		for more := true; more; more = len(q.Start) > 0 {
			items, next, err := t.admin.Query(ctx, q)
			if err != nil {
				yield(nil, Unavailable("read", err))
				return
			}

			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}

			q.Start = next
		}
	}
}

// Delete removes an item under a condition. Errors: those of Update.
func (t *Table) Delete(ctx context.Context, at Key, condition Condition, what string) error {
	w := Request{Table: t.table, Item: at.Item()}
	w.Condition = condition(&w.Expression)
	return written(what, t.admin.Delete(ctx, w))
}

// ScanPage reads the rows after a key, and returns the key of the last one: the zero Key at the
// end.
func (t *Table) ScanPage(
	ctx context.Context, scanner Scanner, after Key, limit int32,
) (items []Item, last Key, err error) {
	var start Item
	if after != (Key{}) {
		start = after.Item()
	}

	items, next, err := scanner.Scan(ctx, t.table, nil, start, limit)
	if err != nil {
		return nil, Key{}, Unavailable("scan", err)
	}

	return items, KeyOf(next), nil
}

// Scan reads these attributes of every row, all if none is named, strongly consistent, page by page.
// It ends after an error.
func (t *Table) Scan(
	ctx context.Context, scanner Scanner, attributes []string,
) iter.Seq2[[]Item, error] {
	return func(yield func([]Item, error) bool) {
		var start Item
		for more := true; more; more = len(start) > 0 {
			items, next, err := scanner.Scan(ctx, t.table, attributes, start, 0)
			if err != nil {
				yield(nil, Unavailable("scan", err))
				return
			}

			if !yield(items, nil) {
				return
			}

			start = next
		}
	}
}

// Transact makes all writes or none, once. The first write whose condition fails determines the
// error; an item that is too large fails before anything is sent. Other errors: ErrTooLarge,
// ErrInFlight, ErrRefused, ErrUnavailable. The client sends one ClientRequestToken with all its
// retries, so a lost answer does not write twice.
func (t *Table) Transact(ctx context.Context, writes []Write, what string) error {
	if err := fits(writes); err != nil {
		return err
	}

	requests := make([]Request, 0, len(writes))
	for _, w := range writes {
		r := Request{Table: t.table, Kind: w.Kind, Item: w.Item}
		r.Condition = w.Condition(&r.Expression)
		requests = append(requests, r)
	}

	err := t.admin.Transact(ctx, requests)
	if err == nil {
		return nil
	}

	reasons := cancelled(err)
	for i, reason := range reasons { // in the order of the writes
		if reason == reasonCondition && i < len(writes) {
			return writes[i].Failure
		}
	}

	for _, reason := range reasons {
		if reason == reasonConflict {
			return fmt.Errorf("%w: %w", ErrInFlight, err)
		}
	}

	return written(what, err)
}
