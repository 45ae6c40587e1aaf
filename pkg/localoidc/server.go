package localoidc

import (
	"context"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The endpoints, relative to the issuer.
const (
	discoveryPath  = oidc.DiscoveryEndpoint
	authorizePath  = "/authorize"
	tokenPath      = "/token"
	userinfoPath   = "/userinfo"
	endSessionPath = "/end_session"
	keysPath       = "/keys"
	signInPath     = "/sign-in"
	stylePath      = "/sign-in.css"
)

func endpoint(path string) *op.Endpoint { return op.NewEndpoint(path) }

// server answers the protocol's requests after the library has parsed them and checked the
// redirect of an authorization request. The library refuses what server does not implement.
type server struct {
	op.UnimplementedServer
	*Provider
}

// Discovery implements op.Server.
func (s server) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	at := func(path string) string { return s.Issuer() + path }
	return op.NewResponse(&oidc.DiscoveryConfiguration{
		Issuer:                s.Issuer(),
		AuthorizationEndpoint: at(authorizePath),
		TokenEndpoint:         at(tokenPath),
		UserinfoEndpoint:      at(userinfoPath),
		EndSessionEndpoint:    at(endSessionPath),
		JwksURI:               at(keysPath),
		ScopesSupported: []string{
			oidc.ScopeOpenID, oidc.ScopeEmail, oidc.ScopeProfile,
		},
		ResponseTypesSupported:            []string{string(oidc.ResponseTypeCode)},
		ResponseModesSupported:            []string{string(oidc.ResponseModeQuery)},
		GrantTypesSupported:               []oidc.GrantType{oidc.GrantTypeCode},
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{string(algorithm)},
		TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodNone},
		CodeChallengeMethodsSupported:     []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
		ClaimsSupported: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "email", "email_verified",
			"name",
		},
	}), nil
}

// Keys implements op.Server.
func (s server) Keys(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(&jose.JSONWebKeySet{
		Keys: []jose.JSONWebKey{
			{
				KeyID:     s.keyID,
				Key:       s.key.Public(),
				Algorithm: string(algorithm),
				Use:       "sig",
			},
		},
	}), nil
}

// VerifyAuthRequest implements op.Server.
func (s server) VerifyAuthRequest(
	_ context.Context, r *op.Request[oidc.AuthRequest],
) (*op.ClientRequest[oidc.AuthRequest], error) {
	if r.Data.ClientID != ClientID {
		return nil, oidc.ErrInvalidClient().WithDescription("there is no such client")
	}

	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: s.client}, nil
}

// challengeLength is the length of a SHA-256 hash in base64url without padding (RFC 7636, section
// 4.2).
const challengeLength = 43

// Authorize implements op.Server: it stores the request and shows the people to choose from.
func (s server) Authorize(
	_ context.Context, r *op.ClientRequest[oidc.AuthRequest],
) (*op.Redirect, error) {
	asked := r.Data
	switch {
	case asked.RequestParam != "":
		return nil, oidc.ErrRequestNotSupported()
	case !slices.Contains(asked.Scopes, oidc.ScopeOpenID):
		return nil, oidc.ErrInvalidScope().WithDescription("the scope openid is missing")
	case asked.ResponseMode != "" && asked.ResponseMode != oidc.ResponseModeQuery:
		return nil, oidc.ErrInvalidRequest().WithDescription("the only response_mode is query")
	case asked.CodeChallengeMethod != oidc.CodeChallengeMethodS256 ||
		len(asked.CodeChallenge) != challengeLength:
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE is required, with " +
			"code_challenge_method S256")
	case slices.Contains(asked.Prompt, oidc.PromptNone):
		return nil, oidc.ErrLoginRequired() // there are no sessions
	}

	id, err := s.pending.put(signIn{
		redirect:  asked.RedirectURI,
		state:     asked.State,
		nonce:     asked.Nonce,
		challenge: asked.CodeChallenge,
		scopes:    asked.Scopes,
	})
	if err != nil {
		return nil, oidc.ErrServerError().WithDescription("%s", err.Error())
	}

	return op.NewRedirect(r.Client.LoginURL(id)), nil
}

// VerifyClient implements op.Server. The client is public: a request with a client secret is meant
// for another provider.
func (s server) VerifyClient(
	_ context.Context, r *op.Request[op.ClientCredentials],
) (op.Client, error) {
	if r.Data.ClientID != ClientID || r.Data.ClientSecret != "" || r.Data.ClientAssertion != "" {
		return nil, op.NewStatusError(oidc.ErrInvalidClient().WithDescription(
			"the only client is public, and has another id",
		), http.StatusUnauthorized)
	}

	return s.client, nil
}

// CodeExchange implements op.Server. The first attempt uses up the code, so that verifiers cannot
// be tried one after the other.
func (s server) CodeExchange(
	_ context.Context, r *op.ClientRequest[oidc.AccessTokenRequest],
) (*op.Response, error) {
	g, ok := s.granted.take(r.Data.Code)
	if !ok {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code is unknown, used or too old")
	}

	if r.Data.RedirectURI != g.redirect {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code was made for another " +
			"redirect_uri")
	}

	if err := op.AuthorizeCodeChallenge(r.Data.CodeVerifier, &oidc.CodeChallenge{
		Challenge: g.challenge,
		Method:    oidc.CodeChallengeMethodS256,
	}); err != nil {
		return nil, err
	}

	identity, err := s.idToken(g.person, g.at, g.nonce)
	if err != nil {
		return nil, err
	}

	access, err := s.accessToken(g.person)
	if err != nil {
		return nil, err
	}

	return op.NewResponse(&oidc.AccessTokenResponse{
		AccessToken: access,
		IDToken:     identity,
		TokenType:   oidc.BearerToken,
		ExpiresIn:   uint64(tokenLife.Seconds()),
		Scope:       g.scopes,
	}), nil
}

// UserInfo implements op.Server.
func (s server) UserInfo(
	_ context.Context, r *op.Request[oidc.UserInfoRequest],
) (*op.Response, error) {
	person, ok := s.bearer(r.Data.AccessToken)
	if !ok {
		return nil, op.NewStatusError(oidc.ErrAccessDenied().WithDescription(
			"the access token is invalid",
		), http.StatusUnauthorized)
	}

	return op.NewResponse(&oidc.UserInfo{
		Subject:         person.subject(),
		UserInfoProfile: oidc.UserInfoProfile{Name: person.Name},
		UserInfoEmail:   oidc.UserInfoEmail{Email: person.Email, EmailVerified: true},
	}), nil
}

// loggedOut is the query of the address that end_session redirects to.
type loggedOut struct {
	State string `schema:"state,omitempty"`
}

// EndSession implements op.Server. There is no session to end: it only redirects to one of the
// client's logout addresses. https://openid.net/specs/openid-connect-rpinitiated-1_0.html
func (s server) EndSession(
	_ context.Context, r *op.Request[oidc.EndSessionRequest],
) (*op.Redirect, error) {
	asked := r.Data
	if asked.IdTokenHint != "" && !s.madeIDToken(asked.IdTokenHint) {
		return nil, oidc.ErrInvalidRequest().WithDescription("the id_token_hint is no token of " +
			"this provider")
	}

	if asked.ClientID != "" && asked.ClientID != ClientID {
		return nil, oidc.ErrInvalidRequest().WithDescription("there is no such client")
	}

	if asked.PostLogoutRedirectURI == "" {
		return op.NewRedirect(s.base.String() + "/console/"), nil
	}

	if asked.IdTokenHint == "" && asked.ClientID == "" {
		return nil, oidc.ErrInvalidRequest().WithDescription("a post_logout_redirect_uri needs a " +
			"client_id or an id_token_hint")
	}

	if err := op.ValidateEndSessionPostLogoutRedirectURI(asked.PostLogoutRedirectURI,
		s.client); err != nil {
		return nil, err
	}

	to, err := address(asked.PostLogoutRedirectURI, &loggedOut{State: asked.State})
	if err != nil {
		return nil, err
	}

	return op.NewRedirect(to), nil
}
