package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// What the store answers when it has no answer.
var (
	// ErrUnavailable wraps every failure of DynamoDB or KMS. The caller refuses the call and never
	// guesses.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrDamaged says that a row is not as the store wrote it. It is an ErrUnavailable too.
	ErrDamaged = fmt.Errorf("%w: damaged row", ErrUnavailable)
	// ErrRefused says that DynamoDB takes a request for wrong. That is a fault of ours and no
	// outage: asking again does not help.
	ErrRefused = errors.New("store: refused as invalid")
	// ErrTooLarge says that an item would be larger than DynamoDB takes. Nothing was written.
	ErrTooLarge = errors.New("store: an item would be too large")
)

// Client is the part of *dynamodb.Client that the store uses on a request's path.
type Client interface {
	GetItem(
		ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.GetItemOutput, error)
	BatchGetItem(
		ctx context.Context, in *dynamodb.BatchGetItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	Query(
		ctx context.Context, in *dynamodb.QueryInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.QueryOutput, error)
	UpdateItem(
		ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
	PutItem(
		ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.PutItemOutput, error)
	DeleteItem(
		ctx context.Context, in *dynamodb.DeleteItemInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.DeleteItemOutput, error)
	TransactWriteItems(
		ctx context.Context, in *dynamodb.TransactWriteItemsInput, opts ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

// Connection is a client of DynamoDB, as Connect makes it.
type Connection = dynamodb.Client

// Connect returns a client for the tables. It calls nobody.
func Connect(config aws.Config) *Connection { return dynamodb.NewFromConfig(config) }

// Tables are the tables without a seal: enough to read wrapped peppers, which the seal needs first.
// It implements pepper.Rows.
type Tables struct {
	client Client
	core   string
	hot    string
	sleep  func(ctx context.Context, d time.Duration) error // until d is over, or the context
}

// NewTables returns the tables with these names of the tables core and hot.
func NewTables(client Client, core, hot string) *Tables {
	return &Tables{
		client: client,
		core:   core,
		hot:    hot,
		sleep:  sleep,
	}
}

// get reads one item of the table core, strongly consistent; nil where there is none.
func (t *Tables) get(
	ctx context.Context, partition, sort string,
) (map[string]types.AttributeValue, error) {
	return t.getOf(ctx, t.core, partition, sort)
}

// getOf reads one item of a table, strongly consistent; nil where there is none.
func (t *Tables) getOf(
	ctx context.Context, table, partition, sort string,
) (map[string]types.AttributeValue, error) {
	strong := true

	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &table,
		Key:            primaryKey(partition, sort),
		ConsistentRead: &strong,
	})
	if err != nil {
		return nil, unavailable("read", err)
	}

	if len(out.Item) == 0 {
		return nil, nil
	}

	return out.Item, nil
}

// unavailable wraps an SDK error: as ErrRefused where DynamoDB says that the request is wrong, and
// else as ErrUnavailable. The SDK's errors carry table names and request ids, never item contents.
func unavailable(what string, err error) error {
	if invalid(err) {
		return fmt.Errorf("%w: %s: %w", ErrRefused, what, err)
	}

	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// invalid reports whether DynamoDB says that a request is wrong.
func invalid(err error) bool {
	var c *types.TransactionCanceledException
	if errors.As(err, &c) {
		return slices.ContainsFunc(c.CancellationReasons, func(r types.CancellationReason) bool {
			return r.Code != nil && *r.Code == "ValidationError"
		})
	}

	var api smithy.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode() == "ValidationException" || api.ErrorCode() == "SerializationException")
}

// lasting makes a usage.ErrStuck of an error that asking again does not mend.
func lasting(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrRefused) || errors.Is(err, ErrTooLarge) {
		return fmt.Errorf("%w: %w", usage.ErrStuck, err)
	}

	return err
}

func damaged(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrDamaged, what)
	}

	return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
}

const pepperPrefix = "v"

type pepperItem struct {
	Ciphertext []byte `dynamodbav:"ciphertext,omitempty"` // none where it is retired
	CreatedAt  string `dynamodbav:"createdAt"`
	RetiredAt  string `dynamodbav:"retiredAt,omitempty"`
}

// Peppers implements pepper.Rows.
func (t *Tables) Peppers(ctx context.Context, env apikey.Environment) ([]pepper.Wrapped, error) {
	item, err := t.get(ctx, pepperPartition(env), ringSort)
	if err != nil {
		return nil, err
	}

	var out []pepper.Wrapped
	for name, value := range item {
		if name == partitionAttribute || name == sortAttribute {
			continue
		}

		version, err := strconv.Atoi(strings.TrimPrefix(name, pepperPrefix))
		if err != nil || name != pepperPrefix+strconv.Itoa(version) {
			return nil, damaged("pepper: attribute "+name, err)
		}

		var row pepperItem
		if err := attributevalue.Unmarshal(value, &row); err != nil {
			return nil, damaged("pepper", err)
		}

		times := timeReader{}

		w := pepper.Wrapped{
			Version:    version,
			Ciphertext: row.Ciphertext,
			CreatedAt:  times.read(row.CreatedAt),
			RetiredAt:  times.read(row.RetiredAt),
		}
		if times.err != nil {
			return nil, damaged("pepper", times.err)
		}

		out = append(out, w)
	}

	return out, nil
}

// AddPepper implements pepper.Rows. Each version is an attribute of its own, so two processes that
// make the same version cannot both win.
func (t *Tables) AddPepper(ctx context.Context, env apikey.Environment, w pepper.Wrapped) error {
	value, err := attributevalue.Marshal(pepperItem{
		Ciphertext: w.Ciphertext,
		CreatedAt:  formatTime(w.CreatedAt),
	})
	if err != nil {
		return fmt.Errorf("store: encode pepper: %w", err)
	}

	update, condition := "SET #v = :w", "attribute_not_exists(#v)"
	_, err = t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &t.core,
		Key:                       primaryKey(pepperPartition(env), ringSort),
		UpdateExpression:          &update,
		ConditionExpression:       &condition,
		ExpressionAttributeNames:  map[string]string{"#v": pepperPrefix + strconv.Itoa(w.Version)},
		ExpressionAttributeValues: map[string]types.AttributeValue{":w": value},
	})

	var failed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &failed):
		return pepper.ErrExists
	case err != nil:
		return unavailable("add pepper", err)
	}

	return nil
}
