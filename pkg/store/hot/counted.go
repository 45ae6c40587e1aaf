package hot

import (
	"context"
	"errors"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// countedRetention is how long the ledger of counted calls is kept: beyond the time in which a call
// can be counted at all.
const countedRetention = 2 * (time.Hour + usage.LatestWrite)

// Pages implements usage.Ledger.
func (t *Table) Pages(
	ctx context.Context, env apikey.Environment, keyID string, slot time.Time,
) (pages []usage.Page, err error) {
	defer func() { err = lasting(err) }()

	for item, err := range t.table.All(ctx, dynamo.Range{
		Partition: keyPartition(env, keyID),
		First:     countedSort(slot, 0),
		Last:      countedSlot(slot) + afterHash,
	}) {
		if err != nil {
			return nil, err
		}

		f := dynamo.Read(item)
		pages = append(pages, usage.Page{
			Environment: env,
			KeyID:       keyID,
			Slot:        slot,
			Number:      int(f.Int("number")),
			Version:     f.Int("version"),
			IDs:         f.Binary("ids"),
		})

		if err := f.Err(); err != nil {
			return nil, dynamo.Damaged("counted calls of "+keyID, err)
		}
	}

	return pages, nil
}

// Count implements usage.Ledger.
func (t *Table) Count(
	ctx context.Context, pages []usage.Page, rows []usage.Row, secrets []usage.SecretUse,
) error {
	writes := make([]dynamo.Write, 0, len(pages)+len(rows)+len(secrets))
	for _, p := range pages {
		writes = append(writes, putPage(p))
	}

	for _, row := range rows {
		writes = append(writes, putNewer(usageAttributes(row), usageRow(row.Scope, row.Hour, row.Writer),
			row.Hour.Add(UsageRetention), row.Sequence))
	}

	for _, use := range secrets {
		writes = append(writes, putNewer(secretUseAttributes(use), secretsRow(use),
			use.At.Add(retiredRetention), use.Sequence))
	}

	err := t.table.Transact(ctx, writes, "count")
	// another instance is counting calls of the same key: a lost race
	if errors.Is(err, dynamo.ErrInFlight) {
		return usage.ErrVersionConflict
	}

	return lasting(err)
}

// putPage replaces the previous version of a page.
func putPage(p usage.Page) dynamo.Write {
	item := dynamo.At(keyPartition(p.Environment, p.KeyID), countedSort(p.Slot, p.Number)).Item()
	item.PutInt("number", int64(p.Number))
	item["version"] = dynamo.Number(p.Version)
	item.PutBinary("ids", p.IDs)
	item[dynamo.PurgeAttribute] = dynamo.Number(p.Slot.Add(countedRetention).Unix())

	w := dynamo.Replace(item, p.Version-1, usage.ErrVersionConflict)
	if p.Version == 1 {
		w.Condition = dynamo.IsNew
	}

	return w
}

// putNewer writes a row with the sequence of its only writer, and the time at which TTL may remove
// it.
func putNewer(
	item dynamo.Item, at dynamo.Key, purgeAt time.Time, sequence int64,
) dynamo.Write {
	item[dynamo.PurgeAttribute] = dynamo.Number(purgeAt.Unix())
	return dynamo.Write{
		Item:      at.Of(item),
		Condition: newer(sequence),
		Failure:   usage.ErrVersionConflict,
	}
}
