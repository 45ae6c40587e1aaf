package localoidc

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	algorithm = jose.RS256
	tokenLife = time.Hour
	// accessType keeps access tokens from being taken for ID tokens (RFC 9068, section 2.1).
	accessType = "at+jwt"
	idType     = "JWT"
)

// idClaims are the claims of an ID token (OpenID Connect Core 1.0, section 2). Those about the
// person are included for all scopes.
type idClaims struct {
	jwt.Claims
	AuthTime      *jwt.NumericDate `json:"auth_time"`
	Nonce         string           `json:"nonce,omitempty"`
	Email         string           `json:"email"`
	EmailVerified bool             `json:"email_verified"`
	Name          string           `json:"name"`
}

// idToken returns an ID token for the person, who was picked at the given time.
func (p *Provider) idToken(person Person, at time.Time, nonce string) (string, error) {
	return p.sign(idType, idClaims{
		Claims:        p.claims(person, ClientID),
		AuthTime:      jwt.NewNumericDate(at),
		Nonce:         nonce,
		Email:         person.Email,
		EmailVerified: true,
		Name:          person.Name,
	})
}

// accessToken returns a token that is only good for userinfo.
func (p *Provider) accessToken(person Person) (string, error) {
	return p.sign(accessType, p.claims(person, p.Issuer()+userinfoPath))
}

// claims returns the claims that every token has.
func (p *Provider) claims(person Person, audience string) jwt.Claims {
	now := p.now()
	return jwt.Claims{
		Issuer:   p.Issuer(),
		Subject:  person.subject(),
		Audience: jwt.Audience{audience},
		IssuedAt: jwt.NewNumericDate(now),
		Expiry:   jwt.NewNumericDate(now.Add(tokenLife)),
	}
}

// sign signs claims as a token of the given type.
func (p *Provider) sign(kind jose.ContentType, claims any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: algorithm,
		Key:       p.key,
	}, (&jose.SignerOptions{}).WithType(kind).WithHeader("kid", p.keyID))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}

	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}

	return token, nil
}

// bearer returns the person an access token was issued to.
func (p *Provider) bearer(token string) (Person, bool) {
	claims, ok := p.verify(token)
	if !ok || claims.ValidateWithLeeway(jwt.Expected{
		Issuer:      p.Issuer(),
		AnyAudience: jwt.Audience{p.Issuer() + userinfoPath},
		Time:        p.now(),
	}, 0) != nil {
		return Person{}, false
	}

	return p.bySubject(claims.Subject)
}

// madeIDToken reports whether the token is an ID token of this provider, expired or not.
func (p *Provider) madeIDToken(token string) bool {
	claims, ok := p.verify(token)
	return ok && claims.Issuer == p.Issuer() && claims.Audience.Contains(ClientID)
}

// verify returns the claims of a token that this provider signed.
func (p *Provider) verify(token string) (jwt.Claims, bool) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		return jwt.Claims{}, false
	}

	var claims jwt.Claims
	err = parsed.Claims(p.key.Public(), &claims)
	return claims, err == nil
}

// keyID names a key by its thumbprint (RFC 7638), so that no two keys share a name.
func keyID(key *rsa.PrivateKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name the signing key: %w", err)
	}

	return base64.RawURLEncoding.EncodeToString(sum), nil
}
