package output

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Live is the end of a terminal that is drawn again and again in its place, for progress and for what
// is watched. It is safe for concurrent use. One that is nil, for what is no terminal, draws nothing.
type Live struct {
	mu    sync.Mutex
	out   *os.File
	lines []string // as they were drawn
}

// NewLive returns the live end of a terminal; nil for what is none, or cannot move its cursor.
func NewLive(out io.Writer, getenv func(string) string) *Live {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || getenv("TERM") == "dumb" {
		return nil
	}

	return &Live{out: file}
}

// On moves it to another file of the same terminal.
func (l *Live) On(out *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.out = out
}

// Draw draws a text in place of the one before; "" removes it. What the terminal is too small for is
// cut.
func (l *Live) Draw(text string) {
	if l == nil {
		return
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	width, height := size(l.out)
	l.draw("", fitted(text, width, height), width)
}

// Above writes a text that stays, and draws on below it.
func (l *Live) Above(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	width, _ := size(l.out)
	l.draw(text, l.lines, width)
}

// draw goes to the first line of what was drawn, and writes over it, at once: nothing is empty in
// between.
func (l *Live) draw(above string, lines []string, width int) {
	if above == "" && slices.Equal(lines, l.lines) {
		return
	}

	up := 0
	for _, line := range l.lines {
		// one that was drawn in a wider terminal takes several rows of it now
		up += max(1, (text.StringWidthWithoutEscSequences(line)+width-1)/width)
	}

	var out strings.Builder
	if up > 0 {
		fmt.Fprintf(&out, "\r\x1b[%dA", up)
	}

	if above != "" {
		if up > 0 {
			out.WriteString("\x1b[J")
		}

		out.WriteString(above + "\n")
	}

	for _, line := range lines {
		out.WriteString(line)

		if text.StringWidthWithoutEscSequences(line) < width {
			out.WriteString("\x1b[K") // in the last column, it would take the last character
		}

		out.WriteByte('\n')
	}

	if len(lines) < len(l.lines) || up > len(l.lines) {
		out.WriteString("\x1b[J")
	}

	_, _ = io.WriteString(l.out, out.String()) // a terminal that is gone needs none
	l.lines = lines
}

// fitted returns the lines of a text that a terminal has room for.
func fitted(of string, width, height int) []string {
	if of == "" {
		return nil
	}

	lines := strings.Split(strings.TrimSuffix(of, "\n"), "\n")
	if room := max(1, height-1); len(lines) > room {
		more := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… %d more lines", more))
	}

	for i, line := range lines {
		lines[i] = Cut(line, width)
	}

	return lines
}

// size returns how wide and how high a terminal is.
func size(out *os.File) (width, height int) {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width < 1 {
		width = defaultWidth
	}

	if err != nil || height < 1 {
		height = defaultHeight
	}

	return width, height
}

// The size of a terminal that does not say how large it is.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// barLength is how long a bar of progress is, in characters.
const barLength = 20

// Bar returns how far something is, as a bar and in numbers. total 0 is not known, and has no bar.
func Bar(done, total int) string {
	if total <= 0 {
		return fmt.Sprint(done)
	}

	full := min(max(0, done*barLength/total), barLength)
	return fmt.Sprintf("%s%s %d of %d", strings.Repeat("█", full), strings.Repeat("░", barLength-full),
		done, total)
}
