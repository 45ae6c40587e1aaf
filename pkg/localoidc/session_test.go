package localoidc_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bitting-keys/bitting/pkg/localoidc"
)

// pickCookie signs a person in and returns the session's cookie.
func (m *machine) pickCookie(t *testing.T, person, before string) *http.Cookie {
	t.Helper()
	_, id := m.page(t, m.authorizeURL())

	a := do(t, http.MethodPost, m.URL+"/oidc/sign-in", url.Values{
		"id":     {id},
		"person": {person},
	}, map[string]string{
		"Cookie": before,
	})

	cookie, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
	if err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("%d, %q: %v", a.status, a.header.Get("Set-Cookie"), err)
	}

	return cookie
}

// silent asks for a code without asking anybody. It returns the code, or the error's code.
func (m *machine) silent(
	t *testing.T, c *oauth2.Config, cookie, verifier string, more ...oauth2.AuthCodeOption,
) (code, refusal string) {
	t.Helper()
	more = append([]oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("prompt", "none"),
		oauth2.S256ChallengeOption(verifier),
	}, more...)
	a := do(t, http.MethodGet, c.AuthCodeURL("s", more...), nil, map[string]string{
		"Cookie": cookie,
	})

	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.String(), c.RedirectURL+"?") {
		t.Fatalf("%d to %q: %v", a.status, a.header.Get("Location"), err)
	}

	return to.Query().Get("code"), to.Query().Get("error")
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	got := m.pickCookie(t, "alice@acme.test", "")

	if !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/oidc" ||
		got.Domain != "" || got.MaxAge != 12*3600 || got.Secure || len(got.Value) < 26 ||
		!strings.HasSuffix(got.Name, m.URL[strings.LastIndex(m.URL, ":")+1:]) {
		t.Errorf("%+v", got)
	}

	// Another person gets another session, and ends the one before.
	next := m.pickCookie(t, "bob@acme.test", got.String())
	if next.Value == got.Value {
		t.Error("the session of before is used again")
	}

	c, verifier := m.client(), oauth2.GenerateVerifier()
	if _, refusal := m.silent(t, c, got.String(), verifier); refusal != "login_required" {
		t.Errorf("the session of before: %q", refusal)
	}

	if _, refusal := m.silent(t, c, next.String(), verifier); refusal != "" {
		t.Errorf("the session of now: %q", refusal)
	}
}

func TestSessionCookieIsSecureOverTLS(t *testing.T) {
	t.Parallel()

	provider, err := localoidc.New(localoidc.Config{
		BaseURL: "https://127.0.0.1:4000",
		DataDir: dataDir(t),
		People:  people(),
	})
	if err != nil {
		t.Fatal(err)
	}

	m := serve(t, provider.Handler(), "127.0.0.1:4000")
	m.Provider = provider

	if got := m.pickCookie(t, "alice@acme.test", ""); !got.Secure {
		t.Errorf("%+v", got)
	}
}

func TestSilentRenewal(t *testing.T) {
	t.Parallel()

	param := oauth2.SetAuthURLParam

	tests := []struct {
		name   string
		cookie string // instead of the session's
		after  time.Duration
		more   func(hint func(person string) string) []oauth2.AuthCodeOption
		want   string // the refusal
	}{
		{name: "with a session"},
		{name: "without one", cookie: "none=x", want: "login_required"},
		{name: "just before its end", after: 12*time.Hour - time.Second},
		{name: "after its end", after: 12 * time.Hour, want: "login_required"},
		{
			name: "as old as allowed", after: time.Minute,
			more: func(func(string) string) []oauth2.AuthCodeOption {
				return []oauth2.AuthCodeOption{param("max_age", "60")}
			},
		},
		{
			name: "older than allowed", after: time.Minute + time.Second,
			more: func(func(string) string) []oauth2.AuthCodeOption {
				return []oauth2.AuthCodeOption{param("max_age", "60")}
			},
			want: "login_required",
		},
		{
			name: "of the person in the hint",
			more: func(hint func(string) string) []oauth2.AuthCodeOption {
				return []oauth2.AuthCodeOption{param("id_token_hint", hint("alice@acme.test"))}
			},
		},
		{
			name: "of another person than in the hint",
			more: func(hint func(string) string) []oauth2.AuthCodeOption {
				return []oauth2.AuthCodeOption{param("id_token_hint", hint("bob@acme.test"))}
			},
			want: "login_required",
		},
		{
			name: "a made up hint",
			more: func(hint func(string) string) []oauth2.AuthCodeOption {
				return []oauth2.AuthCodeOption{param("id_token_hint", hint("bob@acme.test")[9:])}
			},
			want: "invalid_request",
		},
		{
			name: "with another prompt",
			more: func(func(string) string) []oauth2.AuthCodeOption {
				return []oauth2.AuthCodeOption{param("prompt", "none login")}
			},
			want: "invalid_request",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			c, verifier := m.client(), oauth2.GenerateVerifier()

			cookie := m.pickCookie(t, "alice@acme.test", "").String()
			if tt.cookie != "" {
				cookie = tt.cookie
			}

			m.pass(tt.after)

			var more []oauth2.AuthCodeOption
			if tt.more != nil {
				more = tt.more(func(person string) string {
					token, err := m.Token(person)
					if err != nil {
						t.Fatal(err)
					}

					return token
				})
			}

			code, refusal := m.silent(t, c, cookie, verifier, more...)
			if refusal != tt.want || (code == "") != (tt.want != "") {
				t.Fatalf("code %q, refused as %q, want %q", code, refusal, tt.want)
			}

			if code == "" {
				return
			}

			id, _, refusal := exchange(t.Context(), c, code, verifier)
			if refusal != "" {
				t.Fatal(refusal)
			}

			claims := payload(t, id)
			if claims["email"] != "alice@acme.test" ||
				claims["auth_time"] != float64(start.Unix()) {
				t.Errorf("%v", claims)
			}
		})
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	c, verifier := m.client(), oauth2.GenerateVerifier()
	oldest := m.pickCookie(t, "alice@acme.test", "")

	second := m.pickCookie(t, "alice@acme.test", "")
	for range 999 {
		m.pickCookie(t, "bob@acme.test", "")
	}

	if _, refusal := m.silent(t, c, oldest.String(), verifier); refusal != "login_required" {
		t.Errorf("the oldest of 1001: %q", refusal)
	}

	if _, refusal := m.silent(t, c, second.String(), verifier); refusal != "" {
		t.Errorf("the second of 1001: %q", refusal)
	}
}

// offline returns a refresh token of Alice's.
func (m *machine) offline(t *testing.T, c *oauth2.Config) string {
	t.Helper()
	c.Scopes = append(c.Scopes, "offline_access", "phone")
	verifier := oauth2.GenerateVerifier()
	to := m.signIn(t, c, "alice@acme.test", verifier, oauth2.SetAuthURLParam("nonce", "n-1"))

	_, token, refusal := exchange(t.Context(), c, to.Query().Get("code"), verifier)
	if refusal != "" || token.RefreshToken == "" ||
		token.Extra("scope") != "openid email profile offline_access" {
		t.Fatalf("%+v, %s", token, refusal)
	}

	return token.RefreshToken
}

// renew uses a refresh token and returns the status and what was answered.
func (m *machine) renew(t *testing.T, token string, more url.Values) (int, map[string]any) {
	t.Helper()

	form := url.Values{
		"grant_type":    {"refresh_token"},
		"client_id":     {localoidc.ClientID},
		"refresh_token": {token},
	}
	for name, values := range more {
		form[name] = values
	}

	a := do(t, http.MethodPost, m.URL+"/oidc/token", form, nil)
	return a.status, fields(t, a.body)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	m := newMachine(t)

	token := m.offline(t, m.client())
	for range 3 {
		m.pass(30*24*time.Hour - time.Second)

		status, got := m.renew(t, token, nil)
		if status != http.StatusOK || got["refresh_token"] == token ||
			got["scope"] != "openid email profile offline_access" {
			t.Fatal(status, got)
		}

		token = got["refresh_token"].(string)

		claims := payload(t, got["id_token"].(string))
		if claims["sub"] != aliceID || claims["auth_time"] != float64(start.Unix()) ||
			claims["iat"] != float64(m.now().Unix()) || claims["at_hash"] == nil {
			t.Errorf("%v", claims)
		}

		// A renewed ID token has no nonce: https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse
		if _, has := claims["nonce"]; has {
			t.Errorf("%v", claims)
		}
	}
}

func TestRefreshIsRefused(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		change func(*testing.T, *machine, string) (string, url.Values)
		want   string
	}{
		{"made up", func(*testing.T, *machine, string) (string, url.Values) {
			return "x.y", nil
		}, "invalid_grant"},
		{"too old", func(_ *testing.T, m *machine, token string) (string, url.Values) {
			m.pass(30 * 24 * time.Hour)
			return token, nil
		}, "invalid_grant"},
		{"with a secret", func(_ *testing.T, _ *machine, token string) (string, url.Values) {
			return token, url.Values{"client_secret": {"secret"}}
		}, "invalid_client"},
		{"of another client", func(_ *testing.T, _ *machine, token string) (string, url.Values) {
			return token, url.Values{"client_id": {"other"}}
		}, "invalid_client"},
		{"its first half", func(_ *testing.T, _ *machine, token string) (string, url.Values) {
			name, _, _ := strings.Cut(token, ".")
			return name, nil
		}, "invalid_grant"},
		{"used", func(t *testing.T, m *machine, token string) (string, url.Values) {
			if status, got := m.renew(t, token, nil); status != http.StatusOK {
				t.Fatal(status, got)
			}

			return token, nil
		}, "invalid_grant"},
		{"follows one that was used twice", func(
			t *testing.T, m *machine, token string,
		) (string, url.Values) {
			_, got := m.renew(t, token, nil)
			if status, again := m.renew(t, token, nil); status != http.StatusBadRequest {
				t.Fatal(status, again)
			}

			return got["refresh_token"].(string), nil
		}, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			token, more := tt.change(t, m, m.offline(t, m.client()))

			status, got := m.renew(t, token, more)
			if status < http.StatusBadRequest || got["error"] != tt.want ||
				got["access_token"] != nil {
				t.Errorf("%d %v", status, got)
			}
		})
	}
}

func TestEndSessionEndsTheSession(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		method string
		hint   string // the person in it
		header map[string]string
		ended  bool
	}{
		{name: "with the person's ID token", hint: "alice@acme.test", ended: true},
		{name: "with another person's ID token", hint: "bob@acme.test"},
		{name: "without one"},
		{
			name:   "from another site",
			header: map[string]string{"Sec-Fetch-Site": "cross-site"},
		},
		{
			name:   "from another port",
			method: http.MethodPost,
			header: map[string]string{
				"Sec-Fetch-Site": "same-site",
				"Origin":         "http://127.0.0.1:1",
			},
		},
		{
			name:   "from a page here",
			header: map[string]string{"Sec-Fetch-Site": "same-origin"},
			ended:  true,
		},
		{
			name:   "from a page here in an old browser",
			method: http.MethodPost,
			header: map[string]string{"Origin": "here"},
			ended:  true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			cookie := m.pickCookie(t, "alice@acme.test", "")
			back := m.URL + "/console/signin"
			asked := url.Values{
				"client_id":                {localoidc.ClientID},
				"post_logout_redirect_uri": {back},
				"state":                    {"s 1"},
			}

			if tt.hint != "" {
				token, err := m.Token(tt.hint)
				if err != nil {
					t.Fatal(err)
				}

				asked.Set("id_token_hint", token)
			}

			header := map[string]string{"Cookie": cookie.String()}
			for name, value := range tt.header {
				if header[name] = value; value == "here" {
					header[name] = m.URL
				}
			}

			method, address, form := http.MethodGet, m.URL+"/oidc/end_session?"+asked.Encode(),
				url.Values(nil)
			if tt.method != "" {
				method, address, form = tt.method, m.URL+"/oidc/end_session", asked
			}

			a := do(t, method, address, form, header)
			if to := a.header.Get("Location"); tt.ended != (to == back+"?state=s+1") {
				t.Errorf("%d to %q", a.status, to)
			}

			if gone, err := http.ParseSetCookie(a.header.Get("Set-Cookie")); tt.ended &&
				(err != nil || gone.MaxAge >= 0 || gone.Name != cookie.Name ||
					gone.Path != cookie.Path) {
				t.Errorf("%q: %v", a.header.Get("Set-Cookie"), err)
			}

			want := ""
			if tt.ended {
				want = "login_required"
			}

			if _, refusal := m.silent(t, m.client(), cookie.String(),
				oauth2.GenerateVerifier()); refusal != want {
				t.Errorf("the session afterwards: %q, want %q", refusal, want)
			}

			if tt.ended {
				return
			}

			// Otherwise there is a page to confirm it on.
			shown := get(t, m.URL+a.header.Get("Location"))
			for _, part := range []string{
				`action="/oidc/end_session"`, `value="` + back + `"`, `value="s 1"`,
				`value="` + localoidc.ClientID + `"`,
			} {
				if shown.status != http.StatusOK || !strings.Contains(shown.body, part) {
					t.Errorf("%d lacks %s:\n%s", shown.status, part, shown.body)
				}
			}

			if policy := shown.header.Get("Content-Security-Policy"); !strings.Contains(policy,
				"form-action 'self' "+m.URL+";") {
				t.Error(policy)
			}
		})
	}
}

func TestSignOutPageLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	m := newMachine(t)

	a := get(t, m.URL+"/oidc/sign-out?post_logout_redirect_uri=https://evil.test/")
	if strings.Contains(a.body+a.header.Get("Content-Security-Policy"), "evil.test") {
		t.Errorf("%v\n%s", a.header, a.body)
	}
}

// Not parallel: the protocol's library logs to slog's default logger.
func TestLogsHoldNoCredentials(t *testing.T) {
	var log bytes.Buffer

	before := slog.Default()
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	slog.SetDefault(logger)
	t.Cleanup(func() { slog.SetDefault(before) })

	m := newMachine(t)
	c, verifier := m.client(), oauth2.GenerateVerifier()
	cookie := m.pickCookie(t, "alice@acme.test", "")
	refreshToken := m.offline(t, c)
	code, _ := m.silent(t, c, cookie.String(), verifier)

	id, token, refusal := exchange(t.Context(), c, code, verifier)
	if refusal != "" {
		t.Fatal(refusal)
	}

	_, renewed := m.renew(t, refreshToken, nil)
	m.renew(t, refreshToken, nil) // used
	exchange(t.Context(), c, code, verifier)
	do(t, http.MethodGet, m.URL+"/oidc/userinfo", nil, map[string]string{
		"Authorization": "Bearer " + id,
	})
	get(t, m.URL+"/oidc/end_session?post_logout_redirect_uri=x&id_token_hint="+id)
	m.silent(t, c, cookie.String(), verifier, oauth2.SetAuthURLParam("id_token_hint", id[9:]))

	if !strings.Contains(log.String(), "invalid_grant") {
		t.Errorf("nothing was logged: %s", log.String())
	}

	name, secret, _ := strings.Cut(refreshToken, ".")
	for _, credential := range []string{
		cookie.Value, name, secret, code, verifier, token.AccessToken, id, id[9:],
		renewed["refresh_token"].(string),
	} {
		if strings.Contains(log.String(), credential) {
			t.Errorf("the log has a credential of %d characters", len(credential))
		}
	}
}
