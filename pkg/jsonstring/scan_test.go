package jsonstring_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// shape has what a scanner can be asked for.
type shape struct {
	Text   string              `json:"text"`
	Kelvin string              `json:"kelvin"` // K and s have a third form beyond ASCII
	Lists  map[string][]string `json:"lists"`
	Texts  map[string]string   `json:"texts"`
	Within struct {
		Text   string `json:"text"`
		Deeper struct {
			Text string `json:"text"`
		} `json:"deeper"`
	} `json:"within"`
}

var fields = []string{"text", "kelvin", "lists", "texts", "within"}

// scan decodes a shape by a scanner.
func scan(text string) (out shape, err error) {
	s := jsonstring.New(text)
	if s.Object() {
		for s.Member() {
			switch s.Field(fields) {
			case "text":
				read(&s, &out.Text)
			case "kelvin":
				read(&s, &out.Kelvin)
			case "lists":
				lists(&s, &out)
			case "texts":
				texts(&s, &out)
			case "within":
				within(&s, &out)
			default:
				s.Skip()
			}
		}
	}

	return out, s.End()
}

func read(s *jsonstring.Scanner, into *string) {
	if text, ok := s.Text(); ok {
		*into = text
	}
}

func texts(s *jsonstring.Scanner, out *shape) {
	if !s.Object() {
		out.Texts = nil
		return
	}

	if out.Texts == nil {
		out.Texts = map[string]string{}
	}

	for s.Member() {
		name := s.Name()
		out.Texts[name], _ = s.Text()
	}
}

func lists(s *jsonstring.Scanner, out *shape) {
	if !s.Object() {
		out.Lists = nil
		return
	}

	if out.Lists == nil {
		out.Lists = map[string][]string{}
	}

	for s.Member() {
		name := s.Name()

		var list []string
		if s.Array() {
			for list = []string{}; s.Element(); {
				text, _ := s.Text()
				list = append(list, text)
			}
		}

		out.Lists[name] = list
	}
}

func within(s *jsonstring.Scanner, out *shape) {
	if !s.Object() {
		return
	}

	for s.Member() {
		switch s.Field([]string{"text", "deeper"}) {
		case "text":
			read(s, &out.Within.Text)
		case "deeper":
			if s.Object() {
				for s.Member() {
					if s.Field([]string{"text"}) != "" {
						read(s, &out.Within.Deeper.Text)
					} else {
						s.Skip()
					}
				}
			}
		default:
			s.Skip()
		}
	}
}

// texts that readers of JSON are known to disagree on.
func hostile() []string {
	long := strings.Repeat("a", 100)

	out := []string{
		``, ` `, `null`, `nul`, `nullx`, `null null`, `[]`, `""`, `0`, `{}`, `{}{}`, "{}\x00",
		"\ufeff{}",
		"\v{}", "{}\t\r\n ", `{`, `}`, `{]`, `{,}`, `{"text"}`, `{"text":}`, `{"text":"a",}`,
		`{"text" "a"}`,
		`{text:"a"}`, `{'text':'a'}`, `{"text":"a"`, `{"text":"a`, `{"text":"a\`, `{"text":"a"}]`,
		`{"text":null}`, `{"text":"a","text":null}`, `{"text":"a","text":"b"}`,
		`{"text":"a","TEXT":"b"}`,
		`{"TEXT":"a","text":"b"}`, `{"te\u0078t":"a"}`, `{"te\u212at":"a"}`, "{\"\u212aelvin\":\"a\"}",
		`{"\u212aelvin":"a"}`, "{\"text\u0000\":\"a\"}", `{"text\u0000":"a"}`, "{\"text\xff\":\"a\"}",
		`{"text":1}`, `{"text":true}`, `{"text":[]}`, `{"text":{}}`, `{"text":1,"text":"a"}`,
		`{"texts":[]}`, `{"texts":"a"}`, `{"texts":{"a":1}}`, `{"texts":{"a":null}}`,
		`{"texts":{"a":"1","a":null}}`,
		`{"texts":{"a":"1"},"texts":{"b":"2"}}`, `{"texts":{"a":"1"},"texts":null}`,
		`{"texts":{"a":"1"},"Texts":{}}`,
		`{"texts":{"a":"1","A":"2"}}`, `{"texts":{"\ud800":"1","\udfff":"2"}}`,
		"{\"texts\":{\"\xff\":\"1\",\"\ufffd\":\"2\"}}",
		`{"lists":{"a":["1","2"],"a":["3"]}}`, `{"lists":{"a":["1"],"a":[null]}}`,
		`{"lists":{"a":["1"],"a":null}}`,
		`{"lists":{"a":"1"}}`, `{"lists":{"a":[1]}}`, `{"lists":{"a":[["1"]]}}`,
		`{"lists":{"a":[,]}}`, `{"lists":{"a":["1",]}}`,
		`{"lists":{"a":["1"]},"lists":{"a":[null,"2"]}}`,
		`{"within":{"text":"a"},"within":{"deeper":{"text":"b"}}}`,
		`{"within":null}`, `{"within":[]}`, `{"within":{"text":"a"},"within":null}`,
		`{"within":{"deeper":{"TEXT":"a"}}}`,
		`{"text":"\ud83d\ude00"}`, `{"text":"\ud83d"}`, `{"text":"\ude00\ud83d"}`,
		`{"text":"\ud83d\u0061"}`, `{"text":"\ud83d\ud83d\ude00"}`,
		`{"text":"\ud83dx"}`, `{"text":"\uD83D\uDE00\u"}`, `{"text":"\u12"}`, `{"text":"\u12g4"}`,
		`{"text":"\x41"}`, `{"text":"\'"}`,
		`{"text":"\"\\\/\b\f\n\r\t"}`, "{\"text\":\"\n\"}", "{\"text\":\"\x1f\"}",
		"{\"text\":\"\x7f\"}", "{\"text\":\"\u2028\"}",
		"{\"text\":\"\xff\xfe\"}", "{\"text\":\"\xed\xa0\x80\"}", "{\"text\":\"\xc0\xaf\"}",
		"{\"text\":\"\xf4\x90\x80\x80\"}", "{\"text\":\"\u00e4\xe4\"}",
		"{\"text\":\"\\u00e4\xe4\"}", `{"text":"` + long + `"}`,
		`{"text":"` + long + `\n` + long + `"}`, `{"text":"` + long + "\x01" + `"}`,
		`{"other":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + `}`,
		`{"other":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		`{"other":` + strings.Repeat(`{"a":`, 9_999) + `1` + strings.Repeat("}", 9_999) + `}`,
		`{"other":` + strings.Repeat(`{"a":`, 10_000) + `1` + strings.Repeat("}", 10_000) + `}`,
		strings.Repeat("[", 100_000), strings.Repeat(`{"other":`, 100_000),
	}
	for _, value := range []string{
		"0", "-0", "00", "01", "-", "-a", "1.", ".1", "1.0", "1e", "1e+", "1E-2", "1e5", "+1",
		"1.e1", "0x1", "1_0", "Infinity", "NaN",
		"1e999", "-1.5E+10", "true", "tru", "trues", "false", "True", "[1,2,[3,{}]]",
		`{"a":{"b":[]}}`, `{"a":1,}`, `"\u0000"`, `"\ud800"`,
		"\"\xff\"", `"\q"`, "[1 2]", "[1,,2]", "{1:2}", `{"a":1 "b":2}`, "[}", "{]",
	} {
		out = append(out, `{"other":`+value+`}`, `{"other":`+value, `{"other": `+value+` ,"text":"a"}`)
	}

	return out
}

// compare fails unless encoding/json makes the same of a text.
func compare(t *testing.T, text string) {
	t.Helper()

	var want shape
	wantErr := json.Unmarshal([]byte(text), &want)

	got, err := scan(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%.200q: %v, and by encoding/json %v", text, err, wantErr)
	}

	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Fatalf("%.200q: %s", text, diff)
	}
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()

	for _, text := range hostile() {
		compare(t, text)
		compare(t, " "+text+"\n")
	}

	// each character at each place of the eight that are looked at together
	for c := range 256 {
		for at := range 20 {
			text := []byte(`{"text":"abcdefghijklmnopqrst"}`)
			text[len(`{"text":"`)+at] = byte(c)
			compare(t, string(text))
		}
	}
}

// FuzzScan compares with encoding/json.
func FuzzScan(f *testing.F) {
	for _, text := range hostile() {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}

	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no events: %v", err)
	}

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}

		text = bytes.ReplaceAll(text, []byte(`"multiValueHeaders"`), []byte(`"lists"`))
		f.Add(bytes.ReplaceAll(text, []byte(`"headers"`), []byte(`"texts"`)))
	}

	f.Fuzz(func(t *testing.T, text []byte) { compare(t, string(text)) })
}

// An error repeats nothing of the text, which may have a secret.
func TestErrorsHaveNothingOfTheText(t *testing.T) {
	t.Parallel()

	for _, text := range []string{`{"text":secret}`, `{"texts":{"secret":1}}`, `{"text":"secret`, `secret`} {
		if _, err := scan(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A scanner allocates nothing for what needs no decoding.
func TestAllocatesNothing(t *testing.T) {
	text, err := os.ReadFile("../../events/authorizer-rest-request.json")
	if err != nil {
		t.Fatal(err)
	}

	event := string(text)
	if got := testing.AllocsPerRun(10, func() {
		s := jsonstring.New(event)
		for s.Object(); s.Member(); {
			s.Field(fields)
			s.Skip()
		}

		if err := s.End(); err != nil {
			t.Error(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// BenchmarkScan reads past an event, beside encoding/json's check of its form alone.
func BenchmarkScan(b *testing.B) {
	text, err := os.ReadFile("../../events/authorizer-rest-request.json")
	if err != nil {
		b.Fatal(err)
	}

	var compact bytes.Buffer // as API Gateway sends it
	if err := json.Compact(&compact, text); err != nil {
		b.Fatal(err)
	}

	text = compact.Bytes()
	event := string(text)

	b.Run("jsonstring", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))

		for b.Loop() {
			s := jsonstring.New(event)
			s.Skip()

			if err := s.End(); err != nil {
				b.Fatal(err)
			}
		}
	})

	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))

		for b.Loop() {
			if !json.Valid(text) {
				b.Fatal("not valid")
			}
		}
	})
}
