package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The conditions that there is no item yet, and that there is one.
var (
	IsNew  = expression.Name(PartitionAttribute).AttributeNotExists()
	Exists = expression.Name(PartitionAttribute).AttributeExists()
)

// Is returns the condition that an attribute has a value.
func Is(attribute string, value any) expression.ConditionBuilder {
	return expression.Name(attribute).Equal(expression.Value(value))
}

// Below returns the condition that an attribute has a lower value.
func Below(attribute string, value any) expression.ConditionBuilder {
	return expression.Name(attribute).LessThan(expression.Value(value))
}

// Set returns the update that sets attributes.
func Set(attributes Item) (update expression.UpdateBuilder) {
	for name, value := range attributes {
		update = update.Set(expression.Name(name), expression.Value(value))
	}

	return update
}

// Write is one conditional write of a transaction.
type Write struct {
	Kind      Kind
	Item      Item
	Condition expression.ConditionBuilder
	Failure   error // the error if the condition does not hold
}

// Replace returns the write that replaces the version of a row.
func Replace(item Item, version int64, stale error) Write {
	return Write{Item: item, Condition: Is("version", version), Failure: stale}
}

// Kind is what a write does.
type Kind int

// The kinds of writes.
const (
	Put    Kind = iota
	Remove      // Item is a primary key, whose item is removed
	Look        // Item is a primary key, whose item is only checked
)

// Transact makes all writes or none, once. The first write whose condition fails determines the
// error; an item that is too large fails before anything is sent. Other errors: ErrTooLarge,
// ErrInFlight, ErrRefused, ErrUnavailable. The SDK sends one ClientRequestToken with all its
// retries, so a lost answer does not write twice.
func (t *Table) Transact(ctx context.Context, writes []Write, what string) error {
	if err := fits(writes); err != nil {
		return err
	}

	items := make([]types.TransactWriteItem, 0, len(writes))
	for _, w := range writes {
		item, err := t.request(w)
		if err != nil {
			return fmt.Errorf("store: %s: %w", what, err)
		}

		items = append(items, item)
	}

	_, err := t.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if err == nil {
		return nil
	}

	// The reasons are in the order of the writes.
	var c *types.TransactionCanceledException
	if errors.As(err, &c) {
		for i, r := range c.CancellationReasons {
			if r.Code != nil && *r.Code == "ConditionalCheckFailed" && i < len(writes) {
				return writes[i].Failure
			}
		}
	}

	if cancelledBy(err, "TransactionConflict") {
		return fmt.Errorf("%w: %w", ErrInFlight, err)
	}

	return written(what, err)
}

// request converts a write to DynamoDB's form.
func (t *Table) request(w Write) (out types.TransactWriteItem, err error) {
	e, err := expression.NewBuilder().WithCondition(w.Condition).Build()
	if err != nil {
		return out, err
	}

	switch w.Kind {
	case Remove:
		out.Delete = &types.Delete{
			TableName:                 &t.Name,
			Key:                       w.Item,
			ConditionExpression:       e.Condition(),
			ExpressionAttributeNames:  e.Names(),
			ExpressionAttributeValues: e.Values(),
		}
	case Look:
		out.ConditionCheck = &types.ConditionCheck{
			TableName:                 &t.Name,
			Key:                       w.Item,
			ConditionExpression:       e.Condition(),
			ExpressionAttributeNames:  e.Names(),
			ExpressionAttributeValues: e.Values(),
		}
	default:
		out.Put = &types.Put{
			TableName:                 &t.Name,
			Item:                      w.Item,
			ConditionExpression:       e.Condition(),
			ExpressionAttributeNames:  e.Names(),
			ExpressionAttributeValues: e.Values(),
		}
	}

	return out, nil
}

// conflictTime is how long a write is retried while DynamoDB reports a conflict with a transaction
// in flight, and conflictPause the longest pause between two attempts.
const (
	conflictTime  = 3 * time.Second
	conflictPause = 100 * time.Millisecond
)

// RetryConflicts repeats a write until no transaction in flight conflicts with it. Errors: the
// write's own, ErrConflict.
func RetryConflicts(ctx context.Context, write func() error) error {
	ctx, stop := context.WithTimeout(ctx, conflictTime)
	defer stop()

	longest := 10 * time.Millisecond
	for {
		err := write()
		if !errors.Is(err, ErrInFlight) {
			return err
		}

		jitter := time.Duration(rand.Int64N(int64(longest))) //nolint:gosec // jitter, not a secret
		if pause(ctx, jitter) != nil {
			return ErrConflict
		}

		longest = min(2*longest, conflictPause)
	}
}
