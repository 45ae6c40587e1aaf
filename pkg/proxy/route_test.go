package proxy_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/proxy"
)

// seen is the path of a call as a handler sees it.
type seen struct {
	Path, Base string
	Hidden     bool
}

func see(t *testing.T, event map[string]any) seen {
	t.Helper()
	var got seen
	f := proxy.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := proxy.CallOf(r.Context())
		got = seen{r.URL.EscapedPath(), c.Base, c.BaseHidden}
		w.WriteHeader(http.StatusNoContent)
	}))

	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := f.Invoke(t.Context(), payload); err != nil {
		t.Fatal(err)
	}

	return got
}

// The handler sees the path that API Gateway routed, and learns what precedes it in the caller's
// path if the event has it.
func TestBase(t *testing.T) {
	t.Parallel()
	rest := func(resource, path, called string, parameters map[string]string) map[string]any {
		return map[string]any{
			"resource":       resource,
			"path":           path,
			"httpMethod":     "GET",
			"pathParameters": parameters,
			"requestContext": map[string]any{
				"path":         called,
				"resourcePath": resource,
				"httpMethod":   "GET",
			},
		}
	}
	http2 := func(route, path, stage, domain string, parameters map[string]string) map[string]any {
		return map[string]any{
			"version":        "2.0",
			"routeKey":       route,
			"rawPath":        path,
			"pathParameters": parameters,
			"requestContext": map[string]any{
				"stage":      stage,
				"domainName": domain,
				"routeKey":   route,
				"http":       map[string]any{"method": "GET", "path": path},
			},
		}
	}
	const own, custom = "abc.execute-api.eu-west-1.amazonaws.com", "api.example.test"
	const list, one = "/v1/keys", "/v1/keys/{id}"

	proxied := map[string]string{"proxy": "metrics/x"}
	for name, test := range map[string]struct {
		event map[string]any
		want  seen
	}{
		"REST, stage": {
			rest(list, "/v1/keys", "/admin/v1/keys", nil),
			seen{"/v1/keys", "/admin", false},
		},
		"REST, custom domain": {
			rest(list, "/v1/keys", "/v1/keys", nil),
			seen{"/v1/keys", "", false},
		},
		"REST, base path": {
			rest(list, "/manage/v1/keys", "/manage/v1/keys", nil),
			seen{"/v1/keys", "/manage", false},
		},
		"REST, base path of two": {
			rest(one, "/a/b/v1/keys/7", "/a/b/v1/keys/7", nil),
			seen{"/v1/keys/7", "/a/b", false},
		},
		"REST, base path as the resource": {
			rest(one, "/v1/keys/v1/keys/7", "/v1/keys/v1/keys/7", nil),
			seen{"/v1/keys/7", "/v1/keys", false},
		},
		"REST, base path and stage": {
			rest(list, "/manage/admin/v1/keys", "/manage/admin/v1/keys", nil),
			seen{"/v1/keys", "/manage/admin", false},
		},
		"REST, a slash at the end": {
			rest(list, "/manage/v1/keys/", "/manage/v1/keys/", nil),
			seen{"/v1/keys/", "/manage", false},
		},
		"REST, encoded": {
			rest(one, "/manage/v1/keys/a%2Fb", "/manage/v1/keys/a%2Fb", nil),
			seen{"/v1/keys/a%2Fb", "/manage", false},
		},
		"REST, greedy": {
			rest("/metrics/{proxy+}", "/metrics/metrics/metrics/x", "/metrics/metrics/metrics/x",
				proxied),
			seen{"/metrics/metrics/x", "/metrics", false},
		},
		"REST, greedy, decoded": {rest("/{proxy+}", "/base/a%20b/c", "/base/a%20b/c",
			map[string]string{
				"proxy": "a b/c",
			}), seen{"/a%20b/c", "/base", false}},
		"REST, the root": {rest("/", "/", "/admin/", nil), seen{"/", "/admin", false}},
		"REST, another host's name": {
			rest(list, "//evil.test/v1/keys", "//evil.test/v1/keys", nil),
			seen{"//evil.test/v1/keys", "", false},
		},
		"REST, another path": {
			rest(list, "/v1/other", "/admin/v1/other", nil),
			seen{"/v1/other", "", false},
		},
		"REST, as sam local has it": {
			rest(one, "/v1/keys/7", "/v1/keys/{id}", nil),
			seen{"/v1/keys/7", "", false},
		},
		"no resource": {map[string]any{
			"path":       "/v1/keys",
			"httpMethod": "GET",
		}, seen{"/v1/keys", "", false}},
		"HTTP 1.0, stage": {
			merge(rest(list, "/prod/v1/keys", "/prod/v1/keys", nil), "version", "1.0"),
			seen{"/v1/keys", "/prod", false},
		},
		"HTTP 2.0, stage": {
			http2("GET "+list, "/prod/v1/keys", "prod", own, nil),
			seen{"/v1/keys", "/prod", false},
		},
		"HTTP 2.0, $default": {
			http2("GET "+list, "/v1/keys", "$default", own, nil),
			seen{"/v1/keys", "", false},
		},
		"HTTP 2.0, custom domain": {
			http2("GET "+list, "/v1/keys", "$default", custom, nil),
			seen{"/v1/keys", "", true},
		},
		"HTTP 2.0, custom domain and stage": {
			http2("GET "+list, "/prod/v1/keys", "prod", custom, nil),
			seen{"/v1/keys", "", true},
		},
		"HTTP 2.0, base path that it says": {
			http2("ANY "+one, "/manage/v1/keys/7", "$default", custom, nil),
			seen{"/v1/keys/7", "/manage", false},
		},
		"HTTP 2.0, greedy": {
			http2("ANY /{proxy+}", "/prod/metrics/x", "prod", own, proxied),
			seen{"/metrics/x", "/prod", false},
		},
		"HTTP 2.0, $default route": {
			http2("$default", "/prod/v1/keys", "prod", own, nil),
			seen{"/v1/keys", "/prod", false},
		},
		"HTTP 2.0, no path": {
			http2("GET "+list, "/%zz", "$default", own, nil),
			seen{"/", "", false},
		},
	} {
		if diff := cmp.Diff(test.want, see(t, test.event)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func merge(event map[string]any, name string, value any) map[string]any {
	event[name] = value
	return event
}
