package store

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// encode encodes an object by its JSON tags, for a place.
func encode(value any, at dynamo.Key) (dynamo.Item, error) {
	attributes, err := attributevalue.MarshalMapWithOptions(value, func(
		o *attributevalue.EncoderOptions,
	) {
		o.TagKey = "json"
		o.EncodeTime = func(t time.Time) (types.AttributeValue, error) {
			return &types.AttributeValueMemberS{Value: dynamo.FormatTime(t)}, nil
		}
	})
	if err != nil {
		return nil, fmt.Errorf("store: encode %T: %w", value, err)
	}

	return at.Of(fromSDK(attributes)), nil
}

// parse decodes an item of encode.
func parse(item dynamo.Item, value any) error {
	return attributevalue.UnmarshalMapWithOptions(toSDK(item),
		value, func(o *attributevalue.DecoderOptions) {
			o.TagKey = "json"
			o.DecodeTime = attributevalue.DecodeTimeAttributes{S: dynamo.ParseTime}
		})
}
