package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// walkthrough is what a person runs who follows a page of docs, but for what needs AWS or builds the
// checkout: the files that it shows, and its commands in their order.
type walkthrough struct {
	files    map[string]string
	commands []string
}

var block = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// readPage reads a page up to the heading of the part that needs AWS, if it has one.
func readPage(t *testing.T, name, end string) walkthrough {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}

	local, _, found := strings.Cut(string(text), "\n## "+end+"\n")
	if !found {
		t.Fatalf("the page has no part %s", end)
	}

	q := walkthrough{files: map[string]string{}}
	for _, match := range block.FindAllStringSubmatch(local, -1) {
		switch kind, name, text := match[1], match[2], match[3]; {
		case kind == "sh" && (name == "checkout" || name == "aws"): // the tests have built it
		case kind == "sh":
			q.commands = append(q.commands, strings.Split(strings.TrimSpace(text), "\n")...)
		case name != "":
			q.files[name] = text
		}
	}

	return q
}

// freePort returns a port that nobody listens on, at the moment.
func freePort(t *testing.T) string {
	t.Helper()

	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	return port
}

// TestQuickStart runs the page as one session of a shell, with other ports. Each command prints what
// the page says.
func TestQuickStart(t *testing.T) {
	t.Parallel()

	q := readPage(t, "quickstart.md", "On AWS")

	dir := filepath.Join(t.TempDir(), "bitting") // the checkout
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	api, backend := freePort(t), freePort(t)
	ports := strings.NewReplacer("127.0.0.1:4000", "127.0.0.1:"+api, "127.0.0.1:3000",
		"127.0.0.1:"+backend, "listen(3000", "listen("+backend)

	var script strings.Builder
	script.WriteString("set -eu\n")

	for n, command := range q.commands {
		command = ports.Replace(command)

		switch {
		case strings.HasPrefix(command, "bitting local"):
			command = strings.Replace(command, "bitting local",
				"bitting local --listen 127.0.0.1:"+api, 1)
			command += "\nwhile ! [ -f .bitting/local.json ]; do sleep 0.1; done"
		case strings.HasPrefix(command, "mkdir"):
			for name, text := range q.files {
				command += fmt.Sprintf("\ncat > %s <<'END'\n%sEND", name, ports.Replace(text))
			}
		case strings.Contains(command, "permissions import"):
			command += "\nsleep 11" // as the page says
		}

		fmt.Fprintf(&script, "echo '[%d]'\n%s\n", n, command)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	c := exec.CommandContext(ctx, "bash", "-c", script.String())
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+
		os.Getenv("PATH"), "BITTING_DATA=", "BITTING_URL=")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	// a file, which what it leaves running may go on writing to
	out, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}

	c.Stdout, c.Stderr = out, out
	err = c.Run()

	// what the page leaves running ends with its group
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
	ended(t, filepath.Join(dir, "..", "orders", ".bitting", "local.json"))

	printed, readErr := os.ReadFile(out.Name())
	if err = errors.Join(err, readErr, out.Close()); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}

	text := string(printed)
	for _, want := range []string{
		"+        bittingApi: orders",
		"template.yaml: changed",
		"+orders:read",
		"HTTP/1.1 401",
		"HTTP/1.1 200",
		`{"route":"GET /orders","key":"`,
		"HTTP/1.1 403",
		`"requiredPermission":"orders:write"`,
		"✗ permission   The key does not hold orders:write, which the route needs.",
		"refused: permission_denied, status 403",
		"revoked",
	} {
		at := strings.Index(text, want)
		if at < 0 {
			t.Errorf("%q does not follow\n%s", want, printed)
			break
		}

		text = text[at+len(want):]
	}

	if !strings.Contains(text, "HTTP/1.1 401") {
		t.Errorf("the revoked key is not refused:\n%s", printed)
	}
}

// ended waits until a bitting local that was told to stop has: it then removes the file.
func ended(t *testing.T, ready string) {
	t.Helper()

	for range int(stopTime / (50 * time.Millisecond)) {
		if _, err := os.Stat(ready); errors.Is(err, os.ErrNotExist) {
			return
		}

		time.Sleep(50 * time.Millisecond)
	}

	t.Error("bitting local goes on")
}
