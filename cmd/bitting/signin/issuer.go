package signin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

var (
	// ErrRefused means that the issuer, or the person there, refused.
	ErrRefused = errors.New("the sign-in was refused")
	// ErrSignedOut means that there are no tokens, or none that can be refreshed.
	ErrSignedOut = errors.New("nobody is signed in")
)

// requestTimeout is how long a request to the issuer may take.
const requestTimeout = 30 * time.Second

// Issuer is who signs people in, and the client that this program is there.
type Issuer struct {
	URL      string // as the discovery document spells it
	ClientID string // of a public client
}

// Person is who signed in.
type Person struct {
	Email  string
	Tokens Tokens
}

// provider is an issuer whose discovery document has been read.
type provider struct {
	*oidc.Provider

	oauth2   oauth2.Config
	verifier *oidc.IDTokenVerifier
	revoke   string // the address of the revocation endpoint; "" for none
}

// check returns what is wrong with the configuration. Without TLS, anyone on the way could be the
// issuer.
func (i Issuer) check() error {
	u, err := url.Parse(i.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("the issuer %q is no address such as https://login.example.com", i.URL)
	}

	if u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return fmt.Errorf("the issuer %s is not https", i.URL)
	}

	if i.ClientID == "" {
		return errors.New("the client id at the issuer is not known")
	}

	return nil
}

// withClient returns a context with the HTTP client for all requests to the issuer. A redirect could
// carry a token elsewhere, so none is followed.
func withClient(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{
		Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	})
}

// discover reads the issuer's discovery document. ctx must have its client.
func (i Issuer) discover(ctx context.Context) (*provider, error) {
	if err := i.check(); err != nil {
		return nil, err
	}

	found, err := oidc.NewProvider(ctx, i.URL)
	if err != nil {
		return nil, fmt.Errorf("the issuer %s cannot be used: %w", i.URL, shortened(err))
	}

	var more struct {
		Scopes     []string `json:"scopes_supported"`
		Revocation string   `json:"revocation_endpoint"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, fmt.Errorf("the issuer %s has no valid discovery document", i.URL)
	}

	scopes := []string{oidc.ScopeOpenID, "email", "profile"}
	// Some issuers refuse a scope that they do not know, and give a refresh token without it.
	if slices.Contains(more.Scopes, oidc.ScopeOfflineAccess) {
		scopes = append(scopes, oidc.ScopeOfflineAccess)
	}

	return &provider{
		Provider: found,
		oauth2: oauth2.Config{
			ClientID: i.ClientID,
			Endpoint: found.Endpoint(),
			Scopes:   scopes,
		},
		verifier: found.Verifier(&oidc.Config{ClientID: i.ClientID}),
		revoke:   more.Revocation,
	}, nil
}

// maxShown is how much of an issuer's words is shown, in bytes.
const maxShown = 300

// shortened keeps a page of HTML, which a wrong address may answer, off the terminal. What errors.As
// finds in the error stays.
func shortened(err error) error {
	if text := err.Error(); len(text) > maxShown {
		return &shortError{text[:maxShown] + "…", err}
	}

	return err
}

type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }
func (e *shortError) Unwrap() error { return e.err }

// plain returns an error of the token endpoint in words, without the answer's body.
func plain(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return shortened(err)
	}

	if refused.ErrorCode == "" {
		return fmt.Errorf("%w: the issuer answered %d", ErrRefused, refused.Response.StatusCode)
	}

	return refusal(refused.ErrorCode, refused.ErrorDescription)
}

// refusal returns an error with the issuer's code and words (RFC 6749, section 5.2).
func refusal(code, description string) error {
	return shortened(fmt.Errorf("%w: %s", ErrRefused,
		strings.TrimSuffix(code+": "+description, ": ")))
}

// person verifies the ID token of an answer. nonce is that of the request; "" for none.
func (p *provider) person(
	ctx context.Context, token *oauth2.Token, nonce string,
) (Person, *oidc.IDToken, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Person{}, nil, fmt.Errorf("%w: the issuer sent no ID token", ErrRefused)
	}

	verified, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		// the library's errors may quote what they cannot parse
		return Person{}, nil, fmt.Errorf("%w: the issuer's ID token is not valid for the client %s "+
			"now; is this machine's clock right?", ErrRefused, p.oauth2.ClientID)
	}

	if nonce != "" && verified.Nonce != nonce {
		return Person{}, nil, fmt.Errorf("%w: the ID token is of another sign-in", ErrRefused)
	}

	var claims struct {
		Email string `json:"email"`
	}
	if err := verified.Claims(&claims); err != nil {
		return Person{}, nil, fmt.Errorf("%w: the issuer's ID token is not valid", ErrRefused)
	}

	return Person{
		Email:  claims.Email,
		Tokens: Tokens{ID: raw, Refresh: token.RefreshToken},
	}, verified, nil
}

// Refresh returns new tokens for a refresh token. Errors: ErrSignedOut if the issuer does not take
// it any more, or gives no ID token for it.
func (i Issuer) Refresh(ctx context.Context, old Tokens) (Tokens, error) {
	if old.Refresh == "" {
		return Tokens{}, ErrSignedOut
	}

	ctx = withClient(ctx)

	p, err := i.discover(ctx)
	if err != nil {
		return Tokens{}, err
	}

	token, err := p.oauth2.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()

	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return Tokens{}, ErrSignedOut
	}

	if err != nil {
		return Tokens{}, plain(err)
	}

	if raw, _ := token.Extra("id_token").(string); raw == "" {
		return Tokens{}, ErrSignedOut
	}

	person, verified, err := p.person(ctx, token, "")
	if err != nil {
		return Tokens{}, err
	}

	// OpenID Connect Core 1.0, section 12.2
	if before, err := claimsOf(old.ID); err == nil && before.Subject != verified.Subject {
		return Tokens{}, fmt.Errorf("%w: the issuer refreshed the tokens of somebody else", ErrRefused)
	}

	return person.Tokens, nil
}

// Revoke ends the tokens at the issuer (RFC 7009). It reports whether the issuer takes that back at
// all.
func (i Issuer) Revoke(ctx context.Context, tokens Tokens) (revoked bool, err error) {
	ctx = withClient(ctx)

	p, err := i.discover(ctx)
	if err != nil || p.revoke == "" || tokens.Refresh == "" {
		return false, err
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.revoke,
		strings.NewReader(url.Values{
			"token":           {tokens.Refresh},
			"token_type_hint": {"refresh_token"},
			"client_id":       {i.ClientID},
		}.Encode()))
	if err != nil {
		return false, err
	}

	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	response, err := (&http.Client{Timeout: requestTimeout}).Do(request)
	if err != nil {
		return false, err
	}

	defer func() { _ = response.Body.Close() }() // not read

	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("%w: the issuer answered %d", ErrRefused, response.StatusCode)
	}

	return true, nil
}
