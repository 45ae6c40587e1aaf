package dynamodbjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/store/dynamodbjson"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// texts are those that an encoder may get wrong.
var texts = []string{
	"", "a", `"quoted" \ and /`, "a\x00b\x1f\x7f", "\n\r\t\b\f", "<a href='&amp;'>", "äöü€", "\u2028\u2029",
	"\U0001f511", "\ufffd", `\u0041`, strings.Repeat("x", 5000),
}

// random makes values of every type, as deep as rows are.
type random struct{ *rand.Rand }

func (r random) value(depth int) dynamo.Value {
	kinds := 7
	if depth == 0 {
		kinds = 5
	}

	switch r.IntN(kinds) {
	case 0:
		return dynamo.Text(texts[r.IntN(len(texts))])
	case 1:
		return dynamo.Number(r.Int64() >> r.IntN(64))
	case 2:
		b := make([]byte, r.IntN(40))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}

		return dynamo.Binary(b)
	case 3:
		return dynamo.Bool(r.IntN(2) == 0)
	case 4:
		return dynamo.Null()
	case 5:
		return dynamo.Map(r.item(depth - 1))
	default:
		var list []dynamo.Value
		for range r.IntN(4) {
			list = append(list, r.value(depth-1))
		}

		return dynamo.List(list...)
	}
}

func (r random) item(depth int) dynamo.Item {
	item := dynamo.Item{}
	for i := range r.IntN(6) {
		item[fmt.Sprintf("a %d \" %s", i, texts[r.IntN(8)])] = r.value(depth)
	}

	return item
}

// both makes a call by the SDK and by the small client, and compares what came of it and what was
// sent.
type both struct {
	kit   *storetest.Kit
	small dynamo.Client
	sent  *storetest.Traffic
}

func newBoth(t *testing.T) *both {
	kit := storetest.New(t)
	client, sent := kit.Small()
	return &both{kit, client, sent}
}

// outcome is what came of a call.
type outcome struct {
	Items []dynamo.Item
	Left  []dynamo.Key
	Code  string
	Old   dynamo.Item
}

func (b *both) call(
	t *testing.T, what string, call func(c dynamo.Client) ([]dynamo.Item, []dynamo.Key, error),
) outcome {
	t.Helper()
	b.kit.Traffic.Reset()
	b.sent.Reset()

	var got []outcome
	for _, c := range []dynamo.Client{b.kit.Connection, b.small} {
		items, left, err := call(c)
		o := outcome{Items: items, Left: left}

		if f, ok := errors.AsType[*dynamo.Fault](err); ok {
			o.Code, o.Old = f.Code, f.Item
		} else if err != nil {
			t.Fatalf("%s: %v", what, err)
		}

		got = append(got, o)
	}

	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("%s (-SDK +small client):\n%s", what, diff)
	}

	want, have := sentBodies(t, b.kit.Traffic), sentBodies(t, b.sent)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s: sent (-SDK +small client):\n%s", what, diff)
	}

	return got[1]
}

func sentBodies(t *testing.T, traffic *storetest.Traffic) (bodies []any) {
	t.Helper()

	for _, r := range traffic.Requests() {
		var body map[string]any
		r.Decode(t, &body)

		if body["ReturnValuesOnConditionCheckFailure"] == "NONE" {
			delete(body, "ReturnValuesOnConditionCheckFailure") // the default
		}

		bodies = append(bodies, r.Operation, r.Type, body)
	}

	return bodies
}

func (b *both) get(t *testing.T, at dynamo.Key) dynamo.Item {
	t.Helper()

	return b.call(t, "get", func(c dynamo.Client) ([]dynamo.Item, []dynamo.Key, error) {
		item, err := c.Get(t.Context(), b.kit.CoreTable, at)
		return []dynamo.Item{item}, nil, err
	}).Items[0]
}

// Both clients send the same and return the same, whatever is in an item.
func TestSameItems(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	r := random{rand.New(rand.NewPCG(1, 2))}

	if item := b.get(t, dynamo.At("nobody", "here")); item != nil {
		t.Errorf("there is %v", item)
	}

	var keys []dynamo.Key
	for i := range 150 {
		at := dynamo.At(fmt.Sprint("p", i, texts[r.IntN(8)]), "s"+texts[r.IntN(8)])
		item := at.Of(r.item(4))
		keys = append(keys, at)

		b.call(t, "put", func(c dynamo.Client) ([]dynamo.Item, []dynamo.Key, error) {
			w := dynamo.Request{Table: b.kit.CoreTable, Item: item}
			w.Condition = dynamo.IsNew.Or(dynamo.Exists)(&w.Expression)
			return nil, nil, c.Put(t.Context(), w)
		})

		got := b.get(t, at)
		if !dynamo.Map(item).Equal(dynamo.Map(got)) {
			t.Errorf("put %v, got %v", item, got)
		}
	}

	for _, some := range [][]dynamo.Key{keys[:1], keys[:100], append(slices.Clone(keys[100:]),
		dynamo.At("nobody", "here"))} {
		b.call(t, "batch", func(c dynamo.Client) ([]dynamo.Item, []dynamo.Key, error) {
			items, left, err := c.BatchGet(t.Context(), b.kit.CoreTable, some)
			slices.SortFunc(items, func(a, b dynamo.Item) int {
				return strings.Compare(dynamo.KeyOf(a).Partition, dynamo.KeyOf(b).Partition)
			})
			return items, left, err
		})
	}
}

// Conditions that hold and that do not, updates of every kind, and what they return.
func TestSameWrites(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	at := dynamo.At("a", "row")

	put := func(what string, condition dynamo.Condition, returns bool) outcome {
		t.Helper()

		return b.call(t, what, func(c dynamo.Client) ([]dynamo.Item, []dynamo.Key, error) {
			w := dynamo.Request{Table: b.kit.CoreTable, Return: returns}
			w.Item = at.Of(dynamo.Item{"version": dynamo.Number(7), "map": dynamo.Map(dynamo.Item{
				"x": dynamo.Number(1),
			})})
			w.Condition = condition(&w.Expression)
			return nil, nil, c.Put(t.Context(), w)
		})
	}

	put("anything", dynamo.IsNew.Or(dynamo.Exists), false)

	for _, returns := range []bool{false, true} {
		if o := put("new", dynamo.IsNew, returns); o.Code != dynamo.CodeCondition ||
			(o.Old != nil) != returns {
			t.Errorf("a row that exists: %+v", o)
		}

		put("version", dynamo.Is(dynamo.Number(7), "version"), returns)
		put("not between", dynamo.Between(dynamo.Number(8), dynamo.Number(9), "version"), returns)
	}

	update := func(what string, u dynamo.Update, c dynamo.Condition, returns bool) {
		t.Helper()

		b.call(t, what, func(client dynamo.Client) ([]dynamo.Item, []dynamo.Key, error) {
			table := dynamo.NewRows(client, b.kit.CoreTable)
			if !returns {
				return nil, nil, fault(table.Update(t.Context(), at, u, c, what))
			}

			item, err := table.UpdateAndGet(t.Context(), at, u, c, what)
			return []dynamo.Item{item}, nil, fault(err)
		})
	}
	for _, returns := range []bool{false, true} {
		update("set", dynamo.Set(dynamo.Item{"text": dynamo.Text(`a"b`), "none": dynamo.Null()}),
			dynamo.Exists, returns)
		update("set inside", dynamo.Update{}.Set(dynamo.Text("y"), "map", "y").Remove("map", "x"),
			dynamo.Present("map").And(dynamo.Absent("map", "y").Or(dynamo.Exists)), returns)
		update("add to nothing", dynamo.Update{}.Add(0, "count"+fmt.Sprint(returns)),
			dynamo.AtMost(dynamo.Number(7), "version"), returns)
		update("not so", dynamo.Update{}.Add(3, "count"), dynamo.Below(dynamo.Number(7), "version"),
			returns)
		update("no such attribute", dynamo.Update{}.Remove("nothing"),
			dynamo.Is(dynamo.Text("x"), "nothing"), returns)
		update("a text that is added to", dynamo.Update{}.Add(3, "text"), dynamo.Exists, returns)
	}
}

// fault returns the fault in an error of package dynamo.
func fault(err error) error {
	if f, ok := errors.AsType[*dynamo.Fault](err); ok {
		return f
	}

	return err
}

// A request that DynamoDB refuses is refused to both.
func TestSameRefusals(t *testing.T) {
	t.Parallel()
	b := newBoth(t)

	for what, call := range map[string]func(c dynamo.Client) error{
		"no such table": func(c dynamo.Client) error {
			_, err := c.Get(t.Context(), "no-such-table", dynamo.At("a", "b"))
			return err
		},
		"an empty key": func(c dynamo.Client) error {
			_, err := c.Get(t.Context(), b.kit.CoreTable, dynamo.At("", "b"))
			return err
		},
		"a key that is too long": func(c dynamo.Client) error {
			_, err := c.Get(t.Context(), b.kit.CoreTable, dynamo.At(strings.Repeat("k", 3000), "b"))
			return err
		},
		"a key twice": func(c dynamo.Client) error {
			_, _, err := c.BatchGet(t.Context(), b.kit.CoreTable,
				[]dynamo.Key{dynamo.At("a", "b"), dynamo.At("a", "b")})
			return err
		},
		"no key": func(c dynamo.Client) error {
			w := dynamo.Request{Table: b.kit.CoreTable, Item: dynamo.Item{"a": dynamo.Text("b")}}
			w.Condition = dynamo.IsNew(&w.Expression)
			return c.Put(t.Context(), w)
		},
		"an item that is too large": func(c dynamo.Client) error {
			w := dynamo.Request{Table: b.kit.CoreTable, Item: dynamo.At("a", "b").Item()}
			w.Item["a"] = dynamo.Text(strings.Repeat("x", 500<<10))
			w.Condition = dynamo.IsNew(&w.Expression)
			return c.Put(t.Context(), w)
		},
	} {
		o := b.call(t, what, func(c dynamo.Client) ([]dynamo.Item, []dynamo.Key, error) {
			return nil, nil, call(c)
		})
		if o.Code == "" {
			t.Errorf("%s: not refused", what)
		}
	}
}

// A fault of the network or of DynamoDB has the same end for both, after as many attempts. An answer
// that was damaged on its way is asked for again; the SDK gives up, or does not see it.
func TestSameFaults(t *testing.T) {
	t.Parallel()
	b := newBoth(t)

	type end struct {
		attempts int
		code     string // of a fault, or whether there was an error
	}

	for fault, want := range map[storetest.Fault][2]end{ // of the SDK, and of the small client
		storetest.Refused:    {{3, "true"}, {3, "true"}},
		storetest.DropAnswer: {{3, "true"}, {3, "true"}},
		storetest.Broken:     {{3, "InternalServerError"}, {3, "InternalServerError"}},
		storetest.Throttled: {
			{3, "ProvisionedThroughputExceededException"},
			{3, "ProvisionedThroughputExceededException"},
		},
		storetest.Invalid:    {{1, "ValidationException"}, {1, "ValidationException"}},
		storetest.Contended:  {{1, dynamo.CodeConflict}, {1, dynamo.CodeConflict}},
		storetest.Slow:       {{1, "false"}, {1, "false"}},
		storetest.Unreadable: {{1, "false"}, {3, "true"}},
		storetest.Cut:        {{1, "true"}, {3, "true"}},
	} {
		for i, c := range []dynamo.Client{b.kit.Connection, b.small} {
			traffic := []*storetest.Traffic{b.kit.Traffic, b.sent}[i]
			traffic.Reset()
			traffic.Inject(storetest.Always(fault))

			_, err := c.Get(t.Context(), b.kit.CoreTable, dynamo.At("a", "b"))
			code := fmt.Sprint(err != nil)

			if f, ok := errors.AsType[*dynamo.Fault](err); ok {
				code = f.Code
			}

			if got := (end{traffic.Count(), code}); got != want[i] {
				t.Errorf("fault %d, client %d: %+v, not %+v: %v", fault, i, got, want[i], err)
			}
		}
	}

	// the second attempt succeeds
	for _, fault := range []storetest.Fault{storetest.Broken, storetest.Cut, storetest.Refused} {
		b.sent.Reset()
		b.sent.Inject(storetest.Nth(fault, "GetItem", 1))

		if _, err := b.small.Get(t.Context(), b.kit.CoreTable, dynamo.At("a", "b")); err != nil ||
			b.sent.Count() != 2 {
			t.Errorf("fault %d once: %d attempts, %v", fault, b.sent.Count(), err)
		}
	}
}

// Answers that are not DynamoDB's are errors, and never an item that is not there.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	client, traffic := kit.Small()

	deep := strings.Repeat(`{"L":[`, 50) + `{"S":"x"}` + strings.Repeat(`]}`, 50)
	for _, answer := range []string{
		"", "null x", "[]", `"a"`, "{", `{"Item"}`, `{"Item":[]}`, `{"Item":{"a":null}}`,
		`{"Item":{"a":{}}}`, `{"Item":{"a":{"S":1}}}`, `{"Item":{"a":{"S":null}}}`,
		`{"Item":{"a":{"B":"***"}}}`, `{"Item":{"a":{"BOOL":"true"}}}`, `{"Item":{"a":{"M":[]}}}`,
		`{"Item":{"a":{"L":{}}}}`, `{"Item":{"a":{"S":"x","N":"1"}}}`, `{"Item":{"a":` + deep + `}}`,
		`<html>`, `{"Item":{"a":{"S":"x"}}} more`,
	} {
		traffic.Answer(200, answer)

		if item, err := client.Get(t.Context(), kit.CoreTable, dynamo.At("a", "b")); err == nil {
			t.Errorf("%q: %v", answer, item)
		}

		traffic.Answer(400, answer)

		if _, err := client.Get(t.Context(), kit.CoreTable, dynamo.At("a", "b")); err == nil {
			t.Errorf("%q: no error", answer)
		}
	}

	for answer, want := range map[string]dynamo.Item{
		`{}`:                                  nil,
		`{"Item":null}`:                       nil,
		`{"Item":{}}`:                         {},
		`{"Other":[1],"Item":{}}`:             {},
		`{"Item":{"a":{"SS":["x"]}}}`:         {"a": dynamo.Foreign()},
		`{"Item":{"a":{"NULL":true}}}`:        {"a": dynamo.Null()},
		`{"Item":{"a":{"S":"\ud83d"}}}`:       {"a": dynamo.Text("\ufffd")},
		`{"Item":{"a":{"N":"1e5"}}}`:          {"a": dynamo.Spelled("1e5")},
		"{\"Item\":{\"a\":{\"S\":\"\xff\"}}}": {"a": dynamo.Text("\ufffd")},
	} {
		traffic.Answer(200, answer)

		item, err := client.Get(t.Context(), kit.CoreTable, dynamo.At("a", "b"))
		if diff := cmp.Diff(want, item); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", answer, err, diff)
		}
	}
}

// What an item is encoded to is read again as encoding/json reads it.
func FuzzText(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := json.Marshal(map[string]any{"Item": map[string]any{
			text: map[string]any{"M": map[string]any{"x": map[string]string{"S": text}}},
		}})
		if err != nil {
			t.Fatal(err)
		}

		item, err := dynamodbjson.Member(string(encoded), "Item")
		if err != nil {
			t.Fatal(err)
		}

		valid := strings.ToValidUTF8(text, "\ufffd")
		names := slices.Collect(maps.Keys(item))

		if len(names) != 1 || item[names[0]].Map()["x"].Text() != names[0] ||
			len(valid) == len(text) && names[0] != text {
			t.Errorf("%q: %v", text, item)
		}
	})
}
