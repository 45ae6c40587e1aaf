package adminapi

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerUsage() {
	about := "Counts calls by hour or day, in UTC: by outcome all calls, by permission and by " +
		"customer the allowed ones. A call is counted within 10 seconds, or when its instance is " +
		"used again or ends. Send Accept: text/csv for CSV."
	op := operation{
		id:      organization.KeyUsage,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/usage",
		summary: "Show how a key is used",
		about:   about,
		answers: a.usageAnswers(),
	}
	register(a, op, a.keyUsage)
	op.id = organization.GetUsage
	op.path = "/v1/organizations/{org}/usage"
	op.summary = "Show how the organization's keys are used"
	op.about += " All keys together, including personal ones."
	register(a, op, a.organizationUsage)
}

// usageAnswers describes the answer, which is written by hand since it has two media types.
func (a *API) usageAnswers() map[string]*huma.MediaType {
	return map[string]*huma.MediaType{
		jsonType: {
			Schema: a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Usage](), true,
				""),
		},
		csvType: {
			Schema: &huma.Schema{
				Type:        huma.TypeString,
				Description: "at,outcome,count (or permission, or customer), without rows of zero",
			},
		},
	}
}

// UsageQuery is what part of the usage is asked for.
type UsageQuery struct {
	From        string `query:"from" maxLength:"40" doc:"A day or a time, rounded down to the granularity; default: 14 days before the end"`
	To          string `query:"to" maxLength:"40" doc:"A day, which is included, or a time, rounded up; default: now"`
	Granularity string `query:"granularity" enum:"hour,day" default:"day" doc:"At most 31 days by hour, and 400 by day"`
	By          string `query:"by" enum:"outcome,permission,customer" default:"outcome"`
	Accept      string `header:"Accept" doc:"text/csv for CSV"`

	part admin.Usage // made by Resolve
}

// Resolve implements huma.Resolver.
func (q *UsageQuery) Resolve(ctx huma.Context) []error {
	q.part = admin.Usage{From: q.From, To: q.To, Granularity: q.Granularity, By: q.By}
	return resolved(ctx, admin.CheckUsage(requestOf(ctx.Context()), &q.part))
}

type keyUsageInput struct {
	KeyPath
	UsageQuery
}

func (a *API) keyUsage(
	ctx context.Context, r *admin.Request, in *keyUsageInput,
) (*huma.StreamResponse, error) {
	u, err := a.admin.KeyUsage(ctx, r, &in.part)
	return a.usage(u, in.Accept), err
}

type organizationUsageInput struct {
	OrganizationPath
	UsageQuery
}

func (a *API) organizationUsage(
	ctx context.Context, r *admin.Request, in *organizationUsageInput,
) (*huma.StreamResponse, error) {
	u, err := a.admin.OrganizationUsage(ctx, r, &in.part)
	return a.usage(u, in.Accept), err
}

func (a *API) usage(u *api.Usage, accept string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) { a.writeUsage(ctx, u, accept) }}
}

// writeUsage writes JSON, or CSV for who would rather have that.
func (a *API) writeUsage(ctx huma.Context, u *api.Usage, accept string) {
	ctx.AppendHeader("Vary", "Accept")

	if accept != csvType { // read has seen which of the two is meant
		ctx.SetHeader("Content-Type", jsonType)
		ctx.SetStatus(http.StatusOK)
		// the status is written: there is no other answer left
		_ = a.huma.Marshal(ctx.BodyWriter(), jsonType, u)
		return
	}

	ctx.SetHeader("Content-Type", csvType+"; charset=utf-8")
	ctx.SetHeader("Content-Disposition", `attachment; filename="usage.csv"`)
	ctx.SetStatus(http.StatusOK)
	_ = WriteCSV(ctx.BodyWriter(), u)
}
