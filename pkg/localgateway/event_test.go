package localgateway_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/localgateway"
)

// object parses the expected JSON.
func object(t *testing.T, source string) map[string]any {
	t.Helper()

	var m map[string]any
	if err := json.Unmarshal([]byte(source), &m); err != nil {
		t.Fatal(err)
	}

	return m
}

// decodes checks that an event has the form of aws-lambda-go's struct. AWS sends some fields that
// those structs lack, so unknown ones are allowed.
func decodes(t *testing.T, event map[string]any, into any) {
	t.Helper()

	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}

	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(into); err != nil {
		t.Error(err)
	}
}

const restContext = `{
	"accountId": "123456789012", "apiId": "plain", "domainName": "api.example", "domainPrefix": "plain",
	"extendedRequestId": "AAAAAAAAAAAAAAA=", "httpMethod": "GET",
	"identity": {"sourceIp": "192.0.2.1", "userAgent": "curl/8", "apiKey": null, "clientCert": null},
	"path": "/live/keys/a%2Fb", "protocol": "HTTP/1.1", "requestId": "00000000-0000-4000-8000-000000000000",
	"requestTime": "24/Nov/2026:12:30:00 +0000", "requestTimeEpoch": 1795523400000,
	"resourceId": "R", "resourcePath": "/keys/{keyId}", "stage": "live"}`

const restRequest = `{
	"resource": "/keys/{keyId}", "path": "/keys/a%2Fb", "httpMethod": "GET",
	"headers": {"Host": "api.example", "User-Agent": "curl/8", "X-Api-Key": "two", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Port": "80", "X-Forwarded-Proto": "http"},
	"multiValueHeaders": {"Host": ["api.example"], "User-Agent": ["curl/8"], "X-Api-Key": ["one", "two"], "X-Forwarded-For": ["192.0.2.1"], "X-Forwarded-Port": ["80"], "X-Forwarded-Proto": ["http"]},
	"queryStringParameters": {"a": "2", "b": "x y"}, "multiValueQueryStringParameters": {"a": ["1", "2"], "b": ["x y"]},
	"pathParameters": {"keyId": "a%2Fb"}, "stageVariables": {"color": "blue"}}`

var ignoreResourceID = cmp.FilterPath(func(p cmp.Path) bool {
	return p.Last().String() == `["resourceId"]`
}, cmp.Ignore())

func TestEventsOfREST(t *testing.T) {
	t.Parallel()
	w := newREST(t, answers(allowAll))
	w.do("GET", "/keys/a%2Fb?a=1&a=2&b=x+y", "", "x-api-key: one", "X-API-KEY: two",
		"User-Agent: curl/8", "Connection: close")

	want := object(t, restRequest)
	want["type"] = "REQUEST"
	want["methodArn"] = "arn:aws:execute-api:us-east-1:123456789012:plain/live/GET/keys/a%2Fb"
	want["requestContext"] = object(t, restContext)

	got := w.authorizer.only(t)
	if diff := cmp.Diff(want, got, ignoreResourceID); diff != "" {
		t.Errorf("authorizer's event:\n%s", diff)
	}

	decodes(t, got, new(events.APIGatewayCustomAuthorizerRequestTypeRequest))

	want = object(t, restRequest)
	context := object(t, restContext)
	context["authorizer"] = map[string]any{
		"principalId":        "key",
		"code":               "ok",
		"count":              "3",
		"flag":               "true",
		"integrationLatency": 1.0,
	}
	want["requestContext"] = context
	want["body"] = nil
	want["isBase64Encoded"] = false

	got = w.backend.only(t)
	if diff := cmp.Diff(want, got, ignoreResourceID); diff != "" {
		t.Errorf("function's event:\n%s", diff)
	}

	decodes(t, got, new(events.APIGatewayProxyRequest))
}

// By a custom domain, paths have its base path before the route, and no stage; payload 2.0 has the
// stage all the same.
func TestEventsOfACustomDomain(t *testing.T) {
	t.Parallel()

	for _, base := range []string{"", "/manage"} {
		w := newREST(t, answers(allowAll))
		w.config.Mapping = &localgateway.Mapping{BasePath: base}
		w.replaceTemplate(t, w.config.Template)
		w.get("/keys/a", "X-Api-Key: k")

		want := base + "/keys/a"
		for name, e := range map[string]map[string]any{
			"authorizer": w.authorizer.only(t),
			"function":   w.backend.only(t),
		} {
			context := e["requestContext"].(map[string]any)
			if e["path"] != want || context["path"] != want || e["resource"] != "/keys/{keyId}" ||
				context["stage"] != "live" {
				t.Errorf("the %s's path by %q is %v, and its context's %v", name, base, e["path"],
					context["path"])
			}
		}

		if got := w.records[0].Path; got != want {
			t.Errorf("the record's path by %q is %s", base, got)
		}

		h := newHTTP(t, answers(allowAll))
		h.config.Mapping = &localgateway.Mapping{BasePath: base}
		h.replaceTemplate(t, h.config.Template)
		h.get("/keys/a")

		if e := h.backend.only(t); e["rawPath"] != "/keys/a" {
			t.Errorf("rawPath by %q is %v", base, e["rawPath"])
		}
	}
}

func TestEventWithoutAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "rest.yaml", "Custom", answers(allowAll), answers(ok))
	w.do("POST", "/image", "")

	got := w.backend.only(t)
	for _, name := range []string{
		"queryStringParameters", "multiValueQueryStringParameters", "pathParameters",
		"stageVariables", "body",
	} {
		if value, there := got[name]; !there || value != nil {
			t.Errorf("%s is %v, want null", name, value)
		}
	}
}

func TestTokenEvent(t *testing.T) {
	t.Parallel()
	w := newREST(t, answers(allowAll))
	w.get("/token", "Authorization: Bearer abc")
	want := map[string]any{
		"type":               "TOKEN",
		"authorizationToken": "Bearer abc",
		"methodArn":          "arn:aws:execute-api:us-east-1:123456789012:plain/live/GET/token",
	}
	check(t, want, w.authorizer.only(t))
}

func TestEventsOfHTTP2(t *testing.T) {
	t.Parallel()
	w := newHTTP(t,
		answers(`{"principalId":"key","policyDocument":{"Version":"2012-10-17","Statement":{"Action":"*","Effect":"Allow","Resource":"*"}},"context":{"list":[1,null],"n":1.50,"s":"x"}}`))
	w.do("GET", "/keys/a%2Fb?a=1&a=2", "", "X-Tag: one", "X-TAG: two", "User-Agent: curl/8",
		"Cookie: a=1; b=2")
	request := `{
		"version": "2.0", "routeKey": "GET /keys/{keyId}", "rawPath": "/keys/a%2Fb", "rawQueryString": "a=1&a=2", "cookies": ["a=1", "b=2"],
		"headers": {"host": "api.example", "user-agent": "curl/8", "x-tag": "one,two", "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "80", "x-forwarded-proto": "http"},
		"queryStringParameters": {"a": "1,2"}, "pathParameters": {"keyId": "a%2Fb"}, "stageVariables": {"color": "blue"},
		"requestContext": {
			"accountId": "123456789012", "apiId": "plain", "domainName": "api.example", "domainPrefix": "plain",
			"http": {"method": "GET", "path": "/keys/a%2Fb", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl/8"},
			"requestId": "AAAAAAAAAAAAAAA=", "routeKey": "GET /keys/{keyId}", "stage": "$default",
			"time": "24/Nov/2026:12:30:00 +0000", "timeEpoch": 1795523400000}}`
	want := object(t, request)
	want["type"] = "REQUEST"
	want["routeArn"] = "arn:aws:execute-api:us-east-1:123456789012:plain/$default/GET/keys/a%2Fb"
	want["identitySource"] = nil // none is declared
	got := w.authorizer.only(t)
	check(t, want, got)
	decodes(t, got, new(events.APIGatewayV2CustomAuthorizerV2Request))

	want = object(t, request)
	want["isBase64Encoded"] = false
	want["requestContext"].(map[string]any)["authorizer"] = object(t,
		`{"lambda": {"list": [1, null], "n": 1.50, "s": "x"}}`)
	got = w.backend.only(t)
	check(t, want, got)
	decodes(t, got, new(events.APIGatewayV2HTTPRequest))
}

// Whatever an HTTP API's authorizer says arrives as it is.
func TestContextOfHTTP2(t *testing.T) {
	t.Parallel()

	for context, want := range map[string]string{
		`{}`: `{}`,
		`{"a<&>\u2028\"":"b<&>\u0000\ud800","l":[],"m":[{"x":[[]]},false,null,-1.50e3],"n":{}}`: `{"a<&>\u2028\"":"b<&>\u0000\ufffd","l":[],"m":[{"x":[[]]},false,null,-1.50e3],"n":{}}`,
		`null`: `null`,
	} {
		w := newHTTP(t, answers(`{"principalId":"key","policyDocument":{"Version":"2012-10-17",`+
			`"Statement":{"Action":"*","Effect":"Allow","Resource":"*"}},"context":`+context+`}`))
		w.get("/keys/1")

		got := contextOf(w.backend.only(t)).(map[string]any)["lambda"]

		var expected any
		if err := json.Unmarshal([]byte(want), &expected); err != nil {
			t.Fatal(err)
		}

		check(t, expected, got)
	}
}

func TestEventsOfHTTP1(t *testing.T) {
	t.Parallel()
	w := newHTTP(t, answers(allowAll))
	w.do("GET", "/one?a=1&a=2", "", "X-Api-Key: k", "X-Tenant: a", "X-Tenant: b")
	got := w.authorizer.only(t)
	want := map[string]any{
		"version":            "1.0",
		"type":               "REQUEST",
		"methodArn":          "arn:aws:execute-api:us-east-1:123456789012:plain/$default/GET/one",
		"identitySource":     "k,a,b",
		"authorizationToken": "k,a,b",
		"resource":           "/one",
		"path":               "/one",
		"httpMethod":         "GET",
		"pathParameters":     nil,
		"stageVariables":     map[string]any{"color": "blue"},
	}

	others := cmpopts.IgnoreMapEntries(func(name string, _ any) bool {
		_, wanted := want[name]
		return !wanted
	})
	if diff := cmp.Diff(want, got, others); diff != "" {
		t.Error(diff)
	}

	check(t, any("a,b"), got["headers"].(map[string]any)["x-tenant"])
	decodes(t, got, new(events.APIGatewayV2CustomAuthorizerV1Request))

	got = w.backend.only(t)
	check(t, any("1.0"), got["version"])
	check(t, any(map[string]any{
		"principalId": "key",
		"code":        "ok",
		"count":       3.0,
		"flag":        true,
	}), contextOf(got))
}

func TestStageIsPartOfAnHTTPAPIsRawPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "http.yaml", "Staged", answers(allowAll), answers(ok))
	w.get("/staged")
	got := w.backend.only(t)
	check(t, any("/production/staged"), got["rawPath"])
}

func TestBodies(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		file, api, path, mediaType, body string
		want                             []any
	}{
		"REST text": {
			"rest.yaml",
			"Plain",
			"/keys",
			"application/octet-stream",
			"<a&b>",
			[]any{"<a&b>", false},
		},
		"REST binary type": {
			"rest.yaml",
			"Custom",
			"/image",
			"image/png",
			"\x89PNG",
			[]any{"iVBORw==", true},
		},
		"HTTP JSON": {
			"http.yaml",
			"Plain",
			"/open",
			"application/json; charset=utf-8",
			"{}",
			[]any{"{}", false},
		},
		"HTTP problem": {
			"http.yaml",
			"Plain",
			"/open",
			"application/problem+json",
			"{}",
			[]any{"{}", false},
		},
		"HTTP form": {
			"http.yaml",
			"Plain",
			"/open",
			"application/x-www-form-urlencoded",
			"a=b",
			[]any{"YT1i", true},
		},
		"HTTP without type":     {"http.yaml", "Plain", "/open", "", "text", []any{"text", false}},
		"HTTP without any body": {"http.yaml", "Plain", "/open", "", "", []any{nil, false}},
		"HTTP 1.0, binary": {
			"http.yaml",
			"Plain",
			"/open1",
			"image/png",
			"x",
			[]any{"eA==", true},
		},
		"HTTP 1.0, text": {
			"http.yaml",
			"Plain",
			"/open1",
			"text/plain",
			"x",
			[]any{"x", false},
		},
		"HTTP 1.0, without body": {"http.yaml", "Plain", "/open1", "", "", []any{nil, false}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.file, test.api, answers(allowAll), answers(ok))

			var headers []string
			if test.mediaType != "" {
				headers = append(headers, "Content-Type: "+test.mediaType)
			}

			w.do("POST", test.path, test.body, headers...)
			got := w.backend.only(t)
			check(t, test.want, []any{got["body"], got["isBase64Encoded"]})
		})
	}
}
