package localoidc_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/bitting-keys/bitting/pkg/localoidc"
)

// relyingParty is a client as one would write it with go-oidc, and the browser of its user.
type relyingParty struct {
	m        *machine
	provider *oidc.Provider
	oauth2   *oauth2.Config
	browser  *http.Client // keeps cookies and does not follow redirects
}

func newRelyingParty(t *testing.T, m *machine) *relyingParty {
	t.Helper()

	provider, err := oidc.NewProvider(t.Context(), m.Issuer())
	if err != nil {
		t.Fatal(err)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}

	return &relyingParty{
		m:        m,
		provider: provider,
		oauth2: &oauth2.Config{
			ClientID:    localoidc.ClientID,
			RedirectURL: "http://127.0.0.1:53682/callback",
			Endpoint:    provider.Endpoint(),
			Scopes:      []string{oidc.ScopeOpenID, "email", "profile", oidc.ScopeOfflineAccess},
		},
		browser: &http.Client{
			Transport: ownConnections(),
			Jar:       jar,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
}

// visit opens an address in the browser, or posts a form to it, and returns where it leads to.
func (r *relyingParty) visit(t *testing.T, address string, form url.Values) *url.URL {
	t.Helper()
	var response *http.Response
	var err error

	if form == nil {
		response, err = r.browser.Get(address) //nolint:noctx // the test's own server
	} else {
		response, err = r.browser.PostForm(address, form) //nolint:noctx // the test's own server
	}

	if err != nil {
		t.Fatal(err)
	}

	_ = response.Body.Close()

	to, err := response.Location()
	if err != nil {
		t.Fatalf("%s: %d: %v", address, response.StatusCode, err)
	}

	return to
}

// redeem exchanges the code in the redirect and verifies all of the answer.
func (r *relyingParty) redeem(
	t *testing.T, to *url.URL, verifier string,
) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()

	token, err := r.oauth2.Exchange(t.Context(), to.Query().Get("code"),
		oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(to, err)
	}

	return token, r.verified(t, token)
}

// verified verifies the ID token and that it is for the access token (at_hash).
func (r *relyingParty) verified(t *testing.T, token *oauth2.Token) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)

	id, err := r.provider.Verifier(&oidc.Config{
		ClientID: localoidc.ClientID,
		Now:      r.m.now,
	}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}

	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}

	if id.VerifyAccessToken(token.AccessToken+"x") == nil {
		t.Error("the ID token is for any access token")
	}

	return id
}

// The whole life of a sign-in, as go-oidc sees it: the code flow with PKCE, userinfo, refresh,
// silent renewal, the end of the session.
func TestWithGoOIDC(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := newRelyingParty(t, m)

	verifier := oauth2.GenerateVerifier()
	page := r.visit(t, r.oauth2.AuthCodeURL("state", oidc.Nonce("n-1"),
		oauth2.S256ChallengeOption(verifier)), nil)
	to := r.visit(t, page.Scheme+"://"+page.Host+page.Path, url.Values{
		"id":     {page.Query().Get("id")},
		"person": {"alice@acme.test"},
	})

	token, id := r.redeem(t, to, verifier)
	if id.Nonce != "n-1" || id.Subject != aliceID || to.Query().Get("state") != "state" {
		t.Errorf("%+v", id)
	}

	info, err := r.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != id.Subject || info.Email != "alice@acme.test" ||
		!info.EmailVerified {
		t.Errorf("%+v, %v", info, err)
	}

	m.pass(2 * time.Hour)

	if _, err := r.provider.UserInfo(t.Context(),
		oauth2.StaticTokenSource(token)); err == nil {
		t.Error("userinfo takes an old access token")
	}

	renewed := r.refreshed(t, token)
	if again := r.verified(t, renewed); again.Subject != id.Subject || again.Nonce != "" {
		t.Errorf("%+v", again)
	}

	if _, err := r.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(renewed)); err != nil {
		t.Error(err)
	}

	// The browser has a session, until it ends.
	none := oauth2.SetAuthURLParam("prompt", "none")
	quiet := oauth2.GenerateVerifier()
	to = r.visit(t, r.oauth2.AuthCodeURL("s", none, oauth2.S256ChallengeOption(quiet)), nil)

	silent, id := r.redeem(t, to, quiet)
	if id.Subject != aliceID {
		t.Errorf("%+v", id)
	}

	var endpoints struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := r.provider.Claims(&endpoints); err != nil {
		t.Fatal(err)
	}

	raw, _ := silent.Extra("id_token").(string)

	to = r.visit(t, endpoints.EndSession+"?"+url.Values{
		"id_token_hint":            {raw},
		"post_logout_redirect_uri": {r.oauth2.RedirectURL},
		"state":                    {"bye"},
	}.Encode(), nil)
	if to.String() != r.oauth2.RedirectURL+"?state=bye" {
		t.Errorf("signed out to %s", to)
	}

	to = r.visit(t, r.oauth2.AuthCodeURL("s", none, oauth2.S256ChallengeOption(quiet)), nil)
	if got := to.Query().Get("error"); got != "login_required" {
		t.Errorf("after the end of the session: %s", to)
	}
}

// refreshed renews a token as oauth2 does once it has expired.
func (r *relyingParty) refreshed(t *testing.T, token *oauth2.Token) *oauth2.Token {
	t.Helper()
	expired := &oauth2.Token{RefreshToken: token.RefreshToken}

	renewed, err := r.oauth2.TokenSource(t.Context(), expired).Token()
	if err != nil {
		t.Fatal(err)
	}

	if renewed.RefreshToken == token.RefreshToken || renewed.RefreshToken == "" {
		t.Error("the refresh token is not replaced")
	}

	return renewed
}
