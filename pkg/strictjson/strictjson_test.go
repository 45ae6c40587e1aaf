package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/strictjson"
)

func TestRead(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		`{}`:                            `{}`,
		` [ 1 , {"a" : 1e3} , "1e3" ] `: ` [ 1 , {"a" : 1000} , "1e3" ] `,
		`{"a":{"b":1000.0},"c":{"b":[1E+2,10e1]}}`: `{"a":{"b":1000},"c":{"b":[100,100]}}`,
		`-1.50e2`:                    `-150`,
		`[-0, -0.0, 0e999999999]`:    `[0, 0, 0]`,
		`[9007199254740993.0]`:       `[9007199254740993]`, // no floating point has it
		`922337203685477580.7e1`:     `9223372036854775807`,
		`[1.5, 1e-3, 0.1e-9, 15e-1]`: `[1.5, 1e-3, 0.1e-9, 15e-1]`,
		`"a\\ud800b\"\ud83d\ude00"`:  `"a\\ud800b\"\ud83d\ude00"`,
		`{"a": null, "b": true}`:     `{"a": null, "b": true}`,
	} {
		got, faults, err := strictjson.Read([]byte(text))
		if string(got) != want || faults != nil || err != nil {
			t.Errorf("%s: %s, %v, %v, want %s", text, got, faults, err, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()

	for text, want := range map[string][]string{
		`{"a": 1, "a": 1}`:                           {".a"},
		`{"a": 1, "\u0061": 1, "b": 2, "a": 3}`:      {".a", ".a"},
		`{"a": {"x": [{"y": 1, "z": {}, "y": {}}]}}`: {".a.x[0].y"},
		`[{"a": 1}, {"a": 1}, {"a": {}, "a": []}]`:   {"[2].a"},
		`{"a": "\ud800"}`:                            {".a"},
		`["\udc00", "\ud800\ud800", "\ud800x", "\\\ud800\\u", "\ud83d\ude00\ude00"]`: {
			"[0]", "[1]", "[2]", "[3]", "[4]",
		},
		`{"\ud800": 1}`: {".\ufffd"},
		`"\uD834"`:      {""},
		`{"a": 1e30, "b": [-1e19, 9223372036854775808]}`: {".a", ".b[0]", ".b[1]"},
		`[1e999999999999999999999, 1, -1e401]`:           {"[0]", "[2]"},
	} {
		_, faults, err := strictjson.Read([]byte(text))

		var got []string
		for _, f := range faults {
			got = append(got, f.Path)
		}

		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}

	if _, faults, _ := strictjson.Read([]byte("[" + strings.Repeat("1e30,",
		1000) + "1]")); len(faults) != 100 {
		t.Errorf("%d faults are told", len(faults))
	}
}

// Errors about malformed JSON are in our own words, with the place, and quote nothing of the text.
func TestSyntax(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"":                   "expected JSON: the text ends too early",
		`{"name"`:            "expected JSON: the text ends too early",
		`{"name": tru`:       "expected JSON: the text ends too early",
		"\ufeff{}":           "expected JSON: see line 1, column 1",
		"{\n  \"é\": x}":     "expected JSON: see line 2, column 8",
		`{} {}`:              "expected JSON: see line 1, column 4",
		`{"a": 01}`:          "expected JSON: see line 1, column 8",
		`{"a": 1,}`:          "expected JSON: see line 1, column 9",
		"{\"a\": \"\x00\"}":  "expected JSON: see line 1, column 8",
		"[\"ab\xff\"]":       "expected JSON in UTF-8: see line 1, column 5",
		"[\"\xed\xa0\x80\"]": "expected JSON in UTF-8: see line 1, column 3",
		strings.Repeat("[",
			65) + strings.Repeat("]", 65): "expected at most 64 levels of nested arrays and objects",
		strings.Repeat("[", 200_000): "expected JSON: see line 1, column 10001",
	} {
		_, _, err := strictjson.Read([]byte(text))

		var syntax *strictjson.SyntaxError
		if !errors.As(err, &syntax) || syntax.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// An integer is the same number in every notation.
func TestIntegersAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(
			t, "number",
		)

		got, faults, err := strictjson.Read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}

		was, _ := new(big.Rat).SetString(text)
		is, _ := new(big.Rat).SetString(string(got))

		whole, small := was.IsInt(), was.IsInt() && was.Num().IsInt64()
		switch {
		case whole != small && len(faults) != 1:
			t.Errorf("%s is larger than 64 bits, and no fault", text)
		case small && (len(faults) != 0 || strings.ContainsAny(string(got), ".eE")):
			t.Errorf("%s: %s, %v", text, got, faults)
		case was.Cmp(is) != 0:
			t.Errorf("%s became %s", text, got)
		}
	})
}

// A text without faults is unchanged except for its numbers, and the reader fails only in
// documented ways.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1e3,{"b":"\ud83d\ude00"}],"a":1}`, `"\\\\ud800\ud800"`, `[[[{}]]] `, `-0.0e-0`,
	} {
		f.Add([]byte(seed))
	}

	f.Fuzz(func(t *testing.T, text []byte) {
		clean, faults, err := strictjson.Read(text)
		if err != nil {
			return
		}

		if !json.Valid(clean) {
			t.Fatalf("%q became %q, which is not JSON", text, clean)
		}

		again, _, err := strictjson.Read(clean)
		if err != nil || len(faults) == 0 && !bytes.Equal(clean, again) {
			t.Fatalf("%q became %q, and then %q, %v", text, clean, again, err)
		}
	})
}
