package dynamo

import (
	"fmt"
	"slices"
	"strconv"
)

// Kind is the type of a value, in DynamoDB's spelling.
type Kind string

// The types of values.
const (
	KindText   Kind = "S"
	KindNumber Kind = "N"
	KindBinary Kind = "B"
	KindBool   Kind = "BOOL"
	KindNull   Kind = "NULL"
	KindMap    Kind = "M"
	KindList   Kind = "L"
	// KindSet stands for sets, which the store never writes: a row with one is damaged.
	KindSet Kind = "set"
)

// Value is the value of an attribute. The zero Value stands for an attribute that an item lacks.
type Value struct {
	kind Kind
	// the text, the number as it is spelled, the bytes, or "true"
	text string
	list []Value
	item Item
}

// Text returns a text.
func Text(s string) Value { return Value{kind: KindText, text: s} }

// Number returns a whole number.
func Number(n int64) Value { return Spelled(strconv.FormatInt(n, 10)) }

// Spelled returns a number in DynamoDB's spelling.
func Spelled(number string) Value { return Value{kind: KindNumber, text: number} }

// Binary returns bytes.
func Binary(b []byte) Value { return Value{kind: KindBinary, text: string(b)} }

// Bool returns a truth value.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.text = "true"
	}

	return v
}

// Null returns the value of an attribute that is there and has none.
func Null() Value { return Value{kind: KindNull} }

// Foreign returns a value of a type that the store never writes.
func Foreign() Value { return Value{kind: KindSet} }

// Map returns a map.
func Map(item Item) Value { return Value{kind: KindMap, item: item} }

// List returns a list.
func List(values ...Value) Value { return Value{kind: KindList, list: values} }

// Texts returns a list of texts.
func Texts(texts []string) Value {
	list := make([]Value, 0, len(texts))
	for _, s := range texts {
		list = append(list, Text(s))
	}

	return List(list...)
}

// Numbers returns a map of whole numbers.
func Numbers(numbers map[string]int64) Value {
	item := make(Item, len(numbers))
	for name, n := range numbers {
		item[name] = Number(n)
	}

	return Map(item)
}

// Kind returns the type; "" of an attribute that an item lacks.
func (v Value) Kind() Kind { return v.kind }

// Text returns a text; "" of any other type.
func (v Value) Text() string {
	if v.kind != KindText {
		return ""
	}

	return v.text
}

// Number returns a number as it is spelled; "" of any other type.
func (v Value) Number() string {
	if v.kind != KindNumber {
		return ""
	}

	return v.text
}

// Int returns a whole number.
func (v Value) Int() (int64, error) {
	if v.kind != KindNumber {
		return 0, fmt.Errorf("is a %s, not a number", v.kind)
	}

	return strconv.ParseInt(v.text, 10, 64)
}

// Len returns the number of bytes of a text, a number or bytes.
func (v Value) Len() int { return len(v.text) }

// Binary returns bytes, of the caller's own; nil of any other type.
func (v Value) Binary() []byte {
	if v.kind != KindBinary {
		return nil
	}

	return []byte(v.text)
}

// Bool reports whether the value is true.
func (v Value) Bool() bool { return v.kind == KindBool && v.text != "" }

// List returns the values of a list; nil of any other type.
func (v Value) List() []Value { return v.list }

// Map returns the values of a map; nil of any other type.
func (v Value) Map() Item { return v.item }

// Equal reports whether two values are the same, numbers in the same spelling.
func (v Value) Equal(other Value) bool {
	if v.kind != other.kind || v.text != other.text || len(v.item) != len(other.item) {
		return false
	}

	for name, value := range v.item {
		if o, has := other.item[name]; !has || !value.Equal(o) {
			return false
		}
	}

	return slices.EqualFunc(v.list, other.list, Value.Equal)
}
