package output_test

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/cmd/bitting/output"
)

type thing struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

var errBroken = errors.New("broken")

func columns() []output.Column[thing] {
	return []output.Column[thing]{
		{Name: "id", Of: func(t thing) any { return t.ID }},
		{Name: "lastName", Of: func(t thing) any { return t.Name }, Wide: true},
		{Name: "at", Of: func(t thing) any { return t.At }},
	}
}

// things is a list that ends with an error.
func things(all ...thing) iter.Seq2[thing, error] {
	return func(yield func(thing, error) bool) {
		for _, t := range all {
			if !yield(t, nil) {
				return
			}
		}

		yield(thing{}, errBroken)
	}
}

// In each format, what came before an error is written, and is of the format.
func TestList(t *testing.T) {
	t.Parallel()
	at := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	all := []thing{{"a", "=1+1", at}, {"b", "two\x1b[31m words\u202e", time.Time{}}}

	for format, want := range map[output.Format]string{
		output.Table: "ID  LAST NAME                AT\n" +
			"a   =1+1                     2027-01-31T12:00:00.000Z\n" +
			"b   two\\x1b[31m words\\u202e\n",
		output.JSON: "[\n" +
			`  {"id":"a","name":"=1+1","at":"2027-01-31T12:00:00Z"},` + "\n" +
			`  {"id":"b","name":"two\u001b[31m words` + "\u202e" + `","at":"0001-01-01T00:00:00Z"}` + "\n]\n",
		output.JSONL: `{"id":"a","name":"=1+1","at":"2027-01-31T12:00:00Z"}` + "\n" +
			`{"id":"b","name":"two\u001b[31m words` + "\u202e" + `","at":"0001-01-01T00:00:00Z"}` + "\n",
		output.CSV: "id,lastName,at\na,'=1+1,2027-01-31T12:00:00.000Z\nb,two\x1b[31m words\u202e,\n",
		output.ID:  "a\nb\n",
	} {
		var out bytes.Buffer

		p, err := output.NewPrinter(&out, format, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}

		err = output.List(p, columns(), func(t thing) string { return t.ID }, things(all...))
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", format, err)
		}

		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

// A long list is written in parts, in columns that the first part decides.
func TestLongTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer

	p, err := output.NewPrinter(&out, output.Table, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}

	longest := 0

	err = output.List(p, columns(), nil, func(yield func(thing, error) bool) {
		for n := range 1000 {
			longest = max(longest, out.Len())

			if !yield(thing{ID: strings.Repeat("i", 1+n/999), Name: "n"}, nil) {
				return
			}
		}
	})
	if err != nil || strings.Count(out.String(), "\n") != 1001 || longest == 0 {
		t.Errorf("%v, %d lines, %d bytes before the end", err, strings.Count(out.String(), "\n"), longest)
	}
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()

	_, err := output.NewPrinter(&bytes.Buffer{}, "xml", func(string) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "table, json, jsonl, csv, id") {
		t.Error(err)
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

	for d, want := range map[time.Duration]string{
		0:                     "now",
		-30 * time.Second:     "30 s ago",
		-90 * time.Second:     "1 min ago",
		-100 * time.Minute:    "100 min ago",
		-3 * time.Hour:        "3 h ago",
		47 * time.Hour:        "in 47 h",
		89 * 24 * time.Hour:   "in 3 months",
		7*24*time.Hour - 1:    "in 7 d",
		-800 * 24 * time.Hour: "2 y ago",
	} {
		if got := output.Relative(now.Add(d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
