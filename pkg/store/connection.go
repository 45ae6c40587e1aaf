package store

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Connection makes the store's calls by the AWS SDK. It implements Client and Scanner.
type Connection struct{ sdk *dynamodb.Client }

// Connect returns a connection to the tables. It makes no request.
func Connect(config aws.Config) *Connection { return Over(dynamodb.NewFromConfig(config)) }

// Over returns a connection by a client of the SDK.
func Over(sdk *dynamodb.Client) *Connection { return &Connection{sdk} }

// Get implements Client.
func (c *Connection) Get(
	ctx context.Context, table string, at dynamo.Key,
) (dynamo.Item, error) {
	strong := true

	out, err := c.sdk.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &table,
		Key:            toSDK(at.Item()),
		ConsistentRead: &strong,
	})
	if err != nil {
		return nil, fault(err)
	}

	return fromSDK(out.Item), nil
}

// BatchGet implements Client.
func (c *Connection) BatchGet(
	ctx context.Context, table string, keys []dynamo.Key,
) (items []dynamo.Item, left []dynamo.Key, err error) {
	strong := true

	wanted := types.KeysAndAttributes{ConsistentRead: &strong}
	for _, at := range keys {
		wanted.Keys = append(wanted.Keys, toSDK(at.Item()))
	}

	out, err := c.sdk.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{table: wanted},
	})
	if err != nil {
		return nil, nil, fault(err)
	}

	for _, at := range allFromSDK(out.UnprocessedKeys[table].Keys) {
		left = append(left, dynamo.KeyOf(at))
	}

	return allFromSDK(out.Responses[table]), left, nil
}

// Put implements Client.
func (c *Connection) Put(ctx context.Context, w dynamo.Request) error {
	_, err := c.sdk.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &w.Table,
		Item:                                toSDK(w.Item),
		ConditionExpression:                 &w.Condition,
		ExpressionAttributeNames:            w.Names,
		ExpressionAttributeValues:           toSDK(w.Values),
		ReturnValuesOnConditionCheckFailure: returnOld(w),
	})
	return fault(err)
}

// Update implements Client.
func (c *Connection) Update(ctx context.Context, w dynamo.Request) (dynamo.Item, error) {
	in := &dynamodb.UpdateItemInput{
		TableName:                           &w.Table,
		Key:                                 toSDK(w.Item),
		UpdateExpression:                    &w.Update,
		ConditionExpression:                 &w.Condition,
		ExpressionAttributeNames:            w.Names,
		ExpressionAttributeValues:           toSDK(w.Values),
		ReturnValuesOnConditionCheckFailure: returnOld(w),
	}
	if w.Return {
		in.ReturnValues = types.ReturnValueAllNew
	}

	out, err := c.sdk.UpdateItem(ctx, in)
	if err != nil {
		return nil, fault(err)
	}

	return fromSDK(out.Attributes), nil
}

func returnOld(w dynamo.Request) types.ReturnValuesOnConditionCheckFailure {
	if w.Return {
		return types.ReturnValuesOnConditionCheckFailureAllOld
	}

	return types.ReturnValuesOnConditionCheckFailureNone
}

// Delete implements Client.
func (c *Connection) Delete(ctx context.Context, w dynamo.Request) error {
	_, err := c.sdk.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &w.Table,
		Key:                       toSDK(w.Item),
		ConditionExpression:       &w.Condition,
		ExpressionAttributeNames:  w.Names,
		ExpressionAttributeValues: toSDK(w.Values),
	})
	return fault(err)
}

// Query implements Client.
func (c *Connection) Query(
	ctx context.Context, q dynamo.Query,
) (items []dynamo.Item, next dynamo.Item, err error) {
	forwards := !q.Backwards

	in := &dynamodb.QueryInput{
		TableName:                 &q.Table,
		ScanIndexForward:          &forwards,
		ConsistentRead:            &q.Strong,
		KeyConditionExpression:    &q.Condition,
		ExpressionAttributeNames:  q.Names,
		ExpressionAttributeValues: toSDK(q.Values),
		ExclusiveStartKey:         toSDK(q.Start),
	}
	if q.Limit > 0 {
		in.Limit = &q.Limit
	}

	if q.Index != "" {
		in.IndexName = &q.Index
		in.ConsistentRead = nil
	}

	out, err := c.sdk.Query(ctx, in)
	if err != nil {
		return nil, nil, fault(err)
	}

	return allFromSDK(out.Items), fromSDK(out.LastEvaluatedKey), nil
}

// Transact implements Client.
func (c *Connection) Transact(ctx context.Context, writes []dynamo.Request) error {
	items := make([]types.TransactWriteItem, 0, len(writes))
	for _, w := range writes {
		items = append(items, transactItem(w))
	}

	_, err := c.sdk.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: items,
	})
	return fault(err)
}

func transactItem(w dynamo.Request) (out types.TransactWriteItem) {
	values := toSDK(w.Values)
	switch w.Kind {
	case dynamo.Remove:
		out.Delete = &types.Delete{
			TableName:                 &w.Table,
			Key:                       toSDK(w.Item),
			ConditionExpression:       &w.Condition,
			ExpressionAttributeNames:  w.Names,
			ExpressionAttributeValues: values,
		}
	case dynamo.Look:
		out.ConditionCheck = &types.ConditionCheck{
			TableName:                 &w.Table,
			Key:                       toSDK(w.Item),
			ConditionExpression:       &w.Condition,
			ExpressionAttributeNames:  w.Names,
			ExpressionAttributeValues: values,
		}
	default:
		out.Put = &types.Put{
			TableName:                 &w.Table,
			Item:                      toSDK(w.Item),
			ConditionExpression:       &w.Condition,
			ExpressionAttributeNames:  w.Names,
			ExpressionAttributeValues: values,
		}
	}

	return out
}

// Scan implements Scanner.
func (c *Connection) Scan(
	ctx context.Context, table string, attributes []string, start dynamo.Item, limit int32,
) (items []dynamo.Item, next dynamo.Item, err error) {
	strong := true

	in := &dynamodb.ScanInput{
		TableName:         &table,
		ConsistentRead:    &strong,
		ExclusiveStartKey: toSDK(start),
	}
	if limit > 0 {
		in.Limit = &limit
	}

	if len(attributes) > 0 {
		var e dynamo.Expression

		names := make([]string, 0, len(attributes))
		for _, name := range attributes {
			names = append(names, e.Name(name))
		}

		projection := strings.Join(names, ", ")
		in.ProjectionExpression, in.ExpressionAttributeNames = &projection, e.Names
	}

	out, err := c.sdk.Scan(ctx, in)
	if err != nil {
		return nil, nil, fault(err)
	}

	return allFromSDK(out.Items), fromSDK(out.LastEvaluatedKey), nil
}

// fault returns DynamoDB's answer that a call failed; any other error as it is.
func fault(err error) error {
	var answered smithy.APIError
	if !errors.As(err, &answered) {
		return err
	}

	f := &dynamo.Fault{
		Code:    answered.ErrorCode(),
		Message: answered.ErrorMessage(),
		Err:     err,
	}

	var condition *types.ConditionalCheckFailedException
	if errors.As(err, &condition) {
		f.Item = fromSDK(condition.Item)
	}

	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		for _, r := range cancelled.CancellationReasons {
			f.Reasons = append(f.Reasons, aws.ToString(r.Code))
		}
	}

	return f
}

// toSDK converts an item into the SDK's; nil stays nil.
func toSDK(item dynamo.Item) map[string]types.AttributeValue {
	if item == nil {
		return nil
	}

	out := make(map[string]types.AttributeValue, len(item))
	for name, v := range item {
		out[name] = valueToSDK(v)
	}

	return out
}

func valueToSDK(v dynamo.Value) types.AttributeValue {
	switch v.Kind() {
	case dynamo.KindText:
		return &types.AttributeValueMemberS{Value: v.Text()}
	case dynamo.KindNumber:
		return &types.AttributeValueMemberN{Value: v.Number()}
	case dynamo.KindBinary:
		return &types.AttributeValueMemberB{Value: v.Binary()}
	case dynamo.KindBool:
		return &types.AttributeValueMemberBOOL{Value: v.Bool()}
	case dynamo.KindMap:
		return &types.AttributeValueMemberM{Value: toSDK(v.Map())}
	case dynamo.KindList:
		list := make([]types.AttributeValue, 0, len(v.List()))
		for _, element := range v.List() {
			list = append(list, valueToSDK(element))
		}

		return &types.AttributeValueMemberL{Value: list}
	default:
		return &types.AttributeValueMemberNULL{Value: true}
	}
}

// fromSDK converts an item of the SDK; nil stays nil.
func fromSDK(item map[string]types.AttributeValue) dynamo.Item {
	if item == nil {
		return nil
	}

	out := make(dynamo.Item, len(item))
	for name, value := range item {
		out[name] = valueFromSDK(value)
	}

	return out
}

func allFromSDK(items []map[string]types.AttributeValue) []dynamo.Item {
	out := make([]dynamo.Item, 0, len(items))
	for _, item := range items {
		out = append(out, fromSDK(item))
	}

	return out
}

func valueFromSDK(value types.AttributeValue) dynamo.Value {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return dynamo.Text(v.Value)
	case *types.AttributeValueMemberN:
		return dynamo.Spelled(v.Value)
	case *types.AttributeValueMemberB:
		return dynamo.Binary(v.Value)
	case *types.AttributeValueMemberBOOL:
		return dynamo.Bool(v.Value)
	case *types.AttributeValueMemberNULL:
		return dynamo.Null()
	case *types.AttributeValueMemberM:
		return dynamo.Map(fromSDK(v.Value))
	case *types.AttributeValueMemberL:
		list := make([]dynamo.Value, 0, len(v.Value))
		for _, element := range v.Value {
			list = append(list, valueFromSDK(element))
		}

		return dynamo.List(list...)
	default:
		return dynamo.Foreign()
	}
}
