package main_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a command that runs at a terminal of its own.
type terminal struct {
	t       *testing.T
	keys    *os.File // what is typed
	command *exec.Cmd
	out     output // all that was written, with what steers the terminal
	columns int
	ended   chan error
}

// at runs the binary at a terminal of a size, against a bitting local, with variables such as
// NO_COLOR=1.
func at(t *testing.T, p *process, columns, rows uint16, variables []string, args ...string) *terminal {
	t.Helper()
	c := command(context.Background(), args...)
	c.Dir = t.TempDir()
	c.Env = append(append(os.Environ(), "HOME="+c.Dir, "XDG_CONFIG_HOME="+c.Dir, "TERM=xterm",
		"NO_COLOR=", "BITTING_URL="), variables...)

	if p != nil {
		c.Env = append(c.Env, "BITTING_DATA="+p.data)
	}

	return atTerminal(t, c, columns, rows)
}

// atTerminal starts a command at a terminal.
func atTerminal(t *testing.T, c *exec.Cmd, columns, rows uint16) *terminal {
	t.Helper()

	keys, err := pty.StartWithSize(c, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		t.Fatal(err)
	}

	at := &terminal{
		t:       t,
		keys:    keys,
		command: c,
		columns: int(columns),
		ended:   make(chan error, 1),
	}
	go func() {
		_, _ = io.Copy(&at.out, keys) // it ends with the command
		at.ended <- c.Wait()
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = keys.Close()
	})
	return at
}

// sees waits for a text, wherever it is.
func (at *terminal) sees(text string) {
	at.t.Helper()

	for end := time.Now().Add(30 * time.Second); !strings.Contains(at.out.String(), text); {
		if time.Now().After(end) {
			at.t.Fatalf("%q is not in %q", text, at.out.String())
		}

		time.Sleep(10 * time.Millisecond)
	}
}

// types types a text; \x03 is Ctrl-C.
func (at *terminal) types(text string) {
	at.t.Helper()

	if _, err := io.WriteString(at.keys, text); err != nil {
		at.t.Fatal(err)
	}
}

// exits waits for the end, which must have an exit code, and returns all that was written.
func (at *terminal) exits(code int) string {
	at.t.Helper()

	select {
	case err := <-at.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			at.t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		at.t.Fatalf("it does not end: %q", at.out.String())
	}

	if got := at.command.ProcessState.ExitCode(); got != code {
		at.t.Errorf("%v: exit code %d, want %d: %q", at.command.Args[1:], got, code, at.out.String())
	}

	return at.out.String()
}

// ends checks the exit code, and returns what is on the screen in the end, however far it scrolled.
func (at *terminal) ends(code int) []string {
	at.t.Helper()
	at.exits(code)

	return screen(at.t, at.out.String(), at.columns)
}

// screen returns the lines that a terminal shows that got a text. It knows what steers a terminal as
// far as this program uses it, and fails at the rest.
func screen(t *testing.T, text string, columns int) []string {
	t.Helper()
	var lines [][]rune
	row, column := 0, 0

	line := func() {
		for len(lines) <= row {
			lines = append(lines, nil)
		}
	}

	for text != "" {
		line()

		switch sequence, rest := escape(text); {
		case sequence != "":
			number, err := strconv.Atoi(sequence[2 : len(sequence)-1])

			switch sequence[len(sequence)-1] {
			case 'm': // a colour
			case 'A':
				if err != nil || number > row {
					t.Fatalf("%q goes above the first line", sequence)
				}

				row -= number
			case 'K':
				lines[row] = lines[row][:min(column, len(lines[row]))]
			case 'J':
				lines[row] = lines[row][:min(column, len(lines[row]))]
				lines = lines[:row+1]
			default:
				t.Fatalf("%q", sequence)
			}

			text = rest

			continue
		case text[0] == '\r':
			column = 0
		case text[0] == '\n':
			row++
		default:
			r := []rune(text[:min(4, len(text))])[0]

			if column == columns { // it goes on in the next row
				row, column = row+1, 0
				line()
			}

			for len(lines[row]) <= column {
				lines[row] = append(lines[row], ' ')
			}

			lines[row][column] = r
			column++
			text = text[len(string(r)):]

			continue
		}

		text = text[1:]
	}

	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimRight(string(l), " ")
	}

	return out
}

// escape returns the sequence that a text begins with, and the rest.
func escape(text string) (sequence, rest string) {
	if !strings.HasPrefix(text, "\x1b[") {
		return "", text
	}

	end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if end < 0 {
		return "", text
	}

	return text[:2+end+1], text[2+end+1:]
}
