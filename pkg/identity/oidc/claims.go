package oidc

import (
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// maxSubject is the maximum length of a subject (OpenID Connect Core 1.0, section 2), in bytes.
const maxSubject = 255

// claims are the claims of an ID token that are used here (OpenID Connect Core 1.0, sections 2 and
// 5.1).
type claims struct {
	Issuer        string           `json:"iss"`
	Audience      jwt.Audience     `json:"aud"`
	Subject       string           `json:"sub"`
	Expiry        *jwt.NumericDate `json:"exp"`
	NotBefore     *jwt.NumericDate `json:"nbf"`
	IssuedAt      *jwt.NumericDate `json:"iat"`
	TokenUse      string           `json:"token_use"` // Cognito's: "id" or "access"
	Email         string           `json:"email"`
	EmailVerified flag             `json:"email_verified"`
	Name          string           `json:"name"`
}

// flag is a boolean that some issuers, Cognito among them, write as a string. Everything but true
// is false.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(text []byte) error {
	*f = string(text) == "true" || string(text) == `"true"`
	return nil
}

// refusal returns why the claims are not valid at the time now, or "".
func (c *claims) refusal(issuer, audience string, now time.Time) string {
	switch {
	case c.Issuer != issuer:
		return "another issuer's"
	// A second audience could use the token to act as the person here (OpenID Connect Core 1.0,
	// section 3.1.3.7, rule 3).
	case len(c.Audience) != 1 || c.Audience[0] != audience:
		return "has another audience"
	case c.TokenUse != "" && c.TokenUse != "id":
		return "is not an ID token, according to token_use"
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return "no subject, or one longer than 255 bytes"
	case c.Expiry == nil || c.IssuedAt == nil:
		return "does not say when it expires or when it was issued"
	case !now.Before(c.Expiry.Time().Add(Tolerance)):
		return "expired"
	case c.NotBefore != nil && now.Before(c.NotBefore.Time().Add(-Tolerance)):
		return "not valid yet"
	case now.Before(c.IssuedAt.Time().Add(-Tolerance)):
		return "issued in the future"
	}

	return ""
}
