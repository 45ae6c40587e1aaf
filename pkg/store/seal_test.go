package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// Whoever can write the table but has no pepper can make no row that is obeyed: every change of any
// attribute, however deep, is found.
func TestEveryChangeOfARowIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	k, item := fullKey(t, kit)
	if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err) // so that a row that names version 2 is a row whose pepper is there
	}

	found := func(what string, changed map[string]types.AttributeValue) {
		t.Helper()
		kit.Put(t, changed)
		kit.Clock.Advance(time.Hour) // nothing is remembered

		if got, err := kit.Store.Key(t.Context(), apikey.Production,
			k.ID); !errors.Is(err, store.ErrDamaged) || !errors.Is(err, store.ErrUnavailable) ||
			got != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, value := range item {
		if name == "pk" || name == "sk" || name == "pace" {
			// another place: below; and how fast the row may be changed is no part of what it says
			continue
		}

		for what, other := range others(value) {
			if text, ok := other.(*types.AttributeValueMemberS); strings.HasPrefix(name, "list") &&
				other != nil && (!ok || text.Value == "") {
				continue // DynamoDB itself refuses it, as a key of the index
			}

			found(name+" "+what, with(item, name, other))
		}
	}

	for _, name := range []string{"a", "zz", "Enabled", "enabled ", "seal2", "ttl"} {
		found("a new attribute "+name, with(item, name, &types.AttributeValueMemberBOOL{
			Value: true,
		}))
	}

	moved := maps.Clone(item) // the values of two attributes change places
	moved["createdAt"] = item["expiresAt"]
	moved["updatedAt"] = item["createdAt"]
	moved["expiresAt"] = item["notBefore"]
	moved["notBefore"] = item["expiresAt"]
	found("times in other places", moved)

	kit.Put(t, item)

	if _, err := kit.Store.Key(t.Context(), apikey.Production, k.ID); err != nil {
		t.Errorf("the row as it was: %v", err)
	}
}

// others gives values that are not value, by what was done; nil stands for none at all.
func others(value types.AttributeValue) map[string]types.AttributeValue {
	out := map[string]types.AttributeValue{
		"removed":  nil,
		"null":     &types.AttributeValueMemberNULL{Value: true},
		"a set":    &types.AttributeValueMemberSS{Value: []string{"a"}},
		"a list":   &types.AttributeValueMemberL{},
		"a map":    &types.AttributeValueMemberM{},
		"true":     &types.AttributeValueMemberBOOL{Value: true},
		"no bytes": &types.AttributeValueMemberB{Value: []byte{}},
		"a number": &types.AttributeValueMemberN{Value: "987654321"},
		"no text":  &types.AttributeValueMemberS{Value: ""},
		"a text":   &types.AttributeValueMemberS{Value: "7"},
	}
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		out["longer"] = &types.AttributeValueMemberS{
			Value: v.Value + "x",
		}
		out["upper case"] = &types.AttributeValueMemberS{
			Value: strings.ToUpper(v.Value) + " ",
		}
		out["as bytes"] = &types.AttributeValueMemberB{Value: []byte(v.Value)}
	case *types.AttributeValueMemberN:
		n, _ := strconv.Atoi(v.Value)
		out["one more"] = &types.AttributeValueMemberN{
			Value: strconv.Itoa(n + 1),
		}
		out["as text"] = &types.AttributeValueMemberS{
			Value: v.Value,
		}
		out["negative"] = &types.AttributeValueMemberN{
			Value: "-" + v.Value,
		}
	case *types.AttributeValueMemberB:
		for i := range v.Value {
			changed := bytes.Clone(v.Value)
			changed[i] ^= 1
			out[fmt.Sprintf("byte %d changed", i)] = &types.AttributeValueMemberB{Value: changed}
		}

		out["shorter"] = &types.AttributeValueMemberB{
			Value: v.Value[:len(v.Value)-1],
		}
		out["longer"] = &types.AttributeValueMemberB{
			Value: append(bytes.Clone(v.Value), 0),
		}
	case *types.AttributeValueMemberBOOL:
		out["the other"] = &types.AttributeValueMemberBOOL{Value: !v.Value}
		if v.Value {
			delete(out, "true")
		}
	case *types.AttributeValueMemberL:
		out["longer"] = &types.AttributeValueMemberL{
			Value: append(slices.Clone(v.Value), &types.AttributeValueMemberS{Value: "x"}),
		}
		for i, element := range v.Value {
			for what, other := range others(element) {
				changed := slices.Clone(v.Value)
				if other == nil {
					changed = slices.Delete(changed, i, i+1)
				} else {
					changed[i] = other
				}

				out[fmt.Sprintf("[%d] %s", i, what)] = &types.AttributeValueMemberL{Value: changed}
			}
		}
	case *types.AttributeValueMemberM:
		out["larger"] = &types.AttributeValueMemberM{
			Value: with(v.Value, "x", &types.AttributeValueMemberS{Value: "x"}),
		}
		for name, element := range v.Value {
			for what, other := range others(element) {
				out[name+" "+what] = &types.AttributeValueMemberM{Value: with(v.Value, name, other)}
			}
		}
	}

	return out
}

// with is a map with another value of one name; nil takes it away.
func with(
	m map[string]types.AttributeValue, name string, value types.AttributeValue,
) map[string]types.AttributeValue {
	m = maps.Clone(m)
	if value == nil {
		delete(m, name)
	} else {
		m[name] = value
	}

	return m
}

// Letters that change places between two values, where the form of one row could run into that of
// another, are found too.
func TestRowsThatRunTogetherAreFound(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for name, test := range map[string]struct {
		attribute string
		change    func(*apikey.Key)
		other     any
	}{
		"two elements": {"permissions", func(k *apikey.Key) {
			k.Permissions = []string{"aS", "b"}
		}, []string{"a", "Sb"}},
		"name and value": {"metadata", func(k *apikey.Key) {
			k.Metadata = map[string]string{
				"aS": "b",
			}
		}, map[string]string{
			"a": "Sb",
		}},
		"two entries in one": {"metadata", func(k *apikey.Key) {
			k.Metadata = map[string]string{
				"a": "1",
				"b": "2",
			}
		}, map[string]string{
			"a": "1KbS2",
		}},
		"one element of two": {"permissions", func(k *apikey.Key) {
			k.Permissions = []string{"a", "b"}
		}, []string{"aSb"}},
	} {
		k, _ := kit.MustKey(t, test.change)
		kit.Change(t, "production#"+k.ID, "key", test.attribute, test.other)

		if got, err := kit.Store.Key(t.Context(),
			apikey.Production, k.ID); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A row is obeyed in its own place only: not as another key's, nor as the same key's in another
// environment.
func TestRowInAnotherPlaceIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	strong, _ := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"licenses:manage"} })

	weak, _ := kit.MustKey(t, nil)
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Staging); err != nil {
		t.Fatal(err)
	}

	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

	item := kit.Item(t, "production#"+strong.ID, "key")
	for what, test := range map[string]struct {
		env    apikey.Environment
		id     string
		change map[string]types.AttributeValue
	}{
		"another id": {apikey.Production, weak.ID, nil},
		"another id, and says so": {apikey.Production, weak.ID, map[string]types.AttributeValue{
			"id": text(weak.ID),
		}},
		"another environment": {apikey.Staging, strong.ID, nil},
		"another environment, and says so": {
			apikey.Staging, strong.ID,
			map[string]types.AttributeValue{
				"environment": text("staging"),
			},
		},
	} {
		moved := with(item, "pk", text(string(test.env)+"#"+test.id))
		maps.Copy(moved, test.change)
		kit.Put(t, moved)

		if got, err := kit.Store.Key(t.Context(),
			test.env, test.id); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("%s: %v", what, err)
		}

		if got, err := kit.Store.FindKey(t.Context(), test.id); test.id == weak.ID &&
			(!errors.Is(err, store.ErrDamaged) || got != nil) {
			t.Errorf("%s, found: %v", what, err)
		}
	}
}

// The place is checked by itself, not by the pepper that happens to differ: even a row with a good
// seal is refused elsewhere.
func TestSealedRowInAnotherPlaceIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	process := kit.With(samePepper{kit.Provider})
	for _, env := range apikey.Environments() {
		if _, err := process.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	k := kit.Key(t)
	if err := process.Store.Commit(t.Context(),
		process.Store.PutKey(t.Context(), k, 0)); err != nil {
		t.Fatal(err)
	}

	// DynamoDB answers what stands in the place that was asked for. An answer for another place is
	// what a client gets whose cache is mixed up.
	others := store.NewPeppers(elsewhere{process.Connection, "production#" + k.ID}, kit.CoreTable)
	swapped := store.New(others, process.Keyring, kit.Log.Logger())

	for what, ask := range map[string]func() (*apikey.Key, error){
		"another id": func() (*apikey.Key, error) {
			return swapped.Key(t.Context(), apikey.Production, "0000000000000000")
		},
		"another environment": func() (*apikey.Key, error) {
			return swapped.Key(t.Context(), apikey.Staging, k.ID)
		},
	} {
		if got, err := ask(); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("%s: %v", what, err)
		}
	}

	if _, err := swapped.Key(t.Context(), apikey.Production, k.ID); err != nil {
		t.Errorf("its own place: %v", err)
	}
}

// samePepper gives every environment the same data key, as nothing ever should.
type samePepper struct{ pepper.Provider }

// Unwrap implements pepper.Provider.
func (samePepper) Unwrap(_ context.Context, _ pepper.Scope, _ []byte) ([]byte, error) {
	return make([]byte, pepper.Size), nil
}
