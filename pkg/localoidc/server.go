package localoidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"

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
	signOutPath    = "/sign-out"
	stylePath      = "/sign-in.css"
)

func endpoint(path string) *op.Endpoint { return op.NewEndpoint(path) }

// scopes are those that mean something here; others are left out of what is granted.
var scopes = []string{
	oidc.ScopeOpenID, oidc.ScopeEmail, oidc.ScopeProfile, oidc.ScopeOfflineAccess,
}

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
		Issuer:                            s.Issuer(),
		AuthorizationEndpoint:             at(authorizePath),
		TokenEndpoint:                     at(tokenPath),
		UserinfoEndpoint:                  at(userinfoPath),
		EndSessionEndpoint:                at(endSessionPath),
		JwksURI:                           at(keysPath),
		ScopesSupported:                   scopes,
		ResponseTypesSupported:            []string{string(oidc.ResponseTypeCode)},
		ResponseModesSupported:            []string{string(oidc.ResponseModeQuery)},
		GrantTypesSupported:               grantTypes,
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{string(algorithm)},
		TokenEndpointAuthMethodsSupported: []oidc.AuthMethod{oidc.AuthMethodNone},
		CodeChallengeMethodsSupported:     []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
		ClaimsSupported: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "email",
			"email_verified", "name",
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

	if op.ValidateAuthReqRedirectURI(s.client, r.Data.RedirectURI, r.Data.ResponseType) != nil {
		return nil, oidc.ErrInvalidRequestRedirectURI().WithDescription("the redirect_uri is not " +
			"one of the client's")
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
	case len(asked.State)+len(asked.Nonce) > maxText:
		return nil, oidc.ErrInvalidRequest().WithDescription("state and nonce are too long")
	}

	request := signIn{
		redirect:  asked.RedirectURI,
		state:     asked.State,
		nonce:     asked.Nonce,
		challenge: asked.CodeChallenge,
		scopes: slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool {
			return !slices.Contains(asked.Scopes, scope)
		}),
	}
	if !slices.Contains(asked.Prompt, oidc.PromptNone) {
		return op.NewRedirect(r.Client.LoginURL(s.pending.put(request))), nil
	}

	in, err := s.silent(r.Header, asked)
	if err != nil {
		return nil, err
	}

	to, err := s.grant(request, in)
	if err != nil {
		return nil, err
	}

	return op.NewRedirect(to), nil
}

// silent returns the browser's session, if a client that must not ask anybody may have it.
func (s server) silent(header http.Header, asked *oidc.AuthRequest) (session, error) {
	_, in, ok := s.session(header)
	if !ok {
		return session{}, oidc.ErrLoginRequired().WithDescription("nobody is signed in")
	}

	if asked.MaxAge != nil && s.now().Sub(in.at) > time.Duration(*asked.MaxAge)*time.Second {
		return session{}, oidc.ErrLoginRequired().WithDescription("the sign-in is too old")
	}

	if asked.IDTokenHint == "" {
		return in, nil
	}

	switch subject, ok := s.hinted(asked.IDTokenHint); {
	case !ok:
		return session{}, errForeignHint()
	case subject != in.person.subject():
		return session{}, oidc.ErrLoginRequired().WithDescription("somebody else is signed in")
	}

	return in, nil
}

func errForeignHint() error {
	return oidc.ErrInvalidRequest().WithDescription("the id_token_hint is no token of this " +
		"provider")
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

	var refreshToken string
	if slices.Contains(g.scopes, oidc.ScopeOfflineAccess) {
		renewal := refresh{session: g.session, scopes: g.scopes, secret: rand.Text()}
		refreshToken = s.refreshes.put(renewal) + "." + renewal.secret
	}

	return s.tokens(g.session, g.scopes, g.nonce, refreshToken)
}

// RefreshToken implements op.Server. Each use replaces the token. One that was used before ends
// its successors as well, since either its client or somebody else must have copied it (RFC 9700,
// section 4.14.2).
func (s server) RefreshToken(
	_ context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest],
) (*op.Response, error) {
	name, secret, _ := strings.Cut(r.Data.RefreshToken, ".")

	renewal, ok := s.refreshes.take(name)
	if !ok || subtle.ConstantTimeCompare([]byte(secret), []byte(renewal.secret)) == 0 {
		return nil, oidc.ErrInvalidGrant().WithDescription("the refresh token is unknown, used " +
			"or too old")
	}

	renewal.secret = rand.Text()
	s.refreshes.set(name, renewal)
	return s.tokens(renewal.session, renewal.scopes, "", name+"."+renewal.secret)
}

// confirmation is the query of the page that asks whether to sign out: what end_session was asked.
type confirmation struct {
	ClientID string `schema:"client_id"`
	Redirect string `schema:"post_logout_redirect_uri,omitempty"`
	State    string `schema:"state,omitempty"`
}

// loggedOut is the query of the address that end_session redirects to.
type loggedOut struct {
	State string `schema:"state,omitempty"`
}

// EndSession implements op.Server: it ends the browser's session and redirects to one of the
// client's logout addresses. https://openid.net/specs/openid-connect-rpinitiated-1_0.html
//
// A request that neither names the person by an ID token nor comes from a page here must be
// confirmed, so that no site can sign people out.
func (s server) EndSession(
	_ context.Context, r *op.Request[oidc.EndSessionRequest],
) (*op.Redirect, error) {
	asked := r.Data

	subject, ok := s.hinted(asked.IdTokenHint)
	if asked.IdTokenHint != "" && !ok {
		return nil, errForeignHint()
	}

	to, err := s.afterLogout(asked)
	if err != nil {
		return nil, err
	}

	name, in, ok := s.session(r.Header)
	if !ok {
		return op.NewRedirect(to), nil
	}

	if subject != in.person.subject() && !s.fromHere(r.Header) {
		ask, err := address(path+signOutPath, &confirmation{
			ClientID: ClientID,
			Redirect: asked.PostLogoutRedirectURI,
			State:    asked.State,
		})
		if err != nil {
			return nil, err
		}

		return op.NewRedirect(ask), nil
	}

	s.sessions.take(name)
	redirect := op.NewRedirect(to)
	redirect.Header.Set("Set-Cookie", s.cookie("", -1).String())
	return redirect, nil
}

// afterLogout returns where the browser goes after end_session.
func (s server) afterLogout(asked *oidc.EndSessionRequest) (string, error) {
	if asked.ClientID != "" && asked.ClientID != ClientID {
		return "", oidc.ErrInvalidRequest().WithDescription("there is no such client")
	}

	if asked.PostLogoutRedirectURI == "" {
		return s.base.String() + "/console/", nil
	}

	if asked.IdTokenHint == "" && asked.ClientID == "" {
		return "", oidc.ErrInvalidRequest().WithDescription("a post_logout_redirect_uri needs a " +
			"client_id or an id_token_hint")
	}

	if err := op.ValidateEndSessionPostLogoutRedirectURI(asked.PostLogoutRedirectURI,
		s.client); err != nil {
		return "", err
	}

	return address(asked.PostLogoutRedirectURI, &loggedOut{State: asked.State})
}
