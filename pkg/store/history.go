package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/history"
)

// changesAttribute holds what an entry says was changed; partsAttribute, in its place, the number
// of the items that hold it where it is too long for one.
const (
	changesAttribute = "changes"
	partsAttribute   = "parts"
	partAttribute    = "part"
)

// Append writes a history entry. One whose changes do not fit in an item is written in as many as
// it takes: nothing of it is left out.
func (s *Store) Append(e history.Entry) Write {
	at := place{
		historyPartition(e.OrganizationID, e.Object.Type, e.Object.ID), listSort(e.At, e.ID),
	}
	item, err := marshalJSONTags(e, at.partition, at.sort)
	listed(item, historyList(e.OrganizationID), at.sort)

	w := Write{
		item:      item,
		err:       err,
		condition: isNew,
		failure:   ErrConflict,
	}
	if err != nil || itemSize(item) <= roomy {
		return w
	}

	text, err := json.Marshal(e.Changes)
	if err != nil {
		return Write{err: fmt.Errorf("store: encode changes: %w", err)}
	}

	delete(item, changesAttribute)

	for part := range slices.Chunk(text, roomy) {
		of := primaryKey(historyPartsPartition(e.OrganizationID, e.ID), partSort(len(w.also)))
		of[partAttribute] = &types.AttributeValueMemberB{Value: part}
		w.also = append(w.also, Write{item: of, condition: isNew, failure: ErrConflict})
	}

	item[partsAttribute] = number(int64(len(w.also)))
	return w
}

// entry reads a history entry, with its changes from wherever they stand, and returns how many
// bytes it has.
func (s *Store) entry(
	ctx context.Context, item map[string]types.AttributeValue,
) (e history.Entry, size int, err error) {
	if err := unmarshalJSONTags(item, &e); err != nil {
		return e, 0, damaged("history", err)
	}

	size = itemSize(item)
	if item[partsAttribute] == nil {
		return e, size, nil
	}

	var count int
	if err := attributevalue.Unmarshal(item[partsAttribute], &count); err != nil || count < 1 ||
		count > MaxItems {
		return e, 0, damaged("history", err)
	}

	keys := make([]map[string]types.AttributeValue, 0, count)
	for i := range count {
		keys = append(keys, primaryKey(historyPartsPartition(e.OrganizationID, e.ID), partSort(i)))
	}

	found, err := s.batch(ctx, keys)
	if err != nil {
		return e, 0, err
	}

	var text []byte
	for _, key := range keys {
		part, _ := found[itemName(key)][partAttribute].(*types.AttributeValueMemberB)
		if part == nil {
			return e, 0, damaged("history", errors.New("a part of an entry is missing"))
		}

		text = append(text, part.Value...)
	}

	if err := json.Unmarshal(text, &e.Changes); err != nil {
		return e, 0, damaged("history", err)
	}

	return e, size + len(text), nil
}

// History returns a page of an object's history, newest first, strongly consistent, and the
// position after it: "" where it ends.
func (s *Store) History(
	ctx context.Context, org, objectType, objectID, after string, limit int,
) ([]history.Entry, string, error) {
	strong := true
	return s.historyPage(ctx, &dynamodb.QueryInput{
		ConsistentRead: &strong,
	}, partitionAttribute, sortAttribute, historyPartition(org, objectType, objectID), after, limit)
}

// OrganizationHistory returns a page of the history of everything in an organization, newest first,
// and the position after it. It is read from the index, which lags by moments.
func (s *Store) OrganizationHistory(
	ctx context.Context, org, after string, limit int,
) ([]history.Entry, string, error) {
	index := indexName
	return s.historyPage(ctx, &dynamodb.QueryInput{
		IndexName: &index,
	}, listPartitionAttribute, listSortAttribute, historyList(org), after, limit)
}

// maxHistoryPage is the most bytes of a page of history, unless its only entry has more: an answer
// has a bound, and few entries may have many bytes.
const maxHistoryPage = 2 << 20

// historyPage queries one partition backwards. Positions are sort keys.
func (s *Store) historyPage(
	ctx context.Context, in *dynamodb.QueryInput, partition, sort, value, after string, limit int,
) ([]history.Entry, string, error) {
	backwards, most := false, int32(limit)+1
	condition := "#partition = :value"
	in.TableName = &s.core
	in.ScanIndexForward = &backwards
	in.Limit = &most
	in.KeyConditionExpression = &condition
	in.ExpressionAttributeNames = map[string]string{"#partition": partition}

	in.ExpressionAttributeValues = map[string]types.AttributeValue{":value": textValue(value)}
	if after != "" {
		condition += " AND #sort < :after"
		in.ExpressionAttributeNames["#sort"] = sort
		in.ExpressionAttributeValues[":after"] = textValue(after)
	}

	page, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, "", unavailable("history", err)
	}

	items := page.Items
	more := len(items) > limit || len(page.LastEvaluatedKey) > 0

	items = items[:min(limit, len(items))]
	if in.IndexName != nil {
		if items, err = s.whole(ctx, items); err != nil {
			return nil, "", err
		}
	}

	var entries []history.Entry

	size := 0
	for _, item := range items {
		e, n, err := s.entry(ctx, item)
		if err != nil {
			return nil, "", err
		}

		if size += n; size > maxHistoryPage && len(entries) > 0 {
			more = true
			break
		}

		entries = append(entries, e)
	}

	if !more || len(entries) == 0 {
		return entries, "", nil
	}

	last := entries[len(entries)-1]
	return entries, listSort(last.At, last.ID), nil
}

// whole reads the items that entries of the index stand for, in their order.
func (s *Store) whole(
	ctx context.Context, entries []map[string]types.AttributeValue,
) ([]map[string]types.AttributeValue, error) {
	keys := make([]map[string]types.AttributeValue, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, map[string]types.AttributeValue{
			partitionAttribute: e[partitionAttribute],
			sortAttribute:      e[sortAttribute],
		})
	}

	found, err := s.batch(ctx, keys)
	if err != nil {
		return nil, err
	}

	out := make([]map[string]types.AttributeValue, 0, len(keys))
	for _, key := range keys {
		item := found[itemName(key)]
		if item == nil {
			return nil, damaged("history", errors.New("an entry of the index has no item"))
		}

		out = append(out, item)
	}

	return out, nil
}

// itemName is an item's primary key as one text.
func itemName(item map[string]types.AttributeValue) string {
	pk, _ := item[partitionAttribute].(*types.AttributeValueMemberS)

	sk, _ := item[sortAttribute].(*types.AttributeValueMemberS)
	if pk == nil || sk == nil {
		return ""
	}

	return fmt.Sprintf("%q %q", pk.Value, sk.Value)
}
