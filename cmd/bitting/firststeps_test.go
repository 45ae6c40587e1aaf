package main_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEndToEndFirstSteps pastes the printed first steps into a shell: each command does what the
// text above it says.
func TestEndToEndFirstSteps(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	eventually(t, "the first steps are printed", func() bool {
		return strings.Contains(p.out.String(), "Ctrl-C stops")
	})

	var got []string
	for _, line := range commands(p.out.String()) {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}

		status, _, _ := strings.Cut(string(out), "\r\n")
		got = append(got, strings.TrimPrefix(status, "HTTP/1.1 "))
	}

	want := []string{
		"200 OK", "403 Forbidden", "401 Unauthorized", "201 Created", "200 OK", "200 OK",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the first steps answer (-want +got):\n%s\n%s", diff, p.out.String())
	}

	for _, word := range strings.Fields(p.out.String()) {
		if path, ok := strings.CutPrefix(strings.TrimRight(word, ".,)"), p.URL); ok &&
			(path == "/v1/docs" || path == "/console/") {
			p.As("").Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK)
		}
	}
}

// commands returns the indented lines, joined with those that follow a backslash.
func commands(text string) []string {
	var out []string
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		if command, ok := strings.CutPrefix(line, "  "); ok {
			out = append(out, command)
		}
	}

	return out
}

// TestEndToEndPromise checks the printed promise of the revocation profile, and the operator key's
// place without a demo.
func TestEndToEndPromise(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"strict":  {nil, "a check that starts after a revoke returned is refused"},
		"fast":    {[]string{"--profile", "fast"}, "a revoked key is refused within 5 seconds"},
		"cached":  {[]string{"--profile", "cached"}, "a revoked key is refused within 300 seconds"},
		"no demo": {[]string{"--no-demo"}, "There is no demo. The operator key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), test.args...)
			eventually(t, "it prints "+test.want, func() bool {
				return strings.Contains(p.out.String(), test.want)
			})
		})
	}
}
