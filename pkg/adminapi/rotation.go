package adminapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerRotation() {
	register(a, operation{
		id:      organization.RegenerateKey,
		group:   GroupRotation,
		method:  http.MethodPost,
		path:    keyPath + "/regenerate",
		bare:    true,
		summary: "Give a key a new secret, at once",
		about: "The old secret stops at once, both of them during a rotation. A revocation is " +
			"lifted; a disabled key stays disabled.",
	}, a.regenerateKey)
	register(a, operation{
		id:      organization.RotateKey,
		group:   GroupRotation,
		method:  http.MethodPost,
		path:    keyPath + "/rotate",
		bare:    true,
		summary: "Give a key a new secret, with an overlap",
		about: "The old secret lives on for overlap, counted from now or from the first use of " +
			"the new one, and at most to the key's own expiry.",
	}, a.rotateKey)
	register(a, operation{
		id:      organization.GetRotation,
		group:   GroupRotation,
		method:  http.MethodGet,
		path:    keyPath + "/rotation",
		summary: "Show the running rotation",
	}, a.getRotation)
	register(a, operation{
		id:      organization.FinishRotation,
		group:   GroupRotation,
		method:  http.MethodPost,
		path:    keyPath + "/rotation/finish",
		bare:    true,
		summary: "End the old secret now",
	}, a.finishRotation)
}

type emptyBody struct{}

// actionInput is a POST on a key without anything to say.
type actionInput struct {
	KeyPath
	PostHeaders
	Body    emptyBody
	RawBody []byte
}

func (a *API) regenerateKey(
	ctx context.Context, s *request, in *actionInput,
) (*posted[api.KeySecret], error) {
	return a.renew(ctx, s, in.PostHeaders,
		"key.regenerated", func(k *apikey.Key, fresh apikey.IssuedSecret, now time.Time) error {
			return k.Regenerate(fresh, now)
		})
}

type rotateBody struct {
	Overlap  *string `json:"overlap" required:"false" doc:"How long the old secret lives on, from 0s to 30d; 24h where it is absent"`
	StartsAt *string `json:"startsAt" required:"false" enum:"now,first_use" doc:"From when overlap is counted: from now, where it is absent, or from the first use of the new secret"`
	Longest  *string `json:"longest" required:"false" doc:"With first_use, when the old secret ends if the new one is not used: from overlap to 30d, which it is where it is absent"`
}

type rotateInput struct {
	KeyPath
	PostHeaders
	Body    rotateBody
	RawBody []byte

	overlap, longest time.Duration // made by Resolve
}

// defaultOverlap is what an absent overlap means.
const defaultOverlap = day

// Resolve implements huma.Resolver.
func (in *rotateInput) Resolve(huma.Context) []error {
	f := &validator{}
	in.overlap = f.overlap("body.overlap", in.Body.Overlap, defaultOverlap)

	in.longest = f.overlap("body.longest", in.Body.Longest, apikey.MaxOverlap)
	switch {
	case in.Body.Longest == nil || len(f.errors) > 0:
	case !in.fromFirstUse():
		f.add("body.longest",
			"goes with startsAt first_use only: an overlap from now ends when it ends",
			*in.Body.Longest)
	case in.longest < in.overlap || in.longest == 0:
		f.add("body.longest",
			"expected more than nothing, and at least the overlap, which is "+
				formatDuration(in.overlap), *in.Body.Longest)
	}

	return f.errors
}

// overlap reads a duration that an old secret may live on for; otherwise is what an absent one
// means.
func (f *validator) overlap(location string, text *string, otherwise time.Duration) time.Duration {
	if text == nil {
		return otherwise
	}

	return f.duration(location, *text, 0, apikey.MaxOverlap)
}

func (in *rotateInput) fromFirstUse() bool {
	return apikey.OverlapStart(value(in.Body.StartsAt)) == apikey.StartsFirstUse
}

func (a *API) rotateKey(
	ctx context.Context, s *request, in *rotateInput,
) (*posted[api.KeySecret], error) {
	return a.renew(ctx, s, in.PostHeaders,
		"key.rotation_started", func(
			k *apikey.Key, fresh apikey.IssuedSecret, now time.Time,
		) error {
			if in.fromFirstUse() {
				if in.overlap < a.cacheTime {
					return a.unseen(in.overlap)
				}

				return k.RotateFromFirstUse(fresh, in.overlap, in.longest, now)
			}

			return k.Rotate(fresh, in.overlap, now)
		})
}

// unseen refuses an overlap that API Gateway's cache would outlive: it answers calls with the old
// secret without asking whether the new one was used.
func (a *API) unseen(overlap time.Duration) error {
	f := &validator{}
	f.add("body.overlap",
		"with startsAt first_use, in the profile cached, expected at least "+
			formatDuration(a.cacheTime)+
			": for so long API Gateway answers from its cache without asking",
		formatDuration(overlap))
	return problemOfInput(a.brand, http.StatusUnprocessableEntity, "validation failed", f.errors)
}

// renew gives the key a new secret. Who gets a new secret gets all that the key holds, so it must
// be theirs to hand out, or the key their own.
func (a *API) renew(
	ctx context.Context, s *request, h PostHeaders, action string,
	change func(k *apikey.Key, fresh apikey.IssuedSecret, now time.Time) error,
) (*posted[api.KeySecret], error) {
	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.KeySecret]], error) {
		secret, minted, err := a.mint(ctx, s.key.Environment, s.key.ID)
		if err != nil {
			return attempt[posted[api.KeySecret]]{}, err
		}

		got, err := a.edit(ctx, s, h.MatchHeader, action, "", func(k *apikey.Key) error {
			if err := change(k, minted, s.now); err != nil || s.caller.Holds(k) {
				return err
			}

			return a.within(s, nil, k, "expiresAt")
		})
		return answered(got, err, func(k *apikey.Key) api.KeySecret {
			text := secret.Reveal()
			return api.KeySecret{Key: viewKey(k, s.now), Secret: &text}
		})
	})
}

func (a *API) finishRotation(
	ctx context.Context, s *request, in *actionInput,
) (*posted[api.KeyOnly], error) {
	return idempotent(ctx, a, s, func(s *request) (attempt[posted[api.KeyOnly]], error) {
		got, err := a.edit(ctx, s, in.MatchHeader, "key.rotation_finished",
			"", func(k *apikey.Key) error {
				return k.FinishRotation(s.now)
			})
		return answered(got, err, func(k *apikey.Key) api.KeyOnly {
			return api.KeyOnly{
				Key: viewKey(k, s.now),
			}
		})
	})
}
