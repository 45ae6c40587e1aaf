package adminapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/guard/ratelimit"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/proxy"
	"github.com/bitting-keys/bitting/pkg/secretscan"
)

// Start starts a function in Lambda. It fetches meanwhile what each of its calls needs, which is the
// pepper that the catalogue is sealed by; whatever fails is fetched by the first call.
func Start(d *full.Deployment, group Group) {
	go func() { _, _ = d.Keyring.Current(context.Background(), apikey.Production) }()

	d.Start(Function(d, group))
}

// Function is the Lambda function that serves one group of the admin API's operations.
func Function(d *full.Deployment, group Group) *proxy.Function {
	service := admin.New(admin.Config{
		Brand:     d.Brand,
		Profile:   d.Profile,
		CacheTime: d.CacheTime(),
		CountedBy: d.CountedBy,
		LimitsOff: d.KeyLimitsOff,
		API:       d.API,
		Store:     d.Store,
		Hot:       d.Hot,
		Keyring:   d.Keyring,
		Checker:   d.Checker,
		Memory:    d.Memory,
		Limits:    d.Limits,
		GitHub:    secretscan.NewKeys(d.GitHubKeysURL, d.Now),
		Metrics:   d.Metrics,
		Logger:    d.Logger,
		Now:       d.Now,
		Wait:      d.Wait,
	})
	return proxy.New(withGatewayContext(New(Config{
		Admin:   service,
		Group:   group,
		Brand:   d.Brand,
		DocsURL: d.DocsURL,
		Keyring: d.Keyring,
	})))
}

// gatewayContext is what API Gateway says of a call besides the HTTP request: who its authorizer
// let in, and from where.
type gatewayContext struct {
	admin.Origin

	// the key is over a limit, which the authorizer has no way to answer; nil where it is not
	limit *admin.Error
}

type gatewayContextKey struct{}

func gatewayContextOf(ctx context.Context) gatewayContext {
	o, _ := ctx.Value(gatewayContextKey{}).(gatewayContext)
	return o
}

// withGatewayContext takes what API Gateway said to where the operations find it. No answer of this
// API is kept by anybody on the way.
func withGatewayContext(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := proxy.CallOf(r.Context())

		o := gatewayContext{Origin: admin.Origin{
			RequestID:   c.RequestID,
			SourceIP:    c.SourceIP,
			UserAgent:   r.UserAgent(),
			KeyID:       c.Said("keyId"),
			Environment: apikey.Environment(c.Said("environment")),
			Person: organization.Person{
				ID:    c.Said("userId"),
				Email: c.Said("userEmail"),
				Name:  c.Said("userName"),
			},
		}}
		if c.Said("limited") == "true" {
			o.limit = overLimit(c)
		}

		ratelimit.Set(w.Header(), c.Said("limits"))
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), gatewayContextKey{}, o)))
	})
}

// overLimit is the error of a call whose key is over a limit.
func overLimit(c proxy.Call) *admin.Error {
	code := api.CodeRateLimited
	if c.Said("denialCode") == string(api.CodeQuotaExceeded) {
		code = api.CodeQuotaExceeded
	}

	err := admin.Refuse(code, c.Said("denialDetail"))
	seconds, _ := strconv.Atoi(c.Said("retryAfter")) // the authorizer wrote it
	err.RetryAfter = time.Duration(seconds) * time.Second
	return err
}
