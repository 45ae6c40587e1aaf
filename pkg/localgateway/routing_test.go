package localgateway_test

import (
	"net/http/httptest"
	"testing"
)

func TestRoutesOfREST(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		method, path string
		resource     string // empty: no route
		params       any
	}{
		"root":                    {"GET", "/", "/", nil},
		"static before parameter": {"GET", "/keys/self", "/keys/self", nil},
		"parameter": {"GET", "/keys/1", "/keys/{keyId}", map[string]any{
			"keyId": "1",
		}},
		"trailing slash": {"GET", "/keys/1/", "/keys/{keyId}", map[string]any{
			"keyId": "1",
		}},
		"two trailing slashes": {"GET", "/keys/1//", "", nil},
		"encoded slash": {"GET", "/keys/a%2Fb", "/keys/{keyId}", map[string]any{
			"keyId": "a%2Fb",
		}},
		"encoded letter stays": {"GET", "/keys/%41", "/keys/{keyId}", map[string]any{
			"keyId": "%41",
		}},
		"what a URL has not": {"GET", `/keys/%41"<é`, "/keys/{keyId}", map[string]any{
			"keyId": `%41"<é`,
		}},
		"empty parameter":           {"GET", "/keys/", "", nil},
		"double slash":              {"GET", "//keys/1", "", nil},
		"path decides, then method": {"DELETE", "/keys/self", "", nil},
		"exact method before ANY":   {"PUT", "/any", "/any", nil},
		"ANY":                       {"PATCH", "/any", "/any", nil},
		"greedy": {"GET", "/metrics/a/b", "/metrics/{proxy+}", map[string]any{
			"proxy": "a/b",
		}},
		"greedy with empty segment": {"GET", "/metrics/a//b", "/metrics/{proxy+}", map[string]any{
			"proxy": "a//b",
		}},
		"greedy needs a segment": {"GET", "/metrics/", "", nil},
		"case":                   {"GET", "/Keys/1", "", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newREST(t, answers(allowAll))

			got := w.do(test.method, test.path, "")
			if test.resource == "" {
				if got.Status != 403 || len(w.authorizer.events) != 0 {
					t.Errorf("got %d and %d authorizer calls, want no route", got.Status,
						len(w.authorizer.events))
				}

				return
			}

			e := w.backend.only(t)
			check(t, []any{test.resource, test.path, test.params}, []any{
				e["resource"], e["path"], e["pathParameters"],
			})
			arn := "arn:aws:execute-api:us-east-1:123456789012:plain/live/" + test.method +
				test.path
			check(t, any(arn), w.authorizer.only(t)["methodArn"])
		})
	}
}

func TestRoutesOfHTTP(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		api, method, path string
		routeKey          string // empty: no route
		params            any
	}{
		"full match": {"Plain", "GET", "/keys/1", "GET /keys/{keyId}", map[string]any{
			"keyId": "1",
		}},
		"method of a less specific one": {
			"Plain", "DELETE", "/keys/1", "ANY /keys/{proxy+}",
			map[string]any{
				"proxy": "1",
			},
		},
		"full match before greedy": {
			"Plain", "GET", "/keys/1/x", "GET /{a}/{b}/{c}",
			map[string]any{
				"a": "keys",
				"b": "1",
				"c": "x",
			},
		},
		"greedy keeps trailing slash": {
			"Plain", "GET", "/keys/1/", "ANY /keys/{proxy+}",
			map[string]any{
				"proxy": "1/",
			},
		},
		"greedy needs a segment":      {"Plain", "GET", "/keys/", "", nil},
		"catch-all":                   {"Staged", "GET", "/any/where", "$default", nil},
		"before the catch-all":        {"Staged", "GET", "/staged", "GET /staged", nil},
		"catch-all for other methods": {"Staged", "POST", "/staged", "$default", nil},
		"trailing slash to catch-all": {"Staged", "GET", "/staged/", "$default", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http.yaml", test.api, answers(allowAll), answers(ok))

			got := w.do(test.method, test.path, "")
			if test.routeKey == "" {
				check(t, seen{404, `{"message":"Not Found"}`, httpHeaders()}, got)
				return
			}

			e := w.backend.only(t)
			check(t, []any{test.routeKey, test.params}, []any{e["routeKey"], e["pathParameters"]})
		})
	}
}

// The ARN carries the request's path. Matching ARNs is tested in package policy.
func TestPolicyMeetsTheARN(t *testing.T) {
	t.Parallel()
	const prefix = "arn:aws:execute-api:us-east-1:123456789012:plain/"

	tests := map[string]struct {
		kind, path, answer string
		status             int
	}{
		"this path": {
			"rest.yaml", "/keys/1", policyOf("Allow", prefix+"live/GET/keys/1"), 200,
		},
		"star crosses slashes": {
			"rest.yaml", "/metrics/a/b", policyOf("Allow", prefix+"live/GET/*"), 200,
		},
		"templates never match": {
			"rest.yaml", "/keys/1", policyOf("Allow", prefix+"live/GET/keys/{keyId}"), 403,
		},
		"root": {
			"rest.yaml", "/", policyOf("Allow", prefix+"live/GET/"), 200,
		},
		"trailing slash is kept": {
			"rest.yaml", "/keys/1/", policyOf("Allow", prefix+"live/GET/keys/1"), 403,
		},
		"dot is not a wildcard": {
			"rest.yaml", "/keys/1x2", policyOf("Allow", prefix+"live/GET/keys/1.2"), 403,
		},
		"plus and brackets are letters": {
			"rest.yaml", "/keys/a+(b", policyOf("Allow", prefix+"live/GET/keys/a+(b"), 200,
		},
		"encoded is another path": {
			"rest.yaml", "/keys/%41", policyOf("Allow", prefix+"live/GET/keys/A"), 403,
		},
		"colon in the middle": {
			"rest.yaml", "/metrics/bar:bar/baz",
			policyOf("Allow", prefix+"live/GET/metrics/*/baz"), 200,
		},
		"$default is literal": {
			"http.yaml", "/keys/1", policyOf("Allow", prefix+"$default/GET/keys/1"), 200,
		},
		"any API of the account": {
			"http.yaml", "/keys/1", policyOf("Allow", "arn:aws:execute-api:*:*:*"), 200,
		},
		"one statement as an object": {
			"rest.yaml", "/keys/1",
			`{"principalId":"k","policyDocument":{"Version":"2012-10-17","Statement":{"Action":"EXECUTE-API:*","Effect":"Allow","Resource":"*"}}}`, 200,
		},
		"deny wins over allow": {
			"rest.yaml", "/keys/1",
			`{"principalId":"k","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"*","Effect":"Allow","Resource":"*"},{"Action":"*","Effect":"Deny","Resource":"*/keys/1"}]}}`, 403,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := newWorld(t, test.kind, "Plain", answers(test.answer), answers(ok))
			if got := w.get(test.path); got.Status != test.status {
				t.Errorf("got %d %s, want %d", got.Status, got.Body, test.status)
			}
		})
	}
}

// A route without an authorizer never has authorizer context, and a client's header never becomes
// any.
func TestClientCannotBringContext(t *testing.T) {
	t.Parallel()
	w := newREST(t, answers(allowAll))
	w.get("/open", "X-Amzn-Authorizer: {}", "Authorizer: x", "X-Forwarded-For: 10.0.0.1")
	e := w.backend.only(t)

	context := e["requestContext"].(map[string]any)
	if got, has := context["authorizer"]; has {
		t.Errorf("context of an open route is %v", got)
	}

	check(t, any("192.0.2.1"), context["identity"].(map[string]any)["sourceIp"])
	check(t, any("10.0.0.1, 192.0.2.1"), e["headers"].(map[string]any)["X-Forwarded-For"])
}

func TestSourceAddressIsTheConnections(t *testing.T) {
	t.Parallel()

	for remote, want := range map[string]string{
		"[2001:db8::1]:80":  "2001:db8::1",
		"[fe80::1%eth0]:80": "fe80::1",
		"10.1.2.3:5":        "10.1.2.3",
	} {
		w := newREST(t, answers(allowAll))
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/open", nil)
		r.RemoteAddr = remote
		w.send(r)

		if got := w.records[0].SourceIP; got != want {
			t.Errorf("%s gave %s, want %s", remote, got, want)
		}
	}
}

func TestForwardedPort(t *testing.T) {
	t.Parallel()

	for host, want := range map[string]string{
		"api.example":    "80",
		"127.0.0.1:4000": "4000",
		"[::1]:4000":     "4000",
		"[::1]":          "80",
	} {
		w := newREST(t, answers(allowAll))
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/open", nil)
		r.Host = host
		w.send(r)
		check(t, any(want), w.backend.only(t)["headers"].(map[string]any)["X-Forwarded-Port"])
	}
}
