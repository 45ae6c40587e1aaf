package admin

import (
	"context"
	"time"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/history"
)

// RevokeKey revokes the key of the request.
func (s *KeyService) RevokeKey(
	ctx context.Context, r *Request, match Match, in api.RevokeKey,
) (api.Revoked, error) {
	return idempotent(ctx, s.core, r, func(r *Request) (attempt[api.Revoked], error) {
		edited, err := s.edit(ctx, r, match, history.KeyRevoked, in.Reason, func(k *apikey.Key) error {
			return k.Revoke(r.caller.Actor(), in.Reason, in.Compromised, r.now)
		})
		return answered(edited, err, func(k *apikey.Key) api.Revoked {
			return api.Revoked{
				Key:         viewKey(k, r.now),
				EffectiveBy: api.Time{Time: s.effectiveBy()},
			}
		})
	})
}

// effectiveBy returns when a change that ends a key or a secret, and that is written next, applies
// to every call, by the deployment's revocation profile. The time at which the request came would be
// too early: what it reads first may take long.
func (s *KeyService) effectiveBy() time.Time {
	if s.profile == "fast" {
		return s.now().Add(check.FastWithin)
	}

	return s.now().Add(s.cacheTime)
}

// RestoreKey undoes the revocation of the request's key.
func (s *KeyService) RestoreKey(ctx context.Context, r *Request, match Match) (api.KeyOnly, error) {
	return s.changeOnly(ctx, r, match, history.KeyRestored, func(k *apikey.Key, _ time.Time) error {
		return k.Restore()
	})
}
