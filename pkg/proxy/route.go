package proxy

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// routed is how API Gateway routed the path that the caller called.
type routed struct {
	path   string // the path that it routed, as it was sent, with its slash at the end
	base   string // what the caller's path has before that
	hidden bool   // the event does not reveal base
}

type routedKey struct{}

func routedOf(ctx context.Context) routed {
	r, _ := ctx.Value(routedKey{}).(routed)
	return r
}

// routeREST finds the path that matched the resource of an event of payload 1.0. The event's path
// begins with the base path of a custom domain, and at an HTTP API with the stage. The path of its
// context has the stage at a REST API too.
func routeREST(e *events.APIGatewayProxyRequest) routed {
	r := route(e.Resource, e.PathParameters, e.Path)
	if called := e.RequestContext.Path; called != "" {
		r.base = route(e.Resource, e.PathParameters, called).base
	}

	return r
}

// routeHTTP finds the path that matched the route of an event of payload 2.0. The event's path
// begins with the stage, unless that is $default. This is also so for calls by a custom domain,
// whose base path the event does not have: then the called path is unknown.
// https://github.com/CodeGenieApp/serverless-express/issues/465
func routeHTTP(e *events.APIGatewayV2HTTPRequest) routed {
	_, resource, _ := strings.Cut(e.RouteKey, " ")
	stage := "/" + e.RequestContext.Stage

	r := route(resource, e.PathParameters, e.RawPath)
	if rest, ok := strings.CutPrefix(e.RawPath, stage+"/"); resource == "" && ok && stage != "/" {
		r.path = "/" + rest
		r.base = stage
	}

	domain := e.RequestContext.DomainName
	if custom := domain != "" && !strings.Contains(domain, ".execute-api."); custom &&
		(r.base == "" || r.base == stage) {
		r.base = ""
		r.hidden = true
	}

	return r
}

// route splits a path into base and resource. A path that does not contain the resource stays
// whole: it is not the API's, or there is no resource.
func route(resource string, parameters map[string]string, path string) routed {
	switch resource {
	case "", "$default":
		return routed{path: path}
	case "/":
		return routed{path: "/", base: strings.TrimSuffix(path, "/")}
	}

	wanted, given := segments(resource), segments(path)
	for start := range given {
		if matches(wanted, given[start:], parameters) && !hasEmpty(given[:start]) {
			r := routed{path: "/" + strings.Join(given[start:], "/")}
			if start > 0 {
				r.base = "/" + strings.Join(given[:start], "/")
			}

			return r
		}
	}

	return routed{path: path}
}

func segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func hasEmpty(segments []string) bool {
	for _, s := range segments {
		if s == "" {
			return true
		}
	}

	return false
}

// matches reports whether segments match a resource. One trailing slash belongs to the resource:
// API Gateway treats /x/ as /x.
func matches(resource, given []string, parameters map[string]string) bool {
	if len(given) == len(resource)+1 && given[len(given)-1] == "" {
		given = given[:len(given)-1]
	}

	for i, want := range resource {
		name, greedy := strings.CutSuffix(strings.TrimPrefix(want, "{"), "+}")
		switch {
		case i == len(given):
			return false
		case greedy:
			return same(strings.Join(given[i:], "/"), parameters[name])
		case strings.HasPrefix(want, "{"):
			if given[i] == "" {
				return false
			}
		case given[i] != want:
			return false
		}
	}

	return len(given) == len(resource)
}

// same reports whether the rest of a path equals the value of a greedy parameter, which may be
// decoded.
func same(rest, parameter string) bool {
	rest = strings.Trim(rest, "/")
	parameter = strings.Trim(parameter, "/")
	decoded, err := url.PathUnescape(rest)
	return rest != "" && (rest == parameter || err == nil && decoded == parameter)
}
