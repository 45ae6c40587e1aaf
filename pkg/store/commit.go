package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// ErrReceipt says that a receipt with this id was kept meanwhile: another call did the work.
var ErrReceipt = errors.New("store: the receipt exists already")

// ErrConflict says that other transactions kept getting in the way; trying again later helps.
var ErrConflict = errors.New("store: conflicting changes")

// Write is one conditional write of a transaction.
type Write struct {
	item      map[string]types.AttributeValue
	condition string
	names     map[string]string
	values    map[string]types.AttributeValue
	kind      kind
	failure   error   // what a failed condition means
	err       error   // why the item could not be made
	sealed    bool    // the item is sealed as it is committed
	also      []Write // what is written with it, always
	// the version that the row must be at; 0 for a new row, and for one without a version
	replaces int64
}

// kind is what a write does.
type kind int

const (
	put    kind = iota
	remove      // item is a primary key, and what is there goes
	look        // item is a primary key, and what is there is only looked at
)

const isNew = "attribute_not_exists(pk)"

// PutKey writes a key's whole row, and with it an item for each of its customers. replaces is the
// version that the change started from, 0 for a new key; the time of the change is UpdatedAt.
// Failures: apikey.ErrStale, apikey.ErrExists.
func (s *Store) PutKey(ctx context.Context, k *apikey.Key, replaces int64) Write {
	return s.putKeyAt(ctx, k, replaces, k.UpdatedAt)
}

// putKeyAt writes a key as lists are to find it from at on.
func (s *Store) putKeyAt(ctx context.Context, k *apikey.Key, replaces int64, at time.Time) Write {
	item, err := encodeKey(ctx, s.ring, k, at)
	w := versioned(item, err, replaces, apikey.ErrStale, apikey.ErrExists)
	w.also = putCustomerKeys(k, at, w.failure)
	return w
}

// PutOrganization writes an organization. replaces is as for PutKey. Failures:
// organization.ErrStale, organization.ErrExists.
func (s *Store) PutOrganization(o *organization.Organization, replaces int64) Write {
	item, err := marshalJSONTags(o, organizationPartition(o.ID), organizationSort)
	listed(item, organizationsList, o.ID)
	return versioned(item, err, replaces, organization.ErrStale, organization.ErrExists).underSeal()
}

// ErrBootstrapped says that the deployment has had its first operator key.
var ErrBootstrapped = errors.New("store: the deployment was bootstrapped before")

// Bootstrapped marks the deployment as bootstrapped, once. Failure: ErrBootstrapped.
func (s *Store) Bootstrapped(at time.Time) Write {
	item := primaryKey(organizationPartition(operators), bootstrapSort)
	item["at"] = textValue(formatTime(at))
	return Write{item: item, condition: isNew, failure: ErrBootstrapped}
}

// versioned is the write of a row that carries its version: new, or on the version that it
// replaces.
func versioned(
	item map[string]types.AttributeValue, err error, replaces int64, stale, exists error,
) Write {
	if replaces == 0 {
		return Write{
			item:      item,
			err:       err,
			condition: isNew,
			failure:   exists,
		}
	}

	return Write{
		item:      item,
		err:       err,
		condition: "#version = :replaces",
		failure:   stale,
		names:     map[string]string{"#version": "version"},
		values:    map[string]types.AttributeValue{":replaces": number(replaces)},
		replaces:  replaces,
	}
}

// At lets the write of a changed row fail, as stale, where its pace is another than the one that it
// was read with: a stop holds other changes off by it.
func (w Write) At(p apikey.Pace) Write {
	w.condition += " AND (attribute_not_exists(#pace) OR #pace = :pace)"
	w.names, w.values = maps.Clone(w.names), maps.Clone(w.values)
	w.names["#pace"] = paceAttribute
	w.values[":pace"] = number(int64(p))
	return w
}

// With adds looks at rows to the writes of a transaction. A transaction takes an item once: where a
// row is written already, that must be on the version that was looked at, else the transaction is
// stale.
func With(writes []Write, looks ...Write) []Write {
	out := slices.Clone(writes)
	for _, l := range looks {
		same := slices.IndexFunc(out, func(w Write) bool {
			return itemName(w.item) == itemName(l.item)
		})
		switch {
		case same < 0:
			out = append(out, l)
		case out[same].replaces != l.replaces:
			out[same].err = l.failure
		}
	}

	return out
}

// Hold keeps other changes off the rows that writes change or look at on their version, as long as
// the pace says. It is what a stop does that lost to another change: it then reads and writes the
// rows anew, without At. Rows that are gone are passed over. Errors: ErrConflict, ErrUnavailable.
func (s *Store) Hold(ctx context.Context, p apikey.Pace, writes ...Write) error {
	condition, update := "attribute_exists(pk)", "SET #pace = :pace"
	for _, w := range each(writes) {
		if w.replaces == 0 {
			continue
		}

		in := &dynamodb.UpdateItemInput{
			TableName:                 &s.core,
			Key:                       primaryKeyOf(w.item),
			ConditionExpression:       &condition,
			UpdateExpression:          &update,
			ExpressionAttributeNames:  map[string]string{"#pace": paceAttribute},
			ExpressionAttributeValues: map[string]types.AttributeValue{":pace": number(int64(p))},
		}
		err := retryConflicts(ctx, func() error {
			_, err := s.client.UpdateItem(ctx, in)
			return err
		})

		var gone *types.ConditionalCheckFailedException
		switch {
		case err == nil || errors.As(err, &gone):
		case errors.Is(err, ErrConflict):
			return err
		default:
			return unavailable("hold", err)
		}
	}

	return nil
}

// primaryKeyOf is the primary key of an item.
func primaryKeyOf(item map[string]types.AttributeValue) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		partitionAttribute: item[partitionAttribute],
		sortAttribute:      item[sortAttribute],
	}
}

// underSeal has the item of a write sealed as it is committed.
func (w Write) underSeal() Write {
	w.sealed = true
	return w
}

func textValue(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// marshalJSONTags makes an item of a domain value by its JSON names.
func marshalJSONTags(value any, partition, sort string) (map[string]types.AttributeValue, error) {
	item, err := attributevalue.MarshalMapWithOptions(value, func(
		o *attributevalue.EncoderOptions,
	) {
		o.TagKey = "json"
		o.EncodeTime = func(t time.Time) (types.AttributeValue, error) {
			return textValue(formatTime(t)), nil
		}
	})
	if err != nil {
		return nil, fmt.Errorf("store: encode %T: %w", value, err)
	}

	return keyed(item, partition, sort), nil
}

func unmarshalJSONTags(item map[string]types.AttributeValue, value any) error {
	return attributevalue.UnmarshalMapWithOptions(item,
		value, func(o *attributevalue.DecoderOptions) {
			o.TagKey = "json"
			o.DecodeTime = attributevalue.DecodeTimeAttributes{S: parseTime}
		})
}

// conflictTime is how long a write is tried again when DynamoDB reports a conflict with a
// transaction in flight, and conflictPause the longest pause between two tries.
const (
	conflictTime  = 3 * time.Second
	conflictPause = 100 * time.Millisecond
)

// retryConflicts does a write until no transaction in flight is in its way. Errors: the write's
// own, ErrConflict, ErrUnavailable.
func retryConflicts(ctx context.Context, write func() error) error {
	ctx, stop := context.WithTimeout(ctx, conflictTime)
	defer stop()

	pause := 10 * time.Millisecond
	for {
		err := write()
		if !inConflict(err) {
			return err
		}

		jitter := time.Duration(rand.Int64N(int64(pause))) //nolint:gosec // jitter, not a secret
		if sleep(ctx, jitter) != nil {
			return ErrConflict
		}

		pause = min(2*pause, conflictPause)
	}
}

// inConflict reports whether a write failed because another transaction held one of its items, and
// nothing else was wrong with it.
func inConflict(err error) bool {
	var single *types.TransactionConflictException
	if errors.As(err, &single) {
		return true
	}

	var c *types.TransactionCanceledException
	if !errors.As(err, &c) {
		return false
	}

	has := func(code string) bool {
		return slices.ContainsFunc(c.CancellationReasons, func(r types.CancellationReason) bool {
			return r.Code != nil && *r.Code == code
		})
	}
	return has("TransactionConflict") && !has("ConditionalCheckFailed")
}

// Commit does all writes or none. The first write whose condition fails decides the error; a write
// that cannot be made fails before anything is sent, as does one of an item that is too large.
// Else: ErrTooLarge, ErrConflict, ErrRefused, ErrUnavailable. The SDK sends one ClientRequestToken
// for all its retries, so a lost answer does not write twice.
func (s *Store) Commit(ctx context.Context, writes ...Write) error {
	writes = each(writes)

	items := make([]types.TransactWriteItem, 0, len(writes))
	for _, w := range writes {
		if w.err != nil {
			return w.err
		}

		items = append(items, w.request(&s.core))
	}

	if err := s.sealWrites(ctx, writes); err != nil {
		return err
	}

	if err := fits(writes); err != nil {
		return err
	}

	err := retryConflicts(ctx, func() error {
		_, err := s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: items,
		})
		return err
	})
	if err == nil || errors.Is(err, ErrConflict) {
		return err
	}

	if failure := failed(err, writes); failure != nil {
		return failure
	}

	return unavailable("commit", err)
}

// MaxItems is the most items that a transaction takes; CountItems tells how many writes take.
const MaxItems = 100

// CountItems counts the items that writes put, remove or look at.
func CountItems(writes ...Write) int { return len(each(writes)) }

// each lists writes with all that goes with them.
func each(writes []Write) []Write {
	out := make([]Write, 0, len(writes))
	for _, w := range writes {
		out = append(append(out, w), w.also...)
	}

	return out
}

func (w Write) request(table *string) types.TransactWriteItem {
	switch w.kind {
	case remove:
		return types.TransactWriteItem{
			Delete: &types.Delete{
				TableName:                 table,
				Key:                       w.item,
				ConditionExpression:       &w.condition,
				ExpressionAttributeNames:  w.names,
				ExpressionAttributeValues: w.values,
			},
		}
	case look:
		return types.TransactWriteItem{
			ConditionCheck: &types.ConditionCheck{
				TableName:                 table,
				Key:                       w.item,
				ConditionExpression:       &w.condition,
				ExpressionAttributeNames:  w.names,
				ExpressionAttributeValues: w.values,
			},
		}
	default:
		return types.TransactWriteItem{
			Put: &types.Put{
				TableName:                 table,
				Item:                      w.item,
				ConditionExpression:       &w.condition,
				ExpressionAttributeNames:  w.names,
				ExpressionAttributeValues: w.values,
			},
		}
	}
}

// failed is what the first failed condition of a cancelled transaction means; its reasons stand in
// the order of its writes. nil where no condition failed.
func failed(err error, writes []Write) error {
	var c *types.TransactionCanceledException
	if !errors.As(err, &c) {
		return nil
	}

	for i, reason := range c.CancellationReasons {
		if reason.Code != nil && *reason.Code == "ConditionalCheckFailed" && i < len(writes) {
			return writes[i].failure
		}
	}

	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
