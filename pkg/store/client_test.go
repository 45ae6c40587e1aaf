package store_test

import (
	"context"
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/store"
)

// elsewhere answers every GetItem of a key's row with the row of another place, though for the pk
// that was asked for, as far as the seal lets it.
type elsewhere struct {
	store.Client
	pk string
}

// GetItem implements store.Client.
func (e elsewhere) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	asked := *in
	if sk, ok := in.Key["sk"].(*types.AttributeValueMemberS); ok && sk.Value == "key" {
		asked.Key = maps.Clone(in.Key)
		asked.Key["pk"] = &types.AttributeValueMemberS{Value: e.pk}
	}

	return e.Client.GetItem(ctx, &asked, opts...)
}

// short answers a Query with few entries at a time, as DynamoDB may: it promises no number.
type short struct {
	store.Client
	most int32
}

// Query implements store.Client.
func (s short) Query(
	ctx context.Context, in *dynamodb.QueryInput, opts ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	asked := *in
	asked.Limit = &s.most
	return s.Client.Query(ctx, &asked, opts...)
}

// conflicting answers the first transactions with a conflict, as DynamoDB does while another one is
// in the way.
type conflicting struct {
	store.Client
	left int
}

// TransactWriteItems implements store.Client.
func (c *conflicting) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, opts ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	if c.left == 0 {
		return c.Client.TransactWriteItems(ctx, in, opts...)
	}

	c.left--
	none, conflict := "None", "TransactionConflict"
	return nil, &types.TransactionCanceledException{
		CancellationReasons: []types.CancellationReason{{
			Code: &none,
		}, {
			Code: nil,
		}, {
			Code: &conflict,
		}},
	}
}

// UpdateItem implements store.Client.
func (c *conflicting) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	if c.left == 0 {
		return c.Client.UpdateItem(ctx, in, opts...)
	}

	c.left--
	return nil, &types.TransactionConflictException{}
}

// lagging answers every Query of a list as the first one was answered, as an index does that lags
// behind.
type lagging struct {
	store.Client

	guard sync.Mutex // streams are read side by side
	first map[string]*dynamodb.QueryOutput
}

// Query implements store.Client.
func (l *lagging) Query(
	ctx context.Context, in *dynamodb.QueryInput, opts ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	l.guard.Lock()
	defer l.guard.Unlock()

	list, _ := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS)

	name := *in.IndexName + " " + list.Value
	if out := l.first[name]; out != nil {
		return out, nil
	}

	out, err := l.Client.Query(ctx, in, opts...)
	l.first[name] = out
	return out, err
}

// partial reads one half of a BatchGetItem and leaves the rest for later, as DynamoDB does under
// load; stuck leaves all.
type partial struct {
	store.Client
	stuck bool
}

// BatchGetItem implements store.Client.
func (p partial) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, opts ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	asked := map[string]types.KeysAndAttributes{}

	left := map[string]types.KeysAndAttributes{}
	for table, wanted := range in.RequestItems {
		half := (len(wanted.Keys) + 1) / 2
		now, later := wanted, wanted
		now.Keys = wanted.Keys[:half]
		later.Keys = wanted.Keys[half:]

		asked[table] = now
		if len(later.Keys) > 0 {
			left[table] = later
		}
	}

	if p.stuck {
		return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
	}

	out, err := p.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: asked,
	}, opts...)
	if err == nil {
		out.UnprocessedKeys = left
	}

	return out, err
}

// failing fails every transaction.
type failing struct {
	store.Client
	err error
}

// TransactWriteItems implements store.Client.
func (f failing) TransactWriteItems(
	context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, f.err
}
