package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/history"
)

// History returns a page of an object's history, newest first, strongly consistent, and the position after it: "" where it ends.
func (s *Store) History(ctx context.Context, org, objectType, objectID, after string, limit int) ([]history.Entry, string, error) {
	strong := true
	return s.historyPage(ctx, &dynamodb.QueryInput{ConsistentRead: &strong}, partitionAttribute, sortAttribute, historyPartition(org, objectType, objectID), after, limit)
}

// OrganizationHistory returns a page of the history of everything in an organization, newest first, and the position after it. It is read from the
// index, which lags by moments.
func (s *Store) OrganizationHistory(ctx context.Context, org, after string, limit int) ([]history.Entry, string, error) {
	index := indexName
	return s.historyPage(ctx, &dynamodb.QueryInput{IndexName: &index}, listPartitionAttribute, listSortAttribute, historyList(org), after, limit)
}

// historyPage queries one partition backwards. Positions are sort keys.
func (s *Store) historyPage(ctx context.Context, in *dynamodb.QueryInput, partition, sort, value, after string, limit int) ([]history.Entry, string, error) {
	backwards, most := false, int32(limit)+1
	condition := "#partition = :value"
	in.TableName, in.ScanIndexForward, in.Limit, in.KeyConditionExpression = &s.core, &backwards, &most, &condition
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
	for _, item := range items {
		var e history.Entry
		if err := unmarshalJSONTags(item, &e); err != nil {
			return nil, "", damaged("history", err)
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
func (s *Store) whole(ctx context.Context, entries []map[string]types.AttributeValue) ([]map[string]types.AttributeValue, error) {
	keys := make([]map[string]types.AttributeValue, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, map[string]types.AttributeValue{partitionAttribute: e[partitionAttribute], sortAttribute: e[sortAttribute]})
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
