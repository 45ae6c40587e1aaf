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

// Key is where an item stands.
type Key struct{ Partition, Sort string }

// At returns the key of a place.
func At(partition, sort string) Key { return Key{partition, sort} }

// KeyOf returns where an item says that it stands.
func KeyOf(item Item) Key {
	return Key{TextOf(item[PartitionAttribute]), TextOf(item[SortAttribute])}
}

// Item returns an item that has nothing but the key.
func (k Key) Item() Item {
	return Item{PartitionAttribute: Text(k.Partition), SortAttribute: Text(k.Sort)}
}

// Of puts an item there, and returns it; nil, for one that could not be made, stays nil.
func (k Key) Of(item Item) Item {
	if item != nil {
		maps.Copy(item, k.Item())
	}

	return item
}

// Text returns the value of a text.
func Text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// TextOf returns the text of a value; "" where it is none.
func TextOf(value types.AttributeValue) string {
	s, _ := value.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}

	return s.Value
}

// Number returns the value of a number.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// MarshalJSONTags makes an item of a domain value by its JSON names.
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

// UnmarshalJSONTags reads an item that MarshalJSONTags made.
func UnmarshalJSONTags(item Item, value any) error {
	return attributevalue.UnmarshalMapWithOptions(item,
		value, func(o *attributevalue.DecoderOptions) {
			o.TagKey = "json"
			o.DecodeTime = attributevalue.DecodeTimeAttributes{S: ParseTime}
		})
}

// FormatTime spells a time, so that times compare as strings do; "" for the zero time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return apikey.FormatTime(t) // of a fixed width
}

// ParseTime is the inverse of FormatTime; a text that is no time is an error, since rows are only
// written by FormatTime.
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
