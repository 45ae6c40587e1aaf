package store

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// firstUseKept is how long the record of a first use stays after the last moment at which it can
// matter.
const firstUseKept = 7 * 24 * time.Hour

// FirstUse reads, strongly consistent, when the new secret of the key's rotation was first used;
// the zero time where nobody recorded that. It implements check.Keys. Errors: ErrDamaged,
// ErrUnavailable.
func (t *Tables) FirstUse(ctx context.Context, k *apikey.Key) (time.Time, error) {
	item, err := t.getOf(ctx, t.hot, keyPartition(k.Environment, k.ID),
		firstUseSort(k.Rotation.StartedAt))
	if err != nil {
		return time.Time{}, err
	}

	return firstUseOf(item)
}

// ObserveFirstUses tells each of the keys when the new secret of its rotation was first used, where
// somebody recorded that. All of them have a rotation. Errors: ErrDamaged, ErrUnavailable.
func (t *Tables) ObserveFirstUses(ctx context.Context, keys []*apikey.Key) error {
	names := make([]map[string]types.AttributeValue, 0, len(keys))
	for _, k := range keys {
		names = append(names,
			primaryKey(keyPartition(k.Environment, k.ID), firstUseSort(k.Rotation.StartedAt)))
	}

	items, err := t.batchOf(ctx, t.hot, names)
	if err != nil {
		return err
	}

	for i, k := range keys {
		at, err := firstUseOf(items[itemName(names[i])])
		if err != nil {
			return err
		}

		if !at.IsZero() {
			k.FirstUsed(at)
		}
	}

	return nil
}

// firstUseOf reads the record of a first use; the zero time where there is none.
func firstUseOf(item map[string]types.AttributeValue) (time.Time, error) {
	if item == nil {
		return time.Time{}, nil
	}

	text, _ := item["at"].(*types.AttributeValueMemberS)
	if text == nil || text.Value == "" {
		return time.Time{}, damaged("first use", nil)
	}

	at, err := parseTime(text.Value)
	if err != nil {
		return time.Time{}, damaged("first use", err)
	}

	return at, nil
}

// PutFirstUse records when the new secret of the key's rotation was first used, unless that was
// recorded before: the first one counts. Error: ErrUnavailable.
func (t *Tables) PutFirstUse(ctx context.Context, k *apikey.Key, at time.Time) error {
	update := "SET #at = :at, purgeAt = :purgeAt"
	condition := "attribute_not_exists(#at)"
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.hot,
		Key: primaryKey(keyPartition(k.Environment, k.ID),
			firstUseSort(k.Rotation.StartedAt)),
		UpdateExpression:         &update,
		ConditionExpression:      &condition,
		ExpressionAttributeNames: map[string]string{"#at": "at"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":at":      textValue(formatTime(at)),
			":purgeAt": number(k.Rotation.OldEndsAt.Add(firstUseKept).Unix()),
		},
	})

	var failed *types.ConditionalCheckFailedException
	if err == nil || errors.As(err, &failed) {
		return nil
	}

	return unavailable("record a first use", err)
}
