package api

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Patch is a field of a change: absent, which leaves the value as it is, null, which empties it, or
// a value. The zero Patch is absent. [Set] and [Null] return the others.
//
// A struct field of this type must have the JSON option omitzero.
type Patch[T any] struct {
	Sent  bool // the field is in the body
	Null  bool // it is null
	Value T
}

// Set returns a field with a value.
func Set[T any](v T) Patch[T] { return Patch[T]{Sent: true, Value: v} }

// Null returns a field that is null.
func Null[T any]() Patch[T] { return Patch[T]{Sent: true, Null: true} }

// IsZero reports whether the field is absent.
func (p Patch[T]) IsZero() bool { return !p.Sent }

// MarshalJSON implements json.Marshaler. It returns an error for an absent field, since null would
// empty what should stay.
func (p Patch[T]) MarshalJSON() ([]byte, error) {
	switch {
	case !p.Sent:
		return nil, errors.New("api: an absent field of a change: it needs the JSON option omitzero")
	case p.Null:
		return []byte("null"), nil
	default:
		return json.Marshal(p.Value)
	}
}

// UnmarshalJSON implements json.Unmarshaler. As usual in encoding/json, an object is merged into
// the current value.
func (p *Patch[T]) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, []byte("null")) {
		*p = Null[T]()
		return nil
	}

	p.Sent, p.Null = true, false
	return json.Unmarshal(text, &p.Value)
}
