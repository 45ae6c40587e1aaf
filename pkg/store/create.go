package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// CreateTable creates a table with the properties of a template's AWS::DynamoDB::Table, where there
// is no CloudFormation. An existing table is left as it is. Properties that only AWS has are
// ignored: encryption, backups and deletion protection.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dynamodb-table.html
func (c *Connection) CreateTable(
	ctx context.Context, name string, properties map[string]any,
) error {
	text, err := json.Marshal(properties)
	if err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}

	// CloudFormation's names for these properties are the API's.
	var p struct {
		AttributeDefinitions    []types.AttributeDefinition
		KeySchema               []types.KeySchemaElement
		GlobalSecondaryIndexes  []types.GlobalSecondaryIndex
		TimeToLiveSpecification *types.TimeToLiveSpecification
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}

	_, err = c.sdk.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:              &name,
		AttributeDefinitions:   p.AttributeDefinitions,
		KeySchema:              p.KeySchema,
		GlobalSecondaryIndexes: p.GlobalSecondaryIndexes,
		BillingMode:            types.BillingModePayPerRequest,
	})

	var exists *types.ResourceInUseException
	if errors.As(err, &exists) {
		return nil
	}

	if err != nil {
		return dynamo.Unavailable("create table "+name, err)
	}

	if p.TimeToLiveSpecification == nil {
		return nil
	}

	_, err = c.sdk.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &name,
		TimeToLiveSpecification: p.TimeToLiveSpecification,
	})
	if err != nil {
		return dynamo.Unavailable("set the TTL of table "+name, err)
	}

	return nil
}
