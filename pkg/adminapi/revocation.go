package adminapi

import (
	"context"
	"net/http"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerRevocation() {
	register(a, operation{
		id:      organization.RevokeKey,
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    keyPath + "/revoke",
		bare:    true,
		summary: "Revoke a key",
		about: "The key is refused at once, by the deployment's revocation profile; everything " +
			"is kept. A compromised key comes back only by a new secret.",
	}, a.revokeKey)
	register(a, operation{
		id:      organization.RestoreKey,
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    keyPath + "/restore",
		bare:    true,
		summary: "Restore a revoked key",
	}, a.restoreKey)
}

type revokeBody struct {
	Reason      *string `json:"reason" required:"false" maxLength:"500" doc:"For the history; no secrets here"`
	Compromised *bool   `json:"compromised" required:"false" doc:"The secret is in the wrong hands: the key cannot be restored, only regenerated"`
}

type revokeInput struct {
	KeyPath
	PostHeaders
	Body    revokeBody
	RawBody []byte
}

func (a *API) revokeKey(
	ctx context.Context, s *request, in *revokeInput,
) (*posted[api.Revoked], error) {
	reason := value(in.Body.Reason)
	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.Revoked]], error) {
		got, err := a.edit(ctx, s, in.MatchHeader, "key.revoked",
			reason, func(k *apikey.Key) error {
				return k.Revoke(s.caller.Actor(), reason, value(in.Body.Compromised), s.now)
			})
		return answered(got, err, func(k *apikey.Key) api.Revoked {
			return api.Revoked{Key: viewKey(k, s.now), EffectiveBy: api.Time{Time: a.effectiveBy(s.now)}}
		})
	})
}

// answered makes the answer of a POST of the attempt to change a key.
func answered[T any](
	got attempt[*apikey.Key], err error, show func(k *apikey.Key) T,
) (attempt[posted[T]], error) {
	if err != nil {
		return attempt[posted[T]]{}, err
	}

	return attempt[posted[T]]{
		answer: posted[T]{
			Status: http.StatusOK,
			ETag:   etag(got.answer.Version),
			Body:   show(got.answer),
		},
		writes:  got.writes,
		urgency: got.urgency,
	}, nil
}

func (a *API) restoreKey(
	ctx context.Context, s *request, in *actionInput,
) (*posted[api.KeyOnly], error) {
	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.KeyOnly]], error) {
		got, err := a.edit(ctx, s, in.MatchHeader, "key.restored", "", (*apikey.Key).Restore)
		return answered(got, err, func(k *apikey.Key) api.KeyOnly {
			return api.KeyOnly{
				Key: viewKey(k, s.now),
			}
		})
	})
}
