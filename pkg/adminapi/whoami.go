package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store"
)

func (a *API) registerWhoami() {
	registerOpen(a, operation{
		id:      "whoami",
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/whoami",
		summary: "Show the key that was sent",
		about: "For the key holder: any good key of any environment. It costs nothing of the " +
			"key's limits.",
	}, a.whoami)
}

// whoamiInput is the key, found where the authorizer finds it.
type whoamiInput struct{ headers check.Headers }

// Resolve implements huma.Resolver: it takes the headers with every time they were sent.
func (in *whoamiInput) Resolve(ctx huma.Context) []error {
	ctx.EachHeader(func(name, value string) {
		switch http.CanonicalHeaderKey(name) {
		case "X-Api-Key":
			in.headers.APIKey = append(in.headers.APIKey, value)
		case "Authorization":
			in.headers.Authorization = append(in.headers.Authorization, value)
		}
	})
	return nil
}

type whoamiOutput struct{ Body api.Whoami }

func (a *API) whoami(ctx context.Context, in *whoamiInput) (*whoamiOutput, error) {
	address, _ := netip.ParseAddr(gatewayContextOf(ctx).sourceIP)

	v := a.checker.Self(ctx, in.headers, address)
	switch {
	case v.Outcome == check.Unavailable:
		return nil, fmt.Errorf("%w: whoami: %w", store.ErrUnavailable, v.Err)
	case v.Outcome != check.Allowed:
		return nil, invalidKey.with("Send a valid API key in X-Api-Key or as a bearer token.")
	}

	now := a.now()

	key := v.Key.Clone() // the check may keep it for others
	if err := a.observe(ctx, now, key); err != nil {
		return nil, err
	}

	limits, quota, err := a.left(ctx, key, now)
	if err != nil {
		return nil, err
	}

	k := viewKey(key, now)
	return &whoamiOutput{api.Whoami{
		KeyID:          k.ID,
		Name:           k.Name,
		OrganizationID: k.OrganizationID,
		Environment:    k.Environment,
		Permissions:    k.Permissions,
		AllPermissions: k.AllPermissions,
		Customers:      k.Customers,
		Status:         k.Status,
		ExpiresAt:      k.ExpiresAt,
		Rotation:       k.Rotation,
		OldSecret:      v.OldSecret,
		RateLimits:     limits,
		Quota:          quota,
	}}, nil
}

// left is what a key has left of its limits. It takes nothing of them.
func (a *API) left(
	ctx context.Context, k *apikey.Key, now time.Time,
) ([]api.LimitLeft, *api.QuotaLeft, error) {
	limits := make([]api.LimitLeft, 0, len(k.RateLimits))
	for _, l := range viewLimits(k.RateLimits) {
		limits = append(limits, api.LimitLeft{RateLimit: l})
	}

	var quota *api.QuotaLeft
	if k.Quota != nil {
		quota = &api.QuotaLeft{Limit: k.Quota.Limit, Period: k.Quota.Period}
	}

	if a.checker.Limits == nil || !check.Limited(k) {
		return limits, quota, nil
	}

	allowance, err := a.checker.Limits.Peek(ctx, k, now)
	if err != nil {
		return nil, nil, err
	}

	for i, l := range allowance.Limits {
		limits[i].Remaining = &l.Remaining
		limits[i].ResetAt = &api.Time{Time: l.ResetAt}
	}

	if quota != nil {
		quota.Remaining = &allowance.Quota.Remaining
		quota.ResetAt = &api.Time{Time: allowance.Quota.ResetAt}
	}

	return limits, quota, nil
}
