package localoidc

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client is the only client, in the form that the protocol's library expects.
type client struct{ redirects, logoutRedirects []string }

var grantTypes = []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}

// newClient returns the client with its redirect addresses. They are compared byte for byte,
// except that loopback addresses may have any port, since programs take a free one (RFC 8252,
// section 7.3).
func newClient(base string) client {
	const program = "http://127.0.0.1/callback"
	return client{
		redirects:       []string{base + "/console/callback", program},
		logoutRedirects: []string{base + "/console/", base + "/console/signin", program},
	}
}

func (client) GetID() string                       { return ClientID }
func (c client) RedirectURIs() []string            { return c.redirects }
func (c client) PostLogoutRedirectURIs() []string  { return c.logoutRedirects }
func (client) ApplicationType() op.ApplicationType { return op.ApplicationTypeNative }
func (client) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodNone }
func (client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (client) GrantTypes() []oidc.GrantType         { return grantTypes }
func (client) LoginURL(id string) string            { return path + signInPath + "?id=" + id }
func (client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (client) IDTokenLifetime() time.Duration       { return tokenLife }
func (client) IsScopeAllowed(string) bool           { return false }
func (client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (client) ClockSkew() time.Duration             { return 0 }

// DevMode implements op.Client: the addresses above may be plain HTTP, even where the base URL is
// not a loopback address.
func (client) DevMode() bool { return true }

// RestrictAdditionalIdTokenScopes implements op.Client.
func (client) RestrictAdditionalIdTokenScopes() func([]string) []string { return allScopes } //nolint:revive // the interface's name

// RestrictAdditionalAccessTokenScopes implements op.Client.
func (client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return allScopes }

func allScopes(scopes []string) []string { return scopes }
