package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// binary is the command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == browserName {
		os.Exit(browse(os.Args[1]))
	}

	os.Exit(withBinary(m))
}

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bitting-test-")
	if err == nil {
		binary = filepath.Join(dir, "bitting")
		defer func() { _ = os.RemoveAll(dir) }()
		err = build(context.Background())
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	return m.Run()
}

// build builds the command with the race detector, if there is the C compiler that it needs.
func build(ctx context.Context) error {
	args := []string{"build", "-o", binary}
	if out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED").Output(); err == nil &&
		strings.TrimSpace(string(out)) == "1" {
		args = append(args, "-race")
	}

	if out, err := exec.CommandContext(ctx, "go",
		append(args, ".")...).CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}

	return nil
}

// command returns the binary with arguments, to be run in the checkout.
func command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, binary, args...)
	c.Dir = filepath.Join("..", "..")
	return c
}

// run runs the binary until it exits, which must be soon, and returns its exit code and output.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := command(ctx, args...)
	var out, faults bytes.Buffer
	c.Stdout = &out
	c.Stderr = &faults
	err := c.Run()

	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("bitting %s: %v\n%s", strings.Join(args, " "), err, faults.String())
	}

	return c.ProcessState.ExitCode(), out.String(), faults.String()
}

// process is a running `bitting local`.
type process struct {
	*localtest.Machine
	command *exec.Cmd
	data    string
	out     output
	ended   chan error // what Wait returned; receivers put it back
}

// output collects what a process prints, while it prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

var _ io.Writer = (*output)(nil)

// launch starts `bitting local` on a data folder, on a port that the kernel chooses.
func launch(t *testing.T, data string, args ...string) *process {
	t.Helper()
	return launchIn(t, filepath.Join("..", ".."), data, args...)
}

// launchIn calls launch in a folder.
func launchIn(t *testing.T, folder, data string, args ...string) *process {
	t.Helper()
	p := &process{data: data, ended: make(chan error, 1)}
	// ended by the clean-up
	p.command = command(context.Background(), append([]string{
		"local", "--listen", "127.0.0.1:0", "--data", data,
	}, args...)...)
	p.command.Dir = folder
	p.command.Stdout = &p.out
	p.command.Stderr = &p.out
	_ = os.Remove(filepath.Join(data, "local.json")) // left by one that was killed

	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}

	go func() { p.ended <- p.command.Wait() }()
	t.Cleanup(func() {
		if p.Machine != nil {
			if err := p.LeakInLog(); err != nil {
				t.Error(err)
			}
		}

		select {
		case err := <-p.ended:
			p.ended <- err
		default:
			p.stop(t, syscall.SIGTERM)
		}

		// left by a kill, if the test failed before the next start
		for pid := range running(t, data) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}

		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Error(p.out.String())
		}
	})
	return p
}

// start calls launch and waits until it is ready.
func start(t *testing.T, data string, args ...string) *process {
	t.Helper()
	p := launch(t, data, args...)

	var err error
	if p.Machine, err = localtest.Wait(t.Context(), data, p.ended); err != nil {
		t.Fatalf("%v\n%s", err, p.out.String())
	}

	return p
}

// stop sends a signal that asks to stop, and fails unless the process exits soon and successfully.
func (p *process) stop(t *testing.T, signal syscall.Signal) {
	t.Helper()

	if err := p.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}

	select {
	case err := <-p.ended:
		p.ended <- err

		if err != nil {
			t.Errorf("after %v: %v\n%s", signal, err, p.out.String())
		}
	case <-time.After(stopTime):
		p.kill(t)
		t.Errorf("%v did not stop it within %v\n%s", signal, stopTime, p.out.String())
	}
}

// stopTime is how soon it must stop when asked.
const stopTime = 5 * time.Second

// kill ends the process at once.
func (p *process) kill(t *testing.T) {
	t.Helper()

	if err := p.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	p.ended <- <-p.ended
}

// running lists the processes, by id, whose command line names the folder, which belongs to the
// test alone.
func running(t *testing.T, folder string) map[int]string {
	t.Helper()

	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}

	found := map[int]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		// a process that has ended meanwhile has no file
		if err != nil || !strings.Contains(string(text), folder) {
			continue
		}

		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}

		found[pid] = strings.ReplaceAll(string(text), "\x00", " ")
	}

	return found
}

// eventually waits for something that happens soon, and fails if it does not.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()

	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}
