package localoidc_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/bitting-keys/bitting/pkg/localoidc"
)

func (m *machine) authorizeURL() string {
	return m.client().AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
}

func TestPageShowsThePeople(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	address, _ := m.page(t, m.authorizeURL())
	a := get(t, address)

	var shown []string
	for _, found := range regexp.MustCompile(
		`<button name="person" value="([^"]+)">`,
	).FindAllStringSubmatch(
		a.body, -1,
	) {
		shown = append(shown, found[1])
	}

	if diff := cmp.Diff([]string{
		"alice@acme.test", "bob@acme.test", "mallory@acme.test",
	}, shown); diff != "" {
		t.Error(diff)
	}

	for _, want := range []string{
		"Alice", "admin of acme", "For this machine only", "no passwords", "&lt;script&gt;",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}

	for _, not := range []string{"<script", "<img", "<style", " style=", " on", "http:", "https:"} {
		if regexp.MustCompile(`<[^>]*` + not).MatchString(a.body) {
			t.Errorf("the page has %q in a tag:\n%s", not, a.body)
		}
	}

	want := "default-src 'none'; style-src 'self'; img-src data:; form-action 'self' " + m.URL +
		"; base-uri 'none'; frame-ancestors 'none'"
	if diff := cmp.Diff(want, a.header.Get("Content-Security-Policy")); diff != "" {
		t.Error(diff)
	}

	style := get(t, m.URL+"/oidc/sign-in.css")
	if style.status != http.StatusOK ||
		!strings.HasPrefix(style.header.Get("Content-Type"), "text/css") ||
		strings.Contains(style.body, "url(") {
		t.Errorf("style: %d %v", style.status, style.header)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()

	m := newMachine(t)
	for _, path := range []string{
		"/.well-known/openid-configuration", "/keys", "/authorize", "/userinfo", "/sign-in",
		"/sign-in.css", "/sign-out", "/end_session", "/nothing",
	} {
		a := do(t, http.MethodGet, m.URL+"/oidc"+path, nil, map[string]string{
			"Origin": "https://evil.test",
		})
		if a.header.Get("Cache-Control") != "no-store" ||
			a.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			a.header.Get("Referrer-Policy") != "same-origin" ||
			a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, a.header)
		}

		// A site whose name resolves to this machine learns nothing.
		a = do(t, http.MethodGet, m.URL+"/oidc"+path, nil, map[string]string{"Host": "evil.test"})
		if a.status != http.StatusMisdirectedRequest {
			t.Errorf("%s for another host: %d", path, a.status)
		}
	}
}

func TestLongBodiesAreRefused(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, id := m.page(t, m.authorizeURL())

	form := url.Values{
		"id":     {id},
		"person": {"alice@acme.test"},
		"more":   {strings.Repeat("x", 64<<10)},
	}
	if a := do(t, http.MethodPost, m.URL+"/oidc/sign-in", form, map[string]string{
		"Origin": m.URL,
	}); a.status != http.StatusBadRequest {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
}

func TestPickingIsRefused(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name string
		pick func(*testing.T, *machine, string) answer
		want int
	}{
		{"as it should be", func(t *testing.T, m *machine, id string) answer {
			return m.pick(t, id, "alice@acme.test")
		}, http.StatusSeeOther},
		{"a second before it is too old", func(t *testing.T, m *machine, id string) answer {
			m.pass(10*time.Minute - time.Second)
			return m.pick(t, id, "alice@acme.test")
		}, http.StatusSeeOther},
		{"too old", func(t *testing.T, m *machine, id string) answer {
			m.pass(10 * time.Minute)
			return m.pick(t, id, "alice@acme.test")
		}, http.StatusBadRequest},
		{"an unknown person", func(t *testing.T, m *machine, id string) answer {
			return m.pick(t, id, "eve@evil.test")
		}, http.StatusBadRequest},
		{"no person", func(t *testing.T, m *machine, id string) answer {
			return m.pick(t, id, "")
		}, http.StatusBadRequest},
		{"an unknown person, then a known one", func(t *testing.T, m *machine, id string) answer {
			m.pick(t, id, "eve@evil.test")
			return m.pick(t, id, "alice@acme.test")
		}, http.StatusSeeOther},
		{"twice", func(t *testing.T, m *machine, id string) answer {
			m.pick(t, id, "alice@acme.test")
			return m.pick(t, id, "bob@acme.test")
		}, http.StatusBadRequest},
		{"a made up sign-in", func(t *testing.T, m *machine, _ string) answer {
			return m.pick(t, "id", "alice@acme.test")
		}, http.StatusBadRequest},
		{"from another site", func(t *testing.T, m *machine, id string) answer {
			return do(t, http.MethodPost, m.URL+"/oidc/sign-in", url.Values{
				"id":     {id},
				"person": {"alice@acme.test"},
			}, map[string]string{
				"Origin": "https://evil.test",
			})
		}, http.StatusForbidden},
		{"by an address", func(t *testing.T, m *machine, id string) answer {
			return do(t, http.MethodPost, m.URL+"/oidc/sign-in?person=alice@acme.test&id="+id,
				url.Values{}, map[string]string{
					"Origin": m.URL,
				})
		}, http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			_, id := m.page(t, m.authorizeURL())

			a := tt.pick(t, m, id)
			if a.status != tt.want ||
				(a.header.Get("Location") != "") != (tt.want == http.StatusSeeOther) {
				t.Errorf("%d to %q, want %d", a.status, a.header.Get("Location"), tt.want)
			}
		})
	}
}

func TestPageIsOver(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	address, _ := m.page(t, m.authorizeURL())
	m.pass(10 * time.Minute)

	for _, address := range []string{
		address, m.URL + "/oidc/sign-in", m.URL + "/oidc/sign-in?id=x",
	} {
		if a := get(t, address); a.status != http.StatusBadRequest ||
			!strings.Contains(a.body, "has ended or expired") || strings.Contains(a.body, "<form") {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
	}
}

func TestSignInsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	oldest, _ := m.page(t, m.authorizeURL())

	second, _ := m.page(t, m.authorizeURL())
	for range 999 {
		if a := get(t, m.authorizeURL()); a.status != http.StatusFound {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}

	if a := get(t, oldest); a.status != http.StatusBadRequest {
		t.Errorf("the oldest of 1001: %d", a.status)
	}

	if a := get(t, second); a.status != http.StatusOK {
		t.Errorf("the second of 1001: %d", a.status)
	}
}

func TestDiscoverySaysWhatThereIs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	issuer := m.URL + "/oidc"
	got := fields(t, get(t, issuer+"/.well-known/openid-configuration").body)
	want := map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "/authorize",
		"token_endpoint":                        issuer + "/token",
		"userinfo_endpoint":                     issuer + "/userinfo",
		"end_session_endpoint":                  issuer + "/end_session",
		"jwks_uri":                              issuer + "/keys",
		"scopes_supported":                      []any{"openid", "email", "profile", "offline_access"},
		"response_types_supported":              []any{"code"},
		"response_modes_supported":              []any{"query"},
		"grant_types_supported":                 []any{"authorization_code", "refresh_token"},
		"subject_types_supported":               []any{"public"},
		"id_token_signing_alg_values_supported": []any{"RS256"},
		"token_endpoint_auth_methods_supported": []any{"none"},
		"code_challenge_methods_supported":      []any{"S256"},
		"claims_supported": []any{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "email",
			"email_verified", "name",
		},
	}

	for name, value := range got {
		if value == false {
			delete(got, name) // may be absent, since it is not supported
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if m.Issuer() != issuer {
		t.Errorf("issuer %s", m.Issuer())
	}

	keys := fields(t, get(t, issuer+"/keys").body)["keys"].([]any)
	for name := range keys[0].(map[string]any) {
		if len(keys) != 1 || !strings.Contains(" kty kid use alg n e ", " "+name+" ") {
			t.Errorf("the key set has %q", name)
		}
	}
}

func TestWithoutPeople(t *testing.T) {
	t.Parallel()

	p, err := localoidc.New(localoidc.Config{BaseURL: "http://127.0.0.1:4000", DataDir: dataDir(t)})
	if err != nil {
		t.Fatal(err)
	}

	if _, err := p.Token(""); err == nil {
		t.Error("got a token for an empty address")
	}
}
