package localgateway_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

func TestResponsesOfREST(t *testing.T) {
	t.Parallel()
	const malformed = `{"message": "Internal server error"}`

	tests := map[string]struct {
		payload string
		err     error
		status  int
		body    string
		header  map[string]string
	}{
		"plain":          {payload: `{"statusCode":201,"body":"x"}`, status: 201, body: "x"},
		"without body":   {payload: `{"statusCode":204}`, status: 204},
		"status as text": {payload: `{"statusCode":"404","body":"x"}`, status: 404, body: "x"},
		"headers": {
			payload: `{"statusCode":200,"headers":{"X-A":"b","X-N":1,"X-T":true}}`,
			status:  200,
			header:  map[string]string{"X-A": "b", "X-N": "1", "X-T": "true"},
		},
		"lists win": {
			payload: `{"statusCode":200,"headers":{"X-A":"b"},"multiValueHeaders":{"X-A":["c","d"]}}`,
			status:  200,
			header:  map[string]string{"X-A": "c | d"},
		},
		"renamed": {
			payload: `{"statusCode":401,"headers":{"www-authenticate":"Bearer","content-length":"9"}}`,
			status:  401,
			header: map[string]string{
				"X-Amzn-Remapped-Www-Authenticate": "Bearer",
				"X-Amzn-Remapped-Content-Length":   "9",
			},
		},
		"dropped": {
			payload: `{"statusCode":200,"headers":{"Transfer-Encoding":"chunked"}}`,
			status:  200,
		},
		"base64 stays": {
			payload: `{"statusCode":200,"body":"eA==","isBase64Encoded":true}`,
			status:  200,
			body:    "eA==",
		},
		"error":               {err: errors.New("Unauthorized"), status: 502, body: malformed},
		"null":                {payload: `null`, status: 502, body: malformed},
		"text":                {payload: `"x"`, status: 502, body: malformed},
		"no status":           {payload: `{"body":"x"}`, status: 502, body: malformed},
		"informal status":     {payload: `{"statusCode":100}`, status: 502, body: malformed},
		"status is not whole": {payload: `{"statusCode":200.5}`, status: 502, body: malformed},
		"body is an object": {
			payload: `{"statusCode":200,"body":{}}`,
			status:  502,
			body:    malformed,
		},
		"header is a list": {
			payload: `{"statusCode":200,"headers":{"X":["a"]}}`,
			status:  502,
			body:    malformed,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "rest.yaml", "Plain", answers(allowAll),
				function(func(context.Context, []byte) ([]byte, error) {
					return []byte(test.payload), test.err
				}))

			want := restHeaders("")
			if test.status == 502 {
				want = restHeaders("InternalServerErrorException")
			}

			maps.Copy(want, test.header)
			check(t, seen{test.status, test.body, want}, w.get("/open"))
		})
	}
}

func TestBinaryResponseOfREST(t *testing.T) {
	t.Parallel()

	for accept, want := range map[string]string{
		"image/png":          "x",
		"image/png;q=1, */*": "x",
		"text/html":          "eA==",
		"":                   "eA==",
	} {
		w := newWorld(t, "rest.yaml", "Custom", answers(allowAll),
			answers(`{"statusCode":200,"body":"eA==","isBase64Encoded":true}`))
		if got := w.do("POST", "/image", "", "Accept: "+accept); got.Body != want {
			t.Errorf("Accept %q got %q, want %q", accept, got.Body, want)
		}
	}
}

func TestResponsesOfHTTP(t *testing.T) {
	t.Parallel()
	const malformed = `{"message":"Internal Server Error"}`
	text := map[string]string{"Content-Type": "text/plain; charset=utf-8"}

	tests := map[string]struct {
		payload string
		status  int
		body    string
		header  map[string]string
	}{
		"plain": {`{"statusCode":201,"body":"x"}`, 201, "x", text},
		"cookies": {
			`{"statusCode":200,"headers":{"content-type":"a/b"},"cookies":["a=1","b=2"]}`,
			200, "",
			map[string]string{
				"Content-Type": "a/b",
				"Set-Cookie":   "a=1 | b=2",
			},
		},
		"base64 is decoded": {
			`{"statusCode":200,"body":"eA==","isBase64Encoded":true}`, 200, "x", text,
		},
		"broken base64": {
			`{"statusCode":200,"body":"%","isBase64Encoded":true}`, 500, malformed, nil,
		},
		"inferred object":     {`{"a":1}`, 200, `{"a":1}`, nil},
		"inferred text":       {`"hello"`, 200, `hello`, nil},
		"inferred list":       {`[1]`, 200, `[1]`, nil},
		"not JSON":            {`no`, 500, malformed, nil},
		"status out of reach": {`{"statusCode":900}`, 500, malformed, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http.yaml", "Plain", answers(allowAll), answers(test.payload))
			want := httpHeaders()
			maps.Copy(want, test.header)
			check(t, seen{test.status, test.body, want}, w.get("/open"))
		})
	}
}

// A client that leaves does not stop the function: AWS would not stop it either.
func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "rest.yaml", "Plain", answers(allowAll),
		function(func(ctx context.Context, _ []byte) ([]byte, error) {
			return []byte(ok), ctx.Err()
		}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if got := w.send(httptest.NewRequestWithContext(ctx,
		http.MethodGet, "/keys/1", nil)); got.Status != 200 {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

func TestGatewayResponses(t *testing.T) {
	t.Parallel()
	const admitted = `,"usageIdentifierKey":"admitted-00000000000000"}`
	with := func(answer, rest string) string { return strings.TrimSuffix(answer, "}") + rest }

	tests := map[string]struct {
		answer  string
		err     error
		backend string
		path    string
		headers []string
		want    seen
	}{
		"deny renders the context": {
			answer:  denyAll,
			path:    "/custom/1",
			headers: []string{"X-Client: me"},
			want: seen{
				403,
				`{"code":"permission_denied","missing":"","said":"User is not authorized to access this resource with an explicit deny in an identity-based policy",` +
					`"plain":"User is not authorized to access this resource with an explicit deny in an identity-based policy","type":"ACCESS_DENIED",` +
					`"path":"/live/custom/1","route":"/custom/{id}","id":"00000000-0000-4000-8000-000000000000","cost":"5$","color":"."}`,
				map[string]string{
					"Content-Type":     "application/problem+json",
					"X-From":           "me",
					"X-Amzn-Errortype": "AccessDeniedException",
				},
			},
		},
		"key in no plan is 429": {
			answer: with(allowAll, `,"usageIdentifierKey":"limited"}`),
			path:   "/custom/1",
			want: seen{429, `{"code":"ok"}`, map[string]string{
				"X-Amzn-Errortype": "ForbiddenException",
			}},
		},
		"header from the context": {
			answer: with(strings.Replace(allowAll, `"count":3`, `"retryAfter":7`, 1),
				`,"usageIdentifierKey":"limited"}`),
			path: "/custom/1",
			want: seen{429, `{"code":"ok"}`, map[string]string{
				"X-Amzn-Errortype": "ForbiddenException",
				"Retry-After":      "7",
			}},
		},
		"template by Accept": {
			answer:  allowAll,
			path:    "/custom/1",
			headers: []string{"Accept: text/html, text/plain;q=0.5"},
			want: seen{429, `slow down`, map[string]string{
				"X-Amzn-Errortype": "ForbiddenException",
				"Content-Type":     "text/plain",
			}},
		},
		"headers without a body": {
			err:  errors.New("Unauthorized"),
			path: "/custom/1",
			want: seen{401, `{"message":"Unauthorized"}`, map[string]string{
				"X-Amzn-Errortype": "UnauthorizedException",
				"Www-Authenticate": `Bearer realm="bitting"`,
			}},
		},
		"DEFAULT_4XX with its status": {
			path: "/nowhere",
			want: seen{418, `{"default":"Missing Authentication Token"}`, map[string]string{
				"X-Amzn-Errortype": "MissingAuthenticationTokenException",
			}},
		},
		"DEFAULT_5XX keeps the type's status": {
			err:  errors.New("x"),
			path: "/custom/1",
			want: seen{500, `{"default5":null}`, map[string]string{
				"X-Amzn-Errortype": "AuthorizerConfigurationException",
			}},
		},
		"DEFAULT_5XX of a function": {
			answer:  with(allowAll, admitted),
			backend: "broken",
			path:    "/custom/1",
			want: seen{502, `{"default5":"Internal server error"}`, map[string]string{
				"X-Amzn-Errortype": "InternalServerErrorException",
			}},
		},
		"too large is not customisable": {
			path:    "/custom/1",
			headers: []string{"X-Large: " + strings.Repeat("x", 11_000)},
			want: seen{
				431, `{"message":"HTTP header is larger than 10240 bytes."}`,
				map[string]string{
					"X-Amzn-Errortype": "RequestTooLargeException",
				},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "rest.yaml", "Custom",
				function(func(context.Context, []byte) ([]byte, error) {
					return []byte(test.answer), test.err
				}), answers(test.backend))
			want := restHeaders("")
			maps.Copy(want, test.want.Header)
			check(t, seen{test.want.Status, test.want.Body, want},
				w.get(test.path, test.headers...))
		})
	}
}

func TestUsagePlanKey(t *testing.T) {
	t.Parallel()
	answer := func(key string) string {
		return strings.TrimSuffix(allowAll, "}") + `,"usageIdentifierKey":` + key + `}`
	}
	forbidden := seen{403, `{"message":"Forbidden"}`, restHeaders("ForbiddenException")}

	tests := map[string]struct {
		api, answer, header string
		admitted            bool
	}{
		"authorizer's key":          {"Keyed", answer(`"admitted-00000000000000"`), "", true},
		"no key":                    {"Keyed", allowAll, "", false},
		"null":                      {"Keyed", answer(`null`), "", false},
		"in no plan":                {"Keyed", answer(`"limited"`), "", false},
		"disabled":                  {"Keyed", answer(`"disabled-00000000000000"`), "", false},
		"of another stage":          {"Keyed", answer(`"other-stage-00000000000"`), "", false},
		"the header does not count": {"Keyed", allowAll, "admitted-00000000000000", false},
		"header":                    {"HeaderKeyed", allowAll, "admitted-00000000000000", true},
		"header in no plan":         {"HeaderKeyed", allowAll, "x", false},
		"header missing":            {"HeaderKeyed", allowAll, "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "rest.yaml", test.api, answers(test.answer), answers(ok))

			got := w.get("/keyed", "X-Api-Key: "+test.header)
			if !test.admitted {
				check(t, forbidden, got)
			} else if got.Status != 200 {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
		})
	}

	w := newWorld(t, "rest.yaml", "Keyed", answers(allowAll), answers(ok))
	tmpl := w.config.Template
	keyed := tmpl.APIs["Keyed"]
	// an empty value is never a key, even if a plan has it
	keyed.APIKeys = append(keyed.APIKeys, "")
	tmpl.APIs["Keyed"] = keyed
	w.replaceTemplate(t, tmpl)
	check(t, forbidden, w.get("/keyed"))

	w = newWorld(t, "rest.yaml", "Keyed", answers(answer(`7`)), answers(ok))
	check(t, seen{500, broken, restHeaders("AuthorizerConfigurationException")}, w.get("/keyed"))
}

func TestPreflightOfREST(t *testing.T) {
	t.Parallel()
	w := newREST(t, answers(denyAll))
	want := restHeaders("")
	maps.Copy(want, map[string]string{
		"Access-Control-Allow-Origin":  "*",
		"Access-Control-Allow-Headers": "X-Api-Key",
		"Access-Control-Allow-Methods": "GET,OPTIONS",
		"Access-Control-Max-Age":       "600",
	})
	check(t, seen{200, "{}\n", want}, w.do("OPTIONS", "/keys/self", ""))

	if len(w.authorizer.events)+len(w.backend.events) != 0 {
		t.Error("a preflight reached a function")
	}
}

func TestCORSOfHTTP(t *testing.T) {
	t.Parallel()
	answered := map[string]string{
		"Access-Control-Allow-Origin":      "https://page.example",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Expose-Headers":    "Retry-After",
	}
	preflight := map[string]string{
		"Access-Control-Allow-Origin":      "https://page.example",
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods":     "GET,POST",
		"Access-Control-Allow-Headers":     "X-Api-Key",
		"Access-Control-Max-Age":           "600",
	}

	tests := map[string]struct {
		method, path, origin, asks string
		status                     int
		want                       map[string]string
	}{
		"preflight": {
			"OPTIONS", "/keys/1", "https://page.example", "POST", 204, preflight,
		},
		"preflight to no route": {
			"OPTIONS", "/nowhere", "https://page.example", "POST", 204, preflight,
		},
		"preflight of another origin": {
			"OPTIONS", "/keys/1", "https://evil.example", "POST", 204, nil,
		},
		"OPTIONS that is not a preflight": {
			"OPTIONS", "/nowhere", "https://page.example", "", 404, answered,
		},
		"answer":                   {"GET", "/open", "https://page.example", "", 200, answered},
		"answer to another origin": {"GET", "/open", "https://evil.example", "", 200, nil},
		"answer without an origin": {"GET", "/open", "", "", 200, nil},
		"denial":                   {"GET", "/keys/1", "https://page.example", "", 403, answered},
		"no route":                 {"GET", "/nowhere", "https://page.example", "", 404, answered},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "http.yaml", "Plain", answers(denyAll),
				answers(`{"statusCode":200,"headers":{"access-control-allow-origin":"*"}}`))

			var headers []string
			if test.origin != "" {
				headers = append(headers, "Origin: "+test.origin)
			}

			if test.asks != "" {
				headers = append(headers, "Access-Control-Request-Method: "+test.asks)
			}

			got := w.do(test.method, test.path, "", headers...)

			cors := map[string]string{}
			for name, value := range got.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					cors[name] = value
				}
			}

			if test.want == nil {
				test.want = map[string]string{}
			}

			check(t, test.want, cors)
			check(t, test.status, got.Status)
		})
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	w := newREST(t, nil)
	w.config.Functions["Authorizer"] = function(func(context.Context, []byte) ([]byte, error) {
		w.now = w.now.Add(20 * time.Millisecond)
		return []byte(allowAll), nil
	})
	w.replaceTemplate(t, w.config.Template)
	w.backend.next = function(func(context.Context, []byte) ([]byte, error) {
		w.now = w.now.Add(30 * time.Millisecond)
		return []byte(ok), nil
	})
	start := w.now
	w.get("/cached/1?secret=x", "X-Api-Key: k", "User-Agent: curl/8")
	w.get("/cached/2", "X-Api-Key: k")
	w.get("/nowhere")
	const id, extended = "00000000-0000-4000-8000-000000000000", "AAAAAAAAAAAAAAA="
	common := localgateway.AccessRecord{
		RequestID:         id,
		ExtendedRequestID: extended,
		API:               "Plain",
		Stage:             "live",
		Method:            "GET",
		Protocol:          "HTTP/1.1",
		SourceIP:          "192.0.2.1",
	}
	first := common
	first.Time = start
	first.ResourcePath = "/cached/{id}"
	first.Path = "/live/cached/1"
	first.Status = 200
	first.ResponseLength = 7
	first.UserAgent = "curl/8"
	first.PrincipalID = "key"
	first.Authorizer = map[string]string{"code": "ok", "count": "3", "flag": "true"}
	first.ResponseLatency = 50 * time.Millisecond
	first.AuthorizerLatency = 20 * time.Millisecond
	first.IntegrationLatency = 30 * time.Millisecond
	second := first
	second.Time = start.Add(50 * time.Millisecond)
	second.Path = "/live/cached/2"
	second.UserAgent = ""
	second.ResponseLatency = 30 * time.Millisecond
	second.AuthorizerLatency = 0
	third := common
	third.Time = start.Add(80 * time.Millisecond)
	third.Path = "/live/nowhere"
	third.Status = 403
	third.ResponseLength = 42
	third.ErrorResponseType = "MISSING_AUTHENTICATION_TOKEN"
	third.ErrorMessage = "Missing Authentication Token"
	check(t, []localgateway.AccessRecord{first, second, third}, w.records)
}

func TestAccessLogOfHTTP(t *testing.T) {
	t.Parallel()
	w := newHTTP(t, answers(denyAll))
	w.get("/keys/1")
	got := w.records[0]
	check(t, []string{
		"AAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAA=", "/keys/{keyId}", "ACCESS_DENIED", "Forbidden",
		"permission_denied",
	},
		[]string{
			got.RequestID, got.ExtendedRequestID, got.ResourcePath, got.ErrorResponseType,
			got.ErrorMessage, got.Authorizer["code"],
		})
}

// logging gives the world's API an access log.
func logging(t *testing.T, w *world, format string) {
	t.Helper()
	tmpl := *w.config.Template
	tmpl.APIs = maps.Clone(tmpl.APIs)
	api := tmpl.APIs[w.config.API]
	api.AccessLog = &template.AccessLog{LogGroup: "Calls", Format: format}
	tmpl.APIs[w.config.API] = api
	w.replaceTemplate(t, &tmpl)
}

func TestAccessLogLine(t *testing.T) {
	t.Parallel()
	w := newREST(t, nil)
	w.config.Functions["Authorizer"] = function(func(context.Context, []byte) ([]byte, error) {
		w.now = w.now.Add(20 * time.Millisecond)
		return []byte(allowAll), nil
	})
	logging(t, w,
		"$context.extendedRequestId $context.requestTimeEpoch $context.httpMethod "+
			"$context.resourcePath $context.path $context.status "+
			"$context.responseLatency $context.responseLength $context.authorizer.latency "+
			"$context.integrationLatency $context.identity.userAgent "+
			"$context.authorizer.count $context.authorizer.nobody $context.error.responseType 5$")
	w.get("/cached/1?secret=x", "X-Api-Key: k", "User-Agent: curl\"8")
	w.get("/cached/2", "X-Api-Key: k")
	w.get("/nowhere")

	var lines []string
	for _, r := range w.records {
		lines = append(lines, r.LogGroup+" "+r.Line)
	}

	check(t, []string{
		"Calls AAAAAAAAAAAAAAA= 1795523400000 GET /cached/{id} /live/cached/1 200 20 7 20 1 " +
			"curl\"8 3 - - 5$",
		"Calls AAAAAAAAAAAAAAA= 1795523400020 GET /cached/{id} /live/cached/2 200 1 7 - 1 - 3 - - 5$",
		"Calls AAAAAAAAAAAAAAA= 1795523400020 GET - /live/nowhere 403 1 42 - - - - - " +
			"MISSING_AUTHENTICATION_TOKEN 5$",
	}, lines)
}

// The authorizer's context is in the line of a refusal too, but not if the authorizer recognised
// no caller.
func TestAccessLogLineOfRefusals(t *testing.T) {
	t.Parallel()

	const format = "$context.requestId $context.status $context.error.responseType " +
		"$context.authorizer.code"
	for want, authorizer := range map[string]function{
		"403 ACCESS_DENIED permission_denied":  answers(denyAll),
		"401 UNAUTHORIZED -":                   fails(errors.New("Unauthorized")),
		"500 AUTHORIZER_CONFIGURATION_ERROR -": fails(errors.New("broken")),
	} {
		w := newREST(t, authorizer)
		logging(t, w, format)
		w.get("/cached/1", "X-Api-Key: k")
		check(t, "00000000-0000-4000-8000-000000000000 "+want, w.records[0].Line)
	}

	w := newHTTP(t, answers(denyAll))
	logging(t, w,
		"$context.requestId $context.status $context.error.responseType $context.authorizer.code "+
			"$context.routeKey")
	w.get("/keys/1")
	check(t, "AAAAAAAAAAAAAAA= 403 ACCESS_DENIED permission_denied GET /keys/{keyId}",
		w.records[0].Line)
}
