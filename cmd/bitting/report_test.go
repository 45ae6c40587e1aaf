package main_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What an address answers, which may be anybody's, cannot steer the terminal.
func TestErrorsCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"status": 403, "code": "permission_denied", ` +
			`"title": "\u001b[31mRED\u0007\u009b2J\nbitting: fine", "detail": "\u001b]0;pwn\u0007", ` +
			`"requestId": "\u001b[4m", "errors": [{"location": "body.\u001b[1m", "message": "\u202e"}]}`))
	}))
	defer server.Close()

	code, out, faults := run(t, "keys", "list", "--url", server.URL, "--organization", "acme",
		"--data=", "--profile=")
	if code != 3 || out != "" {
		t.Errorf("exit code %d, %q", code, out)
	}

	if strings.ContainsAny(faults, "\x1b\x07\u009b\u202e") || strings.Contains(faults, "\nbitting:") ||
		!strings.Contains(faults, `\x1b[31mRED`) {
		t.Errorf("%q", faults)
	}
}

// A secret in a wrong place of a command line is not repeated, of whatever brand it is.
func TestErrorsRepeatNoSecret(t *testing.T) {
	t.Parallel()

	const tail = "_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"
	for _, brand := range []string{"bt", "acme"} {
		for _, args := range [][]string{
			{"inspect", brand + tail},
			{"whoami", brand + tail},
			{"--nothing=" + brand + tail},
			{"keys", brand + tail},
			{brand + tail},
			{"keys", "create", "x", "--environment", brand + tail, "--url", "http://127.0.0.1:9"},
		} {
			code, out, faults := run(t, args...)
			if code == 0 || faults == "" || strings.Contains(out+faults, "0123456789abcdefghij") {
				t.Errorf("%v: exit code %d, %s, %s", args, code, out, faults)
			}
		}
	}
}
