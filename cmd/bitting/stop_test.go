package main_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// TestEndToEndKill kills it during a stream of changes: acknowledged changes are there at the next
// start, and no process of the killed one is.
func TestEndToEndKill(t *testing.T) {
	t.Parallel()

	for name, args := range map[string][]string{
		"functions inside the process":     nil,
		"functions as their own processes": {"--functions", "process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			p := start(t, data, args...)

			acknowledged := changeUntilKilled(t, p)
			if stores(t, data) != 1 {
				t.Fatalf("the store did not outlive its starter, so this test shows nothing: %v",
					running(t, data))
			}

			again := start(t, data, args...)
			p.Restarted(again.Machine)

			if diff := cmp.Diff(p.Keys, again.Keys); diff != "" || p.AdminKey != again.AdminKey ||
				p.OperatorKey != again.OperatorKey {
				t.Errorf("the demo has other keys now (-before +after):\n%s", diff)
			}

			for _, c := range acknowledged {
				again.Admin().Call(t, http.MethodGet, acmeKeys+c.id, nil).Want(t, http.StatusOK)
				admits(t, again.Machine, c.works)

				if c.ended != "" {
					refuses(t, again.Machine, rest, c.ended)
				}
			}

			t.Logf("%d keys were acknowledged", len(acknowledged))

			if n := stores(t, data); n != 1 {
				t.Errorf("%d stores on the same data", n)
			}

			again.stop(t, syscall.SIGTERM)
			eventually(t, "nothing runs any more", func() bool {
				return len(running(t, data)) == 0
			})
		})
	}
}

// stores counts the stores that run on the data.
func stores(t *testing.T, data string) int {
	t.Helper()

	n := 0
	for _, line := range running(t, data) {
		if strings.Contains(line, "--db-path") {
			n++
		}
	}

	return n
}

// change is an acknowledged change of a key.
type change struct{ id, works, ended string }

// changeUntilKilled makes and regenerates keys concurrently, and kills the process meanwhile.
func changeUntilKilled(t *testing.T, p *process) []change {
	t.Helper()
	const sides, enough = 4, 40
	var mu sync.Mutex
	var acknowledged []change
	var done sync.WaitGroup

	plenty := make(chan struct{})
	for range sides {
		done.Go(func() {
			for {
				made, answered := try(t, p, "/v1/organizations/acme/keys", map[string]any{
					"name":        "Kill",
					"environment": "production",
					"permissions": []string{"messages:read"},
				})
				if !answered {
					return
				}

				regenerated, answered := try(t, p, acmeKeys+made.Key.ID+"/regenerate", nil)
				if !answered {
					return // which of the two secrets works is unknown
				}

				mu.Lock()
				if acknowledged = append(acknowledged, change{
					made.Key.ID, regenerated.Secret, made.Secret,
				}); len(acknowledged) == enough {
					close(plenty)
				}

				mu.Unlock()
			}
		})
	}

	select {
	case <-plenty:
	case <-time.After(time.Minute):
		t.Error("too few changes in a minute")
	}

	p.kill(t)
	done.Wait()
	return acknowledged
}

// try makes a change, and reports whether it was acknowledged before the process was killed.
func try(t *testing.T, p *process, path string, body any) (made localtest.Made, answered bool) {
	t.Helper()

	for {
		a, err := p.Admin().Try(t, http.MethodPost, path, body)
		switch {
		case err != nil:
			return localtest.Made{}, false
		case a.Status < 300:
			return a.Made(t, a.Status), true
		case a.Status != http.StatusServiceUnavailable && a.Status != http.StatusConflict:
			t.Errorf("%s: %d %s", a.Call, a.Status, a.Body)
			return localtest.Made{}, false
		}
	}
}

// TestEndToEndStop asks it to stop while clients hold on to it.
func TestEndToEndStop(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		signal syscall.Signal
		args   []string
	}{
		"SIGINT":                      {syscall.SIGINT, nil},
		"SIGTERM":                     {syscall.SIGTERM, nil},
		"SIGTERM, with own processes": {syscall.SIGTERM, []string{"--functions", "process"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			p := start(t, data, test.args...)
			admits(t, p.Machine, p.Keys["production"]) // leaves an idle connection
			hold(t, p.URL, "")                         // one that never sends anything
			hold(t, p.URL,
				"POST /v1/organizations/acme/keys HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: "+
					p.AdminKey+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
			p.stop(t, test.signal)

			if left := running(t, data); len(left) > 0 {
				t.Errorf("these are left: %v", left)
			}

			if _, err := os.Stat(filepath.Join(data, "local.json")); !os.IsNotExist(err) {
				t.Errorf("local.json of what does not run any more: %v", err)
			}

			again := start(t, data, test.args...)
			p.Restarted(again.Machine)
			admits(t, again.Machine, p.Keys["production"])
		})
	}
}

// TestEndToEndStopWhileStarting asks it to stop before it is ready, which is not a failure.
func TestEndToEndStopWhileStarting(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := launch(t, data, "--functions", "process")
	eventually(t, "it builds the functions", func() bool {
		return strings.Contains(p.out.String(), "Building")
	})
	p.stop(t, syscall.SIGINT)

	if left := running(t, data); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
}

// hold opens a connection, sends the text and keeps it open to the end of the test.
func hold(t *testing.T, url, text string) {
	t.Helper()

	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp",
		strings.TrimPrefix(url, "http://"))
	if err == nil {
		_, err = io.WriteString(connection, text)
	}

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = connection.Close() })
}

// TestEndToEndInUse starts a second one on the first one's data and port.
func TestEndToEndInUse(t *testing.T) {
	t.Parallel()
	data := t.TempDir()

	p := start(t, data)
	for what, test := range map[string]struct {
		args  []string
		words []string
	}{
		"data": {
			[]string{"--data", data, "--listen", "127.0.0.1:0"},
			[]string{"in use by another bitting local", "--data"},
		},
		"data, with --fresh": {
			[]string{"--data", data, "--listen", "127.0.0.1:0", "--fresh"},
			[]string{"in use by another bitting local", "--data"},
		},
		"port": {
			[]string{"--data", t.TempDir(), "--listen", strings.TrimPrefix(p.URL, "http://")},
			[]string{"cannot listen on 127.0.0.1:", "--listen"},
		},
	} {
		code, out, faults := run(t, append([]string{"local"}, test.args...)...)
		if code != 1 || out != "" || strings.Count(faults, "\n") != 1 {
			t.Errorf("%s: exit code %d, output %q and %q", what, code, out, faults)
		}

		for _, words := range test.words {
			if !strings.Contains(faults, words) {
				t.Errorf("%s: %q does not say %q", what, faults, words)
			}
		}
	}

	admits(t, p.Machine, p.Keys["production"])
}

// TestEndToEndFresh starts without existing data, and leaves other files alone.
func TestEndToEndFresh(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, data)

	mine := filepath.Join(data, "mine.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}

	p.stop(t, syscall.SIGINT)
	again := start(t, data, "--fresh")
	refuses(t, again.Machine, rest, p.Keys["production"])
	admits(t, again.Machine, again.Keys["production"])

	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("a file of another program: %q, %v", text, err)
	}

	for _, name := range []string{"local.json", "demo.json", "bitting.log", "keys/wrapping.key"} {
		if info, err := os.Stat(filepath.Join(data, name)); err != nil ||
			info.Mode().Perm() != 0o600 {
			t.Errorf("%s: others can read it, or it is not there: %v, %v", name, info, err)
		}
	}
}

// TestEndToEndWithoutDemo starts with an operator key and nothing else, and with the demo once
// that is asked for.
func TestEndToEndWithoutDemo(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := start(t, data, "--no-demo")

	text, err := os.ReadFile(filepath.Join(data, "local.json"))
	if err != nil {
		t.Fatal(err)
	}

	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}

	tables, _ := got["dynamodb"].(string)
	if !strings.HasPrefix(tables, "http://127.0.0.1:") {
		t.Errorf("local.json says of its tables %q", tables)
	}

	if diff := cmp.Diff(map[string]any{
		"dynamodb":    tables,
		"url":         p.URL,
		"issuer":      p.URL + "/oidc",
		"clientId":    "bitting-console",
		"operatorKey": p.OperatorKey,
	}, got); diff != "" {
		t.Errorf("local.json (-want +got):\n%s", diff)
	}

	p.Operator().Call(t, http.MethodGet, "/v1/organizations/acme", nil).Refused(t,
		http.StatusNotFound, "not_found")
	p.Operator().Call(t, http.MethodGet, "/v1/permissions", nil).Want(t, http.StatusOK)
	p.stop(t, syscall.SIGTERM)
	again := start(t, data)
	p.Restarted(again.Machine)

	if again.OperatorKey != p.OperatorKey {
		t.Error("another operator key")
	}

	admits(t, again.Machine, again.Keys["production"])
}
