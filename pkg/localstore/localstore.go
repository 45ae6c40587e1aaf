// Package localstore installs and runs the DynamoDB stand-in of `bitting local` and of the tests:
// dynoxide where there is a binary of it or one was built, else Amazon's DynamoDB Local, as Java or in
// a container.
//
// It promises:
//
//   - The process listens on loopback only.
//   - With dynoxide, no acknowledged write is lost when it or its parent is killed.
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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a running DynamoDB stand-in.
type Server struct {
	URL     string
	command *exec.Cmd
	pidFile string
	ended   chan error
}

// Start starts a stand-in with its data in dir, or in memory if dir is "". Its output goes to log.
// Start returns once the server answers.
func Start(ctx context.Context, standIn StandIn, dir string, log io.Writer) (*Server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}

	s := &Server{URL: "http://127.0.0.1:" + strconv.Itoa(port), ended: make(chan error, 1)}

	data := ""
	if dir != "" {
		if data, err = filepath.Abs(filepath.Join(dir, standIn.data)); err != nil {
			return nil, err
		}

		made := dir
		if filepath.Ext(data) == "" {
			made = data // a folder
		}

		if err := os.MkdirAll(made, 0o700); err != nil {
			return nil, err
		}

		s.pidFile = filepath.Join(dir, "dynamodb.pid")
		if err := endLeftover(s.pidFile, data); err != nil {
			return nil, err
		}
	}

	if standIn.end != nil { // there is none of this name, or it was left over
		end := append(slices.Clone(standIn.end), containerName(data))
		_ = exec.CommandContext(ctx, end[0], end[1:]...).Run() //nolint:gosec // of the stand-in that Find found
	}

	command := standIn.serve(port, data)
	s.command = exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...) //nolint:gosec // the stand-in is the one that Find found
	s.command.Stdout = log
	s.command.Stderr = log

	s.command.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
	} // Ctrl-C must not reach the store, which ends after the last write

	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
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
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // Java takes its time
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

// serves reports whether a process is a stand-in with this data, by its command line.
func serves(pid int, data string) bool {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil { // not Linux, or no such process
		line, err = exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec,noctx // a number, and quick
	}

	words := strings.ReplaceAll(strings.TrimSpace(string(line)), "\x00", " ") + " "
	return err == nil && regexp.MustCompile(`--?(db-path|dbPath|volume) `+
		regexp.QuoteMeta(data)+`(:/data)? `).MatchString(words)
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
