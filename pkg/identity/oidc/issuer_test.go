package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/bitting-keys/bitting/pkg/identity/oidc"
)

// start is the time at which each test's clock starts.
var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// rsaKey is generated once, since that is slow.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}

	return key
})

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	return key
}

// issuer is an OpenID Connect issuer that can be made to misbehave. Its key "first" is rsaKey.
type issuer struct {
	*httptest.Server
	asked atomic.Int64 // requests for its keys
	now   atomic.Int64 // of the clock, in nanoseconds

	mu       sync.Mutex
	keys     http.HandlerFunc
	document map[string]string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.now.Store(start.UnixNano())
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	i.document = map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	i.publish(public("first", rsaKey().Public()))
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, document := i.keys, i.document
	i.mu.Unlock()

	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(document)
	case "/keys":
		i.asked.Add(1)
		keys(w, r)
	default:
		http.NotFound(w, r)
	}
}

// answer sets the handler for requests for keys.
func (i *issuer) answer(keys http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *issuer) publish(keys ...any) {
	i.answer(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
}

func (i *issuer) fail() {
	i.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
}

func (i *issuer) time() time.Time      { return time.Unix(0, i.now.Load()) }
func (i *issuer) pass(d time.Duration) { i.now.Add(int64(d)) }
func (i *issuer) config() oidc.Config {
	return oidc.Config{Issuer: i.URL, Audience: "console", Now: i.time}
}

// claims returns Alice's claims, valid for an hour, with the changes; nil removes one.
func (i *issuer) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss":            i.URL,
		"aud":            "console",
		"sub":            "alice-1",
		"iat":            i.time().Unix(),
		"exp":            i.time().Add(time.Hour).Unix(),
		"email":          "alice@acme.test",
		"email_verified": true,
		"name":           "Alice",
	}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}

	return c
}

// token returns Alice's token, signed by the key "first".
func (i *issuer) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	return sign(t, jose.RS256, "first", rsaKey(), i.claims(changes), nil)
}

// sign signs claims; id "" names no key.
func sign(
	t *testing.T, algorithm jose.SignatureAlgorithm, id string, key any, claims any,
	header map[jose.HeaderKey]any,
) string {
	t.Helper()

	options := &jose.SignerOptions{ExtraHeaders: header}
	if id != "" {
		options.WithHeader("kid", id)
	}

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}

	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}

	return token
}

func public(id string, key crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: id, Key: key, Use: "sig"}
}
