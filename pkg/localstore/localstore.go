// Package localstore runs the DynamoDB stand-in of `bitting local` and of the tests: dynoxide, a
// static binary that npm installs.
//
// It promises:
//
//   - The process listens on loopback only.
//   - No acknowledged write is lost when it or its parent is killed.
//   - A process left over from a killed parent is ended before the next one opens the same data.
//
// It is not part of a deployment.
package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoBinary means that dynoxide is not installed.
var ErrNoBinary = errors.New("localstore: no DynamoDB stand-in")

// platforms maps GOOS/GOARCH to the npm package with the binary.
func platforms() map[string]string {
	return map[string]string{"linux/amd64": "@dynoxide/linux-x64"}
}

// Find returns the path of the binary in the node_modules of dir or of a parent folder.
func Find(dir string) (string, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH

	name, ok := platforms()[platform]
	if !ok {
		return "", fmt.Errorf("%w: there is no binary for %s; start a DynamoDB yourself and pass "+
			"its address with --dynamodb URL", ErrNoBinary, platform)
	}

	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}

	for {
		path := filepath.Join(dir, "node_modules", filepath.FromSlash(name), "dynoxide")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}

		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("%w: run `make deps`, or pass the address of another DynamoDB "+
				"with --dynamodb URL", ErrNoBinary)
		}

		dir = parent
	}
}

// Server is a running DynamoDB stand-in.
type Server struct {
	URL     string
	command *exec.Cmd
	pidFile string
	ended   chan error
}

// Start starts the binary with its data in dir, or in memory if dir is "". Its output goes to log.
// Start returns once the server answers.
func Start(ctx context.Context, binary, dir string, log io.Writer) (*Server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}

	args := []string{"serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port)}

	s := &Server{URL: "http://127.0.0.1:" + strconv.Itoa(port), ended: make(chan error, 1)}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}

		database, err := filepath.Abs(filepath.Join(dir, "dynamodb.sqlite"))
		if err != nil {
			return nil, err
		}

		args = append(args, "--db-path", database)

		s.pidFile = filepath.Join(dir, "dynamodb.pid")
		if err := endLeftover(s.pidFile, database); err != nil {
			return nil, err
		}
	}

	s.command = exec.CommandContext(context.WithoutCancel(ctx), binary, args...) //nolint:gosec // the binary is the one that Find found
	s.command.Stdout = log
	s.command.Stderr = log

	s.command.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
	} // Ctrl-C must not reach the store, which ends after the last write

	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}

	go func() { s.ended <- s.command.Wait() }()

	if s.pidFile != "" {
		if err := os.WriteFile(s.pidFile,
			[]byte(strconv.Itoa(s.command.Process.Pid)), 0o600); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}

	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}

	return s, nil
}

// ready waits until the server answers a request, with any status.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			return err
		}

		if response, err := http.DefaultClient.Do(request); err == nil {
			return response.Body.Close()
		}

		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("the DynamoDB stand-in ended while it started: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("the DynamoDB stand-in does not answer: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Stop ends the server. It may be called once.
func (s *Server) Stop() error {
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil &&
		!errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the DynamoDB stand-in: %w", err)
	}

	select {
	case err := <-s.ended: // killed by our signal
		s.ended <- err
	case <-time.After(5 * time.Second):
		_ = s.command.Process.Kill()
		s.ended <- <-s.ended
	}

	if s.pidFile == "" {
		return nil
	}

	if err := os.Remove(s.pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return nil
}

// endLeftover ends the server of an earlier run that was killed. It checks that the process serves
// this database, since the process id may belong to another program by now.
func endLeftover(pidFile, database string) error {
	text, err := os.ReadFile(pidFile) //nolint:gosec // our own data folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	if err != nil {
		return err
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 || !serves(pid, database) {
		return os.Remove(pidFile)
	}

	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the DynamoDB stand-in left over as process %d: %w", pid, err)
	}

	for range 100 {
		if !serves(pid, database) {
			return os.Remove(pidFile)
		}

		time.Sleep(50 * time.Millisecond)
	}

	return fmt.Errorf("the DynamoDB stand-in left over as process %d does not end: kill it", pid)
}

// serves reports whether a process is a server of this database, by its command line (Linux, the
// only platform with a binary).
func serves(pid int, database string) bool {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return err == nil && strings.Contains(string(line), "--db-path\x00"+database+"\x00")
}

func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}

	address, ok := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil || !ok {
		return 0, fmt.Errorf("find a free port: %w", err)
	}

	return address.Port, nil
}
