package hot

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

const sequenceAttribute = "seq"

// putCounts sets the attributes of counts, with the cells named outcome/permission, since neither
// contains a slash.
func putCounts(item dynamo.Item, c usage.Counts) {
	cells := make(map[string]int64, len(c.Cells))
	for cell, n := range c.Cells {
		cells[string(cell.Outcome)+"/"+cell.Permission] = n
	}

	item["cells"] = dynamo.Numbers(cells)
	item.PutNumbers("customers", c.Customers)
	item.PutNumbers("apis", c.APIs)
}

func readCounts(f dynamo.Fields) usage.Counts {
	cells := f.Numbers("cells")

	c := usage.Counts{
		Cells:     make(map[usage.Cell]int64, len(cells)),
		Customers: f.Numbers("customers"),
		APIs:      f.Numbers("apis"),
	}
	for name, n := range cells {
		outcome, permission, _ := strings.Cut(name, "/")
		c.Cells[usage.Cell{Outcome: check.Outcome(outcome), Permission: permission}] = n
	}

	return c
}

// partAttributes returns the attributes of a writer's part.
func partAttributes(p usage.Part) dynamo.Item {
	item := dynamo.Item{sequenceAttribute: dynamo.Number(p.Sequence)}
	putCounts(item, p.Counts)
	return item
}

func readPart(f dynamo.Fields) usage.Part {
	return usage.Part{Sequence: f.Int(sequenceAttribute), Counts: readCounts(f)}
}

// usageAttributes returns the attributes of a writer's row, without its key and purgeAt.
func usageAttributes(row usage.Row) dynamo.Item {
	return partAttributes(usage.Part{Sequence: row.Sequence, Counts: row.Counts})
}

// PutUsage implements usage.Writer.
func (m *Meter) PutUsage(ctx context.Context, row usage.Row) error {
	return m.set(ctx, usageRow(row.Scope, row.Hour, row.Writer), usageAttributes(row),
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
	err := t.eachUsage(ctx, s, from, to, strong, func(at time.Time, writer string, row dynamo.Fields) {
		h := out[at]
		if h == nil {
			h = &hour{rows: map[string]int64{}}
			out[at] = h
		}

		if writer == "" { // it sorts before its rows
			h.Hour = readHour(row)
			return
		}

		p := readPart(row)
		h.rows[writer] = p.Sequence
		h.Count(writer, p)
	})
	return out, err
}

// eachUsage visits the rows of the hours in [from, to), in order: for each hour first the compacted
// row, with the writer "", and then writers' rows.
func (t *Table) eachUsage(
	ctx context.Context, s usage.Scope, from, to time.Time, strong bool,
	visit func(at time.Time, writer string, row dynamo.Fields),
) error {
	if !from.Before(to) {
		return nil
	}

	// A compacted hour sorts before its writers' rows, and these before the next hour.
	for item, err := range t.table.All(ctx, dynamo.Range{
		Partition: scopePartition(s),
		First:     hourSort(from),
		Last:      hourSort(to.Add(-1)) + afterHash,
		Lagging:   !strong,
	}) {
		if err != nil {
			return err
		}

		sort := dynamo.KeyOf(item).Sort
		name, writer, _ := strings.Cut(strings.TrimPrefix(sort, usagePrefix), "#")

		at, err := time.Parse(hourLayout, name)
		if err != nil {
			return dynamo.Damaged("usage", err)
		}

		f := dynamo.Read(item)
		visit(at, writer, f)

		if err := f.Err(); err != nil {
			return dynamo.Damaged("usage", err)
		}
	}

	return nil
}

// readHour reads a compacted hour.
func readHour(f dynamo.Fields) usage.Hour {
	h := usage.Hour{
		Version: f.Int("version"),
		Folded:  f.Bool("folded"),
		Sum:     readCounts(f),
		Parts:   map[string]usage.Part{},
	}
	for writer, p := range f.MapOfMaps("parts") {
		h.Take(writer, readPart(p))
	}

	return h
}

// packed reads an hour, and adds writers' rows to its compacted row as far as an item has room;
// h.rows are those. The others stay separate, and count, until the hour is folded.
func (t *Table) packed(ctx context.Context, s usage.Scope, at time.Time) (*hour, error) {
	h := &hour{rows: map[string]int64{}}
	size := 0
	err := t.eachUsage(ctx, s, at, at.Add(time.Hour),
		true, func(_ time.Time, writer string, row dynamo.Fields) {
			if writer == "" {
				h.Hour = readHour(row)
				for writer, p := range h.Parts {
					size += partSize(writer, p)
				}

				return
			}

			p := readPart(row)
			known, has := h.Parts[writer]

			grows := partSize(writer, p)
			if has {
				grows -= partSize(writer, known)
			}

			switch {
			case h.Folded, has && known.Sequence >= p.Sequence: // already counted
				h.rows[writer] = p.Sequence
			case size+grows <= dynamo.Roomy:
				h.rows[writer] = p.Sequence
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
		err := t.table.Delete(ctx, usageRow(s, at, writer),
			dynamo.Is(dynamo.Number(sequence), sequenceAttribute), "remove")
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
	parts := make(dynamo.Item, len(h.Parts))
	for writer, p := range h.Parts {
		parts[writer] = dynamo.Map(partAttributes(p))
	}

	// a set attribute replaces what was there, so that all are set
	attributes := dynamo.Item{
		"version":   dynamo.Number(h.Version + 1),
		"folded":    dynamo.Bool(h.Folded),
		"parts":     dynamo.Map(parts),
		"customers": dynamo.Numbers(h.Sum.Customers),
		"apis":      dynamo.Numbers(h.Sum.APIs),
	}
	putCounts(attributes, h.Sum)

	condition := dynamo.IsNew
	if h.Version > 0 {
		condition = dynamo.Is(dynamo.Number(h.Version), "version")
	}

	return t.swap(ctx, dynamo.At(scopePartition(s), hourSort(at)), attributes,
		at.Add(UsageRetention), condition)
}
