package output

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	// batch is how many rows decide how wide the columns are, and how many are written at once.
	batch = 200
	gap   = 2 // between columns
	// least is the width below which a column is not cut.
	least = 12
)

// writeTable writes rows in batches. The first one decides how wide the columns are.
func writeTable[T any](p *Printer, columns []Column[T], items iter.Seq2[T, error]) error {
	var widths []int
	var pending []T

	flush := func() error {
		if widths == nil {
			widths = fit(p, columns, pending)
			columns = columns[:len(widths)]

			if err := writeRow(p.Out, widths, func(i int) (string, string) {
				title := heading(columns[i].Name)
				return title, p.Paint(Faint, cut(p, title, widths[i]))
			}); err != nil {
				return err
			}
		}

		for _, item := range pending {
			if err := writeRow(p.Out, widths, func(i int) (string, string) {
				plain := cut(p, p.Text(columns[i].Of(item)), widths[i])
				return plain, p.Paint(look(columns[i], item), plain)
			}); err != nil {
				return err
			}
		}

		pending = pending[:0]
		return nil
	}

	failed := each(items, func(item T) error {
		if pending = append(pending, item); len(pending) == batch {
			return flush()
		}

		return nil
	})

	// what arrived before an error is shown
	if len(pending) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}

	return failed
}

// heading writes a field's name, such as lastUsed, as a heading.
func heading(name string) string {
	var out strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			out.WriteByte(' ')
		}

		out.WriteRune(unicode.ToUpper(r))
	}

	return out.String()
}

func look[T any](c Column[T], item T) Look {
	if c.Look == nil {
		return Plain
	}

	return c.Look(item)
}

// fit returns how wide each column is: as its widest text, but that the wide ones give way, the
// widest first, until all fit the terminal. Where that is not enough, the last columns are left out.
func fit[T any](p *Printer, columns []Column[T], rows []T) []int {
	widths := make([]int, len(columns))
	total := gap * (len(columns) - 1)

	for i, c := range columns {
		widths[i] = len(heading(c.Name))
		for _, row := range rows {
			widths[i] = max(widths[i], text.StringWidth(p.Text(c.Of(row))))
		}

		total += widths[i]
	}

	for p.Terminal() && total > p.width {
		widest := -1
		for i, c := range columns {
			if c.Wide && widths[i] > least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}

		switch {
		case widest >= 0:
		case len(columns) > 1:
			return fit(p, columns[:len(columns)-1], rows)
		default:
			widths[0] = p.width
			return widths
		}

		widths[widest]--
		total--
	}

	return widths
}

// cut shortens a text on a terminal.
func cut(p *Printer, s string, width int) string {
	if !p.Terminal() {
		return s
	}

	return Cut(s, width)
}

// Cut shortens a text that is wider than a number of characters of a terminal.
func Cut(s string, width int) string { return text.Snip(s, max(1, width), "…") }

// writeRow writes the cells of a row, each as it counts and as it is printed.
func writeRow(out io.Writer, widths []int, cell func(i int) (plain, printed string)) error {
	var line strings.Builder
	for i, width := range widths {
		plain, printed := cell(i)
		line.WriteString(printed)

		if i < len(widths)-1 {
			line.WriteString(strings.Repeat(" ", max(0, width-text.StringWidth(plain))+gap))
		}
	}

	_, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	return err
}

// writeFields writes an object, a field a line.
func writeFields[T any](p *Printer, columns []Column[T], item T) error {
	width := 0
	for _, c := range columns {
		width = max(width, len(c.Name))
	}

	for _, c := range columns {
		value := p.Text(c.Of(item))
		if value == "" {
			continue
		}

		if _, err := fmt.Fprintf(p.Out, "%s  %s\n",
			p.Paint(Faint, fmt.Sprintf("%-*s", width, c.Name)), p.Paint(look(c, item), value),
		); err != nil {
			return err
		}
	}

	return nil
}
