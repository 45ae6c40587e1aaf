// Package dynamodbjson makes the calls of DynamoDB that a check and what follows it need, by package awsjson
// instead of the SDK.
//
// It promises the requests that the SDK would send and the items that it would return: a test makes
// every call by both. It neither scans nor makes transactions: package store does, by the SDK.
package dynamodbjson

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/bitting-keys/bitting/pkg/awsjson"
	"github.com/bitting-keys/bitting/pkg/jsonstring"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// Client implements core.Client and hot.Client.
type Client struct{ dynamodb *awsjson.Client }

// New returns a client of DynamoDB.
func New(dynamodb *awsjson.Client) *Client { return &Client{dynamodb} }

// Get implements dynamo.Client.
func (c *Client) Get(ctx context.Context, table string, at dynamo.Key) (dynamo.Item, error) {
	body := append(make([]byte, 0, 256), `{"TableName":`...)
	body = jsonstring.Append(body, table)
	body = append(body, `,"ConsistentRead":true,"Key":`...)
	body = append(appendKey(body, at), '}')

	answer, err := c.call(ctx, "GetItem", body)
	if err != nil {
		return nil, err
	}

	return member(answer, "Item")
}

// BatchGet implements dynamo.Client.
func (c *Client) BatchGet(
	ctx context.Context, table string, keys []dynamo.Key,
) (items []dynamo.Item, left []dynamo.Key, err error) {
	body := append(make([]byte, 0, 128*(1+len(keys))), `{"RequestItems":{`...)
	body = jsonstring.Append(body, table)
	body = append(body, `:{"ConsistentRead":true,"Keys":[`...)

	for i, at := range keys {
		if i > 0 {
			body = append(body, ',')
		}

		body = appendKey(body, at)
	}

	answer, err := c.call(ctx, "BatchGetItem", append(body, `]}}}`...))
	if err != nil {
		return nil, nil, err
	}

	return readBatch(answer)
}

// Put implements dynamo.Client.
func (c *Client) Put(ctx context.Context, w dynamo.Request) error {
	body := append(make([]byte, 0, 1024), `{"Item":`...)
	body = appendItem(body, w.Item)
	body = appendCondition(body, w)

	_, err := c.call(ctx, "PutItem", append(body, '}'))
	return err
}

// Update implements dynamo.Client.
func (c *Client) Update(ctx context.Context, w dynamo.Request) (dynamo.Item, error) {
	body := append(make([]byte, 0, 1024), `{"Key":`...)
	body = appendItem(body, w.Item)
	body = append(body, `,"UpdateExpression":`...)
	body = jsonstring.Append(body, w.Update)

	if w.Return {
		body = append(body, `,"ReturnValues":"ALL_NEW"`...)
	}

	body = appendCondition(body, w)

	answer, err := c.call(ctx, "UpdateItem", append(body, '}'))
	if err != nil {
		return nil, err
	}

	return member(answer, "Attributes")
}

// call calls an operation. An error of DynamoDB is a *dynamo.Fault.
func (c *Client) call(ctx context.Context, operation string, body []byte) (string, error) {
	answer, err := c.dynamodb.Call(ctx, operation, body)

	refused, ok := errors.AsType[*awsjson.Error](err)
	if !ok {
		return answer, err
	}

	f := &dynamo.Fault{Code: refused.Code, Message: refused.Message, Err: err}
	if f.Code == dynamo.CodeCondition {
		if f.Item, err = member(refused.Body, "Item"); err != nil {
			return "", errors.Join(refused, err)
		}
	}

	return "", f
}

// appendCondition appends the members that all conditional writes have.
func appendCondition(body []byte, w dynamo.Request) []byte {
	body = append(body, `,"TableName":`...)
	body = jsonstring.Append(body, w.Table)
	body = append(body, `,"ConditionExpression":`...)
	body = jsonstring.Append(body, w.Condition)

	if w.Return {
		body = append(body, `,"ReturnValuesOnConditionCheckFailure":"ALL_OLD"`...)
	}

	body = append(body, `,"ExpressionAttributeNames":{`...)
	first := true

	for placeholder, name := range w.Names {
		body = appendName(body, &first, placeholder)
		body = jsonstring.Append(body, name)
	}

	body = append(body, '}')

	if len(w.Values) > 0 { // DynamoDB refuses an empty map
		body = append(body, `,"ExpressionAttributeValues":`...)
		body = appendItem(body, w.Values)
	}

	return body
}

// appendName appends the name of a member, after a comma unless it is the first.
func appendName(body []byte, first *bool, name string) []byte {
	if !*first {
		body = append(body, ',')
	}

	*first = false
	return append(jsonstring.Append(body, name), ':')
}

func appendKey(body []byte, at dynamo.Key) []byte {
	body = append(body, `{"`+dynamo.PartitionAttribute+`":{"S":`...)
	body = jsonstring.Append(body, at.Partition)
	body = append(body, `},"`+dynamo.SortAttribute+`":{"S":`...)
	body = jsonstring.Append(body, at.Sort)
	return append(body, `}}`...)
}

func appendItem(body []byte, item dynamo.Item) []byte {
	body = append(body, '{')
	first := true

	for name, v := range item {
		body = appendName(body, &first, name)
		body = appendValue(body, v)
	}

	return append(body, '}')
}

// appendValue appends a value, as an object with its type.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
func appendValue(body []byte, v dynamo.Value) []byte {
	body = append(body, `{"`...)
	body = append(body, v.Kind()...)
	body = append(body, `":`...)

	switch v.Kind() {
	case dynamo.KindText:
		body = jsonstring.Append(body, v.Text())
	case dynamo.KindNumber:
		body = jsonstring.Append(body, v.Number())
	case dynamo.KindBinary:
		body = append(body, '"')
		body = base64.StdEncoding.AppendEncode(body, v.Binary())
		body = append(body, '"')
	case dynamo.KindBool:
		if v.Bool() {
			body = append(body, `true`...)
		} else {
			body = append(body, `false`...)
		}
	case dynamo.KindMap:
		body = appendItem(body, v.Map())
	case dynamo.KindList:
		body = append(body, '[')

		for i, element := range v.List() {
			if i > 0 {
				body = append(body, ',')
			}

			body = appendValue(body, element)
		}

		body = append(body, ']')
	default:
		body = append(body, `true`...) // null
	}

	return append(body, '}')
}

// errAnswer means that an answer is not as DynamoDB makes it.
var errAnswer = errors.New("dynamodbjson: not an answer of DynamoDB")

// member reads the item that is a member of an answer; nil if there is none.
func member(answer, name string) (item dynamo.Item, err error) {
	r := reader{Scanner: jsonstring.New(answer)}
	if r.Object() {
		for r.Member() {
			if r.Name() == name {
				item = r.item()
				continue
			}

			r.Skip()
		}
	}

	return item, r.end()
}

// readBatch reads the items of a batch, and the keys that were left, which are of one table.
func readBatch(answer string) (items []dynamo.Item, left []dynamo.Key, err error) {
	r := reader{Scanner: jsonstring.New(answer)}
	if r.Object() {
		for r.Member() {
			switch r.Name() {
			case "Responses":
				r.tables(func() { items = r.items(items) })
			case "UnprocessedKeys":
				r.tables(func() {
					for _, at := range r.unprocessed() {
						left = append(left, dynamo.KeyOf(at))
					}
				})
			default:
				r.Skip()
			}
		}
	}

	return items, left, r.end()
}

// reader reads items out of JSON.
type reader struct {
	jsonstring.Scanner

	depth int // of maps and lists
	err   error
}

// maxDepth is more than DynamoDB's 32 levels.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxDepth = 40

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) end() error {
	if err := r.End(); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}

	return r.err
}

// tables visits the members of an object, which are tables.
func (r *reader) tables(visit func()) {
	if r.Object() {
		for r.Member() {
			visit()
		}
	}
}

// unprocessed reads the keys that were left of a table.
func (r *reader) unprocessed() (keys []dynamo.Item) {
	if !r.Object() {
		return nil
	}

	for r.Member() {
		if r.Name() == "Keys" {
			keys = r.items(keys)
			continue
		}

		r.Skip()
	}

	return keys
}

func (r *reader) items(items []dynamo.Item) []dynamo.Item {
	if r.Array() {
		for r.Element() {
			items = append(items, r.item())
		}
	}

	return items
}

// item reads an object of values; nil for null.
func (r *reader) item() dynamo.Item {
	if !r.Object() {
		return nil
	}

	item := dynamo.Item{}
	for r.Member() {
		name := r.Name()
		item[name] = r.value()
	}

	return item
}

// value reads a value. One of a type that the store never writes is kept as that, for the caller to
// refuse.
func (r *reader) value() (v dynamo.Value) {
	if r.depth++; r.depth > maxDepth {
		r.fail(errAnswer)
		r.Skip()
		return v
	}

	defer func() { r.depth-- }()

	if !r.Object() {
		r.fail(errAnswer)
		return v
	}

	for r.Member() {
		if v.Kind() != "" {
			r.fail(errAnswer) // a value has one type
		}

		v = r.typed(dynamo.Kind(r.Name()))
	}

	if v.Kind() == "" {
		r.fail(errAnswer)
	}

	return v
}

func (r *reader) typed(kind dynamo.Kind) dynamo.Value {
	switch kind {
	case dynamo.KindText:
		return dynamo.Text(r.text())
	case dynamo.KindNumber:
		return dynamo.Spelled(r.text())
	case dynamo.KindBinary:
		b, err := base64.StdEncoding.DecodeString(r.text())
		if err != nil {
			r.fail(errAnswer)
		}

		return dynamo.Binary(b)
	case dynamo.KindBool:
		return dynamo.Bool(r.bool())
	case dynamo.KindNull:
		r.Skip()
		return dynamo.Null()
	case dynamo.KindMap:
		return dynamo.Map(r.item())
	case dynamo.KindList:
		var list []dynamo.Value
		if r.Array() {
			for r.Element() {
				list = append(list, r.value())
			}
		}

		return dynamo.List(list...)
	default:
		r.Skip()
		return dynamo.Foreign()
	}
}

func (r *reader) text() string {
	text, ok := r.Text()
	if !ok {
		r.fail(errAnswer)
	}

	return text
}

func (r *reader) bool() bool {
	b, ok := r.Bool()
	if !ok {
		r.fail(errAnswer)
	}

	return b
}
