package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/identity/oidc"
)

// verify checks the error of Verify for the token: nil, ErrInvalid or ErrUnavailable.
func verify(t *testing.T, v *oidc.Verifier, token string, want error) {
	t.Helper()

	_, err := v.Verify(t.Context(), token)
	if !errors.Is(err, want) ||
		errors.Is(err, identity.ErrInvalid) && errors.Is(err, identity.ErrUnavailable) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func asked(t *testing.T, i *issuer, want int64) {
	t.Helper()

	if got := i.asked.Load(); got != want {
		t.Fatalf("the issuer was asked %d times, want %d", got, want)
	}
}

func TestKeysAreAskedForOnceThenKept(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := oidc.New(i.config())
	asked(t, i, 0)

	for range 3 {
		verify(t, v, i.token(t, nil), nil)
	}

	verify(t, v, sign(t, jose.RS256, "first", rsaKey(), i.claims(map[string]any{
		"iss": "x",
	}), nil), identity.ErrInvalid)
	asked(t, i, 1)
}

func TestNewKeyOfTheIssuerIsFound(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := oidc.New(i.config())
	verify(t, v, i.token(t, nil), nil)
	second := ecKey(t)
	i.publish(public("second", second.Public()))
	i.pass(30 * time.Second)
	verify(t, v, sign(t, jose.ES256, "second", second, i.claims(nil), nil), nil)
	asked(t, i, 2)
	verify(t, v, i.token(t, nil), identity.ErrInvalid) // withdrawn
}

func TestWithdrawnKeyStopsWithinAnHour(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := oidc.New(i.config())
	verify(t, v, i.token(t, nil), nil)
	i.publish(public("second", ecKey(t).Public()))
	i.pass(time.Hour - time.Second)
	verify(t, v, i.token(t, nil), nil)
	i.pass(time.Second)
	verify(t, v, i.token(t, nil), identity.ErrInvalid)
}

// Keys that were fetched at a future time are of unknown age: a withdrawn one does not stay valid
// until the clock has caught up.
func TestWithdrawnKeyStopsWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := oidc.New(i.config())
	verify(t, v, i.token(t, nil), nil)
	i.publish(public("second", ecKey(t).Public()))
	i.pass(-time.Minute)
	verify(t, v, i.token(t, nil), identity.ErrInvalid)
	asked(t, i, 2)
}

func TestJunkDoesNotHammerTheIssuer(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := oidc.New(i.config())
	verify(t, v, i.token(t, nil), nil)
	junk := func(n int) {
		for k := range n {
			verify(t, v,
				sign(t, jose.RS256, fmt.Sprintf("junk-%d", k), rsaKey(), i.claims(nil), nil),
				identity.ErrInvalid)
		}
	}
	i.pass(30*time.Second - 1)
	junk(20)
	asked(t, i, 1)
	i.pass(1)
	junk(20)
	asked(t, i, 2)
	i.fail() // an answer that fails counts too
	i.pass(30 * time.Second)

	for range 20 {
		verify(t, v, sign(t, jose.RS256, "junk", rsaKey(), i.claims(nil), nil),
			identity.ErrUnavailable)
	}

	asked(t, i, 3)
	verify(t, v, i.token(t, nil), nil)
	asked(t, i, 3)
}

func TestIssuerDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.fail()

	v := oidc.New(i.config())
	for range 5 {
		verify(t, v, i.token(t, nil), identity.ErrUnavailable)
	}

	asked(t, i, 1)
	i.publish(public("first", rsaKey().Public()))
	i.pass(2 * time.Second)
	verify(t, v, i.token(t, nil), nil)
	asked(t, i, 2)

	i.fail()
	i.pass(24*time.Hour - time.Second) // known keys work, with at most one request every 30 seconds

	for range 5 {
		verify(t, v, i.token(t, nil), nil)
	}

	asked(t, i, 3)
	i.pass(time.Second)
	verify(t, v, i.token(t, nil), identity.ErrUnavailable)
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()

	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}

	keys := func(keys ...any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
		}
	}
	good := public("first", rsaKey().Public())
	encryption := good
	encryption.Use = "enc"

	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"an error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		}, "500"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, "302"},
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<html>"))
		}, "invalid character"},
		{"too large", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{
				"keys": []any{good},
				"more": strings.Repeat("x", 256<<10),
			})
		}, "more than"},
		{"no keys", keys(), "none that we can use"},
		{"a key for encryption", keys(encryption), "none that we can use"},
		{"a small key", keys(public("first", small.Public())), "none that we can use"},
		{"a symmetric key", keys(jose.JSONWebKey{
			KeyID: "first",
			Key:   []byte("0123456789abcdef0123456789abcdef"),
		}), "none that we can use"},
		{"a key without an id", keys(public("", rsaKey().Public())), "none that we can use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.answer(tt.answer)
			v := oidc.New(i.config())

			_, err := v.Verify(t.Context(), i.token(t, nil))
			if !errors.Is(err, identity.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrUnavailable with %q", err, tt.want)
			}

			// Nor does it replace known keys.
			i.publish(good)
			i.pass(2 * time.Second)
			verify(t, v, i.token(t, nil), nil)
			i.answer(tt.answer)
			i.pass(time.Hour)
			verify(t, v, i.token(t, nil), nil)
		})
	}
}

func TestKeysOfUnknownKindsAreSkipped(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.publish(map[string]any{
		"kty": "new",
		"kid": "x",
	}, "not even a key", public("first", rsaKey().Public()))
	verify(t, oidc.New(i.config()), i.token(t, nil), nil)
}

func TestKeyVerifiesOnlyByItsOwnAlgorithm(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	key := public("first", rsaKey().Public())
	key.Algorithm = "RS512"
	i.publish(key)
	verify(t, oidc.New(i.config()), i.token(t, nil), identity.ErrInvalid)
}

func TestDiscovery(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name     string
		document func(*issuer) map[string]string
		jwksURL  bool   // configured
		want     string // in the error; "" for none
	}{
		{"as it should be", func(i *issuer) map[string]string { return i.document }, false, ""},
		{"another issuer's", func(i *issuer) map[string]string {
			return map[string]string{"issuer": "https://issuer.test", "jwks_uri": i.URL + "/keys"}
		}, false, "from another issuer"},
		{"keys without TLS", func(i *issuer) map[string]string {
			return map[string]string{"issuer": i.URL, "jwks_uri": "http://issuer.test/keys"}
		}, false, "neither an https address"},
		{"no keys named", func(i *issuer) map[string]string {
			return map[string]string{
				"issuer": i.URL,
			}
		}, false, "neither an https address"},
		{"not needed where the keys' address is configured", func(*issuer) map[string]string {
			return nil
		}, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			i.document = tt.document(i)

			c := i.config()
			if tt.jwksURL {
				c.JWKSURL = i.URL + "/keys"
			}

			_, err := oidc.New(c).Verify(t.Context(), i.token(t, nil))
			if tt.want == "" && err != nil ||
				tt.want != "" &&
					(!errors.Is(err, identity.ErrUnavailable) ||
						!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestManyCallsAskOnce(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	release := make(chan struct{})
	i.answer(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_ = json.NewEncoder(w).Encode(map[string]any{
			"keys": []any{public("first", rsaKey().Public())},
		})
	})
	v := oidc.New(i.config())
	token := i.token(t, nil)
	const calls = 20
	results := make(chan error, calls)

	var started sync.WaitGroup
	for range calls {
		started.Add(1)
		go func() {
			started.Done()
			_, err := v.Verify(t.Context(), token)
			results <- err
		}()
	}

	started.Wait()
	close(release)

	for range calls {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}

	asked(t, i, 1)
}

func TestCallThatGivesUpDoesNotSpoilTheAnswer(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	asking, release := make(chan struct{}), make(chan struct{})
	i.answer(func(w http.ResponseWriter, _ *http.Request) {
		close(asking)
		<-release
		_ = json.NewEncoder(w).Encode(map[string]any{
			"keys": []any{public("first", rsaKey().Public())},
		})
	})
	v := oidc.New(i.config())
	token := i.token(t, nil)

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asking
		cancel()
	}()

	if _, err := v.Verify(ctx, token); !errors.Is(err, identity.ErrUnavailable) ||
		!errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrUnavailable for a canceled call", err)
	}

	close(release)
	verify(t, v, token, nil)
	asked(t, i, 1)
}

// transport sees the requests that a verifier makes.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRequestsEndAfterASecond(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	c := i.config()
	var requests int
	c.HTTPClient = &http.Client{
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			requests++

			if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) > time.Second {
				t.Errorf("%s may go on until %v (%v)", r.URL, deadline, ok)
			}

			return http.DefaultTransport.RoundTrip(r)
		}),
	}
	verify(t, oidc.New(c), i.token(t, nil), nil)

	if requests != 2 {
		t.Errorf("%d requests by the client of the configuration, want 2", requests)
	}
}
