package localoidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/bitting-keys/bitting/pkg/identity/oidc"
	"github.com/bitting-keys/bitting/pkg/localoidc"
)

// start is the time at which each test's clock starts.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// signingKey is generated once, since that is slow.
var signingKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}

	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
})

func people() []localoidc.Person {
	return []localoidc.Person{
		{
			Email: "alice@acme.test",
			Name:  "Alice",
			Role:  "admin of acme",
		},
		{
			Email: "bob@acme.test",
			Name:  "Bob",
			Role:  "member of acme",
		},
		{Email: "mallory@acme.test", Name: `<script>alert(1)</script>`, Role: `"><img src=x>`},
	}
}

// dataDir returns a data folder with a signing key.
func dataDir(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "oidc-signing.pem"),
		signingKey(), 0o600); err != nil {
		t.Fatal(err)
	}

	return dir
}

// machine is a machine with the provider, over real HTTP.
type machine struct {
	*localoidc.Provider
	URL  string
	past atomic.Int64 // of the clock since start, in nanoseconds
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	var handler http.Handler
	m := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
	}), "")

	provider, err := localoidc.New(localoidc.Config{
		BaseURL: m.URL,
		DataDir: dataDir(t),
		People:  people(),
		Now:     m.now,
	})
	if err != nil {
		t.Fatal(err)
	}

	m.Provider = provider
	handler = provider.Handler()
	return m
}

// serve serves a provider's handler. host replaces the host of requests if it is not empty.
func serve(t *testing.T, handler http.Handler, host string) *machine {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host != "" {
			r.Host = host
		}

		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return &machine{URL: server.URL}
}

func (m *machine) now() time.Time       { return start.Add(time.Duration(m.past.Load())) }
func (m *machine) pass(d time.Duration) { m.past.Add(int64(d)) }

// client returns the console's client configuration.
func (m *machine) client() *oauth2.Config {
	return &oauth2.Config{
		ClientID:    localoidc.ClientID,
		RedirectURL: m.URL + "/console/callback",
		Scopes:      []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{
			AuthURL:   m.URL + "/oidc/authorize",
			TokenURL:  m.URL + "/oidc/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

func (m *machine) verifier() *oidc.Verifier {
	return oidc.New(oidc.Config{
		Issuer:   m.URL + "/oidc",
		Audience: localoidc.ClientID,
		Now:      m.now,
	})
}

// answer is an HTTP answer that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request without following redirects.
func do(t *testing.T, method, address string, form url.Values, header map[string]string) answer {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), method, address,
		strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}

	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}

	for name, value := range header {
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}

	client := &http.Client{
		Transport: ownConnections(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}

	defer func() { _ = response.Body.Close() }()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return answer{response.StatusCode, response.Header, string(body)}
}

func get(t *testing.T, address string) answer {
	t.Helper()
	return do(t, http.MethodGet, address, nil, nil)
}

// page starts a sign-in and returns the address of its page and the id in its form.
func (m *machine) page(t *testing.T, authorize string) (address, id string) {
	t.Helper()

	a := get(t, authorize)
	if a.status != http.StatusFound {
		t.Fatalf("authorize: %d %s", a.status, a.body)
	}

	address = m.URL + a.header.Get("Location")
	shown := get(t, address)

	found := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(shown.body)
	if shown.status != http.StatusOK || found == nil {
		t.Fatalf("page %s: %d %s", address, shown.status, shown.body)
	}

	return address, found[1]
}

// pick picks a person on the page.
func (m *machine) pick(t *testing.T, id, person string) answer {
	t.Helper()
	return do(t, http.MethodPost, m.URL+"/oidc/sign-in", url.Values{
		"id":     {id},
		"person": {person},
	}, map[string]string{
		"Origin": m.URL,
	})
}

// signIn signs a person in for the client and returns the final redirect.
func (m *machine) signIn(
	t *testing.T, c *oauth2.Config, person, verifier string, options ...oauth2.AuthCodeOption,
) *url.URL {
	t.Helper()
	_, id := m.page(t,
		c.AuthCodeURL("state&1", append(options, oauth2.S256ChallengeOption(verifier))...))

	a := m.pick(t, id, person)
	if a.status != http.StatusSeeOther {
		t.Fatalf("sign-in: %d %s", a.status, a.body)
	}

	to, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}

	return to
}

// exchange exchanges a code as the client does, and returns the ID token, the access token and the
// error's code.
func exchange(
	ctx context.Context, c *oauth2.Config, code, verifier string,
) (id string, token *oauth2.Token, refusal string) {
	token, err := c.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		if refused, ok := err.(*oauth2.RetrieveError); ok { //nolint:errorlint // it is never wrapped
			return "", nil, refused.ErrorCode
		}

		return "", nil, err.Error()
	}

	id, _ = token.Extra("id_token").(string)
	return id, token, ""
}

// fields decodes a JSON object.
func fields(t *testing.T, text string) map[string]any {
	t.Helper()

	var f map[string]any
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%v: %s", err, text)
	}

	return f
}

// ownConnections returns a transport that keeps no connections: when another test ends its server,
// httptest closes those of the default transport, even one that is about to be used.
func ownConnections() *http.Transport { return &http.Transport{DisableKeepAlives: true} }
