package authorizer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// AdminAPI is the name of the admin API among the APIs. There the authorizer lets in every key with
// some admin permission, and the operations decide what it may: only they know whether a thing may
// be seen, and 404 comes before 403.
const AdminAPI = "admin"

var (
	// errUnauthorized is a protocol: API Gateway answers 401 to exactly this text and 500 to any
	// other.
	errUnauthorized = errors.New("Unauthorized")
	errUnavailable  = errors.New("the key could not be checked: a dependency is unavailable")
)

// Config is what an authorizer needs. With API Gateway's cache, KeyHeader is the header that the
// cache is keyed on: a key from any other would make one caller's answer another's.
type Config struct {
	Checker *check.Checker
	// the name of the API that it guards, as permissions' routes have it; AdminAPI for the admin
	// API
	API string
	// the usage plan's key that an admitted call carries; "" where methods need none
	AdmitKey  string
	KeyHeader string // the only header that a key is read from; "" for both.
	// how long API Gateway keeps an answer at most; 0 where it keeps none
	CacheTime       time.Duration
	SimpleResponses bool // answer HTTP API events of payload 2.0 without a policy
	// verifies people's tokens, on the admin API; nil where nobody signs in
	People    People
	FirstUses FirstUses
	Recorder  Recorder // nil where calls are counted elsewhere
	Logger    *slog.Logger
}

// FirstUses is told of every admitted call with the newest secret of a key.
type FirstUses interface {
	Used(ctx context.Context, k *apikey.Key, at time.Time) // must not delay the answer
	// waits for what it does beside the answers
	Flush()
}

// Authorizer answers API Gateway's events. It implements lambda.Handler and is safe for concurrent
// use.
type Authorizer struct {
	checker         *check.Checker
	api             string
	admitKey        string
	keyHeader       string
	cacheTime       time.Duration
	simpleResponses bool
	people          People
	firstUses       FirstUses
	recorder        Recorder
	logger          *slog.Logger
}

// New returns an authorizer.
func New(c Config) *Authorizer {
	return &Authorizer{
		checker:         c.Checker,
		api:             c.API,
		admitKey:        c.AdmitKey,
		keyHeader:       c.KeyHeader,
		cacheTime:       c.CacheTime,
		simpleResponses: c.SimpleResponses,
		people:          c.People,
		firstUses:       c.FirstUses,
		recorder:        c.Recorder,
		logger:          c.Logger,
	}
}

// Flush waits for what is still done beside the answers. It is called when the instance ends.
func (a *Authorizer) Flush() { a.firstUses.Flush() }

// Invoke implements lambda.Handler: an event in, an answer or an error out.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	r, err := a.read(payload)
	if err != nil {
		a.logger.ErrorContext(ctx, "check failed", "error", err)
		return nil, errUnavailable
	}

	if a.api == AdminAPI && a.people != nil {
		if jwt, ok := token(a.checker.Brand, r.headers); ok {
			return a.signedIn(ctx, r, jwt)
		}
	}

	v, document := a.decide(ctx, r)
	a.log(ctx, r, v)
	a.record(r, &v)

	switch v.Outcome.Status() {
	case 200, 429:
		// an authorizer has no way to say 429: the gateway or the backend says it, by what the
		// answer carries
		if v.Outcome == check.Allowed && !v.OldSecret {
			a.firstUses.Used(ctx, v.Key, a.checker.Now())
		}

		return a.answer(r, v, document, true)
	case 403:
		return a.answer(r, v, policy.Refuse(document, r.arn.String()), false)
	case 401:
		return nil, errUnauthorized
	default:
		return nil, errUnavailable
	}
}

// decide checks the call, and finds the policy that answers it.
func (a *Authorizer) decide(ctx context.Context, r request) (check.Verdict, policy.Document) {
	if a.api == AdminAPI {
		return a.decideAdmin(ctx, r)
	}

	v := a.checker.Check(ctx, r.headers, r.call)
	if v.Outcome.Status() != 403 || v.Outcome == check.PathNotSupported || a.simple(r) {
		return v, v.Policy.Document
	}

	catalogue, err := a.checker.Catalogue.Current(ctx)
	if err != nil {
		return check.Verdict{Outcome: check.Unavailable, Key: v.Key, Err: err}, policy.Document{}
	}

	return v, a.checker.Policies.Build(catalogue, a.api, check.Grant(v.Key), r.arn).Document
}

// decideAdmin is decide on the admin API, where a policy is about the one call.
func (a *Authorizer) decideAdmin(ctx context.Context, r request) (check.Verdict, policy.Document) {
	v := a.checker.Authenticate(ctx, r.headers, r.call.SourceIP)
	if v.Outcome != check.Allowed {
		return v, policy.Document{}
	}

	catalogue, err := a.checker.Catalogue.Current(ctx)
	switch {
	case err != nil:
		return check.Verdict{Outcome: check.Unavailable, Key: v.Key, Err: err}, policy.Document{}
	case !admin(catalogue, v.Key):
		v.Outcome = check.PermissionDenied
	case !a.supports(r):
		v.Outcome = check.PathNotSupported
	}

	a.checker.Limit(ctx, &v)
	return v, policy.Only(r.arn.String())
}

// simple reports whether the answer is one without a policy.
func (a *Authorizer) simple(r request) bool { return r.kind == HTTP2 && a.simpleResponses }

// supports reports whether the answer can allow the one call.
func (a *Authorizer) supports(r request) bool {
	return a.simple(r) || policy.Sayable(r.arn.String())
}

// admin reports whether a key is one of the admin API's: one with some permission of it.
func admin(catalogue *permission.Catalogue, k *apikey.Key) bool {
	return slices.ContainsFunc(k.Permissions, catalogue.IsAdmin)
}

// log writes one line for a refusal, and for an allow only where somebody asked for that much.
func (a *Authorizer) log(ctx context.Context, r request, v check.Verdict) {
	level := slog.LevelInfo
	switch v.Outcome {
	case check.Allowed:
		level = slog.LevelDebug
	case check.Unavailable:
		level = slog.LevelError
	}

	if !a.logger.Enabled(ctx, level) {
		return
	}

	attributes := []slog.Attr{
		slog.String("outcome", string(v.Outcome)), slog.String("gateway_request_id", r.id),
		slog.String("method", a.checker.Brand.Redact(r.arn.Method)),
		slog.String("route", v.Route.Route.Path),
	}
	if v.Key != nil {
		attributes = append(attributes, slog.String("key_id", v.Key.ID),
			slog.String("organization_id", v.Key.OrganizationID))
	}

	if v.OldSecret { // of a rotation that runs
		attributes = append(attributes, slog.Bool("old_secret", true))
	}

	if v.Reason != "" {
		attributes = append(attributes, slog.String("reason", string(v.Reason)))
	}

	if v.Required != "" {
		attributes = append(attributes, slog.String("required_permission", v.Required))
	}

	if v.Err != nil {
		attributes = append(attributes, slog.Any("error", v.Err))
	}

	a.logger.LogAttrs(ctx, level, "check", attributes...)
}

// Function is the Lambda function: an authorizer of the deployment.
func Function(d *boot.Deployment) *Authorizer {
	c := Config{
		Checker:         d.Checker,
		API:             d.API,
		AdmitKey:        d.AdmitKey,
		KeyHeader:       d.KeyHeader,
		CacheTime:       d.CacheTime(),
		SimpleResponses: d.SimpleResponses,
		FirstUses:       usage.NewFirstUses(d.Hot, d.Logger),
		Logger:          d.Logger,
	}
	if d.Recorder != nil {
		c.Recorder = d.Recorder
	}

	if d.OIDCIssuer != "" {
		c.People = identity.New(identity.Config{
			Issuer:   d.OIDCIssuer,
			Audience: d.OIDCAudience,
			Now:      d.Now,
		})
	}

	return New(c)
}
