package localoidc_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestPagesOnThisMachineMayCall(t *testing.T) {
	t.Parallel()
	m := newMachine(t)

	origins := map[string]bool{
		"http://localhost:5173":           true,
		"http://localhost":                true,
		"http://127.0.0.1:3000":           true,
		"http://[::1]:3000":               true,
		"https://localhost:5173":          false,
		"https://evil.test":               false,
		"http://localhost.evil.test":      false,
		"http://127.0.0.1.evil.test":      false,
		"http://127.0.0.1@evil.test":      false,
		"http://10.0.0.1:3000":            false,
		"null":                            false,
		"file://":                         false,
		"chrome-extension://localhost:80": false,
	}
	endpoints := []struct {
		method, path string
		called       bool // by scripts
	}{
		{http.MethodGet, "/.well-known/openid-configuration", true},
		{http.MethodGet, "/keys", true},
		{http.MethodPost, "/token", true},
		{http.MethodGet, "/userinfo", true},
		{http.MethodPost, "/userinfo", true},
		{http.MethodGet, "/authorize", false},
		{http.MethodGet, "/end_session", false},
		{http.MethodGet, "/sign-in", false},
		{http.MethodPost, "/sign-in", false},
	}

	for origin, local := range origins {
		for _, e := range endpoints {
			want := ""
			if local && e.called {
				want = origin
			}

			address := m.URL + "/oidc" + e.path
			first := do(t, http.MethodOptions, address, nil, map[string]string{
				"Origin":                         origin,
				"Access-Control-Request-Method":  e.method,
				"Access-Control-Request-Headers": "authorization",
			}).header

			if got := first.Get("Access-Control-Allow-Origin"); got != want ||
				want != "" && (first.Get("Access-Control-Allow-Methods") != e.method ||
					first.Get("Access-Control-Allow-Headers") != "authorization") {
				t.Errorf("before %s %s from %s: %v", e.method, e.path, origin, first)
			}

			then := do(t, e.method, address, nil, map[string]string{"Origin": origin}).header
			if got := then.Get("Access-Control-Allow-Origin"); got != want ||
				then.Get("Access-Control-Allow-Credentials") != "" ||
				e.called && !slices.Contains(then.Values("Vary"), "Origin") {
				t.Errorf("%s %s from %s: %v", e.method, e.path, origin, then)
			}

			if e.path == "/userinfo" && want != "" && !strings.EqualFold(
				then.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
				t.Errorf("a script cannot read why userinfo refuses: %v", then)
			}
		}
	}
}
