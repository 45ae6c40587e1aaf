package dynamo

import (
	"errors"
	"fmt"
	"time"
)

// Fields reads the values of an item, and remembers the first that is of another type or format
// than was asked for. An absent value reads as empty.
type Fields struct {
	item  Item
	fault *error // shared with the maps in it
}

// Read returns the fields of an item.
func Read(item Item) Fields { return Fields{item: item, fault: new(error)} }

// Err returns the first fault.
func (f Fields) Err() error { return *f.fault }

func (f Fields) fail(name string, err error) {
	if *f.fault == nil {
		*f.fault = fmt.Errorf("%s: %w", name, err)
	}
}

// errType means that a value is of another type than was asked for.
var errType = errors.New("is of another type")

// value returns a value of a type. What is absent, or null, has none.
func (f Fields) value(name string, kind Kind) (v Value, has bool) {
	switch v = f.item[name]; v.kind {
	case kind:
		return v, true
	case "", KindNull:
	default:
		f.fail(name, errType)
	}

	return Value{}, false
}

// Has reports whether there is a value.
func (f Fields) Has(name string) bool { return f.item[name].kind != "" }

// Text reads a text.
func (f Fields) Text(name string) string {
	v, _ := f.value(name, KindText)
	return v.text
}

// Time reads a time of FormatTime.
func (f Fields) Time(name string) time.Time {
	t, err := ParseTime(f.Text(name))
	if err != nil {
		f.fail(name, err)
	}

	return t
}

// Int reads a whole number.
func (f Fields) Int(name string) int64 {
	v, has := f.value(name, KindNumber)
	if !has {
		return 0
	}

	n, err := v.Int()
	if err != nil {
		f.fail(name, err)
	}

	return n
}

// Bool reads a truth value.
func (f Fields) Bool(name string) bool {
	v, _ := f.value(name, KindBool)
	return v.Bool()
}

// Binary reads bytes.
func (f Fields) Binary(name string) []byte {
	v, _ := f.value(name, KindBinary)
	return v.Binary()
}

// Texts reads a list of texts.
func (f Fields) Texts(name string) []string {
	v, _ := f.value(name, KindList)
	if len(v.list) == 0 {
		return nil
	}

	texts := make([]string, 0, len(v.list))
	for _, element := range v.list {
		if element.kind != KindText {
			f.fail(name, errType)
		}

		texts = append(texts, element.text)
	}

	return texts
}

// Map reads a map. has is false if there is none.
func (f Fields) Map(name string) (m Fields, has bool) {
	v, has := f.value(name, KindMap)
	return Fields{v.item, f.fault}, has
}

// Maps reads a list of maps.
func (f Fields) Maps(name string) []Fields {
	v, _ := f.value(name, KindList)
	if len(v.list) == 0 {
		return nil
	}

	maps := make([]Fields, 0, len(v.list))
	for _, element := range v.list {
		if element.kind != KindMap {
			f.fail(name, errType)
		}

		maps = append(maps, Fields{element.item, f.fault})
	}

	return maps
}

// MapOfMaps reads a map of maps.
func (f Fields) MapOfMaps(name string) map[string]Fields {
	v, _ := f.value(name, KindMap)
	out := make(map[string]Fields, len(v.item))

	for key, element := range v.item {
		if element.kind != KindMap {
			f.fail(name, errType)
		}

		out[key] = Fields{element.item, f.fault}
	}

	return out
}

// Numbers reads a map of whole numbers; nil if there is none.
func (f Fields) Numbers(name string) map[string]int64 {
	m, has := f.Map(name)
	if !has {
		return nil
	}

	numbers := make(map[string]int64, len(m.item))
	for key := range m.item {
		numbers[key] = m.Int(key)
	}

	return numbers
}

// TextsByName reads a map of texts; nil if there is none.
func (f Fields) TextsByName(name string) map[string]string {
	m, has := f.Map(name)
	if !has {
		return nil
	}

	texts := make(map[string]string, len(m.item))
	for key := range m.item {
		texts[key] = m.Text(key)
	}

	return texts
}
