package adminapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// github signs messages as GitHub does, and lists its key.
type github struct {
	key  *ecdsa.PrivateKey
	url  string
	down atomic.Bool
}

func newGitHub(t *testing.T) *github {
	t.Helper()
	g := &github{}

	var err error
	if g.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}

	der, err := x509.MarshalPKIXPublicKey(g.key.Public())
	if err != nil {
		t.Fatal(err)
	}

	list, err := json.Marshal(map[string]any{
		"public_keys": []map[string]any{
			{
				"key_identifier": "k1",
				"key": string(pem.EncodeToMemory(&pem.Block{
					Type:  "PUBLIC KEY",
					Bytes: der,
				})),
				"is_current": true,
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if g.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}

		_, _ = w.Write(list)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *github) sign(t *testing.T, body string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(body))

	raw, err := ecdsa.SignASN1(rand.Reader, g.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}

	return base64.StdEncoding.EncodeToString(raw)
}

// function is the one that takes GitHub's messages.
func (g *github) function(t *testing.T, o *timed, more map[string]string) *proxy.Function {
	t.Helper()
	variables := maps.Clone(behind)
	variables["BITTING_GITHUB_KEYS_URL"] = g.url
	maps.Copy(variables, more)
	return adminapi.Function(o.deployment(t, variables), adminapi.GroupRevocation)
}

// message is the event of a message, by an API Gateway of some kind.
func message(t *testing.T, version, body, identifier, signature string, inBase64 bool) []byte {
	t.Helper()
	headers := map[string]any{
		"content-type":                 "application/json",
		"github-public-key-identifier": identifier,
		"github-public-key-signature":  signature,
	}

	e := map[string]any{"headers": headers, "body": body, "isBase64Encoded": inBase64}
	if inBase64 {
		e["body"] = base64.StdEncoding.EncodeToString([]byte(body))
	}

	if version == "2.0" {
		maps.Copy(e, map[string]any{
			"version": "2.0",
			"rawPath": "/v1/leaks/github",
			"requestContext": map[string]any{
				"requestId": "r1",
				"http": map[string]any{
					"method":   "POST",
					"path":     "/v1/leaks/github",
					"sourceIp": "192.0.2.1",
				},
			},
		})
	} else {
		maps.Copy(e, map[string]any{
			"httpMethod": "POST",
			"path":       "/v1/leaks/github",
			"requestContext": map[string]any{
				"requestId": "r1",
				"identity":  map[string]any{"sourceIp": "192.0.2.1"},
			},
		})
	}

	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

// found makes the body of a message of what was found.
func found(t *testing.T, secrets ...string) string {
	t.Helper()

	var entries []map[string]any
	for _, secret := range secrets {
		entries = append(entries, map[string]any{
			"token":  secret,
			"type":   "bitting_api_key",
			"url":    "https://github.com/octocat/Hello-World/blob/1/a.txt",
			"source": "content",
		})
	}

	text, err := json.MarshalIndent(entries, "", "\t") // not how anybody would write it again
	if err != nil {
		t.Fatal(err)
	}

	return string(text) + "\n"
}

// The signature is over the very bytes of the body, however API Gateway hands them on.
func TestGitHubLeaks(t *testing.T) {
	t.Parallel()

	g := newGitHub(t)
	for name, test := range map[string]struct {
		version  string
		inBase64 bool
	}{
		"REST":            {"1.0", false},
		"REST, in base64": {"1.0", true},
		"HTTP":            {"2.0", false},
		"HTTP, in base64": {"2.0", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newTimed(t, nil)
			f := g.function(t, o, nil)
			publishable := o.tenant.key(t, map[string]any{
				"permissions": []string{"messages:write"},
			})
			second := o.tenant.key(t, nil)
			body := found(t, "unknown", o.secrets[0], minted(t, "production", second.Key.ID),
				publishable.Secret, o.secrets[0], "ключ")

			body = strings.Replace(body, "[", `[{"token": 7}, null, "x", {"type": "y"},`, 1)
			for range 2 { // it comes again when the answer got lost
				a := invoked(t, f,
					message(t, test.version, body, "k1", g.sign(t, body), test.inBase64))
				if a.Status != http.StatusAccepted || strings.TrimSpace(a.Body) != "{}" {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
			}

			got := o.traceOf(t, o.key.ID, o.secrets[0])

			want := trace{
				Revoked:     true,
				Compromised: true,
				Opens:       []bool{false},
				Exposed:     1,
				Version:     2,
				Exposure: map[string]any{
					"at":     stamp(o.advance(0)),
					"source": "github",
					"url":    "https://github.com/octocat/Hello-World/blob/1/a.txt",
					"action": "revoked",
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			if got := o.traceOf(t, publishable.Key.ID, publishable.Secret); got.Revoked ||
				got.Exposure["action"] != "flagged" || !got.Opens[0] {
				t.Errorf("publishable: %+v", got)
			}

			if got := o.traceOf(t, second.Key.ID, second.Secret); got.Exposed != 0 ||
				!got.Opens[0] {
				t.Errorf("a key of which only the id was found: %+v", got)
			}
		})
	}
}

// What GitHub did not sign has no effect, and neither has what cannot be checked.
func TestGitHubLeaksRefused(t *testing.T) {
	t.Parallel()
	g, other := newGitHub(t), newGitHub(t)
	o := newTimed(t, nil)
	f := g.function(t, o, nil)
	body := found(t, o.secrets[0])
	many := "[" + strings.Repeat("{},", 1000) + "{}]"

	huge := found(t, o.secrets[0]) + strings.Repeat(" ", 256<<10)
	for name, test := range map[string]struct {
		body, identifier, signature string
		status                      int
		code                        string
	}{
		"no signature":        {body, "k1", "", 400, "malformed"},
		"no identifier":       {body, "", g.sign(t, body), 400, "malformed"},
		"somebody else's":     {body, "k1", other.sign(t, body), 400, "malformed"},
		"of another body":     {body, "k1", g.sign(t, body+" "), 400, "malformed"},
		"of another key":      {body, "k2", g.sign(t, body), 400, "malformed"},
		"garbage":             {body, "k1", "garbage", 400, "malformed"},
		"an object":           {`{}`, "k1", g.sign(t, `{}`), 400, "malformed"},
		"not JSON":            {`[`, "k1", g.sign(t, `[`), 400, "malformed"},
		"nothing":             {``, "k1", g.sign(t, ``), 400, "malformed"},
		"too many matches":    {many, "k1", g.sign(t, many), 413, "too_large"},
		"a body of too much":  {huge, "k1", g.sign(t, huge), 413, "too_large"},
		"signed as no secret": {found(t, "x"), "k1", g.sign(t, body), 400, "malformed"},
	} {
		a := invoked(t, f, message(t, "1.0", test.body, test.identifier, test.signature, false))
		if p := decoded(t, []byte(a.Body)); a.Status != test.status || p["code"] != test.code ||
			strings.Contains(a.Body, o.secrets[0]) {
			t.Errorf("%s: %d %s, want %d %s", name, a.Status, a.Body, test.status, test.code)
		}
	}

	g.down.Store(true)

	if a := invoked(t, g.function(t, o, nil),
		message(t, "1.0", body, "k1", g.sign(t, body),
			false)); a.Status != http.StatusServiceUnavailable || a.Headers["Retry-After"] == nil {
		t.Errorf("without GitHub's keys: %d %v %s", a.Status, a.Headers, a.Body)
	}

	if got := o.traceOf(t, o.key.ID, o.secrets[0]); got.Exposed != 0 || !got.Opens[0] {
		t.Errorf("something had an effect: %+v", got)
	}
}

// Where the tables do not answer, nobody is told that a secret was taken care of.
func TestLeaksDuringAnOutage(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	o := newTimed(t, nil)
	f := g.function(t, o, map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"})

	body := found(t, "garbage", o.secrets[0])
	if a := invoked(t, f,
		message(t, "1.0", body, "k1",
			g.sign(t, body), false)); a.Status != http.StatusServiceUnavailable {
		t.Errorf("GitHub's: %d %s", a.Status, a.Body)
	}

	o.functions[adminapi.GroupRevocation] = f
	if a := o.report(t, map[string]any{
		"secret": o.secrets[0],
	}); a.Status != http.StatusServiceUnavailable ||
		decoded(t, []byte(a.Body))["code"] != "unavailable" {
		t.Errorf("anybody's: %d %s", a.Status, a.Body)
	}
}

// However many report it at once, a key is revoked once.
func TestLeakReportedByManyAtOnce(t *testing.T) {
	t.Parallel()
	o := newTimed(t, nil)
	g := newGitHub(t)
	f := g.function(t, o, nil)

	secrets := make([]string, 24)
	for i := range secrets {
		secrets[i] = o.secrets[0]
	}

	body := found(t, secrets...)
	if a := invoked(t, f,
		message(t, "1.0", body, "k1", g.sign(t, body), false)); a.Status != http.StatusAccepted {
		t.Errorf("%d %s", a.Status, a.Body)
	}

	o.advance(time.Second)

	if got := o.traceOf(t, o.key.ID, o.secrets[0]); got.Exposed != 1 || got.Version != 2 ||
		!got.Compromised {
		t.Errorf("%+v", got)
	}
}
