package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Limits on what an issuer can cost us.
const (
	requestTimeout = time.Second
	maxAnswer      = 256 << 10 // bytes
	minRSA         = 2048      // bits (RFC 7518, section 3.3)
)

// source is where an issuer's keys come from.
type source struct {
	issuer, jwksURL string // jwksURL is empty if the discovery document has it
	client          http.Client
}

func newSource(c Config) *source {
	client := *c.HTTPClient
	// A redirect could lead to a host, or to plain HTTP, that was never configured.
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return &source{issuer: c.Issuer, jwksURL: c.JWKSURL, client: client}
}

// fetch returns the keys with which the issuer may sign; at least one.
func (s *source) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	address := s.jwksURL
	if address == "" {
		var err error
		if address, err = s.discover(ctx); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}

	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.get(ctx, address, &set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}

	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		// Keys of unknown kinds are skipped and do not make the whole set invalid (RFC 7517,
		// section 5).
		if json.Unmarshal(text, &key) == nil && signs(&key) {
			keys = append(keys, key)
		}
	}

	if len(keys) == 0 {
		return nil, errors.New("keys: the issuer's set has none that we can use")
	}

	return keys, nil
}

// discover returns the address of the issuer's keys from its discovery document.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (s *source) discover(ctx context.Context) (string, error) {
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration",
		&document); err != nil {
		return "", err
	}

	if document.Issuer != s.issuer {
		return "", errors.New("the document is from another issuer")
	}

	return document.JWKSURI, checkURL(document.JWKSURI)
}

// get reads JSON from the address.
func (s *source) get(ctx context.Context, address string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}

	request.Header.Set("Accept", "application/json")

	response, err := s.client.Do(request)
	if err != nil {
		return err
	}

	defer func() { _ = response.Body.Close() }() // only read

	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, response.Status)
	}

	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}

	if len(body) > maxAnswer {
		return fmt.Errorf("%s answered more than %d bytes", address, maxAnswer)
	}

	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}

	return nil
}

// signs reports whether the key is a public one, with an id, that may verify signatures.
func signs(key *jose.JSONWebKey) bool {
	if key.KeyID == "" || key.Use != "" && key.Use != "sig" {
		return false
	}

	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return public.N.BitLen() >= minRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}

	return false
}

// checkURL refuses an address whose answers could be changed on the way: keys can be trusted no
// more than the connection they came by.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("the issuer's address: %w", err)
	}

	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()

	safe := u.Scheme == "https" || u.Scheme == "http" && local
	if u.Host == "" || !safe {
		return fmt.Errorf("%q is neither an https address nor one of this machine", address)
	}

	return nil
}
