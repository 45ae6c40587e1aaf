package store

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/meter"
)

const sequenceAttribute = "seq"

// countsItem is counts as they are kept: the cells by outcome/permission, since neither has a slash.
type countsItem struct {
	Cells     map[string]int64 `dynamodbav:"cells"`
	Customers map[string]int64 `dynamodbav:"customers,omitempty"`
}

type partItem struct {
	Sequence int64 `dynamodbav:"seq"`
	countsItem
}

// usageItem is a writer's row, or an hour that was put together.
type usageItem struct {
	SK string `dynamodbav:"sk"`
	partItem
	Version int64               `dynamodbav:"version"`
	Folded  bool                `dynamodbav:"folded"`
	Parts   map[string]partItem `dynamodbav:"parts"`
}

func toCountsItem(c meter.Counts) countsItem {
	item := countsItem{Cells: make(map[string]int64, len(c.Cells)), Customers: c.Customers}
	for cell, n := range c.Cells {
		item.Cells[cell.Outcome+"/"+cell.Permission] = n
	}
	return item
}

func (i countsItem) counts() meter.Counts {
	c := meter.Counts{Cells: make(map[meter.Cell]int64, len(i.Cells)), Customers: i.Customers}
	for name, n := range i.Cells {
		outcome, permission, _ := strings.Cut(name, "/")
		c.Cells[meter.Cell{Outcome: outcome, Permission: permission}] = n
	}
	return c
}

// usageAttributes are those of a writer's row, but for its key.
func usageAttributes(row meter.UsageRow) (map[string]types.AttributeValue, error) {
	attributes, err := attributevalue.MarshalMap(partItem{row.Sequence, toCountsItem(row.Counts)})
	if err != nil {
		return nil, err
	}
	attributes[purgeAttribute] = purgeValue(row.Hour.Add(UsageRetention))
	return attributes, nil
}

// PutUsage implements meter.Writer.
func (t *Tables) PutUsage(ctx context.Context, row meter.UsageRow) error {
	attributes, err := usageAttributes(row)
	if err != nil {
		return err
	}
	return settled(t.set(ctx, scopePartition(row.Scope), usageSort(row.Hour, row.Writer), attributes, isNewer, nil))
}

// Usage returns what was counted for a scope in the hours from from to before to, by hour, those without calls left out. It may lag by moments.
// Errors: ErrDamaged, ErrUnavailable.
func (t *Tables) Usage(ctx context.Context, s meter.Scope, from, to time.Time) (map[time.Time]meter.Counts, error) {
	hours, err := t.hours(ctx, s, from, to, false)
	if err != nil {
		return nil, err
	}
	out := make(map[time.Time]meter.Counts, len(hours))
	for at, h := range hours {
		out[at] = h.Counts()
	}
	return out, nil
}

// usagesAtOnce is how many scopes are read at once.
const usagesAtOnce = 16

// Usages is Usage of several scopes, in their order.
func (t *Tables) Usages(ctx context.Context, scopes []meter.Scope, from, to time.Time) ([]map[time.Time]meter.Counts, error) {
	out := make([]map[time.Time]meter.Counts, len(scopes))
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

// hour is an hour with the rows that it was taken from.
type hour struct {
	meter.Hour
	rows map[string]int64 // the sequences of writers' rows that stand by themselves
}

// hours reads the hours from from to before to.
func (t *Tables) hours(ctx context.Context, s meter.Scope, from, to time.Time, strong bool) (map[time.Time]*hour, error) {
	out := map[time.Time]*hour{}
	if !from.Before(to) {
		return out, nil
	}
	items, err := t.queryHot(ctx, scopePartition(s), hourSort(from), hourSort(to.Add(-1))+afterHash, strong)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		var row usageItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, damaged("usage", err)
		}
		name, writer, isRow := strings.Cut(strings.TrimPrefix(row.SK, usagePrefix), "#")
		at, err := time.Parse(hourLayout, name)
		if err != nil {
			return nil, damaged("usage", err)
		}
		h := out[at]
		if h == nil {
			h = &hour{rows: map[string]int64{}}
			out[at] = h
		}
		if !isRow { // it stands before its rows
			h.Hour = meter.Hour{Version: row.Version, Folded: row.Folded, Sum: row.counts(), Parts: map[string]meter.Part{}}
			for writer, p := range row.Parts {
				h.Take(writer, meter.Part{Sequence: p.Sequence, Counts: p.counts()})
			}
			continue
		}
		h.rows[writer] = row.Sequence
		h.Take(writer, meter.Part{Sequence: row.Sequence, Counts: row.counts()})
	}
	return out, nil
}

// maxParts is how many writers' parts one row keeps, for an item to stay well within DynamoDB's 400 KB. Rows beyond stay by themselves until the hour is
// folded.
const maxParts = 1000

// CompactUsage implements meter.Hours. The hour is written before its rows are removed, and each row only as it was taken: whenever it stops, and whatever
// is written meanwhile, the hour and the rows that are left come to the same.
func (t *Tables) CompactUsage(ctx context.Context, s meter.Scope, at time.Time, fold bool) error {
	hours, err := t.hours(ctx, s, at, at.Add(time.Hour), true)
	if err != nil {
		return err
	}
	h := hours[at]
	if h == nil || len(h.rows) == 0 && (h.Folded || !fold) || len(h.rows) == 1 && h.Version == 0 {
		return nil // nothing there, or nothing to put together
	}
	if len(h.Parts) > maxParts && !fold {
		return nil
	}
	if fold {
		h.Fold()
	}
	if err := t.putHour(ctx, s, at, &h.Hour); err != nil {
		return settled(err) // somebody else was at it: it is done, or done again next time
	}
	for writer, sequence := range h.rows {
		if err := settled(t.drop(ctx, scopePartition(s), usageSort(at, writer), sequence)); err != nil {
			return err
		}
	}
	return nil
}

// putHour writes an hour on its version.
func (t *Tables) putHour(ctx context.Context, s meter.Scope, at time.Time, h *meter.Hour) error {
	row := struct {
		countsItem
		Version int64               `dynamodbav:"version"`
		Folded  bool                `dynamodbav:"folded"`
		Parts   map[string]partItem `dynamodbav:"parts"`
	}{countsItem: toCountsItem(h.Sum), Version: h.Version + 1, Folded: h.Folded, Parts: make(map[string]partItem, len(h.Parts))}
	for writer, p := range h.Parts {
		row.Parts[writer] = partItem{p.Sequence, toCountsItem(p.Counts)}
	}
	attributes, err := attributevalue.MarshalMap(row)
	if err != nil {
		return err
	}
	attributes[purgeAttribute] = purgeValue(at.Add(UsageRetention))
	condition, more := isNew, map[string]types.AttributeValue(nil)
	if h.Version > 0 {
		condition, more = "#version = :replaces", map[string]types.AttributeValue{":replaces": number(h.Version)}
	}
	return t.set(ctx, scopePartition(s), hourSort(at), attributes, condition, more)
}
