package hot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

const sequenceAttribute = "seq"

// countsItem holds counts, with the cells named outcome/permission, since neither contains a slash.
type countsItem struct {
	Cells     map[string]int64 `dynamodbav:"cells"`
	Customers map[string]int64 `dynamodbav:"customers,omitempty"`
	APIs      map[string]int64 `dynamodbav:"apis,omitempty"`
}

type partItem struct {
	Sequence int64 `dynamodbav:"seq"`
	countsItem
}

// usageItem is a writer's row, or a compacted hour.
type usageItem struct {
	SK string `dynamodbav:"sk"`
	partItem
	Version int64               `dynamodbav:"version"`
	Folded  bool                `dynamodbav:"folded"`
	Parts   map[string]partItem `dynamodbav:"parts"`
}

func toCountsItem(c usage.Counts) countsItem {
	item := countsItem{
		Cells:     make(map[string]int64, len(c.Cells)),
		Customers: c.Customers,
		APIs:      c.APIs,
	}
	for cell, n := range c.Cells {
		item.Cells[string(cell.Outcome)+"/"+cell.Permission] = n
	}

	return item
}

func (i countsItem) counts() usage.Counts {
	c := usage.Counts{
		Cells:     make(map[usage.Cell]int64, len(i.Cells)),
		Customers: i.Customers,
		APIs:      i.APIs,
	}
	for name, n := range i.Cells {
		outcome, permission, _ := strings.Cut(name, "/")
		c.Cells[usage.Cell{Outcome: check.Outcome(outcome), Permission: permission}] = n
	}

	return c
}

// usageAttributes returns the attributes of a writer's row, without its key and purgeAt.
func usageAttributes(row usage.Row) (dynamo.Item, error) {
	return attributevalue.MarshalMap(partItem{row.Sequence, toCountsItem(row.Counts)})
}

// PutUsage implements usage.Writer.
func (t *Table) PutUsage(ctx context.Context, row usage.Row) error {
	attributes, err := usageAttributes(row)
	if err != nil {
		return err
	}

	return t.set(ctx, usageRow(row.Scope, row.Hour, row.Writer), attributes,
		row.Hour.Add(UsageRetention), newer(row.Sequence))
}

// Usage returns the counts of a scope by hour, in [from, to), without hours that had no calls. It
// may lag by moments. Errors: ErrDamaged, ErrUnavailable.
func (t *Table) Usage(
	ctx context.Context, s usage.Scope, from, to time.Time,
) (map[time.Time]usage.Counts, error) {
	hours, err := t.hours(ctx, s, from, to, false)
	if err != nil {
		return nil, err
	}

	out := make(map[time.Time]usage.Counts, len(hours))
	for at, h := range hours {
		out[at] = h.Counts()
	}

	return out, nil
}

// usagesAtOnce is how many scopes are read concurrently.
const usagesAtOnce = 16

// Usages is Usage for several scopes, in their order.
func (t *Table) Usages(
	ctx context.Context, scopes []usage.Scope, from, to time.Time,
) ([]map[time.Time]usage.Counts, error) {
	out := make([]map[time.Time]usage.Counts, len(scopes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(usagesAtOnce)

	for i, s := range scopes {
		g.Go(func() (err error) {
			out[i], err = t.Usage(ctx, s, from, to)
			return err
		})
	}

	return out, g.Wait()
}

// hour is an hour with the rows that it was read from.
type hour struct {
	usage.Hour
	rows map[string]int64 // the sequences of writers' rows that are not compacted yet
}

// hours reads the hours in [from, to). Of rows that are not compacted only the sum is kept.
func (t *Table) hours(
	ctx context.Context, s usage.Scope, from, to time.Time, strong bool,
) (map[time.Time]*hour, error) {
	out := map[time.Time]*hour{}
	err := t.eachUsage(ctx, s, from, to, strong, func(at time.Time, writer string, row *usageItem) {
		h := out[at]
		if h == nil {
			h = &hour{rows: map[string]int64{}}
			out[at] = h
		}

		if writer == "" { // it sorts before its rows
			h.Hour = row.hour()
			return
		}

		h.rows[writer] = row.Sequence
		h.Count(writer, row.part())
	})
	return out, err
}

// eachUsage visits the rows of the hours in [from, to), in order: for each hour first the compacted
// row, with the writer "", and then writers' rows.
func (t *Table) eachUsage(
	ctx context.Context, s usage.Scope, from, to time.Time, strong bool,
	visit func(at time.Time, writer string, row *usageItem),
) error {
	if !from.Before(to) {
		return nil
	}

	// A compacted hour sorts before its writers' rows, and these before the next hour.
	for item, err := range t.rows.All(ctx, dynamo.Range{
		Partition: scopePartition(s),
		First:     hourSort(from),
		Last:      hourSort(to.Add(-1)) + afterHash,
		Lagging:   !strong,
	}) {
		if err != nil {
			return err
		}

		var row usageItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return dynamo.Damaged("usage", err)
		}

		name, writer, _ := strings.Cut(strings.TrimPrefix(row.SK, usagePrefix), "#")

		at, err := time.Parse(hourLayout, name)
		if err != nil {
			return dynamo.Damaged("usage", err)
		}

		visit(at, writer, &row)
	}

	return nil
}

func (i *usageItem) part() usage.Part {
	return usage.Part{Sequence: i.Sequence, Counts: i.counts()}
}

func (i *usageItem) hour() usage.Hour {
	h := usage.Hour{
		Version: i.Version,
		Folded:  i.Folded,
		Sum:     i.counts(),
		Parts:   map[string]usage.Part{},
	}
	for writer, p := range i.Parts {
		h.Take(writer, usage.Part{Sequence: p.Sequence, Counts: p.counts()})
	}

	return h
}

// packed reads an hour, and adds writers' rows to its compacted row as far as an item has room;
// h.rows are those. The others stay separate, and count, until the hour is folded.
func (t *Table) packed(ctx context.Context, s usage.Scope, at time.Time) (*hour, error) {
	h := &hour{rows: map[string]int64{}}
	size := 0
	err := t.eachUsage(ctx, s, at, at.Add(time.Hour),
		true, func(_ time.Time, writer string, row *usageItem) {
			if writer == "" {
				h.Hour = row.hour()
				for writer, p := range h.Parts {
					size += partSize(writer, p)
				}

				return
			}

			p := row.part()
			known, has := h.Parts[writer]

			grows := partSize(writer, p)
			if has {
				grows -= partSize(writer, known)
			}

			switch {
			case h.Folded, has && known.Sequence >= p.Sequence: // already counted
				h.rows[writer] = row.Sequence
			case size+grows <= dynamo.Roomy:
				h.rows[writer] = row.Sequence
				h.Take(writer, p)
				size += grows
			}
		})
	return h, err
}

// partSize returns how many bytes a part takes in an hour's item.
func partSize(writer string, p usage.Part) int {
	n := len(writer) + dynamo.Collection + 4*(dynamo.Nested+dynamo.Collection) +
		len("seq") + dynamo.MaxNumber + len("cells") + len("customers") +
		len("apis")
	for cell := range p.Counts.Cells {
		n += dynamo.Nested + len(cell.Outcome) + len(cell.Permission) + 1 + dynamo.MaxNumber
	}

	for _, names := range [...]map[string]int64{p.Counts.Customers, p.Counts.APIs} {
		for name := range names {
			n += dynamo.Nested + len(name) + dynamo.MaxNumber
		}
	}

	return n
}

// CompactUsage implements usage.Hours. The hour is written before its rows are removed, and each
// row is removed only as it was read: at any point, and with any concurrent writes, the hour and
// the remaining rows have the same sum.
func (t *Table) CompactUsage(
	ctx context.Context, s usage.Scope, at time.Time, fold bool,
) (err error) {
	defer func() { err = lasting(err) }()

	h, err := t.together(ctx, s, at, fold)
	if err != nil {
		return err
	}

	if h == nil || len(h.rows) == 0 && (h.Folded || !fold) || len(h.rows) == 1 && h.Version == 0 {
		return nil // nothing there, or nothing to compact
	}

	if fold {
		h.Fold()
	}

	held, err := t.putHour(ctx, s, at, &h.Hour)
	if err != nil || !held {
		return err // a concurrent run changed the hour: the next run continues
	}

	for writer, sequence := range h.rows {
		err := t.rows.Delete(ctx, usageRow(s, at, writer), dynamo.Is(sequenceAttribute, sequence),
			"remove")
		if err != nil && !errors.Is(err, dynamo.ErrCondition) {
			return err
		}
	}

	return nil
}

// together reads an hour for compaction: all of it for a sum, else as much as has room; nil if
// there is nothing.
func (t *Table) together(
	ctx context.Context, s usage.Scope, at time.Time, fold bool,
) (*hour, error) {
	if !fold {
		return t.packed(ctx, s, at)
	}

	hours, err := t.hours(ctx, s, at, at.Add(time.Hour), true)
	return hours[at], err
}

// putHour writes an hour on its version, and reports whether the version still matched.
func (t *Table) putHour(
	ctx context.Context, s usage.Scope, at time.Time, h *usage.Hour,
) (held bool, err error) {
	row := struct {
		countsItem
		Version int64               `dynamodbav:"version"`
		Folded  bool                `dynamodbav:"folded"`
		Parts   map[string]partItem `dynamodbav:"parts"`
	}{
		countsItem: toCountsItem(h.Sum),
		Version:    h.Version + 1,
		Folded:     h.Folded,
		Parts:      make(map[string]partItem, len(h.Parts)),
	}
	for writer, p := range h.Parts {
		row.Parts[writer] = partItem{p.Sequence, toCountsItem(p.Counts)}
	}

	attributes, err := attributevalue.MarshalMap(row)
	if err != nil {
		return false, err
	}

	condition := dynamo.IsNew
	if h.Version > 0 {
		condition = dynamo.Is("version", h.Version)
	}

	return t.swap(ctx, dynamo.At(scopePartition(s), hourSort(at)), attributes,
		at.Add(UsageRetention), condition)
}
