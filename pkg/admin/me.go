package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
)

// Me returns the person who is signed in, with their organizations and what they may do in each.
func (s *ReportService) Me(ctx context.Context, r *Request) (out api.Me, err error) {
	if r.caller.Person == nil {
		return out, Refuse(api.CodePermissionDenied,
			"This is for signed-in people; GET /v1/whoami is for keys.")
	}

	p := r.caller.Person
	out = api.Me{
		ID:            p.ID,
		Email:         p.Email,
		Name:          p.Name,
		Organizations: []api.MyMembership{},
	}

	ids, err := s.store.OrganizationsOf(ctx, p.Email)
	if err != nil {
		return out, err
	}

	for _, id := range ids {
		err := s.enter(ctx, r, id)
		switch {
		case errors.Is(err, organization.ErrHidden) || errors.Is(err, organization.ErrNotFound):
			continue
		case errors.Is(err, store.ErrDamaged): // it must not hide all others
			s.logger.ErrorContext(ctx, "a damaged row is left out of a list", "organization_id", id,
				"error", err)
			continue
		case err != nil:
			return out, err
		}

		o, m := r.organization, viewMember(r.caller.Member)

		mine := api.MyMembership{
			ID:       o.ID,
			Name:     o.Name,
			Role:     m.Role,
			Grants:   m.Grants,
			MayGrant: []string{},
			MayCreate: api.MayCreate{
				Organization: r.caller.MayCreate(o, apikey.Organization),
				Personal:     r.caller.MayCreate(o, apikey.Personal),
			},
		}
		for _, op := range organization.Wide() {
			if r.caller.May(op, o, nil) == nil {
				mine.Operations = append(mine.Operations, string(op))
			}
		}

		for _, permission := range r.catalogue.Permissions() {
			if r.caller.CanGrant(r.catalogue, o, permission.Name) {
				mine.MayGrant = append(mine.MayGrant, permission.Name)
			}
		}

		out.Organizations = append(out.Organizations, mine)
	}

	return out, nil
}

// Whoami returns the key that a call was made with, to its holder: any good key of any environment.
func (s *ReportService) Whoami(
	ctx context.Context, from Origin, headers check.Headers,
) (out api.Whoami, err error) {
	address, _ := netip.ParseAddr(from.SourceIP)

	v := s.checker.Self(ctx, headers, address)
	switch {
	case v.Outcome == check.Unavailable:
		return out, fmt.Errorf("%w: whoami: %w", store.ErrUnavailable, v.Err)
	case v.Outcome != check.Allowed:
		return out, Refuse(api.CodeInvalidKey,
			"Send a valid API key in X-Api-Key or as a bearer token.")
	}

	now := s.now()

	key := v.Key.Clone() // the key may be shared with other checks
	if err := s.observe(ctx, now, key); err != nil {
		return out, err
	}

	limits, quota, err := s.left(ctx, key, now)
	if err != nil {
		return out, err
	}

	k := viewKey(key, now)
	return api.Whoami{
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
	}, nil
}

// left returns what a key has left of its limits, and takes nothing.
func (s *ReportService) left(
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

	// without enforcement, the use of limits is not counted
	if s.checker.Limits == nil || !check.Limited(k) {
		return limits, quota, nil
	}

	allowance, err := s.checker.Limits.Peek(ctx, k, now)
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
