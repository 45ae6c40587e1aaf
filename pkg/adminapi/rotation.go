package adminapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerRotation() {
	register(a, operation{
		id:      organization.RegenerateKey,
		headers: []string{"ETag"},
		group:   GroupRotation,
		method:  http.MethodPost,
		path:    keyPath + "/regenerate",
		bare:    true,
		summary: "Give a key a new secret, at once",
		about: "The old secret stops working at once; during a rotation, both do. A revocation " +
			"is lifted; a disabled key stays disabled.",
	}, a.regenerateKey)
	register(a, operation{
		id:      organization.RotateKey,
		headers: []string{"ETag"},
		group:   GroupRotation,
		method:  http.MethodPost,
		path:    keyPath + "/rotate",
		bare:    true,
		summary: "Give a key a new secret, with an overlap",
		about: "The old secret keeps working for overlap, counted from now or from the first use " +
			"of the new one, but no longer than the key itself.",
	}, a.rotateKey)
	register(a, operation{
		id:      organization.GetRotation,
		group:   GroupRotation,
		method:  http.MethodGet,
		path:    keyPath + "/rotation",
		summary: "Show the running rotation",
		about:   "Shows when the old secret ends, and who still sends it.",
	}, shows[KeyPath](a.admin.Rotation))
	register(a, operation{
		id:      organization.FinishRotation,
		headers: []string{"ETag"},
		group:   GroupRotation,
		method:  http.MethodPost,
		path:    keyPath + "/rotation/finish",
		bare:    true,
		summary: "End the old secret now",
		about:   "The old secret stops working at once. Without a running rotation, 409.",
	}, a.finishRotation)
}

type emptyBody struct{}

// actionInput is a POST on a key without anything to say.
type actionInput struct {
	KeyPath
	PostHeaders
	Body emptyBody
}

type rotateBody struct {
	Overlap  *string `json:"overlap" required:"false" doc:"How long the old secret keeps working, from 0s to 30d; default: 24h"`
	StartsAt *string `json:"startsAt" required:"false" enum:"now,first_use" doc:"When overlap starts: now (the default), or at the first use of the new secret"`
	Longest  *string `json:"longest" required:"false" doc:"With first_use, when the old secret ends if the new one is not used: from overlap to 30d; default: 30d"`
}

type rotateInput struct {
	KeyPath
	PostHeaders
	Body rotateBody

	rotate admin.Rotate // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *rotateInput) Resolve(ctx huma.Context) []error {
	in.rotate = admin.Rotate{
		Overlap:  in.Body.Overlap,
		StartsAt: in.Body.StartsAt,
		Longest:  in.Body.Longest,
	}
	return resolved(ctx, admin.CheckRotate(&in.rotate))
}

// renewed is the output of what gave a key a new secret.
func renewed(k api.KeySecret) posted[api.KeySecret] {
	return posted[api.KeySecret]{Status: http.StatusOK, ETag: etag(k.Key.Version), Body: k}
}

func (a *API) regenerateKey(
	ctx context.Context, r *admin.Request, in *actionInput,
) (*posted[api.KeySecret], error) {
	return post(r, renewed, func() (api.KeySecret, error) {
		return a.admin.RegenerateKey(ctx, r, in.matches)
	})
}

func (a *API) rotateKey(
	ctx context.Context, r *admin.Request, in *rotateInput,
) (*posted[api.KeySecret], error) {
	return post(r, renewed, func() (api.KeySecret, error) {
		return a.admin.RotateKey(ctx, r, in.matches, &in.rotate)
	})
}

// changed is the output of what changed a key.
func changed(k api.KeyOnly) posted[api.KeyOnly] {
	return posted[api.KeyOnly]{Status: http.StatusOK, ETag: etag(k.Key.Version), Body: k}
}

func (a *API) finishRotation(
	ctx context.Context, r *admin.Request, in *actionInput,
) (*posted[api.KeyOnly], error) {
	return post(r, changed, func() (api.KeyOnly, error) {
		return a.admin.FinishRotation(ctx, r, in.matches)
	})
}

func (a *API) registerRevocation() {
	register(a, operation{
		id:      organization.RevokeKey,
		headers: []string{"ETag"},
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    keyPath + "/revoke",
		bare:    true,
		summary: "Revoke a key",
		about: "The key is refused as soon as the deployment's revocation profile promises; " +
			"nothing is deleted. A compromised key needs a new secret to work again.",
	}, a.revokeKey)
	register(a, operation{
		id:      organization.RestoreKey,
		headers: []string{"ETag"},
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    keyPath + "/restore",
		bare:    true,
		summary: "Restore a revoked key",
		about:   "It works again as before, unless its secret was compromised: then regenerate it.",
	}, a.restoreKey)
}

type revokeBody struct {
	Reason      api.Patch[string] `json:"reason,omitzero" maxLength:"500" doc:"For the history; must not contain secrets"`
	Compromised api.Patch[bool]   `json:"compromised,omitzero" doc:"The secret is in the wrong hands: the key cannot be restored, only regenerated"`
}

type revokeInput struct {
	KeyPath
	PostHeaders
	Body revokeBody
}

func revoked(k api.Revoked) posted[api.Revoked] {
	return posted[api.Revoked]{Status: http.StatusOK, ETag: etag(k.Key.Version), Body: k}
}

func (a *API) revokeKey(
	ctx context.Context, r *admin.Request, in *revokeInput,
) (*posted[api.Revoked], error) {
	return post(r, revoked, func() (api.Revoked, error) {
		return a.admin.RevokeKey(ctx, r, in.matches, api.RevokeKey{
			Reason:      in.Body.Reason.Value,
			Compromised: in.Body.Compromised.Value,
		})
	})
}

func (a *API) restoreKey(
	ctx context.Context, r *admin.Request, in *actionInput,
) (*posted[api.KeyOnly], error) {
	return post(r, changed, func() (api.KeyOnly, error) {
		return a.admin.RestoreKey(ctx, r, in.matches)
	})
}
