package output

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// Format is how data is written.
type Format string

// The formats.
const (
	Table Format = "table" // for people
	JSON  Format = "json"  // one value: an object, or an array of them
	JSONL Format = "jsonl" // an object a line
	CSV   Format = "csv"   // with a header
	ID    Format = "id"    // an id a line
)

// Formats returns all formats.
func Formats() []Format { return []Format{Table, JSON, JSONL, CSV, ID} }

// Printer writes data in a format.
type Printer struct {
	Out      io.Writer
	Format   Format
	Absolute bool // times in full, on a terminal too
	Now      time.Time

	width int // of the terminal; 0 where there is none
	rows  int // of the terminal, in a frame; else 0
	color bool
}

// NewPrinter returns a printer for a command's standard output. getenv reads an environment
// variable. Error: the format is none.
func NewPrinter(out io.Writer, f Format, getenv func(string) string) (*Printer, error) {
	if !slices.Contains(Formats(), f) {
		return nil, fmt.Errorf("--output %q: expected one of %s", f, formatNames())
	}

	p := &Printer{Out: out, Format: f, Now: time.Now()}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		p.width, _ = size(file)
	}

	return p, nil
}

// Terminal reports whether the output is a terminal.
func (p *Printer) Terminal() bool { return p.width > 0 }

// Width returns how wide the terminal is, in characters; 0 where there is none.
func (p *Printer) Width() int { return p.width }

// Frame returns what is written to a printer for a picture of now that fits the terminal.
func (p *Printer) Frame(write func(*Printer) error) (string, error) {
	var out strings.Builder

	frame := *p
	frame.Out, frame.Now = &out, time.Now()

	if file, ok := p.Out.(*os.File); ok {
		frame.width, frame.rows = size(file)
	}

	err := write(&frame)
	return out.String(), err
}

// Last returns the last of some lines that a frame has room for beside others, and else all.
func Last[T any](p *Printer, lines []T, others int) []T {
	if p.rows == 0 {
		return lines
	}

	return lines[max(0, len(lines)-max(1, p.rows-1-others)):]
}

func formatNames() string {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}

	return strings.Join(names, ", ")
}

// Column is a field of what is written.
type Column[T any] struct {
	Name string       // as in the API
	Of   func(T) any  // text, a number, a time, a list of texts, or nil for none
	Look func(T) Look // nil for plain
	Wide bool         // may be cut to make a table fit; the others are written whole
}

// List writes a list as it arrives. id is what the format id writes of each. It ends at the first
// error; what came before it is written.
func List[T any](
	p *Printer, columns []Column[T], id func(T) string, items iter.Seq2[T, error],
) error {
	switch p.Format {
	case JSON:
		return writeArray(p.Out, items)
	case JSONL:
		return each(items, func(item T) error { return json.NewEncoder(p.Out).Encode(item) })
	case CSV:
		return writeCSV(p, columns, items)
	case ID:
		return each(items, func(item T) error {
			_, err := fmt.Fprintln(p.Out, id(item))
			return err
		})
	default:
		return writeTable(p, columns, items)
	}
}

// Show writes one object. As a table it has a field a line, without those that are nil.
func Show[T any](p *Printer, columns []Column[T], id func(T) string, item T) error {
	switch p.Format {
	case JSON:
		encoder := json.NewEncoder(p.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(item)
	case Table:
		return writeFields(p, columns, item)
	default:
		return List(p, columns, id, func(yield func(T, error) bool) { yield(item, nil) })
	}
}

func each[T any](items iter.Seq2[T, error], write func(T) error) error {
	for item, err := range items {
		if err != nil {
			return err
		}

		if err := write(item); err != nil {
			return err
		}
	}

	return nil
}

// writeArray writes a JSON array, an item a line. After an error it is closed all the same: what a
// program reads is JSON, and the exit code says that it is not whole.
func writeArray[T any](out io.Writer, items iter.Seq2[T, error]) error {
	separator := "[\n"
	err := each(items, func(item T) error {
		text, err := json.Marshal(item)
		if err != nil {
			return err
		}

		_, err = fmt.Fprintf(out, "%s  %s", separator, text)
		separator = ",\n"
		return err
	})

	end := "\n]\n"
	if separator == "[\n" {
		end = "[]\n"
	}

	if _, failed := io.WriteString(out, end); err == nil {
		err = failed
	}

	return err
}

func writeCSV[T any](p *Printer, columns []Column[T], items iter.Seq2[T, error]) error {
	w := csv.NewWriter(p.Out)
	row := make([]string, len(columns))

	for i, c := range columns {
		row[i] = c.Name
	}

	if err := w.Write(row); err != nil {
		return err
	}

	err := each(items, func(item T) error {
		for i, c := range columns {
			row[i] = noFormula(Exact(c.Of(item)))
		}

		return w.Write(row)
	})
	w.Flush()

	if err == nil {
		err = w.Error()
	}

	return err
}

// noFormula keeps a text from being run by a spreadsheet that opens the file (OWASP, CSV injection).
func noFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}

	return text
}
