package adminapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bitting-keys/bitting/pkg/api"
)

// takesIfMatch reports whether an operation's input has If-Match.
func takesIfMatch[I any]() bool {
	_, takes := reflect.TypeFor[I]().FieldByName("IfMatch")
	return takes
}

// conditions refuses a change with a condition that its operation knows nothing of: whoever sent it
// would take it for kept (RFC 9110 §13.1).
func (a *API) conditions(ifMatch bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if p := unknownCondition(ctx, ifMatch); p != nil {
			a.refuse(ctx, p)
			return
		}

		next(ctx)
	}
}

func unknownCondition(ctx huma.Context, ifMatch bool) *Problem {
	if ctx.Method() == http.MethodGet {
		return nil // nothing depends on it
	}

	for _, header := range []string{"If-Match", "If-None-Match"} {
		if ctx.Header(header) == "" || header == "If-Match" && ifMatch {
			continue
		}

		return malformed.with(
			"This call takes no such condition: send it without, and look at what is there before.",
			api.FieldError{Location: "header." + header, Message: "expected no " + header},
		)
	}

	return nil
}
