package localgateway

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// object is a JSON object that is put together member by member. Events are made by it: encoding/json
// would take a tenth of all work for a call.
type object struct{ out []byte }

// usualEvent is about the size, in bytes, of an event of a call without a body.
const usualEvent = 2 << 10

// newObject begins an object, with what another one has at its beginning.
func newObject(shared []byte) *object {
	o := &object{make([]byte, 0, usualEvent)}
	if shared == nil {
		o.out = append(o.out, '{')
	}

	o.out = append(o.out, shared...)
	return o
}

// end ends the object, and returns it.
func (o *object) end() []byte {
	o.close()
	return o.out
}

// shared returns what there is of the object, to begin others with.
func (o *object) shared() []byte { return o.out }

// open begins an object in the object.
func (o *object) open(name string) {
	o.name(name)
	o.out = append(o.out, '{')
}

// close ends the object that was begun last.
func (o *object) close() { o.out = append(o.out, '}') }

// name begins a member, whose name needs no escapes.
func (o *object) name(name string) {
	o.comma('{')
	o.out = append(append(append(o.out, '"'), name...), '"', ':')
}

// anyName is name for one that is not ours.
func (o *object) anyName(name string) {
	o.comma('{')
	o.quoted(name)
	o.out = append(o.out, ':')
}

// comma parts a member or an element from the one before it, unless it is the first.
func (o *object) comma(bracket byte) {
	if o.out[len(o.out)-1] != bracket {
		o.out = append(o.out, ',')
	}
}

func (o *object) text(name, value string) {
	o.name(name)
	o.quoted(value)
}

func (o *object) textOrNull(name, value string) {
	if value == "" {
		o.null(name)
		return
	}

	o.text(name, value)
}

func (o *object) null(name string) {
	o.name(name)
	o.value(nil)
}

func (o *object) flag(name string, value bool) {
	o.name(name)
	o.out = strconv.AppendBool(o.out, value)
}

func (o *object) number(name string, value int64) {
	o.name(name)
	o.out = strconv.AppendInt(o.out, value, 10)
}

// list adds a list of texts; null for nil.
func (o *object) list(name string, values []string) {
	o.name(name)
	o.array(values)
}

// texts adds an object of texts; null if there are none.
func (o *object) texts(name string, values map[string]string) {
	addMap(o, name, values, o.quoted)
}

// lists adds an object of lists of texts; null if there are none.
func (o *object) lists(name string, values map[string][]string) {
	addMap(o, name, values, o.array)
}

// values adds an object of texts that are made of lists; null if there are none.
func (o *object) values(name string, values map[string][]string, one func([]string) string) {
	addMap(o, name, values, func(value []string) { o.quoted(one(value)) })
}

// addMap adds an object by a function that adds a value, in any order: sorting the names would take a
// third of the time for an event.
func addMap[V any](o *object, name string, values map[string]V, add func(V)) {
	if len(values) == 0 {
		o.null(name)
		return
	}

	o.open(name)

	for name, value := range values {
		o.anyName(name)
		add(value)
	}

	o.close()
}

func (o *object) quoted(text string) { o.out = jsonstring.Append(o.out, text) }

func (o *object) array(values []string) {
	if values == nil {
		o.value(nil)
		return
	}

	o.out = append(o.out, '[')

	for _, value := range values {
		o.comma('[')
		o.quoted(value)
	}

	o.out = append(o.out, ']')
}

// value adds a value of an authorizer's context: one that JSON can have, and decodes to with
// numbers as they were written.
func (o *object) value(value any) {
	switch v := value.(type) {
	case nil:
		o.out = append(o.out, "null"...)
	case string:
		o.quoted(v)
	case bool:
		o.out = strconv.AppendBool(o.out, v)
	case json.Number:
		o.out = append(o.out, v...)
	case []any:
		o.out = append(o.out, '[')

		for _, element := range v {
			o.comma('[')
			o.value(element)
		}

		o.out = append(o.out, ']')
	case map[string]any:
		o.out = append(o.out, '{')

		for name, member := range v {
			o.anyName(name)
			o.value(member)
		}

		o.close()
	}
}

// body adds a request's body.
func (o *object) body(body []byte, binary bool) {
	text := string(body)
	if binary {
		text = base64.StdEncoding.EncodeToString(body)
	}

	o.text("body", text)
	o.flag("isBase64Encoded", binary)
}

// joined returns values joined with commas, as in an HTTP API's events.
func joined(values []string) string { return strings.Join(values, ",") }
