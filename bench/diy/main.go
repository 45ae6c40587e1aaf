// Command diy is what a good Go programmer writes in an hour in place of Bitting, to be measured
// beside it by `make bench`: one strong read of the key by its hash, with the SDK as its guide shows
// it, ten routes, and a policy for the one call. It knows no peppers, limits, usage, customers or
// rotations.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// key is an item of the table, whose primary key is the hash of the key.
type key struct {
	Hash        string   `dynamodbav:"pk"`
	ID          string   `dynamodbav:"id"`
	Name        string   `dynamodbav:"name"`
	Environment string   `dynamodbav:"environment"`
	Enabled     bool     `dynamodbav:"enabled"`
	ExpiresAt   int64    `dynamodbav:"expiresAt"`
	Permissions []string `dynamodbav:"permissions"`
}

// routes are ten, in order.
var routes = []struct {
	method     string
	path       *regexp.Regexp
	permission string
}{
	{"GET", regexp.MustCompile(`^/messages$`), "messages:read"},
	{"GET", regexp.MustCompile(`^/messages/[^/]+$`), "messages:read"},
	{"POST", regexp.MustCompile(`^/messages$`), "messages:write"},
	{"DELETE", regexp.MustCompile(`^/messages/[^/]+$`), "messages:write"},
	{"GET", regexp.MustCompile(`^/orders$`), "orders:read"},
	{"GET", regexp.MustCompile(`^/orders/[^/]+$`), "orders:read"},
	{"POST", regexp.MustCompile(`^/orders$`), "orders:write"},
	{"PATCH", regexp.MustCompile(`^/orders/[^/]+$`), "orders:write"},
	{"GET", regexp.MustCompile(`^/invoices$`), "invoices:read"},
	{"GET", regexp.MustCompile(`^/invoices/[^/]+/lines$`), "invoices:read"},
}

var errUnauthorized = errors.New("Unauthorized")

type authorizer struct {
	db    *dynamodb.Client
	table string
}

func (a authorizer) handle(
	ctx context.Context, e events.APIGatewayCustomAuthorizerRequestTypeRequest,
) (out events.APIGatewayCustomAuthorizerResponse, err error) {
	var secret string
	for name, value := range e.Headers {
		if strings.EqualFold(name, "X-Api-Key") {
			secret = value
		}
	}

	if secret == "" {
		return out, errUnauthorized
	}

	sum := sha256.Sum256([]byte(secret))

	got, err := a.db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &a.table,
		ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: hex.EncodeToString(sum[:])},
			"sk": &types.AttributeValueMemberS{Value: "key"},
		},
	})
	if err != nil {
		return out, err
	}

	var k key
	if err := attributevalue.UnmarshalMap(got.Item, &k); err != nil {
		return out, err
	}

	if k.ID == "" || !k.Enabled || k.ExpiresAt != 0 && k.ExpiresAt < time.Now().Unix() {
		return out, errUnauthorized
	}

	effect := "Deny"
	for _, r := range routes {
		if r.method == e.HTTPMethod && r.path.MatchString(e.Path) {
			if slices.Contains(k.Permissions, r.permission) {
				effect = "Allow"
			}

			break
		}
	}

	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: k.ID,
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version: "2012-10-17",
			Statement: []events.IAMPolicyStatement{{
				Action:   []string{"execute-api:Invoke"},
				Effect:   effect,
				Resource: []string{e.MethodArn},
			}},
		},
		Context: map[string]any{"keyId": k.ID, "keyName": k.Name, "environment": k.Environment},
	}, nil
}

func main() {
	c, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}

	a := authorizer{db: dynamodb.NewFromConfig(c), table: os.Getenv("TABLE")} //nolint:forbidigo // it is no part of the service
	lambda.Start(a.handle)
}
