package main_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	wire "github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/http1"
)

// interrupted runs the binary against a deployment, and interrupts it during the request with a number, of
// those of which about is true. The deployment answers that request, but only when the command has ended, or
// else after wait. It returns the exit code and what was written to people.
func interrupted(
	t *testing.T, p *process, org string, wait time.Duration, number int, about func(*http.Request) bool,
	args ...string,
) (code int, said string) {
	t.Helper()

	target, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}

	var mu sync.Mutex

	seen, ended := 0, make(chan struct{})
	begun, answered := make(chan struct{}), make(chan struct{})
	next := httputil.NewSingleHostReverseProxy(target)
	next.Transport = new(http1.Transport) // net/http's own cuts an answer in a thousand: see bench/crowd

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()

		if about(r) {
			seen++
		}

		now := about(r) && seen == number

		mu.Unlock()

		if !now {
			next.ServeHTTP(w, r)
			return
		}

		body, err := io.ReadAll(r.Body) // which goes with the command
		if err != nil {
			t.Error(err)
		}

		r.Body = io.NopCloser(bytes.NewReader(body))

		defer close(answered)

		close(begun)

		select {
		case <-ended:
		case <-time.After(wait):
		}

		// the command may be gone, and what it asked for is done all the same
		r.URL.Scheme, r.URL.Host = target.Scheme, target.Host

		response, err := http.DefaultTransport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		if err != nil {
			t.Error(err)
			return
		}

		defer func() { _ = response.Body.Close() }()

		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}))
	t.Cleanup(proxy.Close)

	c := command(t.Context(), args...)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "BITTING_URL="+proxy.URL, "BITTING_KEY="+p.OperatorKey,
		"BITTING_ORGANIZATION="+org, "HOME="+c.Dir, "XDG_CONFIG_HOME="+c.Dir)

	var faults bytes.Buffer

	c.Stderr = &faults
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}

	select {
	case <-begun:
	case <-time.After(30 * time.Second):
		_ = c.Process.Kill()
		_ = c.Wait()
		t.Fatalf("no such request: %s", faults.String())
	}

	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}

	_ = c.Wait() // the exit code is looked at

	close(ended)
	<-answered

	return c.ProcessState.ExitCode(), faults.String()
}

func to(method, suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == method && strings.HasSuffix(r.URL.Path, suffix)
	}
}

// again runs the binary whole.
func again(t *testing.T, p *process, org string, args ...string) (code int, out string) {
	t.Helper()

	c := exec.CommandContext(t.Context(), binary, args...)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "BITTING_URL="+p.URL, "BITTING_KEY="+p.OperatorKey,
		"BITTING_ORGANIZATION="+org)

	text, _ := c.CombinedOutput() // the exit code is looked at
	return c.ProcessState.ExitCode(), string(text)
}

// TestInterrupt interrupts long work by a real SIGINT. Run again, it is done once.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())

	t.Run("during", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *process){
			"import": testInterruptImport,
			"bulk":   testInterruptBulk,
			"apply":  testInterruptApply,
			"create": testInterruptCreate,
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); test(t, p) })
		}
	})
}

func says(t *testing.T, code int, said string, words ...string) {
	t.Helper()

	if code != 130 {
		t.Errorf("exit code %d", code)
	}

	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q is not in %s", w, said)
		}
	}
}

func testInterruptImport(t *testing.T, p *process) {
	c, org := organization(t, p)

	const keys = 240

	file := filepath.Join(t.TempDir(), "keys.jsonl")
	writeImport(t, file, "interrupted", keys)

	code, said := interrupted(t, p, org, time.Minute, 2, to(http.MethodPost, "/keys/import"), "keys",
		"import", file)
	says(t, code, said, "200 of 240 are imported, and perhaps some of the 40 after them",
		"What is done stays: run it again to go on", "bitting: interrupted")

	if code, out := again(t, p, org, "keys", "import", file); code != 0 ||
		!strings.Contains(out, "240 imported.") || !strings.Contains(out, "by an earlier run") {
		t.Errorf("again: exit code %d, %s", code, out)
	}

	names := map[string]int{}
	for k, err := range c.ListKeys(t.Context(), org, wire.ListKeys{}) {
		if err != nil {
			t.Fatal(err)
		}

		names[k.Name]++
	}

	if len(names) != keys+1 { // and the organization's first one
		t.Errorf("%d keys", len(names))
	}

	for name, n := range names {
		if n != 1 {
			t.Errorf("%s: %d times", name, n)
		}
	}
}

// The job of a bulk change is not interrupted with the command that waits for it.
func testInterruptBulk(t *testing.T, p *process) {
	c, org := organization(t, p)

	file := filepath.Join(t.TempDir(), "keys.jsonl")
	writeImport(t, file, "bulk", 150)

	if code, out := again(t, p, org, "keys", "import", file); code != 0 {
		t.Fatal(out)
	}

	bulk := []string{"keys", "bulk", "disable", "--tag", "bulk", "--yes"}
	isJob := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/jobs/") }

	code, said := interrupted(t, p, org, time.Minute, 2, to(http.MethodPost, "/keys/bulk"), bulk...)
	says(t, code, said, "the change may have begun: bitting jobs list shows it", "bitting: interrupted")

	var job string

	for j, err := range c.ListJobs(t.Context(), org, wire.List{}) {
		if err != nil {
			t.Fatal(err)
		}

		job = j.ID
	}

	for _, wait := range [][]string{{"--watch", "-o", "jsonl"}, {"--wait"}} {
		show := append([]string{"jobs", "show", job}, wait...)
		if code, out := again(t, p, org, show...); code != 0 || !strings.Contains(out, "done") {
			t.Errorf("%v: exit code %d, %s", show, code, out)
		}
	}

	code, said = interrupted(t, p, org, time.Minute, 1, isJob, "jobs", "show", job, "--watch", "-o", "jsonl")
	says(t, code, said, "bitting: interrupted", "The job goes on: bitting jobs show "+job+" --watch")

	if code, out := again(t, p, org, bulk...); code != 0 {
		t.Errorf("again: exit code %d, %s", code, out)
	}

	for k, err := range c.ListKeys(t.Context(), org, wire.ListKeys{
		KeyFilter: wire.KeyFilter{Tag: "bulk", Status: "all"},
	}) {
		if err != nil || k.Enabled {
			t.Fatalf("%s: %v", k.Name, err)
		}
	}
}

// A step that was begun is ended, since its answer has the only copy of a secret.
func testInterruptApply(t *testing.T, p *process) {
	c, org := organization(t, p)

	dir := t.TempDir()
	file := filepath.Join(dir, "bitting.yaml")

	if err := os.WriteFile(file, []byte("customers: [{id: hooli, name: Hooli}]\nkeys:\n"+
		"- {name: First, environment: staging, secret: {file: first.key}}\n"+
		"- {name: Second, environment: staging, secret: {file: second.key}}\n"),
		0o600); err != nil {
		t.Fatal(err)
	}

	code, said := interrupted(t, p, org, 2*time.Second, 1, to(http.MethodPost, "/keys"), "apply", "-f", file,
		"--yes")
	says(t, code, said, "Ending after this step", "Stopped after 2 of 3 steps",
		"bitting: interrupted: repeat the command to go on")
	opens(t, p, filepath.Join(dir, "first.key"), "First")

	if _, err := os.Stat(filepath.Join(dir, "second.key")); err == nil {
		t.Error("it went on")
	}

	if code, out := again(t, p, org, "apply", "-f", file, "--yes"); code != 0 {
		t.Errorf("again: exit code %d, %s", code, out)
	}

	opens(t, p, filepath.Join(dir, "first.key"), "First")
	opens(t, p, filepath.Join(dir, "second.key"), "Second")

	if code, out := again(t, p, org, "apply", "-f", file, "--check"); code != 0 {
		t.Errorf("exit code %d, %s", code, out)
	}

	if first, second := named(t, c, org, "First"), named(t, c, org, "Second"); first != 1 || second != 1 {
		t.Errorf("%d and %d keys", first, second)
	}
}

// Whether a key was made that nobody waited for is not known, and the command says so.
func testInterruptCreate(t *testing.T, p *process) {
	c, org := organization(t, p)

	code, said := interrupted(t, p, org, time.Minute, 1, to(http.MethodPost, "/keys"), "keys", "create",
		"Lost", "--environment", "staging", "--secret-file", "lost.key")
	says(t, code, said, "the secret may have been made, and is lost then", "bitting: interrupted")

	if n := named(t, c, org, "Lost"); n != 1 {
		t.Errorf("%d keys: this test shows nothing", n)
	}
}
