package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/bitting-keys/bitting/pkg/localoidc"
)

// issuer returns the sign-in's issuer, which is also its address.
func issuer(url string) string { return url + "/oidc" }

// newSignIn returns the sign-in for the demo's people.
func (m *machine) newSignIn() (http.Handler, error) {
	provider, err := newProvider(m.url, m.options.Data)
	if err != nil {
		return nil, err
	}

	return provider.Handler(), nil
}

func newProvider(url, data string) (*localoidc.Provider, error) {
	var known []localoidc.Person
	for _, p := range people() {
		known = append(known, localoidc.Person{
			Email: p.Email,
			Name:  p.Name,
			Role:  p.Role + " of " + p.Organization,
		})
	}

	return localoidc.New(localoidc.Config{
		BaseURL: url,
		DataDir: filepath.Join(data, "keys"),
		People:  known,
	})
}

// Token returns an ID token of one of the demo's people, as the bitting local that runs on this
// data would.
func Token(data, email string) (string, error) {
	text, err := os.ReadFile(filepath.Join(data, readyFile)) //nolint:gosec // the folder that the caller chose
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no bitting local runs on the data in %s; --data names another folder", data)
	}

	if err != nil {
		return "", err
	}

	var running ready
	if err := json.Unmarshal(text, &running); err != nil {
		return "", err
	}

	provider, err := newProvider(running.URL, data)
	if err != nil {
		return "", err
	}

	return provider.Token(email)
}
