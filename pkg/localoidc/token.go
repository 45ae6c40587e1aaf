package localoidc

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
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
	AccessHash    string           `json:"at_hash,omitempty"`
	Email         string           `json:"email"`
	EmailVerified bool             `json:"email_verified"`
	Name          string           `json:"name"`
}

// idToken returns an ID token for the person of the session. nonce and access, the access token
// that comes with it, may be empty.
func (p *Provider) idToken(in session, nonce, access string) (string, error) {
	claims := idClaims{
		Claims:        p.claims(in.person, ClientID),
		AuthTime:      jwt.NewNumericDate(in.at),
		Nonce:         nonce,
		Email:         in.person.Email,
		EmailVerified: true,
		Name:          in.person.Name,
	}
	if access != "" {
		var err error
		if claims.AccessHash, err = oidc.ClaimHash(access, algorithm); err != nil {
			return "", fmt.Errorf("hash the access token: %w", err)
		}
	}

	return p.sign(idType, claims)
}

// accessToken returns a token that is only good for userinfo.
func (p *Provider) accessToken(person Person) (string, error) {
	return p.sign(accessType, p.claims(person, p.Issuer()+userinfoPath))
}

// tokens returns the answer of the token endpoint. nonce and refreshToken may be empty.
func (p *Provider) tokens(
	in session, scopes []string, nonce, refreshToken string,
) (*op.Response, error) {
	access, err := p.accessToken(in.person)
	if err != nil {
		return nil, err
	}

	identity, err := p.idToken(in, nonce, access)
	if err != nil {
		return nil, err
	}

	return op.NewResponse(&oidc.AccessTokenResponse{
		AccessToken:  access,
		IDToken:      identity,
		RefreshToken: refreshToken,
		TokenType:    oidc.BearerToken,
		ExpiresIn:    uint64(tokenLife.Seconds()),
		Scope:        scopes,
	}), nil
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

// hinted returns the subject of an ID token of this provider, expired or not.
func (p *Provider) hinted(token string) (subject string, ok bool) {
	claims, ok := p.verify(token)
	if !ok || claims.Issuer != p.Issuer() || !claims.Audience.Contains(ClientID) {
		return "", false
	}

	return claims.Subject, true
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
