package secretscan_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/secretscan"
)

// github serves a list of keys as GitHub does, and counts who asks.
type github struct {
	*httptest.Server
	mu     sync.Mutex
	keys   map[string]any // public keys, by identifier
	asked  int            // requests
	sent   int            // whole lists among the answers
	broken func(http.ResponseWriter) bool
}

func newGitHub(t *testing.T, keys map[string]any) *github {
	t.Helper()
	g := &github{keys: keys}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()

		g.asked++
		if g.broken != nil && g.broken(w) {
			return
		}

		text := list(t, g.keys)
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text)))
		w.Header().Set("ETag", etag)

		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}

		g.sent++
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(g.Close)
	return g
}

func list(t *testing.T, keys map[string]any) string {
	t.Helper()
	type entry struct {
		Identifier string `json:"key_identifier"`
		Key        string `json:"key"`
		Current    bool   `json:"is_current"`
	}

	entries := []entry{{Identifier: "of no form", Key: "x"}}
	for identifier, key := range keys {
		text, isText := key.(string)
		if !isText {
			der, err := x509.MarshalPKIXPublicKey(key)
			if err != nil {
				t.Error(err)
			}

			text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}

		entries = append(entries, entry{identifier, text, true})
	}

	text, err := json.Marshal(map[string]any{"public_keys": entries})
	if err != nil {
		t.Error(err)
	}

	return string(text)
}

func (g *github) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *github) counts() [2]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return [2]int{g.asked, g.sent}
}

func key(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()

	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	return k
}

func sign(t *testing.T, k *ecdsa.PrivateKey, body string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(body))

	raw, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
	if err != nil {
		t.Fatal(err)
	}

	return base64.StdEncoding.EncodeToString(raw)
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// The example that GitHub's documentation had: its test key, message and signature.
func TestVerifyTheDocumentedExample(t *testing.T) {
	t.Parallel()
	const identifier = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d"
	g := newGitHub(t, map[string]any{
		identifier: "-----BEGIN PUBLIC " +
			"KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\n" +
			"HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n-----END PUBLIC " +
			"KEY-----\n",
	})
	keys := secretscan.NewKeys(g.URL, time.Now)
	const body = `[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]`

	const signature = "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrv" +
		"AiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY="
	if err := keys.Verify(t.Context(), identifier, signature, []byte(body)); err != nil {
		t.Error(err)
	}

	if err := keys.Verify(t.Context(), identifier, signature,
		[]byte(body+"\n")); !errors.Is(err, secretscan.ErrSignature) {
		t.Errorf("with a byte more: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	good := key(t, elliptic.P256())
	other := key(t, elliptic.P256())
	p224 := key(t, elliptic.P224()) // whose signatures are short enough

	of2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	g := newGitHub(t, map[string]any{
		"good":  good.Public(),
		"other": other.Public(),
		"p224":  p224.Public(),
		"rsa":   of2048.Public(),
		"":      good.Public(),
	})
	keys := secretscan.NewKeys(g.URL, time.Now)

	const body = `[{"token":"t","type":"x","url":""}]`
	for name, test := range map[string]struct{ identifier, signature, body string }{
		"another body":       {"good", sign(t, good, body+" "), body},
		"another key":        {"good", sign(t, other, body), body},
		"another identifier": {"other", sign(t, good, body), body},
		"no such identifier": {"nobody", sign(t, good, body), body},
		"no identifier":      {"", sign(t, good, body), body},
		"no signature":       {"good", "", body},
		"not base64":         {"good", "!" + sign(t, good, body), body},
		"not ASN.1": {
			"good", base64.StdEncoding.EncodeToString([]byte("signature")), body,
		},
		"of another curve":      {"p224", sign(t, p224, body), body},
		"of another kind":       {"rsa", sign(t, good, body), body},
		"of no form":            {"of no form", sign(t, good, body), body},
		"a long identifier":     {strings.Repeat("g", 129), sign(t, good, body), body},
		"a long signature":      {"good", strings.Repeat("A", 1000), body},
		"an empty body's":       {"good", sign(t, good, ""), body},
		"of an identifier's id": {"GOOD", sign(t, good, body), body},
	} {
		if err := keys.Verify(t.Context(), test.identifier, test.signature,
			[]byte(test.body)); !errors.Is(err, secretscan.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}

	if err := keys.Verify(t.Context(), "good", sign(t, good, body), []byte(body)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// GitHub is asked when it must be, by ETag, and not more often whatever is sent.
func TestKeysAreAskedForSeldom(t *testing.T) {
	t.Parallel()
	first, second := key(t, elliptic.P256()), key(t, elliptic.P256())
	g := newGitHub(t, map[string]any{"first": first.Public()})
	c := &clock{now: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)}
	keys := secretscan.NewKeys(g.URL, c.Now)
	const body = "[]"
	verify := func(identifier string, k *ecdsa.PrivateKey) error {
		return keys.Verify(t.Context(), identifier, sign(t, k, body), []byte(body))
	}
	expect := func(what string, err error, want error, asked, sent int) {
		t.Helper()

		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}

		if diff := cmp.Diff([2]int{asked, sent}, g.counts()); diff != "" {
			t.Errorf("%s: asked, and lists sent (-want +got):\n%s", what, diff)
		}
	}
	expect("the first message", verify("first", first), nil, 1, 1)
	expect("another one", verify("first", first), nil, 1, 1)
	expect("an unknown key, at once", verify("second", second), secretscan.ErrSignature, 1, 1)
	c.now = c.now.Add(time.Minute)
	expect("an unknown key, later", verify("second", second), secretscan.ErrSignature, 2, 1)

	for range 100 {
		_ = verify("nobody", second)
	}

	expect("many unknown keys", nil, nil, 2, 1)
	g.set(func() { g.keys["second"] = second.Public() })
	expect("a new key, too early", verify("second", second), secretscan.ErrSignature, 2, 1)
	c.now = c.now.Add(time.Minute)
	expect("a new key", verify("second", second), nil, 3, 2)
	g.set(func() { delete(g.keys, "first") })
	c.now = c.now.Add(time.Hour)
	expect("a key that is listed no longer", verify("first", first), secretscan.ErrSignature, 4, 3)
	expect("the other one", verify("second", second), nil, 4, 3)
	g.set(func() { g.keys = map[string]any{"first": first.Public()} })
	c.now = c.now.Add(-2 * time.Hour)
	expect("a key that is listed no longer, by a clock that was set back", verify("second", second),
		secretscan.ErrSignature, 5, 4)
}

// Where GitHub cannot be asked, nobody can tell, and it is left alone for a moment.
func TestKeysThatCannotBeHad(t *testing.T) {
	t.Parallel()

	k := key(t, elliptic.P256())
	for name, broken := range map[string]func(http.ResponseWriter) bool{
		"an error": func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		},
		"no change": func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusNotModified)
			return true
		},
		"elsewhere": func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "/other")
			w.WriteHeader(302)
			return true
		},
		"not JSON": func(w http.ResponseWriter) bool {
			_, _ = w.Write([]byte("<html>"))
			return true
		},
		"an empty one": func(w http.ResponseWriter) bool {
			_, _ = w.Write([]byte(`{"public_keys": []}`))
			return true
		},
		"a huge one": func(w http.ResponseWriter) bool {
			_, _ = w.Write([]byte(`{"x": "` + strings.Repeat("x", 2<<20) + `", ` + list(t,
				map[string]any{
					"k": k.Public(),
				})[1:]))
			return true
		},
	} {
		g := newGitHub(t, map[string]any{"k": k.Public()})
		g.broken = broken
		c := &clock{now: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)}

		keys := secretscan.NewKeys(g.URL, c.Now)
		for range 3 {
			if err := keys.Verify(t.Context(), "k", sign(t, k, "[]"),
				[]byte("[]")); !errors.Is(err, secretscan.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}

		if got := g.counts(); got[0] != 1 {
			t.Errorf("%s: asked %d times at once", name, got[0])
		}

		g.set(func() { g.broken = nil })
		c.now = c.now.Add(5 * time.Second)

		if err := keys.Verify(t.Context(), "k", sign(t, k, "[]"), []byte("[]")); err != nil {
			t.Errorf("%s, and then well: %v", name, err)
		}
	}

	nobody := secretscan.NewKeys("http://127.0.0.1:1", time.Now)
	if err := nobody.Verify(t.Context(), "k", sign(t, k, "[]"),
		[]byte("[]")); !errors.Is(err, secretscan.ErrUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	g := newGitHub(t, map[string]any{"k": k.Public()})
	if err := secretscan.NewKeys(g.URL, time.Now).Verify(ctx, "k", sign(t, k, "[]"),
		[]byte("[]")); err != nil {
		t.Errorf("whoever asked is gone: %v", err)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()

	many := func(n int) string {
		return "[" + strings.Repeat(`{"token":"t"},`, n-1) + `{"token":"t"}]`
	}
	for body, test := range map[string]struct {
		want []secretscan.Match
		err  error
	}{
		`[{"token":"t","type":"x","url":"https://u","source":"content"}]`: {[]secretscan.Match{{
			Token: "t",
			Type:  "x",
			URL:   "https://u",
		}}, nil},
		`[{"token":7}, 8, null, {"url":"u"}, [], {"token":"t","new":1}]`: {[]secretscan.Match{{
			Token: "t",
		}}, nil},
		`[]`:       {nil, nil},
		`{}`:       {nil, secretscan.ErrMalformed},
		``:         {nil, secretscan.ErrMalformed},
		`[{}] []`:  {nil, secretscan.ErrMalformed},
		many(1001): {nil, secretscan.ErrTooMany},
	} {
		got, err := secretscan.Matches([]byte(body))
		if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("%.60s: %v", body, err)
		}

		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%.60s (-want +got):\n%s", body, diff)
		}
	}

	if got, err := secretscan.Matches([]byte(many(1000))); err != nil || len(got) != 1000 {
		t.Errorf("%d matches, %v", len(got), err)
	}
}
