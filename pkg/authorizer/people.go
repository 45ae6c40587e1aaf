package authorizer

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// People verifies the tokens of people who are signed in.
type People interface {
	// Verify returns the person a token belongs to. It returns identity.ErrInvalid for an invalid
	// token. With every other error, the token's validity is unknown.
	Verify(ctx context.Context, token string) (identity.Person, error)
}

// token finds a person's token: a JWT (RFC 7519) as the only bearer token. If the request also has
// a key, neither counts: a call has one caller.
func token(brand apikey.Brand, h check.Headers) (jwt string, found bool) {
	if len(h.Authorization) != 1 {
		return "", false
	}

	scheme, value, ok := strings.Cut(h.Authorization[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || strings.Count(value, ".") != 2 ||
		brand.LooksLike(value) {
		return "", false
	}

	return value, true
}

// signedIn answers a call with a person's token. The token only establishes who they are. What
// they may do is read at each operation.
func (a *Authorizer) signedIn(ctx context.Context, r *request, jwt string) ([]byte, error) {
	if len(r.headers.APIKey) > 0 {
		a.refuse(ctx, r, slog.LevelInfo, "token_and_key", nil)
		a.count(metric.InvalidToken, r.began)
		return nil, errUnauthorized
	}

	p, err := a.people.Verify(ctx, jwt)
	switch {
	case errors.Is(err, identity.ErrInvalid):
		a.refuse(ctx, r, slog.LevelInfo, "invalid_token", err)
		a.count(metric.InvalidToken, r.began)
		return nil, errUnauthorized
	case err != nil:
		a.refuse(ctx, r, slog.LevelError, "unavailable", err)
		a.count(metric.Unavailable, r.began)
		return nil, errUnavailable
	}

	id := text(p.ID, maxIdentity)
	// cut short or cleaned, it could be another person's; and it is stored
	if id == "" || id != p.ID || a.checker.Brand.Holds(id) {
		a.refuse(ctx, r, slog.LevelInfo, "invalid_token", nil)
		a.count(metric.InvalidToken, r.began)
		return nil, errUnauthorized
	}

	c := Context{
		API:          r.call.API,
		UserID:       id,
		UserName:     text(p.Name, maxIdentity),
		Limited:      "false",
		RetryAfter:   "0",
		DenialCode:   string(check.PermissionDenied),
		DenialDetail: "The person may not do this.",
	}
	// an unverified address makes nobody a member
	if email, ok := organization.Email(p.Email); ok && p.EmailVerified &&
		!a.checker.Brand.Holds(email) {
		c.UserEmail = email
	}

	outcome := metric.SignedIn
	if !a.supports(r) {
		outcome = metric.PathNotSupported
		a.refuse(ctx, r, slog.LevelInfo, string(check.PathNotSupported), nil)
		c.DenialCode = string(check.PathNotSupported)
		c.DenialDetail = check.NotSupported
	}

	a.count(outcome, r.began)
	return a.form(nil, r, &c, only(r), true), nil
}

// maxIdentity is the maximum length of a person's identifiers, in bytes.
const maxIdentity = 256

func (a *Authorizer) refuse(
	ctx context.Context, r *request, level slog.Level, outcome string, err error,
) {
	attributes := []slog.Attr{
		slog.String("outcome", outcome), slog.String("gateway_request_id", r.id),
		slog.String("method", a.checker.Brand.Redact(r.arn.Method)),
	}
	if err != nil {
		attributes = append(attributes, slog.Any("error", err))
	}

	a.logger.LogAttrs(ctx, level, "check", attributes...)
}
