package output

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Look is the colour of a text.
type Look string

// The looks, as ANSI codes that every terminal has.
const (
	Plain Look = ""
	Good  Look = "32" // green
	Warn  Look = "33" // yellow
	Bad   Look = "31" // red
	Faint Look = "2"
	Bold  Look = "1"
)

// Paint returns a text in a look, where the output has colours.
func (p *Printer) Paint(look Look, text string) string {
	if !p.color || look == Plain || text == "" {
		return text
	}

	return "\x1b[" + string(look) + "m" + text + "\x1b[0m"
}

// Text returns a value as people read it: times are relative on a terminal.
func (p *Printer) Text(value any) string {
	at, ok := value.(time.Time)
	if !ok || p.Absolute || !p.Terminal() || at.IsZero() {
		return Visible(Exact(value))
	}

	return Relative(at, p.Now)
}

// Exact returns a value as programs read it; "" for nil and for the zero time.
func Exact(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []string:
		return strings.Join(v, " ")
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		if v.IsZero() {
			return ""
		}

		return v.UTC().Format("2006-01-02T15:04:05.000Z")
	default:
		return fmt.Sprint(v)
	}
}

// Relative returns how long ago a time was, or how soon it is, in its largest unit. What was set to be
// in 90 days is still that a second later, so what is to come is rounded.
func Relative(at, now time.Time) string {
	d := now.Sub(at)
	past := d >= 0
	d = d.Abs()

	in := func(unit time.Duration) int64 {
		if past {
			return int64(d / unit)
		}

		return int64((d + unit/2) / unit)
	}

	unit, n := "s", in(time.Second)
	for _, larger := range []struct {
		unit string
		of   time.Duration
	}{
		{"min", time.Minute}, {"h", time.Hour}, {"d", day}, {"months", 30 * day}, {"y", 365 * day},
	} {
		// two units of the smaller one say more than one of the larger one
		if d >= 2*larger.of || larger.of == time.Minute && d >= larger.of {
			unit, n = larger.unit, in(larger.of)
		}
	}

	switch {
	case n == 0:
		return "now"
	case past:
		return fmt.Sprintf("%d %s ago", n, unit)
	default:
		return fmt.Sprintf("in %d %s", n, unit)
	}
}

const day = 24 * time.Hour

// Visible returns a text in which nothing can steer a terminal or hide from a reader: control and
// format characters, such as escapes and those that reverse the direction, are written as in Go.
func Visible(text string) string {
	if !strings.ContainsFunc(text, hidden) {
		return text
	}

	var out strings.Builder
	for _, r := range text {
		if hidden(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteRune(r)
		}
	}

	return out.String()
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar ||
		r == '\u2028' || r == '\u2029'
}
