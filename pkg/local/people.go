package local

import (
	"net/http"
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
	running, err := ReadRunning(data)
	if err != nil {
		return "", err
	}

	provider, err := newProvider(running.URL, data)
	if err != nil {
		return "", err
	}

	return provider.Token(email)
}
