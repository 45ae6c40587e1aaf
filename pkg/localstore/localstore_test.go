package localstore_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/localstore"
)

func installed(t *testing.T) localstore.StandIn {
	t.Helper()

	s, err := localstore.Find(".")
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func start(t *testing.T, dir string) *localstore.Server {
	t.Helper()

	s, err := localstore.Start(t.Context(), installed(t), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func stop(t *testing.T, s *localstore.Server) {
	t.Helper()

	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

func answers(t *testing.T, s *localstore.Server) bool {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}

	_ = response.Body.Close()
	return true
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func pidIn(t *testing.T, dir string) int {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(dir, "dynamodb.pid"))
	if err != nil {
		t.Fatal(err)
	}

	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}

	return pid
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()

	for name, dir := range map[string]string{
		"on disk":   filepath.Join(t.TempDir(), "made", "by it"),
		"in memory": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := start(t, dir)
			if !strings.HasPrefix(s.URL, "http://127.0.0.1:") || !answers(t, s) {
				t.Errorf("%s does not answer", s.URL)
			}

			stop(t, s)

			if answers(t, s) {
				t.Error("it answers after it was stopped")
			}

			if dir == "" {
				return
			}

			if _, err := os.Stat(filepath.Join(dir, "dynamodb.pid")); !os.IsNotExist(err) {
				t.Errorf("the process id of what is gone: %v", err)
			}

			if _, err := os.Stat(filepath.Join(dir, "dynamodb.sqlite")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A server whose parent was killed is ended by the next start on its data.
func TestLeftoverIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	pid := pidIn(t, dir)
	second := start(t, dir)
	defer stop(t, second)

	if answers(t, first) {
		t.Error("two servers on the same data")
	}

	if !answers(t, second) || pidIn(t, dir) == pid {
		t.Error("the second does not answer")
	}
}

// The process id may have been reused by the time it is read: only a server of the same data is
// ended.
func TestStrangersAreLeftAlone(t *testing.T) {
	t.Parallel()
	other := t.TempDir()
	elsewhere := start(t, other)
	t.Cleanup(func() { stop(t, elsewhere) })

	sleeper := exec.CommandContext(t.Context(), "sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = sleeper.Process.Kill(); _ = sleeper.Wait() })

	for name, text := range map[string]string{
		"another program":        strconv.Itoa(sleeper.Process.Pid),
		"a server of other data": strconv.Itoa(pidIn(t, other)),
		"nobody":                 "4194304",
		"init":                   "1",
		"a process group":        "0",
		"every process":          "-1",
		"no number":              "x",
		"nothing":                "",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "dynamodb.pid"),
				[]byte(text), 0o600); err != nil {
				t.Fatal(err)
			}

			s := start(t, dir)
			defer stop(t, s)

			if !alive(sleeper.Process.Pid) || !answers(t, elsewhere) || !answers(t, s) {
				t.Error("a process of another program was ended")
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ script, want string }{
		"no such program": {"", "no such file"},
		"it ends at once": {
			"#!/bin/sh\necho no room >&2\nexit 3\n", "ended while it started: exit status 3",
		},
		"it does not answer": {"#!/bin/sh\nexec sleep 60\n", "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir, program := t.TempDir(), filepath.Join(t.TempDir(), "dynoxide")
			if test.script != "" {
				if err := os.WriteFile(program, []byte(test.script), 0o700); err != nil {
					t.Fatal(err)
				}
			}

			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			var log bytes.Buffer

			_, err := localstore.Start(ctx, localstore.Dynoxide(program), dir, &log)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}

			if strings.Contains(test.script, "no room") && log.String() != "no room\n" {
				t.Errorf("what it said is not in the log: %q", log.String())
			}

			if _, err := os.Stat(filepath.Join(dir, "dynamodb.pid")); !os.IsNotExist(err) {
				t.Errorf("the process id of what is gone: %v", err)
			}
		})
	}
}
