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
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/usage"
)

var (
	// errUnauthorized is a protocol: API Gateway answers 401 to exactly this text and 500 to any
	// other.
	errUnauthorized = errors.New("Unauthorized")
	errUnavailable  = errors.New("the key could not be checked: a dependency is unavailable")
)

// Config configures an Authorizer. With API Gateway's cache, KeyHeader is the header that the
// cache is keyed on: a key from any other header would give one caller's answer to another.
type Config struct {
	Checker *check.Checker
	// API is the name, as in permissions' routes, of an API that does not say its own. With
	// permission.AdminAPI every call is one to the admin API. There the authorizer admits every key
	// with some admin permission, and the operations decide what it may do: only they know whether
	// a thing may be seen, and 404 comes before 403.
	API string
	// AdmitKey is the usage plan's key for admitted calls; "" if methods need none.
	AdmitKey  string
	KeyHeader string // the only header that a key is read from; "" for both.
	// CacheTime is the maximum time that API Gateway keeps an answer; 0 without a cache.
	CacheTime       time.Duration
	SimpleResponses bool // answer HTTP API events of payload 2.0 without a policy
	// People verifies people's tokens, on the admin API; nil without a sign-in.
	People    People
	FirstUses FirstUses
	Recorder  Recorder // nil if calls are counted elsewhere
	Metrics   *metric.Set
	Logger    *slog.Logger
}

// FirstUses receives every admitted call with the newest secret of a key.
type FirstUses interface {
	Used(ctx context.Context, k *apikey.Key, at time.Time) // must not delay the answer
	// Flush waits for its work in the background.
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
	metrics         *metric.Set
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
		metrics:         c.Metrics,
		logger:          c.Logger,
	}
}

// Flush waits for work in the background. It is called when the instance ends.
func (a *Authorizer) Flush() { a.firstUses.Flush() }

// Invoke implements lambda.Handler: it takes an event and returns an answer or an error.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := a.invoke(ctx, payload)
	if errors.Is(err, errUnauthorized) {
		// Lambda counts it among the function's errors, from which an alarm takes it away.
		a.metrics.Add(metric.Unauthorized, 1)
	}

	return out, err
}

func (a *Authorizer) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var r request
	if err := a.read(payload, &r); err != nil {
		a.logger.ErrorContext(ctx, "check failed", "error", err)
		a.count(metric.Unavailable, a.checker.Now())
		return nil, errUnavailable
	}

	if r.call.API == permission.AdminAPI && a.people != nil {
		if jwt, ok := token(a.checker.Brand, r.headers); ok {
			return a.signedIn(ctx, &r, jwt)
		}
	}

	if r.kind == AppSync {
		return a.graphQL(ctx, &r)
	}

	v, document := a.decide(ctx, &r)
	a.log(ctx, &r, &v)
	a.record(&r, &v)
	a.count(outcomes[v.Outcome], r.began)

	switch v.Outcome.Status() {
	case 200, 429:
		// An authorizer cannot answer 429. The gateway or the backend does, by what the answer
		// carries.
		a.used(ctx, &v)
		return a.answer(&r, &v, document, true), nil
	case 403:
		document = policy.Policy{Document: policy.Refuse(document.Document, r.arn.String())}
		return a.answer(&r, &v, document, false), nil
	case 401:
		return nil, errUnauthorized
	default:
		return nil, errUnavailable
	}
}

// used tells of an admitted call with the newest secret of a key.
func (a *Authorizer) used(ctx context.Context, v *check.Verdict) {
	if v.Outcome == check.Allowed && !v.OldSecret {
		a.firstUses.Used(ctx, v.Key, a.checker.Now())
	}
}

// decide checks the call, and chooses the policy of the answer.
func (a *Authorizer) decide(ctx context.Context, r *request) (check.Verdict, policy.Policy) {
	if r.call.API == permission.AdminAPI {
		return a.decideAdmin(ctx, r)
	}

	v := a.checker.Check(ctx, r.headers, r.call)
	if r.kind == WebSocket {
		return v, only(r)
	}

	if v.Outcome.Status() != 403 || v.Outcome == check.PathNotSupported || a.simple(r) {
		return v, v.Policy
	}

	// A refusal carries the whole-key policy: a cached answer may serve the key's other calls.
	catalogue, err := a.checker.Catalogue.Current(ctx)
	if err != nil {
		return check.Verdict{Outcome: check.Unavailable, Key: v.Key, Err: err}, policy.Policy{}
	}

	return v, a.checker.Policies.Build(catalogue, r.call.API, check.Grant(v.Key), r.arn)
}

// decideAdmin is decide for the admin API, where a policy covers only the one call.
func (a *Authorizer) decideAdmin(ctx context.Context, r *request) (check.Verdict, policy.Policy) {
	v := a.checker.Authenticate(ctx, r.headers, r.call.SourceIP)
	if v.Outcome != check.Allowed {
		return v, policy.Policy{}
	}

	catalogue, err := a.checker.Catalogue.Current(ctx)
	switch {
	case err != nil:
		return check.Verdict{Outcome: check.Unavailable, Key: v.Key, Err: err}, policy.Policy{}
	case !admin(catalogue, v.Key):
		v.Outcome = check.PermissionDenied
	case !a.supports(r):
		v.Outcome = check.PathNotSupported
	}

	a.checker.Limit(ctx, &v)
	return v, only(r)
}

// only returns the policy of the one call.
func only(r *request) policy.Policy {
	return policy.Policy{Document: policy.Only(r.arn.String()), Scope: policy.OneCall}
}

// simple reports whether the answer has no policy.
func (a *Authorizer) simple(r *request) bool { return r.kind == HTTP2 && a.simpleResponses }

// supports reports whether the answer can allow the one call.
func (a *Authorizer) supports(r *request) bool {
	return a.simple(r) || policy.Sayable(r.arn.String())
}

// admin reports whether a key has some permission of the admin API.
func admin(catalogue *permission.Catalogue, k *apikey.Key) bool {
	return slices.ContainsFunc(k.Permissions, catalogue.IsAdmin)
}

// log writes one line for a refusal, and for an allowed call only at a finer log level.
func (a *Authorizer) log(ctx context.Context, r *request, v *check.Verdict) {
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
		slog.String("api", r.call.API),
		slog.String("method", a.checker.Brand.Redact(r.call.Method)),
		slog.String("route", v.Route.Route.Path),
	}
	if v.Key != nil {
		attributes = append(attributes, slog.String("key_id", v.Key.ID),
			slog.String("organization_id", v.Key.OrganizationID))
	}

	if v.OldSecret { // of a running rotation
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

// Function returns the Lambda function: an authorizer of the deployment. people verifies the tokens of
// those who sign in; nil on an API of keys alone.
func Function(d *boot.Deployment, people People) *Authorizer {
	// the function's own checks alone: reads of a key for other purposes are no latency of a call
	checker := *d.Checker
	checker.Keys = timedKeys{Keys: checker.Keys, metrics: d.Metrics, now: d.Now}

	c := Config{
		Checker:         &checker,
		API:             d.API,
		AdmitKey:        d.AdmitKey,
		KeyHeader:       d.KeyHeader,
		CacheTime:       d.CacheTime(),
		SimpleResponses: d.SimpleResponses,
		People:          people,
		FirstUses:       usage.NewFirstUses(d.Meter, d.Logger),
		Metrics:         d.Metrics,
		Logger:          d.Logger,
	}
	if d.Recorder != nil {
		c.Recorder = d.Recorder
	}

	return New(c)
}
