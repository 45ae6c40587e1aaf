package authorizer

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// graphQLPath is the one path of a GraphQL API. Every operation is a POST there, by which the
// catalogue knows it. Below it, by the same method, the catalogue has the fields that need a
// permission of their own, such as /graphql/Mutation.createMessage.
const graphQLPath = "/graphql"

// isGraphQL reports whether this is an event of a GraphQL API of AppSync. Its event APIs send
// others, and know no denied fields.
func (e *event) isGraphQL() bool {
	return e.version == "" && e.kind == "" && e.methodARN == "" && e.routeARN == "" &&
		e.apiID != "" && e.operation == ""
}

// readGraphQL completes the request of an event of AppSync, which names no route, no stage, and no
// address but what the caller may have made up.
func (a *Authorizer) readGraphQL(e *event, r *request) {
	r.kind = AppSync
	r.headers = e.keyHeaders(AppSync, nil)
	r.userAgent = e.userAgent()
	r.query = e.queryString
	r.call = check.Call{API: a.api, Method: http.MethodPost, Path: graphQLPath}
}

// graphQL checks the call of a GraphQL API and answers AppSync. That has one refusal, a 401 without
// a reason. A call over a limit gets it, too: a resolver need not have code that could answer 429.
//
// AppSync is to keep no answer, since nobody would count the calls that it answers from there.
func (a *Authorizer) graphQL(ctx context.Context, r *request) ([]byte, error) {
	v := a.checker.Check(ctx, r.headers, r.call)

	var denied []field

	switch {
	case v.Outcome != check.Allowed:
	case v.Route.Route.Path != graphQLPath:
		// a route such as /{proxy+}, which was meant for an API of another kind
		v.Outcome = check.PermissionDenied
	default:
		denied = a.deniedFields(ctx, &v, r)
	}

	a.log(ctx, r, &v)
	a.record(r, &v)
	a.count(outcomes[v.Outcome], r.began)

	switch {
	case v.Outcome == check.Allowed:
		a.used(ctx, &v)
	case v.Outcome.Status() < http.StatusInternalServerError:
		return graphQLAnswer{}.appendJSON(nil), nil
	default:
		return nil, errUnavailable
	}

	c := contextOf(&v, r.call.API, contextTexts[0])
	out := graphQLAnswer{IsAuthorized: true, ResolverContext: &c}

	for _, f := range denied {
		out.DeniedFields = append(out.DeniedFields, f.of+"."+f.name)
	}

	return out.appendJSON(nil), nil
}

// field is a field of a GraphQL API's schema that some permission names.
type field struct {
	of, name string // its type's name, and its own
	required string // the permission
}

// graphQLField returns the type and the name of the field whose route this is.
func graphQLField(path string) (of, name string, ok bool) {
	text, ok := strings.CutPrefix(path, graphQLPath+"/")
	of, name, dotted := strings.Cut(text, ".")
	return of, name, ok && dotted && of != "" && name != "" && strings.IndexFunc(of+name, isNoName) < 0
}

// isNoName reports whether a character is in no name of GraphQL's.
// https://spec.graphql.org/October2021/#sec-Names
func isNoName(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c|' ' < 'a' || c|' ' > 'z')
}

// deniedFields returns the fields that some permission names, and the key does not hold: AppSync
// replaces their values by null and an error.
//
// Since it is not documented whether their resolvers run, which would do what a mutation does, the
// whole call is refused if the document has the name of such a mutation or subscription, be it only
// in a comment: GraphQL has no other way to write it, so no parser's reading matters. Like a call
// that a backend refuses, it has spent of the key's limits.
func (a *Authorizer) deniedFields(
	ctx context.Context, v *check.Verdict, r *request,
) (denied []field) {
	catalogue, err := a.checker.Catalogue.Current(ctx)
	if err != nil {
		v.Outcome, v.Err = check.Unavailable, err
		return nil
	}

	for _, entry := range catalogue.Routes(r.call.API) {
		path := entry.Route.Path

		of, name, ok := graphQLField(path)
		if !ok {
			continue
		}

		d := permission.Decide(catalogue, r.call.API, check.Grant(v.Key), http.MethodPost, path)
		if !d.Allowed() {
			denied = append(denied, field{of, name, d.Required})
		}
	}

	names := strings.FieldsFunc(r.query, isNoName)
	for _, f := range denied {
		if (f.of == "Mutation" || f.of == "Subscription") && slices.Contains(names, f.name) {
			v.Outcome, v.Required = check.PermissionDenied, f.required
		}
	}

	return denied
}
