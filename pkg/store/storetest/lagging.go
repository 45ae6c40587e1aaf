package storetest

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/store"
)

// Behind returns the store with indexes that lag so far behind that no list of keys has an entry
// yet.
func (k *Kit) Behind() *store.Store {
	return store.New(store.NewPeppers(behind{k.SDK}, k.CoreTable), k.Keyring, k.Log.Logger())
}

type behind struct{ store.Client }

// Query implements store.Client.
func (b behind) Query(
	ctx context.Context, in *dynamodb.QueryInput, opts ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	list, _ := in.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS)
	if in.IndexName != nil && list != nil && strings.HasPrefix(list.Value, "keys#") {
		return &dynamodb.QueryOutput{}, nil
	}

	return b.Client.Query(ctx, in, opts...)
}
