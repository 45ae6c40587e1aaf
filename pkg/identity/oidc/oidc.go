// Package oidc turns the bearer token of a signed-in user into a person.
//
// It promises:
//
//   - A person is returned only for an OpenID Connect ID token that the configured issuer signed,
//     for the configured audience, with an allowed algorithm, and that is valid now.
//   - Any other token is identity.ErrInvalid. An issuer whose keys are unavailable is
//     identity.ErrUnavailable. One is never reported as the other.
//   - Junk tokens cannot cause a flood of requests to the issuer.
//   - No error contains the token or any part of it.
//   - Nothing touches the network before the first Verify.
//
// It does not decide what a person may do: membership and roles are looked up elsewhere, at each
// call. It does not accept access tokens: those of Cognito have no audience and no e-mail address,
// by which members are invited.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	// matches names by their exact case and refuses duplicates, as RFC 7515 demands
	"github.com/go-jose/go-jose/v4/json"

	"github.com/bitting-keys/bitting/pkg/identity"
)

// Tolerance is the maximum difference between the issuer's clock and ours.
const Tolerance = 60 * time.Second

// MaxToken is the maximum length of a token, in bytes.
const MaxToken = 8 << 10

// Config configures which tokens are accepted.
type Config struct {
	// Issuer is compared byte by byte with the token's iss; https, or http on this machine.
	Issuer   string
	Audience string // the client id at the issuer; must be the token's only audience
	// Algorithms are those of signatures, by their JWA names; default RS256 and ES256. Only
	// asymmetric ones are allowed.
	Algorithms []string
	// JWKSURL is the address of the issuer's keys; default: from its discovery document.
	JWKSURL string
	// HTTPClient is a client of its own by default. Redirects are not followed, and each request
	// ends after a second.
	HTTPClient *http.Client
	Now        func() time.Time
}

// Verifier verifies tokens. It is safe for concurrent use. It caches the issuer's keys, so a
// process should have only one.
type Verifier struct {
	issuer, audience string
	algorithms       []jose.SignatureAlgorithm
	keys             keySet
	now              func() time.Time
	unfit            error // what is wrong with the configuration
}

// New returns a verifier. With an invalid configuration it answers every token with
// ErrUnavailable: our mistake says nothing about the token.
func New(c Config) *Verifier {
	if c.Now == nil {
		c.Now = time.Now
	}

	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{}
	}

	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{string(jose.RS256), string(jose.ES256)}
	}

	v := &Verifier{
		issuer:   c.Issuer,
		audience: c.Audience,
		now:      c.Now,
		unfit:    c.check(),
	}
	for _, name := range c.Algorithms {
		v.algorithms = append(v.algorithms, jose.SignatureAlgorithm(name))
	}

	v.keys = keySet{fetch: newSource(c).fetch, now: c.Now}
	return v
}

// check returns what is wrong with the configuration.
func (c Config) check() error {
	if c.Issuer == "" || c.Audience == "" {
		return errors.New("no issuer or no audience is configured")
	}

	for _, address := range []string{c.Issuer, c.JWKSURL} {
		if address == "" {
			continue
		}

		if err := checkURL(address); err != nil {
			return err
		}
	}

	for _, name := range c.Algorithms {
		if !asymmetric(name) {
			return fmt.Errorf("algorithm %q is not one by which an issuer may sign", name)
		}
	}

	return nil
}

// asymmetric reports whether only the holder of a private key can sign with the algorithm. This is
// false for `none` and for the HMACs: the "secret" of an HMAC would be the public key, which
// everyone can have (RFC 8725, section 2.1).
func asymmetric(algorithm string) bool {
	return slices.Contains([]jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256,
		jose.ES384, jose.ES512, jose.EdDSA,
	}, jose.SignatureAlgorithm(algorithm))
}

// Verify returns the person a token belongs to, or ErrInvalid or ErrUnavailable. rawToken is the
// token alone, without `Bearer`.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (identity.Person, error) {
	if v.unfit != nil {
		return identity.Person{}, fmt.Errorf("%w: %w", identity.ErrUnavailable, v.unfit)
	}

	if len(rawToken) > MaxToken {
		return identity.Person{}, invalid("longer than 8 KB")
	}

	// The library's errors quote what they cannot parse, so they must not leave this function.
	token, err := jose.ParseSignedCompact(rawToken, v.algorithms)
	if err != nil {
		return identity.Person{}, invalid("malformed, or signed by an algorithm that is not allowed")
	}

	header := token.Signatures[0].Header
	// Other tokens of the same issuer and audience, such as logout tokens, show by their type that
	// they are not ID tokens (RFC 8725, section 3.11).
	if typ, there := header.ExtraHeaders[jose.HeaderType]; there && !isJWT(typ) {
		return identity.Person{}, invalid("is not an ID token, according to its type")
	}

	if header.KeyID == "" {
		return identity.Person{}, invalid("names no key")
	}

	keys, err := v.keys.find(ctx, header.KeyID)
	if err != nil {
		return identity.Person{}, err
	}

	signed, ok := payload(token, keys)
	if !ok {
		return identity.Person{}, invalid("is not signed by the key that it names")
	}

	var c claims
	if err := json.Unmarshal(signed, &c); err != nil {
		return identity.Person{}, invalid("does not have the claims of an ID token")
	}

	if reason := c.refusal(v.issuer, v.audience, v.now()); reason != "" {
		return identity.Person{}, invalid(reason)
	}

	return identity.Person{
		ID:            c.Subject,
		Email:         c.Email,
		EmailVerified: bool(c.EmailVerified),
		Name:          c.Name,
	}, nil
}

func isJWT(typ any) bool {
	text, ok := typ.(string)
	return ok && (strings.EqualFold(text, "JWT") || strings.EqualFold(text, "application/jwt"))
}

// payload returns the signed payload if one of the keys made the signature. A key that names its
// algorithm verifies with no other.
func payload(token *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != token.Signatures[0].Header.Algorithm {
			continue
		}

		if signed, err := token.Verify(key.Key); err == nil {
			return signed, true
		}
	}

	return nil, false
}

// invalid returns an ErrInvalid; reason is a text of our own, so that it contains nothing of the
// token.
func invalid(reason string) error { return fmt.Errorf("%w: %s", identity.ErrInvalid, reason) }
