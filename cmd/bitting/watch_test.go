package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	wire "github.com/bitting-keys/bitting/pkg/api"
)

// TestTerminal looks at what people see at a terminal, against a bitting local.
func TestTerminal(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	k := reader(t, p.Machine, map[string]any{"name": "Watched", "description": "naïve 生命"})
	admits(t, p.Machine, k.Secret)

	t.Run("at", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *process){
			"colours":       testColours,
			"widths":        testWidths,
			"questions":     testQuestions,
			"new secrets":   testNewSecrets,
			"wrong words":   testWrongWords,
			"usage":         testWatchUsage,
			"a rotation":    testWatchRotation,
			"a job":         testWatchJob,
			"flags":         testWatchFlags,
			"progress":      testProgress,
			"an old device": testOldDevice,
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); test(t, p) })
		}
	})
}

func testColours(t *testing.T, p *process) {
	list := []string{"keys", "list", "--limit", "3"}
	if out := at(t, p, 80, 24, nil, list...).exits(0); !strings.Contains(out, "\x1b[32mactive\x1b[0m") {
		t.Errorf("no colour at a terminal: %q", out)
	}

	for _, plain := range []string{"NO_COLOR=1", "TERM=dumb"} {
		if out := at(t, p, 80, 24, []string{plain}, list...).exits(0); strings.Contains(out, "\x1b") {
			t.Errorf("%s: %q", plain, out)
		}
	}

	if code, out, _ := run(t, append(list, "--data", p.data)...); code != 0 || strings.Contains(out, "\x1b") {
		t.Errorf("exit code %d, to a pipe: %q", code, out)
	}
}

// What lists show fits the terminal, and a row of them is a row of it.
func testWidths(t *testing.T, p *process) {
	for _, columns := range []uint16{80, 120} {
		for _, args := range []string{
			"keys list --status all", "history", "keys history Watched", "keys requests Watched",
			"advice", "members list", "customers list", "jobs list", "me --as alice@acme.test",
			"usage --granularity hour", "keys usage Watched --by permission",
		} {
			for _, line := range at(t, p, columns, 24, nil, strings.Fields(args)...).ends(0) {
				if width := text.StringWidth(line); width > int(columns) {
					t.Errorf("%s is %d wide at %d: %q", args, width, columns, line)
				}
			}
		}
	}

	narrow := at(t, p, 30, 24, nil, "keys", "list").ends(0)
	if !strings.HasPrefix(narrow[0], "ID                NAME") || text.StringWidth(narrow[1]) > 30 {
		t.Errorf("at 30: %q", narrow[:2])
	}

	// one that does not say how wide it is
	if lines := at(t, p, 0, 0, nil, "keys", "list").exits(0); !strings.Contains(lines, "LAST USED") {
		t.Errorf("at 0: %q", lines)
	}
}

func testQuestions(t *testing.T, p *process) {
	k := reader(t, p.Machine, map[string]any{"name": "Asked"})

	for typed, code := range map[string]int{"n\n": 1, "\n": 1, "\x04": 1, "\x03": 130} {
		asked := at(t, p, 80, 24, nil, "keys", "delete", k.Key.ID)
		asked.sees("It cannot be brought back. [y/N] ")
		asked.types(typed)

		if out := asked.exits(code); strings.Contains(out, "Deleted") {
			t.Errorf("%q: %q", typed, out)
		}
	}

	admits(t, p.Machine, k.Secret)

	asked := at(t, p, 80, 24, nil, "keys", "delete", k.Key.ID)
	asked.sees("[y/N] ")
	asked.types("yes\n")
	asked.exits(0)
	refuses(t, p.Machine, rest, k.Secret)
}

func testNewSecrets(t *testing.T, p *process) {
	create := []string{"keys", "create", "Seen", "--environment", "staging"}

	out := at(t, p, 80, 24, nil, create...).exits(0)
	if !strings.Contains(out, "Copy the secret now: it is shown only this once.") {
		t.Errorf("no warning: %q", out)
	}

	p.Keep(secretIn(t, out))

	code, printed, faults := run(t, append(create, "--data", p.data)...)
	if code != 0 || strings.Contains(faults, "Copy") {
		t.Errorf("a warning to a pipe: exit code %d, %q", code, faults)
	}

	p.Keep(secretIn(t, printed))
}

var shownSecret = regexp.MustCompile(`bt_\w+_\w{16}_\w+`)

// secretIn returns the secret that is shown, which must be one.
func secretIn(t *testing.T, text string) string {
	t.Helper()

	found := shownSecret.FindAllString(text, -1)
	if len(found) != 1 {
		t.Fatalf("%d secrets are shown", len(found))
	}

	return found[0]
}

func testWrongWords(t *testing.T, p *process) {
	for wrong, words := range map[string]string{
		"keys rotat": "did you mean rotate",
		"usge":       "Did you mean this?\r\n  usage",
	} {
		out := at(t, p, 80, 24, nil, strings.Fields(wrong)...).exits(2)
		if !strings.Contains(out, words) {
			t.Errorf("%s: %q", wrong, out)
		}
	}
}

// Usage is drawn in its place: each day once, however often it is looked at. Ctrl-C ends it.
func testWatchUsage(t *testing.T, p *process) {
	k := reader(t, p.Machine, map[string]any{"name": "Counted"})
	watched := at(t, p, 80, 24, nil, "keys", "usage", "Counted", "--watch", "--interval", "1s")
	watched.sees("allowed 0, denied 0")

	for range 3 {
		admits(t, p.Machine, k.Secret)
	}

	watched.sees("allowed 3, denied 0")
	watched.types("\x03")

	lines := watched.ends(130)
	days, bars := 0, 0

	for _, line := range lines {
		if strings.Contains(line, " 20") {
			days++
		}

		bars += strings.Count(line, "█")
	}

	if days != 14 || bars != 20 || lines[len(lines)-1] != "bitting: interrupted" {
		t.Errorf("%d days, %d bars: %s", days, bars, strings.Join(lines, "\n"))
	}

	for _, flickers := range []string{"\x1b[2J", "\x1b[H", "\x1b[?"} {
		if strings.Contains(watched.out.String(), flickers) {
			t.Errorf("%q is in %q", flickers, watched.out.String())
		}
	}

	// of what does not fit, the newest is shown
	low := at(t, p, 80, 9, nil, "keys", "usage", "Counted", "--watch", "--granularity", "hour")
	low.sees("allowed 3, denied 0")
	low.types("\x03")

	if lines := low.ends(130); len(lines) > 12 || !strings.Contains(strings.Join(lines, ""), "█") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
}

// A rotation is watched until it ends, at a terminal and by programs.
func testWatchRotation(t *testing.T, p *process) {
	k := reader(t, p.Machine, map[string]any{"name": "Turned"})
	rotated := p.Admin().Call(t, http.MethodPost, acmeKeys+k.Key.ID+"/rotate", map[string]any{
		"overlap": "8s",
	}).Made(t, http.StatusOK)
	admits(t, p.Machine, rotated.Secret)
	admits(t, p.Machine, k.Secret)

	watch := []string{"keys", "rotation", "Turned", "--watch", "--interval", "1s"}
	watched := at(t, p, 80, 24, nil, watch...)
	code, out, faults := run(t, append(watch, "-o", "jsonl", "--data", p.data)...)

	if code != 0 || !strings.Contains(faults, "only the new secret works") {
		t.Errorf("exit code %d, %s", code, faults)
	}

	for line := range strings.Lines(out) {
		var state wire.RotationState
		if err := json.Unmarshal([]byte(line), &state); err != nil || state.OldSecret.Hint == "" {
			t.Errorf("%v: %q", err, line)
		}
	}

	lines := strings.Join(watched.ends(0), "\n")
	if !strings.Contains(lines, "The rotation is over") || strings.Count(lines, "oldSecretHint") != 1 {
		t.Errorf("%s", lines)
	}

	if out := at(t, p, 80, 24, nil, watch...).exits(5); !strings.Contains(out, "otation") {
		t.Errorf("without a rotation: %q", out)
	}
}

// A job is watched until it ends.
func testWatchJob(t *testing.T, p *process) {
	reader(t, p.Machine, map[string]any{"name": "Bulk", "tags": []string{"watched-job"}})

	code, out, faults := run(t, "keys", "bulk", "disable", "--tag", "watched-job", "--yes", "--wait=false",
		"-o", "id", "--data", p.data)
	if code != 0 {
		t.Fatal(faults)
	}

	show := []string{"jobs", "show", strings.TrimSpace(out), "--watch", "--interval", "1s"}

	lines := strings.Join(at(t, p, 80, 24, nil, show...).ends(0), "\n")
	if strings.Count(lines, "state") != 1 ||
		!strings.Contains(lines, "done") || strings.Contains(lines, "keys") {
		t.Errorf("%s", lines)
	}

	code, out, faults = run(t, append(show, "-o", "jsonl", "--data", p.data)...)
	if code != 0 || !strings.HasSuffix(out, "}\n") || !strings.Contains(out, `"state":"done"`) {
		t.Errorf("exit code %d, %s%s", code, out, faults)
	}
}

func testWatchFlags(t *testing.T, p *process) {
	usage := []string{"usage", "--data", p.data}
	for words, args := range map[string][]string{
		"--output jsonl writes a line": {"--watch"},
		"draws a table on a terminal":  {"--watch", "-o", "json"},
		"expected at least 1s":         {"--watch", "-o", "jsonl", "--interval", "999ms"},
		"--interval goes with --watch": {"--interval", "2s"},
	} {
		if code, out, faults := run(t, append(usage, args...)...); code != 2 || out != "" ||
			!strings.Contains(faults, words) {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, faults)
		}
	}

	if code, _, faults := run(t, "jobs", "show", "x", "--watch", "--wait", "--data", p.data); code != 2 {
		t.Errorf("exit code %d, %s", code, faults)
	}
}

// Work that takes long shows how far it is, on a terminal, and leaves nothing of that behind.
func testProgress(t *testing.T, p *process) {
	file := t.TempDir() + "/keys.jsonl"
	writeImport(t, file, "progress", 250)

	imported := at(t, p, 80, 24, nil, "keys", "import", file)
	lines := strings.Join(imported.ends(0), "\n")

	if out := imported.out.String(); !strings.Contains(out, "████████████████░░░░ 200 of 250 keys") ||
		strings.Contains(lines, "░") || !strings.Contains(lines, "250 imported.") {
		t.Errorf("%q", out)
	}

	c := command(context.Background(), "-c", binary+" keys list --all --tag progress -o id > "+file)
	c.Path, c.Args[0] = "/bin/sh", "sh"
	c.Env = append(os.Environ(), "TERM=xterm", "BITTING_URL=", "BITTING_DATA="+p.data)
	listed := atTerminal(t, c, 80, 24)

	if lines := listed.ends(0); !strings.Contains(listed.out.String(), "200 listed") ||
		strings.Join(lines, "") != "" {
		t.Errorf("%q", listed.out.String())
	}

	// The job may be over before its first answer: then there is nothing to wait for, or to draw.
	bulk := at(t, p, 80, 24, nil, "keys", "bulk", "disable", "--tag", "progress", "--yes")
	lines = strings.Join(bulk.ends(0), "\n")
	out := bulk.out.String()

	if drawn := strings.Contains(out, " of 250 keys"); drawn != strings.Contains(out, "is running") ||
		!strings.Contains(lines, "done") || strings.Contains(lines, "░") {
		t.Errorf("%q", out)
	}
}

// writeImport writes a file of keys of another system, with a tag.
func writeImport(t *testing.T, file, tag string, n int) {
	t.Helper()
	var lines strings.Builder

	for i := range n {
		fmt.Fprintf(&lines, `{"name": "%s-%d", "environment": "development", "permissions": [], "tags": ["%s"], `+
			`"hash": {"algorithm": "sha256", "value": "%064x"}}`+"\n", tag, i, tag, hashNumber.Add(1))
	}

	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

var hashNumber atomic.Int64

// A terminal that cannot move its cursor gets no progress in place, and cannot watch.
func testOldDevice(t *testing.T, p *process) {
	if out := at(t, p, 80, 24, []string{"TERM=dumb"}, "usage", "--watch").exits(2); !strings.Contains(out,
		"--output jsonl") {
		t.Errorf("%q", out)
	}

	if out := at(t, p, 80, 24, []string{"TERM=dumb"}, "keys", "bulk", "enable", "--tag", "nobody").exits(
		0); strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
}

// TestWatchOutage watches an API that does not answer for a while: it says so once, and goes on.
func TestWatchOutage(t *testing.T) {
	t.Parallel()
	var calls, allowed atomic.Int64
	var fault atomic.Pointer[func(http.ResponseWriter)]

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)

		if f := fault.Load(); f != nil {
			(*f)(w)
			return
		}

		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"by": "outcome", "granularity": "day", "totals": {"allowed": %d, "denied": 0},`+
			`"series": [{"at": "2027-01-31T00:00:00.000Z", "values": {"allowed\u001b[31m\u202e": 1}}]}`,
			allowed.Load())
	}))
	t.Cleanup(server.Close)

	watched := at(t, nil, 80, 24, nil, "usage", "--watch", "--interval", "1s", "--url", server.URL, "-O",
		"acme")
	watched.sees("allowed 0, denied 0")
	watched.sees(`allowed\x1b[31m\u202e 1`) // what could steer a terminal is shown

	gone := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	fault.Store(&gone)
	watched.sees("No answer, so this goes on as soon as there is one: getUsage: EOF")
	fault.Store(nil)
	allowed.Store(7)
	watched.sees("It answers again.")
	watched.sees("allowed 7, denied 0")

	// nobody waits for longer than an outage
	before := calls.Load()
	busy := func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "400")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	fault.Store(&busy)

	out := watched.exits(7)

	if n := calls.Load() - before; n != 1 && n != 2 { // the second, if one was on its way
		t.Errorf("%d calls after Retry-After: 400", n)
	}

	if !strings.Contains(out, "Try again after 6m40s.") || strings.Contains(out, "\u202e") ||
		strings.Count(out, "No answer") != 2 {
		t.Errorf("%q", out)
	}

	// nothing is watched that has never answered
	if code, _, _ := run(t, "usage", "--watch", "-o", "jsonl", "--url", server.URL, "-O", "acme"); code != 7 {
		t.Errorf("exit code %d", code)
	}
}
