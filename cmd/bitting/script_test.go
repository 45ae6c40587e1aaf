package main_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bitting-keys/bitting/pkg/http1"
)

// TestScripts runs commands as people type them, against a real bitting local. Each script uses
// names of its own, since all share the organization acme.
func TestScripts(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())

	runScripts(t, p, "script")
}

// runScripts runs the scripts of a folder of testdata against a running bitting local.
func runScripts(t *testing.T, p *process, dir string) {
	t.Helper()

	// the command is run by its name, from anywhere
	path := filepath.Dir(binary) + string(os.PathListSeparator) + browserFolder(t) +
		string(os.PathListSeparator) + os.Getenv("PATH")

	// each script ends before the process: t.Run waits for those that run in parallel
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:             filepath.Join("testdata", dir),
			ContinueOnError: true,
			Setup: func(env *testscript.Env) error {
				aws, err := newAccount(filepath.Join(env.WorkDir, "aws"), map[string]string{
					"AdminUrl":     p.URL + "/v1",
					"OidcIssuer":   p.URL + "/oidc",
					"OidcClientId": "bitting-console",
				})
				if err != nil {
					return err
				}

				slow := httptest.NewServer(http.HandlerFunc(answerLate))
				skewed := httptest.NewServer(skewedProxy(p.URL))
				env.Defer(func() { aws.Close(); slow.Close(); skewed.Close() })
				env.Setenv("SKEWED", skewed.URL)
				env.Setenv("AWS", aws.URL)
				env.Setenv("SLOW", slow.URL)

				for name, value := range awsVariables(aws.URL) {
					env.Setenv(name, value)
				}

				for name, value := range map[string]string{
					"PATH":            path,
					"HOME":            env.WorkDir,
					"XDG_CONFIG_HOME": env.WorkDir,
					"BITTING_DATA":    p.data,
					"LOCAL_URL":       p.URL,
					"ADMIN_KEY":       p.AdminKey,
					"READER_KEY":      p.Keys["production"],
					"OPERATOR_KEY":    p.OperatorKey,
				} {
					env.Setenv(name, value)
				}

				return os.WriteFile(filepath.Join(env.WorkDir, "large.json"), largeCatalogue(), 0o600)
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"code":   exitWith,
				"expire": expire,
			},
		})
	})
}

// answerLate answers a little later than a person waits without a word.
func answerLate(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(3500 * time.Millisecond):
		w.WriteHeader(http.StatusNotFound)
	case <-r.Context().Done():
	}
}

// skewedProxy is the deployment with a clock that is ten minutes slow.
func skewedProxy(address string) http.Handler {
	target, err := url.Parse(address)
	if err != nil {
		panic(err)
	}

	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = new(http1.Transport) // net/http's own cuts an answer in a thousand: see bench/crowd
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
		return nil
	}

	return proxy
}

// exitWith is the script command `code N COMMAND…`: it runs a command, which must exit with N. What
// it prints can be looked at by stdout and stderr.
func exitWith(s *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		s.Fatalf("usage: code N COMMAND…")
	}

	want, err := strconv.Atoi(args[0])
	s.Check(err)

	err = s.Exec(args[1], args[2:]...)

	got := 0
	if err != nil {
		if _, got = exitOf(err); got < 0 {
			s.Fatalf("%v", err)
		}
	}

	if got != want {
		s.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// exitOf returns the exit code of a command's error; -1 where it did not run.
func exitOf(err error) (string, int) {
	type coded interface{ ExitCode() int }

	if exit, ok := err.(coded); ok {
		return err.Error(), exit.ExitCode()
	}

	return err.Error(), -1
}

// largeCatalogue is one with more paths than an API may have.
func largeCatalogue() []byte {
	var routes []string
	for i := range 301 {
		routes = append(routes, `{"api": "script-large", "method": "GET", "path": "/p`+
			strconv.Itoa(i)+`"}`)
	}

	return []byte(`{"permissions": [{"name": "large:read", "title": "Large", "routes": [` +
		strings.Join(routes, ", ") + `]}]}`)
}
