package hot

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// countedRetention is how long the ledger of counted calls is kept: beyond the time in which a call
// can be counted at all.
const countedRetention = 2 * (time.Hour + usage.LatestWrite)

// pageItem is a page of the ledger of counted calls.
type pageItem struct {
	Number  int    `dynamodbav:"number"`
	Version int64  `dynamodbav:"version"`
	IDs     []byte `dynamodbav:"ids"`
	PurgeAt int64  `dynamodbav:"purgeAt"`
}

// Pages implements usage.Ledger.
func (t *Table) Pages(
	ctx context.Context, env apikey.Environment, keyID string, slot time.Time,
) (pages []usage.Page, err error) {
	defer func() { err = lasting(err) }()

	for item, err := range t.rows.All(ctx, dynamo.Range{
		Partition: keyPartition(env, keyID),
		First:     countedSort(slot, 0),
		Last:      countedSlot(slot) + afterHash,
	}) {
		if err != nil {
			return nil, err
		}

		var row pageItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, dynamo.Damaged("counted calls of "+keyID, err)
		}

		pages = append(pages, usage.Page{
			Environment: env,
			KeyID:       keyID,
			Slot:        slot,
			Number:      row.Number,
			Version:     row.Version,
			IDs:         row.IDs,
		})
	}

	return pages, nil
}

// Count implements usage.Ledger.
func (t *Table) Count(
	ctx context.Context, pages []usage.Page, rows []usage.Row, secrets []usage.SecretUse,
) error {
	writes := make([]dynamo.Write, 0, len(pages)+len(rows)+len(secrets))
	for _, p := range pages {
		w, err := putPage(p)
		if err != nil {
			return err
		}

		writes = append(writes, w)
	}

	for _, row := range rows {
		item, err := usageAttributes(row)
		if err != nil {
			return err
		}

		writes = append(writes, putNewer(item, usageRow(row.Scope, row.Hour, row.Writer),
			row.Hour.Add(UsageRetention), row.Sequence))
	}

	for _, use := range secrets {
		item, err := secretUseAttributes(use)
		if err != nil {
			return err
		}

		writes = append(writes,
			putNewer(item, secretsRow(use), use.At.Add(retiredRetention), use.Sequence))
	}

	err := t.rows.Transact(ctx, writes, "count")
	// another instance is counting calls of the same key: a lost race
	if errors.Is(err, dynamo.ErrInFlight) {
		return usage.ErrVersionConflict
	}

	return lasting(err)
}

// putPage replaces the previous version of a page.
func putPage(p usage.Page) (dynamo.Write, error) {
	item, err := attributevalue.MarshalMap(pageItem{
		Number:  p.Number,
		Version: p.Version,
		IDs:     p.IDs,
		PurgeAt: p.Slot.Add(countedRetention).Unix(),
	})
	dynamo.At(keyPartition(p.Environment, p.KeyID), countedSort(p.Slot, p.Number)).Of(item)

	w := dynamo.Replace(item, p.Version-1, usage.ErrVersionConflict)
	if p.Version == 1 {
		w.Condition = dynamo.IsNew
	}

	return w, err
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
