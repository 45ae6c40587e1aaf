package adminapi

import (
	"context"
	"net/http"
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
		about: "One action on the keys that a filter finds and that you may change; keys:revoke " +
			"is needed to revoke or disable, keys:write to enable or extend. A dry run, which is " +
			"the default, says how many they " +
			"are. With dryRun false and that number, a job does it: 202. A key that is already " +
			"so stays as it is, and so does, with enable, a personal key whose owner is no " +
			"member, and a key of a customer that is gone. " +
			"At most 10 changes that enable or extend are open in an organization, and 3 of each " +
			"caller that revoke or disable.",
	}, a.bulkKeys)
}

type bulkFilter struct {
	Status      string `json:"status,omitempty" enum:"active,inactive,expired,all" doc:"active where it is absent, as in the list"`
	Environment string `json:"environment,omitempty" enum:"production,staging,development"`
	Ownership   string `json:"ownership,omitempty" enum:"personal,organization"`
	Owner       string `json:"owner,omitempty" maxLength:"200" doc:"The owner's id"`
	Customer    string `json:"customer,omitempty" maxLength:"64"`
	Permission  string `json:"permission,omitempty" maxLength:"65"`
	Tag         string `json:"tag,omitempty" maxLength:"50"`
	Text        string `json:"q,omitempty" maxLength:"100" doc:"Part of the name, the id, or the hint as it is shown, or its last four characters"`
	UnusedSince string `json:"unusedSince,omitempty" maxLength:"40" doc:"A time or a duration such as 90d: keys that were not used since, and those that never were"`
}

type bulkBody struct {
	Action      string     `json:"action" enum:"revoke,disable,enable,extend"`
	Filter      bulkFilter `json:"filter" doc:"As in the list of keys; {} are the active ones"`
	DryRun      *bool      `json:"dryRun" required:"false" doc:"true where it is absent: nothing changes"`
	Expected    *int       `json:"expected" required:"false" minimum:"0" doc:"What the dry run said; needed when dryRun is false"`
	Reason      *string    `json:"reason" required:"false" maxLength:"400" doc:"For the history; no secrets here"`
	Compromised *bool      `json:"compromised" required:"false" doc:"With revoke: as for one key"`
	ExpiresAt   *time.Time `json:"expiresAt" required:"false" doc:"With extend: when the keys expire from now on, unless they do so later or never"`
	ExpiresIn   *string    `json:"expiresIn" required:"false" doc:"With extend, instead of expiresAt: a duration from now, such as 90d"`
}

type bulkInput struct {
	OrganizationPath
	IdempotencyHeader
	Body    bulkBody
	RawBody []byte

	change admin.Bulk // made by Resolve
}

// Resolve implements huma.Resolver.
func (in *bulkInput) Resolve(ctx huma.Context) []error {
	b := in.Body
	in.change = admin.Bulk{
		Action:      b.Action,
		Filter:      api.KeyFilter(b.Filter),
		Really:      b.DryRun != nil && !*b.DryRun,
		Expected:    b.Expected,
		Reason:      value(b.Reason),
		Compromised: b.Compromised,
		ExpiresAt:   optional(b.ExpiresAt),
		ExpiresIn:   optional(b.ExpiresIn),
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
	return post(r, found, func() (api.BulkAnswer, error) { return a.admin.Bulk(ctx, r, &in.change) })
}
