package main_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
	"github.com/bitting-keys/bitting/pkg/localstore"
)

// TestEndToEndOutage takes the database away and restores it. A call that cannot be checked is
// neither admitted nor blamed on its key.
func TestEndToEndOutage(t *testing.T) {
	t.Parallel()

	for name, args := range map[string][]string{
		"functions inside the process":     nil,
		"functions as their own processes": {"--functions", "process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := newLine(t, strings.TrimPrefix(database(t), "http://"))
			m := start(t, t.TempDir(),
				append(args, "--dynamodb", "http://"+line.address)...).Machine
			k := reader(t, m, nil)
			admits(t, m, k.Secret)

			for how, cut := range map[string]func(){"refused": line.refuse, "silent": line.hush} {
				cut()

				var calls sync.WaitGroup
				for _, call := range []struct {
					as           localtest.Client
					method, path string
				}{
					{m.As(k.Secret), http.MethodGet, "/production/messages"},
					// no permission, but that is not known
					{m.As(k.Secret), http.MethodPost, "/production/messages"},
					{m.Admin(), http.MethodGet, acmeKeys + k.Key.ID},
					{m.Admin(), http.MethodPost, acmeKeys + k.Key.ID + "/revoke"},
					{m.As(k.Secret), http.MethodGet, "/v1/whoami"},
				} {
					calls.Go(func() {
						a := call.as.Call(t, call.method, call.path, nil)
						if a.Status != http.StatusServiceUnavailable {
							t.Errorf("%s, database %s: status %d, want 503\n%s", a.Call, how,
								a.Status, a.Body)
							return
						}

						a.Refused(t, http.StatusServiceUnavailable, "unavailable")

						if a.Header.Get("Retry-After") == "" {
							t.Errorf("%s: a 503 without Retry-After", a.Call)
						}
					})
				}

				calls.Wait()
				// Answers that need no database are as before. A text that may be another system's
				// secret needs it: the secret may have been imported.
				for _, foreign := range []string{"of-another-system", "bt_prod_of_another"} {
					m.As(foreign).Call(t, http.MethodGet, "/production/messages", nil).Refused(t,
						http.StatusServiceUnavailable, "unavailable")
				}

				m.As("short").Call(t, http.MethodGet, "/production/messages", nil).Refused(t,
					http.StatusUnauthorized, "invalid_key")
				m.As(m.Keys["staging"]).Call(t, http.MethodGet,
					"/production/messages", nil).Refused(t, http.StatusUnauthorized, "invalid_key")
				line.restore()
				admits(t, m, k.Secret)
				m.Admin().Call(t, http.MethodGet, acmeKeys+k.Key.ID, nil).Want(t, http.StatusOK)
			}
		})
	}
}

// database starts a DynamoDB outside of any machine, and returns its URL.
func database(t *testing.T) string {
	t.Helper()

	binary, err := localstore.Find(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}

	server, err := localstore.Start(t.Context(), binary, "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// line is a connection to the database that can be cut.
type line struct {
	t               *testing.T
	address, beyond string
	mu              sync.Mutex
	open            map[net.Conn]bool
	state           state
}

type state int

const (
	works   state = iota
	refused       // connections end at once
	silent        // connections are accepted and never answered
)

func newLine(t *testing.T, beyond string) *line {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	l := &line{
		t:       t,
		address: listener.Addr().String(),
		beyond:  beyond,
		open:    map[net.Conn]bool{},
	}
	t.Cleanup(func() { _ = listener.Close(); l.set(refused) })

	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}

			go l.carry(c)
		}
	}()
	return l
}

// carry copies both ways, unless the line is cut.
func (l *line) carry(near net.Conn) {
	defer func() { _ = near.Close() }()
	l.mu.Lock()
	state := l.state
	l.open[near] = true
	l.mu.Unlock()

	if state == refused {
		return
	}

	if state == silent {
		_, _ = io.Copy(io.Discard, near)
		return
	}

	// it ends with the line
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.beyond)
	if err != nil {
		return
	}

	l.mu.Lock()
	l.open[far] = true
	l.mu.Unlock()
	defer func() { _ = far.Close() }()

	go func() { _, _ = io.Copy(far, near) }()
	_, _ = io.Copy(near, far)
}

// set changes the state of the line, and ends every connection that was made in another.
func (l *line) set(s state) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.state = s
	for c := range l.open {
		_ = c.Close()
	}

	clear(l.open)
}

func (l *line) refuse()  { l.set(refused) }
func (l *line) hush()    { l.set(silent) }
func (l *line) restore() { l.set(works) }

// TestEndToEndWrappingKey damages the stand-in for KMS: without it no key can be checked, so none
// is admitted.
func TestEndToEndWrappingKey(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, data)
	p.stop(t, syscall.SIGTERM)
	path := filepath.Join(data, "keys", "wrapping.key")

	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	for how, damage := range map[string]func() error{
		"short":          func() error { return os.WriteFile(path, right[:31], 0o600) },
		"empty":          func() error { return os.WriteFile(path, nil, 0o600) },
		"read by others": func() error { return os.Chmod(path, 0o644) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}

		code, _, faults := run(t, "local", "--listen", "127.0.0.1:0", "--data", data)
		if code != 1 || !strings.Contains(faults, "wrapping key "+path) {
			t.Errorf("%s: exit code %d, %q", how, code, faults)
		}

		restore(t, path, right)
	}

	// Another key unwraps nothing: it starts, but no key can be checked.
	wrong := append([]byte{right[0] ^ 1}, right[1:]...)
	restore(t, path, wrong)
	q := start(t, data)
	p.Restarted(q.Machine)
	q.As(p.Keys["production"]).Call(t, http.MethodGet, "/production/messages", nil).Refused(t,
		http.StatusServiceUnavailable, "unavailable")
	q.Admin().Call(t, http.MethodGet, "/v1/permissions", nil).Refused(t,
		http.StatusServiceUnavailable, "unavailable")
	q.As(p.Keys["production"]).Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t,
		http.StatusServiceUnavailable, "unavailable")
	q.stop(t, syscall.SIGTERM)

	restore(t, path, right)
	admits(t, start(t, data).Machine, p.Keys["production"])
}

func restore(t *testing.T, path string, key []byte) {
	t.Helper()

	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
}
