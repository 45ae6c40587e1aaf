package adminapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerBulk() {
	register(a, operation{
		id:      organization.BulkKeys,
		group:   GroupRevocation,
		method:  http.MethodPost,
		path:    keysPath + "/bulk",
		summary: "Change many keys",
		about: "Does one action on all keys that match a filter and that you may change. " +
			"Revoking and disabling need keys:revoke, enabling and extending keys:write. A dry " +
			"run, the default, returns the number of keys. With dryRun false and that number, a " +
			"job makes the change: 202. A key that is already in that state is left unchanged. " +
			"enable also skips personal keys whose owner is not a member, and keys of customers " +
			"that no longer exist. An organization may have 10 open changes that enable or " +
			"extend, and each caller 3 that revoke or disable.",
		outcomes: []outcome{
			{
				status: http.StatusOK,
				about:  "Of a dry run: what the change would do",
				body:   reflect.TypeFor[bulkPreview](),
			},
			{
				status:  http.StatusAccepted,
				about:   "A job makes the change, or has made it",
				body:    reflect.TypeFor[bulkStarted](),
				headers: []string{"Location"},
			},
		},
	}, a.bulkKeys)
}

// bulkPreview is what api.BulkAnswer is of a dry run.
type bulkPreview struct {
	Matched int       `json:"matched" doc:"The number of keys that match and that you may change"`
	Sample  []api.Key `json:"sample" nullable:"false" doc:"Some of them, the newest"`
}

// bulkStarted is what api.BulkAnswer is of a change.
type bulkStarted struct {
	Job      api.Job `json:"job"`
	Replayed bool    `json:"replayed,omitempty" doc:"This is the stored response to an earlier call with this Idempotency-Key"`
}

type bulkBody struct {
	Action      string               `json:"action" enum:"revoke,disable,enable,extend"`
	Filter      api.KeyFilter        `json:"filter" doc:"As in the list of keys; {} selects the active ones"`
	DryRun      *bool                `json:"dryRun" required:"false" doc:"Default: true, which changes nothing"`
	Expected    *int                 `json:"expected" required:"false" minimum:"0" doc:"The number that the dry run returned; required when dryRun is false"`
	Reason      api.Patch[string]    `json:"reason,omitzero" maxLength:"400" doc:"For the history; must not contain secrets"`
	Compromised *bool                `json:"compromised" required:"false" doc:"With revoke: as for one key"`
	ExpiresAt   api.Patch[time.Time] `json:"expiresAt,omitzero" doc:"With extend: the new expiry of keys that would expire earlier"`
	ExpiresIn   api.Patch[string]    `json:"expiresIn,omitzero" doc:"With extend, instead of expiresAt: a duration from now, such as 90d"`
}

type bulkInput struct {
	OrganizationPath
	IdempotencyHeader
	Body bulkBody

	change admin.Bulk // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *bulkInput) Resolve(ctx huma.Context) []error {
	b := in.Body
	in.change = admin.Bulk{
		Action:      b.Action,
		Filter:      b.Filter,
		DryRun:      b.DryRun == nil || *b.DryRun,
		Expected:    b.Expected,
		Reason:      b.Reason.Value,
		Compromised: b.Compromised,
		ExpiresAt:   b.ExpiresAt,
		ExpiresIn:   b.ExpiresIn,
	}
	return resolved(ctx, admin.CheckBulk(requestOf(ctx.Context()), &in.change))
}

func (a *API) bulkKeys(
	ctx context.Context, r *admin.Request, in *bulkInput,
) (*posted[api.BulkAnswer], error) {
	found := func(b api.BulkAnswer) posted[api.BulkAnswer] {
		if b.Job == nil {
			return posted[api.BulkAnswer]{Status: http.StatusOK, Body: b}
		}

		return posted[api.BulkAnswer]{
			Status:   http.StatusAccepted,
			Location: jobPath(*b.Job),
			Body:     b,
		}
	}
	return post(r, found, func() (api.BulkAnswer, error) {
		return a.admin.Bulk(ctx, r, &in.change)
	})
}
