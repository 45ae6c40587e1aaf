package store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// countedRetention is how long it stays known which calls were counted: beyond the time in which
// one can be counted at all.
const countedRetention = 2 * (time.Hour + usage.LatestWrite)

// pageItem is a page of the ledger of counted calls.
type pageItem struct {
	Number  int    `dynamodbav:"number"`
	Version int64  `dynamodbav:"version"`
	IDs     []byte `dynamodbav:"ids"`
	PurgeAt int64  `dynamodbav:"purgeAt"`
}

// Pages implements usage.Ledger.
func (t *Tables) Pages(
	ctx context.Context, env apikey.Environment, keyID string, slot time.Time,
) (pages []usage.Page, err error) {
	defer func() { err = lasting(err) }()

	items, err := t.queryHot(ctx, keyPartition(env, keyID), countedSort(slot, 0),
		countedSlot(slot)+afterHash, true)
	if err != nil {
		return nil, err
	}

	pages = make([]usage.Page, 0, len(items))
	for _, item := range items {
		var row pageItem
		if err := attributevalue.UnmarshalMap(item, &row); err != nil {
			return nil, damaged("counted calls of "+keyID, err)
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
func (t *Tables) Count(
	ctx context.Context, pages []usage.Page, rows []usage.Row, secrets []usage.SecretUse,
) error {
	writes := make([]Write, 0, len(pages)+len(rows)+len(secrets))
	for _, p := range pages {
		writes = append(writes, putPage(p))
	}

	for _, row := range rows {
		item, err := usageAttributes(row)
		writes = append(writes,
			putNewer(item, err, scopePartition(row.Scope),
				usageSort(row.Hour, row.Writer), row.Sequence))
	}

	for _, use := range secrets {
		item, err := secretUseAttributes(use)
		writes = append(writes,
			putNewer(item, err, keyPartition(use.Environment, use.KeyID),
				secretsSort(use.Rotation, use.Writer), use.Sequence))
	}

	items := make([]types.TransactWriteItem, 0, len(writes))
	for _, w := range writes {
		if w.err != nil {
			return w.err
		}

		items = append(items, w.request(&t.hot))
	}

	if err := fits(writes); err != nil {
		return lasting(err)
	}

	_, err := t.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: items,
	})
	if err == nil {
		return nil
	}

	if inConflict(err) || failed(err, writes) != nil {
		return usage.ErrVersionConflict
	}

	return lasting(unavailable("count", err))
}

// putPage writes a page in place of the version before its own.
func putPage(p usage.Page) Write {
	item, err := attributevalue.MarshalMap(pageItem{
		Number:  p.Number,
		Version: p.Version,
		IDs:     p.IDs,
		PurgeAt: p.Slot.Add(countedRetention).Unix(),
	})
	return versioned(keyed(item, keyPartition(p.Environment, p.KeyID),
		countedSort(p.Slot, p.Number)), err, p.Version-1, usage.ErrVersionConflict,
		usage.ErrVersionConflict)
}

// putNewer writes a row that carries the sequence of its only writer.
func putNewer(
	item map[string]types.AttributeValue, err error, partition, sort string, sequence int64,
) Write {
	return Write{
		item:      keyed(item, partition, sort),
		err:       err,
		condition: isNewer,
		failure:   usage.ErrVersionConflict,
		names:     map[string]string{"#seq": sequenceAttribute},
		values:    map[string]types.AttributeValue{":seq": number(sequence)},
	}
}

// keyed adds an item's primary key.
func keyed(
	item map[string]types.AttributeValue, partition, sort string,
) map[string]types.AttributeValue {
	if item == nil {
		return nil // it could not be made
	}

	for name, value := range primaryKey(partition, sort) {
		item[name] = value
	}

	return item
}
