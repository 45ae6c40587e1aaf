package dynamo

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// The attributes that both tables have. TTL removes an item after its purgeAt, in Unix seconds.
const (
	PartitionAttribute = "pk"
	SortAttribute      = "sk"
	PurgeAttribute     = "purgeAt"
)

// Item is an item, its attributes by name.
type Item = map[string]types.AttributeValue

// Key is the primary key of an item.
type Key struct{ Partition, Sort string }

// At returns a primary key.
func At(partition, sort string) Key { return Key{partition, sort} }

// KeyOf returns the primary key of an item.
func KeyOf(item Item) Key {
	return Key{TextOf(item[PartitionAttribute]), TextOf(item[SortAttribute])}
}

// Item returns an item with nothing but the key.
func (k Key) Item() Item {
	return Item{PartitionAttribute: Text(k.Partition), SortAttribute: Text(k.Sort)}
}

// Of sets the key of an item, and returns it; nil, from a failed encoding, stays nil.
func (k Key) Of(item Item) Item {
	if item != nil {
		maps.Copy(item, k.Item())
	}

	return item
}

// Text returns a string attribute.
func Text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// TextOf returns the string of an attribute; "" if it is of another type.
func TextOf(value types.AttributeValue) string {
	s, _ := value.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}

	return s.Value
}

// Number returns a number attribute.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// MarshalJSONTags encodes a domain value as an item, by its JSON names.
func MarshalJSONTags(value any, at Key) (Item, error) {
	item, err := attributevalue.MarshalMapWithOptions(value, func(
		o *attributevalue.EncoderOptions,
	) {
		o.TagKey = "json"
		o.EncodeTime = func(t time.Time) (types.AttributeValue, error) {
			return Text(FormatTime(t)), nil
		}
	})
	if err != nil {
		return nil, fmt.Errorf("store: encode %T: %w", value, err)
	}

	return at.Of(item), nil
}

// UnmarshalJSONTags decodes an item that MarshalJSONTags encoded.
func UnmarshalJSONTags(item Item, value any) error {
	return attributevalue.UnmarshalMapWithOptions(item,
		value, func(o *attributevalue.DecoderOptions) {
			o.TagKey = "json"
			o.DecodeTime = attributevalue.DecodeTimeAttributes{S: ParseTime}
		})
}

// FormatTime formats a time so that strings sort by time; "" for the zero time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return apikey.FormatTime(t) // fixed width
}

// ParseTime is the inverse of FormatTime. An invalid string is an error, since only FormatTime
// writes rows.
func ParseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}

	return time.Parse(apikey.TimeLayout, s)
}

// Times reads several times and keeps the first error.
type Times struct{ Err error }

// Read is ParseTime.
func (r *Times) Read(s string) time.Time {
	t, err := ParseTime(s)
	if err != nil && r.Err == nil {
		r.Err = err
	}

	return t
}
