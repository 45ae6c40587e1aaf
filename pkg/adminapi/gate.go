package adminapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/organization"
)

type requestKey struct{}

func requestOf(ctx context.Context) *admin.Request {
	r, _ := ctx.Value(requestKey{}).(*admin.Request)
	return r
}

// gate is what every operation but the open ones goes through, before what was sent is judged: the
// gate of package admin, and then whether the call was answered before.
func (a *API) gate(op organization.Operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, err := a.open(ctx, op)
		if err != nil {
			a.refuse(ctx, err)
			return
		}

		if call := idempotentCallOf(ctx.Context()); call == nil || call.kept == nil {
			next(huma.WithValue(ctx, requestKey{}, r))
		}
	}
}

func (a *API) open(ctx huma.Context, op organization.Operation) (*admin.Request, error) {
	by := gatewayContextOf(ctx.Context())
	if by.limit != nil {
		return nil, by.limit
	}

	r, err := a.admin.Open(ctx.Context(), admin.Call{
		Origin:       by.Origin,
		Operation:    op,
		Organization: ctx.Param("org"),
		KeyID:        ctx.Param("keyId"),
	})
	if err != nil {
		return nil, err
	}

	return r, a.kept(ctx.Context(), r)
}

// refuse answers an error before an operation runs.
func (a *API) refuse(ctx huma.Context, err error) {
	p := a.problem(ctx.Context(), err)
	for name, values := range p.GetHeaders() {
		ctx.SetHeader(name, values[0])
	}

	ctx.SetHeader("Content-Type", p.ContentType(""))
	ctx.SetStatus(p.Status)
	// the status is written: there is no other answer left
	_ = a.huma.Marshal(ctx.BodyWriter(), "application/json", p)
}
