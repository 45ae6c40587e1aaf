package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// errKept says that a condition on a row of the table hot did not hold: what is there is the same
// or newer.
var errKept = errors.New("store: the row there is newer")

// UsageRetention is how long usage stays.
const UsageRetention = 400 * 24 * time.Hour

const purgeAttribute = "purgeAt"

// set writes attributes of a row of the table hot where the condition holds; the others of the row
// stay. In the condition, #name and :name stand for the attribute and its new value. Errors:
// errKept, ErrUnavailable.
func (t *Tables) set(
	ctx context.Context, partition, sort string, attributes map[string]types.AttributeValue,
	condition string, more map[string]types.AttributeValue,
) error {
	names := make(map[string]string, len(attributes))
	values := make(map[string]types.AttributeValue, len(attributes)+len(more))

	var update strings.Builder
	for name, value := range attributes {
		names["#"+name] = name
		values[":"+name] = value

		if update.Len() > 0 {
			update.WriteString(", ")
		}

		update.WriteString("#" + name + " = :" + name)
	}

	for name, value := range more {
		values[name] = value
	}

	expression := "SET " + update.String()
	_, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &t.hot,
		Key:                       primaryKey(partition, sort),
		UpdateExpression:          &expression,
		ConditionExpression:       &condition,
		ExpressionAttributeNames:  names,
		ExpressionAttributeValues: values,
	})
	return kept("write", err)
}

// drop removes a row of the table hot that has still the sequence. Errors: errKept, ErrUnavailable.
func (t *Tables) drop(ctx context.Context, partition, sort string, sequence int64) error {
	condition := "#seq = :seq"
	_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &t.hot,
		Key:                       primaryKey(partition, sort),
		ConditionExpression:       &condition,
		ExpressionAttributeNames:  map[string]string{"#seq": sequenceAttribute},
		ExpressionAttributeValues: map[string]types.AttributeValue{":seq": number(sequence)},
	})
	return kept("remove", err)
}

func kept(what string, err error) error {
	var failed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &failed):
		return errKept
	case err != nil:
		return unavailable(what, err)
	}

	return nil
}

// isNewer is the condition of rows that carry the sequence of their only writer.
const isNewer = isNew + " OR #seq < :seq"

// settled makes a success of a condition that did not hold: a write that came twice or late has
// nothing to do.
func settled(err error) error {
	if errors.Is(err, errKept) {
		return nil
	}

	return err
}

// queryHot returns the rows of a partition of the table hot whose sort keys are from from to to,
// both of them too, in order.
func (t *Tables) queryHot(
	ctx context.Context, partition, from, to string, strong bool,
) (items []map[string]types.AttributeValue, err error) {
	err = t.eachHot(ctx, partition, from, to,
		strong, func(item map[string]types.AttributeValue) error {
			items = append(items, item)
			return nil
		})
	return items, err
}

// eachHot visits the rows that queryHot returns, and holds a page of them in memory at a time.
func (t *Tables) eachHot(
	ctx context.Context, partition, from, to string, strong bool,
	visit func(map[string]types.AttributeValue) error,
) error {
	condition := "pk = :pk AND sk BETWEEN :from AND :to"

	in := &dynamodb.QueryInput{
		TableName:              &t.hot,
		KeyConditionExpression: &condition,
		ConsistentRead:         &strong,
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk":   textValue(partition),
			":from": textValue(from),
			":to":   textValue(to),
		},
	}
	for {
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return unavailable("read", err)
		}

		for _, item := range out.Items {
			if err := visit(item); err != nil {
				return err
			}
		}

		if len(out.LastEvaluatedKey) == 0 {
			return nil
		}

		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// purgeValue is when TTL may remove a row.
func purgeValue(at time.Time) types.AttributeValue {
	return number(at.Unix())
}
