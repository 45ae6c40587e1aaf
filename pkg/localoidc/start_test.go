package localoidc_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/identity/oidc"
	"github.com/bitting-keys/bitting/pkg/localoidc"
)

func TestTokensOutliveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c := localoidc.Config{BaseURL: server.URL, DataDir: dir, People: people()}

	first, err := localoidc.New(c)
	if err != nil {
		t.Fatal(err)
	}

	token, err := first.Token("alice@acme.test")
	if err != nil {
		t.Fatal(err)
	}

	second, err := localoidc.New(c)
	if err != nil {
		t.Fatal(err)
	}

	handler = second.Handler()

	v := oidc.New(oidc.Config{
		Issuer:   second.Issuer(),
		Audience: localoidc.ClientID,
		Now:      time.Now,
	})
	if person, err := v.Verify(t.Context(), token); err != nil ||
		person.Email != "alice@acme.test" {
		t.Errorf("got %+v, %v", person, err)
	}

	info, err := os.Stat(filepath.Join(dir, "oidc-signing.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("signing key: %v, %v", info, err)
	}

	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the data folder has %v, %v", files, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	write := func(text string, mode os.FileMode) func(*testing.T, *localoidc.Config) {
		return func(t *testing.T, c *localoidc.Config) {
			file := filepath.Join(c.DataDir, "oidc-signing.pem")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}

			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
		}
	}

	tests := []struct {
		name   string
		change func(*testing.T, *localoidc.Config)
	}{
		{"no base URL", func(_ *testing.T, c *localoidc.Config) { c.BaseURL = "" }},
		{"a base URL with a path", func(_ *testing.T, c *localoidc.Config) { c.BaseURL += "/" }},
		{"a base URL with a query", func(_ *testing.T, c *localoidc.Config) { c.BaseURL += "?x" }},
		{"a base URL of another scheme", func(_ *testing.T, c *localoidc.Config) {
			c.BaseURL = "file://x"
		}},
		{"a person twice", func(_ *testing.T, c *localoidc.Config) {
			c.People = append(c.People, localoidc.Person{Email: "ALICE@acme.test"})
		}},
		{"a person whose address folds to another's", func(_ *testing.T, c *localoidc.Config) {
			c.People = append(c.People, localoidc.Person{Email: "al\u0130ce@acme.test"})
		}},
		{"a person without an e-mail address", func(_ *testing.T, c *localoidc.Config) {
			c.People = append(c.People, localoidc.Person{
				Name: "X",
			})
		}},
		{"a key that others can read", write(string(signingKey()), 0o640)},
		{"half a key", write(string(signingKey()[:200]), 0o600)},
		{
			"something that is no key",
			write("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := localoidc.Config{
				BaseURL: "http://127.0.0.1:4000",
				DataDir: dataDir(t),
				People:  people(),
			}
			tt.change(t, &c)

			if _, err := localoidc.New(c); err == nil {
				t.Error("accepted")
			}
		})
	}
}
