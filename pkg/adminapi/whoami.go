package adminapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store"
)

func (a *API) registerWhoami() {
	registerOpen(a, operation{id: "whoami", group: GroupUsage, method: http.MethodGet, path: "/v1/whoami", summary: "Show the key that was sent",
		about: "For the key holder: any good key of any environment. It costs nothing of the key's limits."}, a.whoami)
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

// Whoami is what a key holder may know of their key.
type Whoami struct {
	KeyID          string        `json:"keyId"`
	Name           string        `json:"name"`
	OrganizationID string        `json:"organizationId"`
	Environment    string        `json:"environment"`
	Permissions    []string      `json:"permissions" nullable:"false"`
	AllPermissions bool          `json:"allPermissions"`
	Customers      []string      `json:"customers" nullable:"false"`
	Status         string        `json:"status"`
	ExpiresAt      *time.Time    `json:"expiresAt"`
	Rotation       *Rotation     `json:"rotation"`
	OldSecret      bool          `json:"oldSecret" doc:"The secret that was sent is the old one of the rotation: it ends with it"`
	RateLimits     []RateLimit   `json:"rateLimits" nullable:"false"`
	Quota          *apikey.Quota `json:"quota"`
}

type whoamiOutput struct{ Body Whoami }

func (a *API) whoami(ctx context.Context, in *whoamiInput) (*whoamiOutput, error) {
	address, _ := netip.ParseAddr(originOf(ctx).sourceIP)
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
	k := showKey(key, now)
	return &whoamiOutput{Whoami{
		KeyID: k.ID, Name: k.Name, OrganizationID: k.OrganizationID, Environment: k.Environment, Permissions: k.Permissions, AllPermissions: k.AllPermissions,
		Customers: k.Customers, Status: k.Status, ExpiresAt: k.ExpiresAt, Rotation: k.Rotation, OldSecret: v.OldOne, RateLimits: k.RateLimits, Quota: k.Quota,
	}}, nil
}
