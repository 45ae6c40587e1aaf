package dynamo

import (
	"maps"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// The attributes that both tables have. TTL removes an item after its purgeAt, in Unix seconds.
const (
	PartitionAttribute = "pk"
	SortAttribute      = "sk"
	PurgeAttribute     = "purgeAt"
)

// Item is an item, or a map in one: its values by name.
//
// Its Put methods leave out what is empty, since an attribute that is absent reads as empty. What a
// condition compares must be set itself.
type Item map[string]Value

// PutText sets a text.
func (i Item) PutText(name, text string) {
	if text != "" {
		i[name] = Text(text)
	}
}

// PutTime sets a time, in the format of FormatTime.
func (i Item) PutTime(name string, t time.Time) { i.PutText(name, FormatTime(t)) }

// PutInt sets a whole number.
func (i Item) PutInt(name string, n int64) {
	if n != 0 {
		i[name] = Number(n)
	}
}

// PutBool sets a truth value.
func (i Item) PutBool(name string, b bool) {
	if b {
		i[name] = Bool(b)
	}
}

// PutBinary sets bytes.
func (i Item) PutBinary(name string, b []byte) {
	if len(b) > 0 {
		i[name] = Binary(b)
	}
}

// PutTexts sets a list of texts.
func (i Item) PutTexts(name string, texts []string) {
	if len(texts) > 0 {
		i[name] = Texts(texts)
	}
}

// PutNumbers sets a map of whole numbers.
func (i Item) PutNumbers(name string, numbers map[string]int64) {
	if len(numbers) > 0 {
		i[name] = Numbers(numbers)
	}
}

// PutMap sets a map.
func (i Item) PutMap(name string, item Item) {
	if len(item) > 0 {
		i[name] = Map(item)
	}
}

// PutList sets a list.
func (i Item) PutList(name string, values []Value) {
	if len(values) > 0 {
		i[name] = List(values...)
	}
}

// Key is the primary key of an item.
type Key struct{ Partition, Sort string }

// At returns a primary key.
func At(partition, sort string) Key { return Key{partition, sort} }

// KeyOf returns the primary key of an item.
func KeyOf(item Item) Key {
	return Key{item[PartitionAttribute].Text(), item[SortAttribute].Text()}
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

// FormatTime formats a time for an attribute. Texts of times have one width, so that they sort by
// time; the zero time is "".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}

	return apikey.FormatTime(t)
}

// ParseTime parses a time of FormatTime.
func ParseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}

	return time.Parse(apikey.TimeLayout, s)
}
