package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/identity/oidc"
)

func TestVerifyReturnsThePerson(t *testing.T) {
	t.Parallel()
	alice := identity.Person{
		ID:            "alice-1",
		Email:         "alice@acme.test",
		EmailVerified: true,
		Name:          "Alice",
	}
	unverified := alice
	unverified.EmailVerified = false

	tests := []struct {
		name    string
		changes map[string]any
		want    identity.Person
	}{
		{"all claims", nil, alice},
		{"verified, as a string", map[string]any{"email_verified": "true"}, alice},
		{"not verified", map[string]any{"email_verified": false}, unverified},
		{"not verified, as a string", map[string]any{"email_verified": "false"}, unverified},
		{"verified, as a number", map[string]any{"email_verified": 1}, unverified},
		{"nothing said of verification", map[string]any{"email_verified": nil}, unverified},
		{"only a subject", map[string]any{
			"email":          nil,
			"email_verified": nil,
			"name":           nil,
		}, identity.Person{
			ID: "alice-1",
		}},
		{"audience in a list", map[string]any{"aud": []string{"console"}}, alice},
		{"Cognito's ID token", map[string]any{"token_use": "id"}, alice},
		{"a second before its end", map[string]any{
			"exp": start.Add(-59 * time.Second).Unix(),
		}, alice},
		{"begins as far ahead as clocks may differ", map[string]any{
			"nbf": start.Add(60 * time.Second).Unix(),
		}, alice},
		{"issued as far ahead as clocks may differ", map[string]any{
			"iat": start.Add(60 * time.Second).Unix(),
		}, alice},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)

			got, err := oidc.New(i.config()).Verify(t.Context(), i.token(t, tt.changes))
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVerifyRefusesClaims(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name    string
		changes map[string]any
		want    string // in the reason
	}{
		{"another issuer", map[string]any{"iss": "https://issuer.test"}, "issuer"},
		{"the issuer with a slash", map[string]any{"iss": "+/"}, "issuer"},
		{"no issuer", map[string]any{"iss": nil}, "issuer"},
		{"another audience", map[string]any{"aud": "other"}, "audience"},
		{"the audience in capitals", map[string]any{"aud": "Console"}, "audience"},
		{"a second audience", map[string]any{"aud": []string{"console", "other"}}, "audience"},
		{"no audience", map[string]any{"aud": nil}, "audience"},
		{"an empty list of audiences", map[string]any{"aud": []string{}}, "audience"},
		{"Cognito's access token", map[string]any{
			"aud":       nil,
			"client_id": "console",
			"token_use": "access",
		}, "audience"},
		{"an access token with an audience", map[string]any{"token_use": "access"}, "use"},
		{"no subject", map[string]any{"sub": nil}, "subject"},
		{"an empty subject", map[string]any{"sub": ""}, "subject"},
		{"a long subject", map[string]any{"sub": strings.Repeat("a", 256)}, "subject"},
		{"no expiry", map[string]any{"exp": nil}, "expires"},
		{"no time of issue", map[string]any{"iat": nil}, "issued"},
		{"expired", map[string]any{"exp": start.Add(-60 * time.Second).Unix()}, "expired"},
		{"not valid yet", map[string]any{
			"nbf": start.Add(61 * time.Second).Unix(),
		}, "not valid yet"},
		{"issued in the future", map[string]any{
			"iat": start.Add(61 * time.Second).Unix(),
		}, "future"},
		{"an expiry that is no number", map[string]any{"exp": "tomorrow"}, "claims of an ID token"},
		{"a time past all clocks", map[string]any{"nbf": 1e300}, "claims of an ID token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			i := newIssuer(t)
			if tt.changes["iss"] == "+/" {
				tt.changes["iss"] = i.URL + "/"
			}

			refused(t, i, i.token(t, tt.changes), tt.want)
		})
	}
}

// refused checks that the token is invalid, for a reason with the text in it, and that neither it
// nor its parts are in the error.
func refused(t *testing.T, i *issuer, token, want string) {
	t.Helper()

	person, err := oidc.New(i.config()).Verify(t.Context(), token)
	if !errors.Is(err, identity.ErrInvalid) || errors.Is(err, identity.ErrUnavailable) ||
		!strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want ErrInvalid with %q", err, want)
	}

	if diff := cmp.Diff(identity.Person{}, person); diff != "" {
		t.Error(diff)
	}

	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 3 && strings.Contains(err.Error(), part) {
			t.Errorf("the error has a part of the token: %v", err)
		}
	}
}

func TestVerifyRefusesSignatures(t *testing.T) {
	t.Parallel()

	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	der, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}

	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	encode := base64.RawURLEncoding.EncodeToString

	tests := []struct {
		name  string
		token func(*testing.T, *issuer) string
		want  string
	}{
		{"algorithm none", func(t *testing.T, i *issuer) string {
			return encode([]byte(`{"alg":"none","kid":"first"}`)) + "." + strings.Split(i.token(t,
				nil), ".")[1] + "."
		}, "algorithm"},
		{"HS256 with the public key as the secret", func(t *testing.T, i *issuer) string {
			return sign(t, jose.HS256, "first", publicPEM, i.claims(nil), nil)
		}, "algorithm"},
		{"an asymmetric algorithm that is not allowed", func(t *testing.T, i *issuer) string {
			return sign(t, jose.PS256, "first", rsaKey(), i.claims(nil), nil)
		}, "algorithm"},
		{"another key under a known id", func(t *testing.T, i *issuer) string {
			return sign(t, jose.RS256, "first", other, i.claims(nil), nil)
		}, "not signed by"},
		{"another kind of key under a known id", func(t *testing.T, i *issuer) string {
			return sign(t, jose.ES256, "first", ecKey(t), i.claims(nil), nil)
		}, "not signed by"},
		{"a key of the token's own", func(t *testing.T, i *issuer) string {
			return sign(t, jose.RS256, "own", other, i.claims(nil), map[jose.HeaderKey]any{
				"jwk": public("own", other.Public()),
			})
		}, "does not have"},
		{"a key set of the token's own", func(t *testing.T, i *issuer) string {
			return sign(t, jose.RS256, "own", other, i.claims(nil), map[jose.HeaderKey]any{
				"jku": i.URL + "/keys",
			})
		}, "does not have"},
		{"no key named", func(t *testing.T, i *issuer) string {
			return sign(t, jose.RS256, "", rsaKey(), i.claims(nil), nil)
		}, "names no key"},
		{"claims changed", func(t *testing.T, i *issuer) string {
			parts := strings.Split(i.token(t, nil), ".")
			parts[1] = strings.Split(i.token(t, map[string]any{"sub": "mallory"}), ".")[1]
			return strings.Join(parts, ".")
		}, "not signed by"},
		{"a critical extension", func(t *testing.T, i *issuer) string {
			return sign(t, jose.RS256, "first", rsaKey(), i.claims(nil), map[jose.HeaderKey]any{
				"crit": []string{"x"},
				"x":    true,
			})
		}, "not signed by"},
		{"a logout token", func(t *testing.T, i *issuer) string {
			return sign(t, jose.RS256, "first", rsaKey(), i.claims(nil), map[jose.HeaderKey]any{
				"typ": "logout+jwt",
			})
		}, "type"},
		{"a claim twice", func(t *testing.T, i *issuer) string {
			return signRaw(t,
				`{"sub":"alice-1","sub":"mallory","iss":"`+i.URL+
					`","aud":"console","iat":1,"exp":9999999999}`)
		}, "claims of an ID token"},
		{"a claim in capitals", func(t *testing.T, i *issuer) string {
			return signRaw(t,
				`{"SUB":"mallory","iss":"`+i.URL+`","aud":"console","iat":1,"exp":9999999999}`)
		}, "subject"},
		{"claims that are no object", func(t *testing.T, _ *issuer) string {
			return signRaw(t, `["alice-1"]`)
		}, "claims of an ID token"},
		{"nothing", func(*testing.T, *issuer) string { return "" }, "malformed"},
		{"two parts", func(*testing.T, *issuer) string {
			return "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0"
		}, "malformed"},
		{"JSON serialization", func(t *testing.T, i *issuer) string {
			parts := strings.Split(i.token(t, nil), ".")
			return `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` +
				parts[2] + `"}`
		}, "malformed"},
		{"too long", func(t *testing.T, i *issuer) string {
			return i.token(t, map[string]any{"name": strings.Repeat("a", oidc.MaxToken)})
		}, "longer than 8 KB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			refused(t, i, tt.token(t, i), tt.want)
		})
	}
}

// signRaw signs a payload as it is.
func signRaw(t *testing.T, payload string) string {
	t.Helper()

	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.RS256,
		Key:       rsaKey(),
	}, (&jose.SignerOptions{}).WithHeader("kid", "first"))
	if err != nil {
		t.Fatal(err)
	}

	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}

	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}

	return token
}

func TestVerifyByTheAlgorithmsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	ec := ecKey(t)
	// Two keys with the same id: the one that fits the signature verifies it.
	i.publish(public("first", rsaKey().Public()), public("first", ec.Public()))
	c := i.config()
	c.Algorithms = []string{"ES256"}

	v := oidc.New(c)
	if _, err := v.Verify(t.Context(),
		sign(t, jose.ES256, "first", ec, i.claims(nil), nil)); err != nil {
		t.Error(err)
	}

	if _, err := v.Verify(t.Context(), i.token(t, nil)); !errors.Is(err, identity.ErrInvalid) {
		t.Errorf("RS256: got %v, want ErrInvalid", err)
	}
}

func TestInvalidConfigurationIsUnavailable(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)

	tests := []struct {
		name   string
		change func(*oidc.Config)
	}{
		{"no issuer", func(c *oidc.Config) { c.Issuer = "" }},
		{"no audience", func(c *oidc.Config) { c.Audience = "" }},
		{"algorithm none", func(c *oidc.Config) { c.Algorithms = []string{"RS256", "none"} }},
		{"an HMAC", func(c *oidc.Config) { c.Algorithms = []string{"HS256"} }},
		{"an issuer without TLS", func(c *oidc.Config) { c.Issuer = "http://issuer.test" }},
		{"keys without TLS", func(c *oidc.Config) { c.JWKSURL = "http://issuer.test/keys" }},
		{"an issuer that is no address", func(c *oidc.Config) { c.Issuer = "https://" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := i.config()
			tt.change(&c)

			_, err := oidc.New(c).Verify(t.Context(), i.token(t, nil))
			if !errors.Is(err, identity.ErrUnavailable) || errors.Is(err, identity.ErrInvalid) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
		})
	}

	if got := i.asked.Load(); got != 0 {
		t.Errorf("the issuer was asked %d times", got)
	}
}
