package localoidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/localoidc"
)

// aliceID is Alice's subject: a change would make her another person to every organization on
// disk.
const aliceID = "d4c9f5845de39aea355b5f3a17296e4f"

func TestSignIn(t *testing.T) {
	t.Parallel()

	for _, redirect := range []string{
		"/console/callback", "http://127.0.0.1:53682/callback", "http://localhost:1/callback",
	} {
		t.Run(redirect, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)

			c, verifier := m.client(), oauth2.GenerateVerifier()
			if c.RedirectURL = redirect; strings.HasPrefix(redirect, "/") {
				c.RedirectURL = m.URL + redirect
			}

			to := m.signIn(t, c, "alice@acme.test", verifier,
				oauth2.SetAuthURLParam("nonce", "n-1"))
			if got := to.Scheme + "://" + to.Host + to.Path; got != c.RedirectURL {
				t.Errorf("led to %s, want %s", got, c.RedirectURL)
			}

			if got := to.Query().Get("state"); got != "state&1" {
				t.Errorf("state %q", got)
			}

			m.pass(30 * time.Second)

			id, token, refusal := exchange(t.Context(), c, to.Query().Get("code"), verifier)
			if refusal != "" {
				t.Fatal(refusal)
			}

			if token.ExpiresIn != 3600 || token.Type() != "Bearer" || token.RefreshToken != "" {
				t.Errorf("got %+v", token)
			}

			person, err := m.verifier().Verify(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}

			want := identity.Person{
				ID:            person.ID,
				Email:         "alice@acme.test",
				EmailVerified: true,
				Name:          "Alice",
			}
			if diff := cmp.Diff(want, person); diff != "" {
				t.Error(diff)
			}

			at, hash := float64(start.Unix()), sha256.Sum256([]byte(token.AccessToken))

			wantClaims := map[string]any{
				"iss":            m.URL + "/oidc",
				"aud":            "bitting-console",
				"sub":            person.ID,
				"iat":            at + 30,
				"exp":            at + 30 + 3600,
				"auth_time":      at,
				"nonce":          "n-1",
				"at_hash":        base64.RawURLEncoding.EncodeToString(hash[:16]),
				"email":          "alice@acme.test",
				"email_verified": true,
				"name":           "Alice",
			}
			if diff := cmp.Diff(wantClaims, payload(t, id)); diff != "" {
				t.Error(diff)
			}

			info := do(t, http.MethodGet, m.URL+"/oidc/userinfo", nil, map[string]string{
				"Authorization": "Bearer " + token.AccessToken,
			})

			wantInfo := map[string]any{
				"sub":            person.ID,
				"email":          "alice@acme.test",
				"email_verified": true,
				"name":           "Alice",
			}
			if diff := cmp.Diff(wantInfo, fields(t, info.body)); diff != "" ||
				info.status != http.StatusOK {
				t.Error(info.status, diff)
			}
		})
	}
}

func payload(t *testing.T, token string) map[string]any {
	t.Helper()

	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}

	return fields(t, string(text))
}

func TestCodeIsRefused(t *testing.T) {
	t.Parallel()
	verifier := oauth2.GenerateVerifier()

	tests := []struct {
		name string
		with func(*testing.T, *machine, *oauth2.Config, string) (code, verifier string)
		want string
	}{
		{
			"as it should be",
			func(_ *testing.T, _ *machine, _ *oauth2.Config, code string) (string, string) {
				return code, verifier
			}, "",
		},
		{
			"a second before it is too old",
			func(_ *testing.T, m *machine, _ *oauth2.Config, code string) (string, string) {
				m.pass(59 * time.Second)
				return code, verifier
			}, "",
		},
		{"too old", func(_ *testing.T, m *machine, _ *oauth2.Config, code string) (string, string) {
			m.pass(60 * time.Second)
			return code, verifier
		}, "invalid_grant"},
		{
			"another verifier",
			func(_ *testing.T, _ *machine, _ *oauth2.Config, code string) (string, string) {
				return code, oauth2.GenerateVerifier()
			}, "invalid_grant",
		},
		{
			"the challenge as its verifier",
			func(_ *testing.T, _ *machine, _ *oauth2.Config, code string) (string, string) {
				return code, oauth2.S256ChallengeFromVerifier(verifier)
			}, "invalid_grant",
		},
		{
			"no verifier",
			func(_ *testing.T, _ *machine, _ *oauth2.Config, code string) (string, string) {
				return code, ""
			}, "invalid_request",
		},
		{"used", func(t *testing.T, _ *machine, c *oauth2.Config, code string) (string, string) {
			if _, _, refusal := exchange(t.Context(), c, code, verifier); refusal != "" {
				t.Fatal(refusal)
			}

			return code, verifier
		}, "invalid_grant"},
		{
			"tried with another verifier",
			func(t *testing.T, _ *machine, c *oauth2.Config, code string) (string, string) {
				if _, _, refusal := exchange(t.Context(), c, code,
					oauth2.GenerateVerifier()); refusal != "invalid_grant" {
					t.Fatal(refusal)
				}

				return code, verifier
			}, "invalid_grant",
		},
		{
			"another redirect",
			func(_ *testing.T, _ *machine, c *oauth2.Config, code string) (string, string) {
				c.RedirectURL = "http://127.0.0.1:1/callback"
				return code, verifier
			}, "invalid_grant",
		},
		{
			"another client",
			func(_ *testing.T, _ *machine, c *oauth2.Config, code string) (string, string) {
				c.ClientID = "other"
				return code, verifier
			}, "invalid_client",
		},
		{
			"a secret",
			func(_ *testing.T, _ *machine, c *oauth2.Config, code string) (string, string) {
				c.ClientSecret = "secret"
				return code, verifier
			}, "invalid_client",
		},
		{"made up", func(*testing.T, *machine, *oauth2.Config, string) (string, string) {
			return "code", verifier
		}, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			c := m.client()
			code, verifier := tt.with(t, m, c,
				m.signIn(t, c, "alice@acme.test", verifier).Query().Get("code"))

			id, _, got := exchange(t.Context(), c, code, verifier)
			if got != tt.want || (id != "") != (tt.want == "") {
				t.Errorf("refused as %q, want %q (ID token %q)", got, tt.want, id)
			}
		})
	}
}

func TestNoOtherWayToTokens(t *testing.T) {
	t.Parallel()

	m := newMachine(t)
	for _, grant := range []string{
		"refresh_token", "client_credentials", "password",
		"urn:ietf:params:oauth:grant-type:device_code",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "",
	} {
		form := url.Values{
			"grant_type":    {grant},
			"client_id":     {localoidc.ClientID},
			"assertion":     {"x"},
			"refresh_token": {"x"},
			"device_code":   {"x"},
		}

		a := do(t, http.MethodPost, m.URL+"/oidc/token", form, nil)
		if a.status != http.StatusBadRequest || strings.Contains(a.body, "token\":") {
			t.Errorf("grant %q: %d %s", grant, a.status, a.body)
		}
	}

	if a := get(t,
		m.URL+
			"/oidc/token?grant_type=authorization_code&code=x"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("code in an address: %d", a.status)
	}

	for _, path := range []string{
		"/oauth/token", "/oauth/introspect", "/revoke", "/device_authorization", "/healthz",
		"/authorize/callback",
	} {
		if a := do(t, http.MethodPost, m.URL+"/oidc"+path,
			url.Values{}, nil); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestRedirectElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	m := newMachine(t)

	port := m.URL[strings.LastIndex(m.URL, ":"):]
	for _, redirect := range []string{
		"", "https://evil.test/callback", "http://evil.test/callback", "//evil.test/callback",
		"/console/callback", m.URL + "/console/callback/../../v1", m.URL + "/console/",
		m.URL + "/console/callback?next=https://evil.test", m.URL + ".evil.test/console/callback",
		"http://127.0.0.1" + port + "@evil.test/console/callback",
		"http://127.0.0.1.evil.test/callback", "http://evil.test#@127.0.0.1/callback",
		`http://evil.test\@127.0.0.1/callback`, "http://127.0.0.1:9/other",
		"javascript:alert(1)", "data:text/html,x", "bitting:/callback", "http://10.0.0.1/callback",
	} {
		c := m.client()
		c.RedirectURL = redirect

		a := get(t, c.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
		if a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("%s: %d to %q", redirect, a.status, a.header.Get("Location"))
		}

		// Other faults do not redirect there either.
		a = get(t, c.AuthCodeURL("s", oauth2.SetAuthURLParam("response_type", "token")))
		if a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("%s, with an error: %d to %q", redirect, a.status, a.header.Get("Location"))
		}
	}

	c := m.client()

	c.ClientID = "other"
	if a := get(t, c.AuthCodeURL("s")); a.status != http.StatusBadRequest ||
		a.header.Get("Location") != "" {
		t.Errorf("another client: %d to %q", a.status, a.header.Get("Location"))
	}
}

// What cannot be redirected to the client is shown to the person in the browser.
func TestRefusalsAreReadable(t *testing.T) {
	t.Parallel()
	m := newMachine(t)

	tests := []struct {
		name, address string
		want          []string
	}{
		{
			"another client",
			"/authorize?client_id=%3Cb%3Eother&redirect_uri=http://127.0.0.1:9/callback",
			[]string{"there is no such client", "&lt;b&gt;other", localoidc.ClientID},
		},
		{
			"another redirect",
			"/authorize?client_id=bitting-console&redirect_uri=https://evil.test/%3Cscript%3E",
			[]string{
				"the redirect_uri is not one of", "https://evil.test/&lt;script&gt;",
				"<code>" + m.URL + "/console/callback</code>",
				"<code>http://127.0.0.1/callback</code>",
			},
		},
		{"nothing", "/authorize", []string{"there is no such client", "<dd>none</dd>"}},
		{"not a number", "/authorize?max_age=x", []string{"invalid_request"}},
		{"no query", "/authorize?%", []string{"cannot be read"}},
		{
			"another address after the session",
			"/end_session?client_id=bitting-console&post_logout_redirect_uri=https://evil.test/",
			[]string{
				"post_logout_redirect_uri", "<dd>https://evil.test/</dd>",
				"<code>" + m.URL + "/console/signin</code>",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			a := get(t, m.URL+"/oidc"+tt.address)
			if a.status != http.StatusBadRequest || a.header.Get("Location") != "" ||
				a.header.Get("Content-Type") != "text/html; charset=utf-8" ||
				strings.Contains(a.body, `href="https:`) || strings.Contains(a.body, "<script") {
				t.Errorf("%d %v\n%s", a.status, a.header, a.body)
			}

			for _, want := range tt.want {
				if !strings.Contains(a.body, want) {
					t.Errorf("the page lacks %q:\n%s", want, a.body)
				}
			}
		})
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	challenge := oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())

	tests := []struct {
		name   string
		change url.Values // an empty value removes the parameter
		want   string
	}{
		{"no PKCE", url.Values{
			"code_challenge":        {""},
			"code_challenge_method": {""},
		}, "invalid_request"},
		{"plain PKCE", url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"PKCE without a method, which is plain", url.Values{
			"code_challenge_method": {""},
		}, "invalid_request"},
		{"a challenge that is no hash", url.Values{"code_challenge": {"short"}}, "invalid_request"},
		{"implicit flow", url.Values{"response_type": {"token"}}, "unauthorized_client"},
		{"implicit flow with an ID token", url.Values{
			"response_type": {"id_token token"},
		}, "unauthorized_client"},
		{"hybrid flow", url.Values{"response_type": {"code id_token"}}, "unauthorized_client"},
		{"answer by a form", url.Values{"response_mode": {"form_post"}}, "invalid_request"},
		{"answer in a fragment", url.Values{"response_mode": {"fragment"}}, "invalid_request"},
		{"without openid", url.Values{"scope": {"email"}}, "invalid_scope"},
		{"without asking anybody", url.Values{"prompt": {"none"}}, "login_required"},
		{"a state that is too long", url.Values{
			"state": {strings.Repeat("s", 4<<10) + "-"},
		}, "invalid_request"},
		{"a request object", url.Values{"request": {"e30.e30."}}, "request_not_supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			query := url.Values{
				"client_id":             {localoidc.ClientID},
				"redirect_uri":          {m.URL + "/console/callback"},
				"response_type":         {"code"},
				"scope":                 {"openid email"},
				"state":                 {"s-1"},
				"code_challenge":        {challenge},
				"code_challenge_method": {"S256"},
			}
			for name, values := range tt.change {
				if query[name] = values; values[0] == "" {
					query.Del(name)
				}
			}

			a := get(t, m.URL+"/oidc/authorize?"+query.Encode())

			to, err := url.Parse(a.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}

			answer := to.Query()
			if to.Fragment != "" {
				answer, _ = url.ParseQuery(to.Fragment)
			}

			if to.Path != "/console/callback" || answer.Get("error") != tt.want ||
				answer.Get("state") != query.Get("state") || answer.Get("code") != "" {
				t.Errorf("%d to %s, want the error %s", a.status, to, tt.want)
			}
		})
	}
}

// tokens signs a person in, and returns their ID token and the others.
func (m *machine) tokens(t *testing.T, email string) (id string, token *oauth2.Token) {
	t.Helper()
	c, verifier := m.client(), oauth2.GenerateVerifier()

	id, token, refusal := exchange(t.Context(), c,
		m.signIn(t, c, email, verifier).Query().Get("code"), verifier)
	if refusal != "" {
		t.Fatal(refusal)
	}

	return id, token
}

func TestTokensAreForOneThingEach(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	id, token := m.tokens(t, "bob@acme.test")

	if _, err := m.verifier().Verify(t.Context(),
		token.AccessToken); !errors.Is(err, identity.ErrInvalid) {
		t.Errorf("an access token signs in: %v", err)
	}

	userinfo := func(token string) int {
		return do(t, http.MethodGet, m.URL+"/oidc/userinfo", nil, map[string]string{
			"Authorization": "Bearer " + token,
		}).status
	}
	if got := userinfo(id); got != http.StatusUnauthorized {
		t.Errorf("an ID token opens userinfo: %d", got)
	}

	m.pass(time.Hour + time.Second)

	if got := userinfo(token.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("an old access token opens userinfo: %d", got)
	}
}

// A request without a token gets a challenge without an error (RFC 6750, section 3.1).
func TestUserinfo(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	_, token := m.tokens(t, "bob@acme.test")

	access := token.AccessToken

	tests := []struct {
		name, query, authorization, body string
		status                           int
		challenge                        string // the error in it
	}{
		{name: "in the header", authorization: "Bearer " + access, status: http.StatusOK},
		{name: "lower case", authorization: "bearer " + access, status: http.StatusOK},
		{name: "in the body", body: access, status: http.StatusOK},
		{name: "none", status: http.StatusUnauthorized, challenge: "none"},
		{
			name: "another scheme", authorization: "Basic Ym9iOng=",
			status: http.StatusUnauthorized, challenge: "none",
		},
		{
			name: "in the address", query: "?access_token=" + access,
			status: http.StatusUnauthorized, challenge: "none",
		},
		{
			name: "changed", authorization: "Bearer " + access[:len(access)-9],
			status: http.StatusUnauthorized, challenge: "invalid_token",
		},
		{
			name: "empty", authorization: "Bearer",
			status: http.StatusUnauthorized, challenge: "invalid_token",
		},
		{
			name: "two", authorization: "Bearer " + access, body: access,
			status: http.StatusBadRequest, challenge: "invalid_request",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			method, form := http.MethodGet, url.Values(nil)
			if tt.body != "" {
				method, form = http.MethodPost, url.Values{"access_token": {tt.body}}
			}

			a := do(t, method, m.URL+"/oidc/userinfo"+tt.query, form,
				map[string]string{"Authorization": tt.authorization})
			got := a.header.Get("WWW-Authenticate")

			code := ""
			if _, found, ok := strings.Cut(got, `error="`); ok {
				code, _, _ = strings.Cut(found, `"`)
			} else if strings.HasPrefix(got, `Bearer realm="`) {
				code = "none"
			}

			if a.status != tt.status || code != tt.challenge {
				t.Errorf("%d with %q, want %d with %q", a.status, got, tt.status, tt.challenge)
			}

			if (a.status == http.StatusOK) != strings.Contains(a.body, "bob@acme.test") {
				t.Error(a.body)
			}
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()

	m := newMachine(t)
	for _, email := range []string{"alice@acme.test", "Alice@ACME.test"} {
		token, err := m.Token(email)
		if err != nil {
			t.Fatal(err)
		}

		got, err := m.verifier().Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(identity.Person{
			ID:            aliceID,
			Email:         "alice@acme.test",
			EmailVerified: true,
			Name:          "Alice",
		}, got); diff != "" {
			t.Error(diff)
		}
	}

	if token, err := m.Token("nobody@acme.test"); !errors.Is(err, localoidc.ErrUnknownPerson) ||
		token != "" {
		t.Errorf("got %q, %v, want ErrUnknownPerson", token, err)
	}
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	token, access := m.tokens(t, "alice@acme.test")

	m.pass(24 * time.Hour) // a hint may have expired
	back := m.URL + "/console/signin"

	tests := []struct {
		name  string
		query url.Values
		want  string // the redirect; "" for a refusal
	}{
		{"nothing asked", url.Values{}, m.URL + "/console/"},
		{"by client", url.Values{
			"client_id":                {localoidc.ClientID},
			"post_logout_redirect_uri": {back},
			"state":                    {"a b"},
		}, back + "?state=a+b"},
		{"by hint", url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {back}}, back},
		{"a program", url.Values{
			"client_id":                {localoidc.ClientID},
			"post_logout_redirect_uri": {"http://127.0.0.1:9/callback"},
		}, "http://127.0.0.1:9/callback"},
		{"no client", url.Values{"post_logout_redirect_uri": {back}}, ""},
		{"elsewhere", url.Values{
			"client_id":                {localoidc.ClientID},
			"post_logout_redirect_uri": {"https://evil.test/"},
		}, ""},
		{"elsewhere with a hint", url.Values{
			"id_token_hint":            {token},
			"post_logout_redirect_uri": {"https://evil.test/"},
		}, ""},
		{"elsewhere on this machine", url.Values{
			"client_id":                {localoidc.ClientID},
			"post_logout_redirect_uri": {"http://127.0.0.1:9/other"},
		}, ""},
		{"another client", url.Values{
			"client_id":                {"other"},
			"post_logout_redirect_uri": {back},
		}, ""},
		{"an access token as the hint", url.Values{
			"id_token_hint":            {access.AccessToken},
			"post_logout_redirect_uri": {back},
		}, ""},
		{"a made up hint", url.Values{
			"id_token_hint":            {token[:len(token)-9]},
			"post_logout_redirect_uri": {back},
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			a := get(t, m.URL+"/oidc/end_session?"+tt.query.Encode())
			if got := a.header.Get("Location"); got != tt.want ||
				(tt.want == "") != (a.status == http.StatusBadRequest) {
				t.Errorf("%d to %q, want %q", a.status, got, tt.want)
			}
		})
	}
}
