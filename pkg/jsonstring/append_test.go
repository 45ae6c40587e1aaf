package jsonstring_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// encoded returns what encoding/json makes of a text.
func encoded(t *testing.T, text string) string {
	t.Helper()

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(text); err != nil {
		t.Fatal(err)
	}

	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

func FuzzAppend(f *testing.F) {
	for _, text := range []string{
		"", "a", `"`, `\`, `<a href="&">`, "\x00\x01\x1f\x7f", "\b\f\n\r\t", "\u00e4\u2028\u2029\ufffd", "\U0001f600",
		"\xff", "a\xc3", "\xed\xa0\x80", "12345678\"", "1234567\x00", "12345678\xff12345678",
	} {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		got := string(jsonstring.Append([]byte("before"), text))
		if want := "before" + encoded(t, text); got != want {
			t.Errorf("%q: %s, expected %s", text, got, want)
		}
	})
}

// Every character at every place of the eight that are looked at together.
func TestAppendAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()

	for c := range rune(0x2100) {
		for at := range 9 {
			text := []rune("abcdefgh12345678")
			text[at] = c

			got := string(jsonstring.Append(nil, string(text)))
			if want := encoded(t, string(text)); got != want {
				t.Fatalf("%q: %s, expected %s", string(text), got, want)
			}
		}
	}
}
