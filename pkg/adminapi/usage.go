package adminapi

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/organization"
)

func (a *API) registerUsage() {
	about := "Counts calls by hour or day, in UTC: by outcome all calls, by permission and by " +
		"customer the allowed ones. A call is counted within 10 seconds, or when its instance is " +
		"used again or ends."
	key := operation{
		id:      organization.KeyUsage,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    keyPath + "/usage",
		summary: "Show how a key is used",
		about:   about,
		outcomes: []outcome{
			{status: http.StatusOK, about: "OK", body: reflect.TypeFor[api.Usage]()},
		},
	}
	registerWithCSV(a, key, a.keyUsage)

	all := operation{
		id:      organization.GetUsage,
		group:   GroupUsage,
		method:  http.MethodGet,
		path:    "/v1/organizations/{org}/usage",
		summary: "Show how the organization's keys are used",
		about:   about + " All keys together, including personal ones.",
		outcomes: []outcome{
			{status: http.StatusOK, about: "OK", body: reflect.TypeFor[api.Usage]()},
		},
	}
	registerWithCSV(a, all, a.organizationUsage)
}

// registerWithCSV declares an operation twice: its answer as CSV has a path and a name of its own, since
// generated clients take one body from each operation. Who may is the same.
func registerWithCSV[I, O any](
	a *API, op operation, work func(context.Context, *admin.Request, *I) (*O, error),
) {
	file := op
	file.name = string(op.id) + "Csv"
	file.path += csvSuffix
	file.summary += ", as CSV"
	file.outcomes = []outcome{{
		status:  http.StatusOK,
		about:   "Lines of at,outcome,count (or permission, customer, api), without those of zero",
		media:   csvType,
		body:    reflect.TypeFor[string](),
		headers: []string{"Content-Disposition"},
	}}
	register(a, file, work)

	op.about += " With Accept: text/csv, the response is that of " + file.name + "."
	register(a, op, work)
}

// UsageQuery is what part of the usage is asked for.
type UsageQuery struct {
	From        string `query:"from" maxLength:"40" example:"2026-11-01" doc:"A day or a time, rounded down to the granularity; default: 14 days before the end"`
	To          string `query:"to" maxLength:"40" example:"2026-11-14" doc:"A day, which is included, or a time, rounded up; default: now"`
	Granularity string `query:"granularity" enum:"hour,day" default:"day" doc:"At most 31 days by hour, and 400 by day"`
	By          string `query:"by" enum:"outcome,permission,customer,api" default:"outcome"`

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
	return a.usage(u), err
}

type organizationUsageInput struct {
	OrganizationPath
	UsageQuery
}

func (a *API) organizationUsage(
	ctx context.Context, r *admin.Request, in *organizationUsageInput,
) (*huma.StreamResponse, error) {
	u, err := a.admin.OrganizationUsage(ctx, r, &in.part)
	return a.usage(u), err
}

func (a *API) usage(u *api.Usage) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) { a.writeUsage(ctx, u) }}
}

// writeUsage writes JSON, or CSV for who asked for that by the path or by Accept.
func (a *API) writeUsage(ctx huma.Context, u *api.Usage) {
	csv := strings.HasSuffix(ctx.Operation().Path, csvSuffix)
	if !csv {
		ctx.AppendHeader("Vary", "Accept")

		csv = ctx.Header("Accept") == csvType // read has seen which of the two is meant
	}

	if !csv {
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
