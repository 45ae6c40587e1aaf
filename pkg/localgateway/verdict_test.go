package localgateway_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/bitting-keys/bitting/pkg/localgateway"
)

const (
	broken   = `{"message":null}`
	implicit = `{"Message":"User is not authorized to access this resource"}`
	explicit = `{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}`
)

func panics(context.Context, []byte) ([]byte, error) { panic("broken") }

func TestVerdictsOfREST(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		authorizer lambda.Handler
		path       string
		header     string
		status     int
		body       string
		errorType  string
	}{
		"implicit deny": {
			answers(nothing), "/keys/1", "", 403, implicit, "AccessDeniedException",
		},
		"other route allowed": {
			answers(policyOf("Allow",
				"arn:aws:execute-api:us-east-1:123456789012:plain/live/GET/keys/2")), "/keys/1",
			"", 403, implicit, "AccessDeniedException",
		},
		"explicit deny": {answers(denyAll), "/keys/1", "", 403, explicit, "AccessDeniedException"},
		"Unauthorized": {
			fails(errors.New("Unauthorized")), "/keys/1", "", 401, `{"message":"Unauthorized"}`,
			"UnauthorizedException",
		},
		"reported Unauthorized": {fails(messages.InvokeResponse_Error{
			Message: "Unauthorized",
		}), "/keys/1", "", 401, `{"message":"Unauthorized"}`, "UnauthorizedException"},
		"almost Unauthorized": {
			fails(errors.New("unauthorized")), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"other error": {
			fails(errors.New("table gone")), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"panic": {
			function(panics), "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"no authorizer function": {
			nil, "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"not JSON": {
			answers(`no`), "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"null": {
			answers(`null`), "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"JSON in a string": {
			answers(`"{}"`), "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"two values": {
			answers(allowAll + allowAll), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"no principal": {
			answers(strings.Replace(allowAll, `"key"`, `""`, 1)), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"principal is a number": {
			answers(strings.Replace(allowAll, `"key"`, `7`, 1)), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"misspelt principal": {
			answers(strings.Replace(allowAll, `principalId`, `principalID`, 1)), "/keys/1", "",
			500, broken, "AuthorizerConfigurationException",
		},
		"no policy": {
			answers(`{"principalId":"key"}`), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"policy is a string": {
			answers(`{"principalId":"key","policyDocument":"{}"}`), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"policy with condition": {
			answers(strings.Replace(allowAll, `"Effect"`, `"Condition":{"Bool":{"x":"y"}},"Effect"`,
				1)), "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"context holds null": {
			answers(strings.Replace(allowAll, `"ok"`, `null`, 1)), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"context holds a list": {
			answers(strings.Replace(allowAll, `"ok"`, `[]`, 1)), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"context holds an object": {
			answers(strings.Replace(allowAll, `"ok"`, `{}`, 1)), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"context is a list": {
			answers(`{"principalId":"key","policyDocument":{"Version":"2012-10-17","Statement":[]},"context":[]}`), "/keys/1", "", 500, broken, "AuthorizerConfigurationException",
		},
		"simple response": {
			answers(`{"isAuthorized":true}`), "/keys/1", "", 500, broken,
			"AuthorizerConfigurationException",
		},
		"unknown path": {
			answers(allowAll), "/nowhere", "", 403, `{"message":"Missing Authentication Token"}`,
			"MissingAuthenticationTokenException",
		},
		"unknown method": {
			answers(allowAll), "/keys", "", 403, `{"message":"Missing Authentication Token"}`,
			"MissingAuthenticationTokenException",
		},
		"unknown path, credentials": {
			answers(allowAll), "/nowhere", "Authorization: Bearer s3cret", 403,
			`{"message":"Invalid key=value pair (missing equal-sign) in Authorization header"}`,
			"IncompleteSignatureException",
		},
		"missing header source": {
			answers(allowAll), "/header?tenant=a", "", 401, `{"message":"Unauthorized"}`,
			"UnauthorizedException",
		},
		"empty header source": {
			answers(allowAll), "/header?tenant=a", "X-Api-Key: ", 401,
			`{"message":"Unauthorized"}`, "UnauthorizedException",
		},
		"missing query source": {
			answers(allowAll), "/header", "X-Api-Key: k", 401, `{"message":"Unauthorized"}`,
			"UnauthorizedException",
		},
		"query names keep case": {
			answers(allowAll), "/header?Tenant=a", "X-Api-Key: k", 401,
			`{"message":"Unauthorized"}`, "UnauthorizedException",
		},
		"token missing": {
			answers(allowAll), "/token", "", 401, `{"message":"Unauthorized"}`,
			"UnauthorizedException",
		},
		"token does not match": {
			answers(allowAll), "/token", "Authorization: Bearer 1", 401,
			`{"message":"Unauthorized"}`, "UnauthorizedException",
		},
		"token matches in part only": {
			answers(allowAll), "/token", "Authorization: Bearer abc1", 401,
			`{"message":"Unauthorized"}`, "UnauthorizedException",
		},
		"no function behind": {
			answers(allowAll), "/missing", "", 502, `{"message": "Internal server error"}`,
			"InternalServerErrorException",
		},
		"ARN too long": {
			answers(allowAll), "/keys/" + strings.Repeat("k", 1600), "", 414,
			`{"message":"Request-URI Too Long"}`, "RequestUriTooLongException",
		},
		"headers too large": {
			answers(allowAll), "/keys/1", "X-Large: " + strings.Repeat("x", 10_240), 431,
			`{"message":"HTTP header is larger than 10240 bytes."}`, "RequestTooLargeException",
		},
		"URL too long": {
			answers(allowAll), "/keys/1?q=" + strings.Repeat("q", 10_220), "", 414,
			`{"message":"Request-URI Too Long"}`, "RequestUriTooLongException",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newREST(t, test.authorizer)

			var headers []string
			if test.header != "" {
				headers = append(headers, test.header)
			}

			got := w.get(test.path, headers...)
			check(t, seen{test.status, test.body, restHeaders(test.errorType)}, got)

			if len(w.backend.events) != 0 {
				t.Error("the backend was called")
			}
		})
	}
}

func TestVerdictsOfHTTP(t *testing.T) {
	t.Parallel()
	const forbidden, unauthorized, internal = `{"message":"Forbidden"}`, `{"message":"Unauthorized"}`, `{"message":"Internal Server Error"}`

	tests := map[string]struct {
		authorizer lambda.Handler
		path       string
		header     string
		status     int
		body       string
	}{
		"implicit deny": {answers(nothing), "/keys/1", "", 403, forbidden},
		"explicit deny": {answers(denyAll), "/keys/1", "", 403, forbidden},
		"Unauthorized": {
			fails(errors.New("Unauthorized")), "/keys/1", "", 401, unauthorized,
		},
		"other error":            {fails(errors.New("table gone")), "/keys/1", "", 500, internal},
		"no authorizer function": {nil, "/keys/1", "", 500, internal},
		"simple for a policy": {
			answers(`{"isAuthorized":true}`), "/keys/1", "", 500, internal,
		},
		"missing identity": {answers(allowAll), "/one", "X-Api-Key: k", 401, unauthorized},
		"simple refusal": {
			answers(`{"isAuthorized":false}`), "/simple/1", "X-Api-Key: k", 403, forbidden,
		},
		"simple with text": {
			answers(`{"isAuthorized":"true"}`), "/simple/1", "X-Api-Key: k", 500, internal,
		},
		"simple null": {
			answers(`{"isAuthorized":null}`), "/simple/1", "X-Api-Key: k", 500, internal,
		},
		"simple without a verdict": {answers(`{}`), "/simple/1", "X-Api-Key: k", 500, internal},
		"policy for a simple one":  {answers(allowAll), "/simple/1", "X-Api-Key: k", 500, internal},
		"unknown path": {
			answers(allowAll), "/nowhere", "", 404, `{"message":"Not Found"}`,
		},
		"unknown path, credential": {
			answers(allowAll), "/nowhere", "Authorization: Bearer x", 404,
			`{"message":"Not Found"}`,
		},
		"trailing slash":     {answers(allowAll), "/open/", "", 404, `{"message":"Not Found"}`},
		"no function behind": {answers(allowAll), "/missing", "", 500, internal},
		"ARN too long": {
			answers(allowAll), "/keys/" + strings.Repeat("k", 1600), "", 414,
			`{"message":"Request-URI Too Long"}`,
		},
		"headers too large": {
			answers(allowAll), "/keys/1", "X-Large: " + strings.Repeat("x", 10_240), 431,
			`{"message":"Request Header Fields Too Large"}`,
		},
		"request line too long": {
			answers(allowAll), "/keys/1?q=" + strings.Repeat("q", 10_220), "", 431,
			`{"message":"Request Header Fields Too Large"}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newHTTP(t, test.authorizer)

			var headers []string
			if test.header != "" {
				headers = append(headers, test.header)
			}

			check(t, seen{test.status, test.body, httpHeaders()}, w.get(test.path, headers...))

			if len(w.backend.events) != 0 {
				t.Error("the backend was called")
			}
		})
	}
}

func TestTimeOuts(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		kind         string
		authorizer   lambda.Handler
		status       int
		body         string
		responseType string
	}{
		"REST authorizer": {"rest.yaml", function(hangs), 500, broken, "AUTHORIZER_FAILURE"},
		"HTTP authorizer": {
			"http.yaml", function(hangs), 500, `{"message":"Internal Server Error"}`,
			"AUTHORIZER_FAILURE",
		},
		"REST function": {
			"rest.yaml", answers(allowAll), 502, `{"message": "Internal server error"}`,
			"DEFAULT_5XX",
		},
		"HTTP function": {
			"http.yaml", answers(allowAll), 500, `{"message":"Internal Server Error"}`,
			"DEFAULT_5XX",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// the bubble's clock jumps, so the test does not wait
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, test.kind, "Plain", test.authorizer, function(hangs))

				got := w.get("/keys/1")
				if got.Status != test.status || got.Body != test.body {
					t.Errorf("got %d %s, want %d %s", got.Status, got.Body, test.status, test.body)
				}

				if got := w.records[0].ErrorResponseType; got != test.responseType {
					t.Errorf("response type %s, want %s", got, test.responseType)
				}
			})
		})
	}
}

// A function's time-out may be longer than API Gateway's.
func TestIntegrationTimeOut(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		status int
		body   string
	}{
		"rest.yaml": {504, `{"message":"Endpoint request timed out"}`},
		"http.yaml": {503, `{"message":"Service Unavailable"}`},
	}
	for file, test := range tests {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				tmpl := read(t, file)
				backend := tmpl.Functions["Backend"]
				backend.Timeout = 900e9
				tmpl.Functions["Backend"] = backend

				g, err := localgateway.New(localgateway.Config{
					Template:  tmpl,
					API:       "Plain",
					Functions: map[string]lambda.Handler{"Backend": function(hangs)},
					Random:    zeros{},
				})
				if err != nil {
					t.Fatal(err)
				}

				got := (&world{gateway: g}).get("/open")
				if got.Status != test.status || got.Body != test.body {
					t.Errorf("got %d %s, want %d %s", got.Status, got.Body, test.status, test.body)
				}
			})
		})
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 10<<20+1)
	rest := newREST(t, answers(allowAll)).do("POST", "/keys", large)
	check(t, seen{
		413, `{"message":"HTTP content length exceeded 10485760 bytes."}`,
		restHeaders("RequestTooLargeException"),
	}, rest)
	check(t, seen{
		413, `{"message":"Request Entity Too Large"}`, httpHeaders(),
	}, newHTTP(t, answers(allowAll)).do("POST", "/keys", large))

	if got := newREST(t, answers(allowAll)).do("POST", "/keys", large[1:]); got.Status != 200 {
		t.Errorf("10 MB exactly got %d", got.Status)
	}
}

// unread fails the test if it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("a body that says it is too large was read")
	return 0, io.EOF
}

func TestBodyOfAnnouncedAndUnknownLength(t *testing.T) {
	t.Parallel()
	w := newREST(t, answers(allowAll))
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/keys", unread{t})
	r.ContentLength = 10<<20 + 1
	check(t, 413, w.send(r).Status)
	r = httptest.NewRequestWithContext(t.Context(), "POST", "/keys",
		io.MultiReader(strings.NewReader(strings.Repeat("x", 10<<20+1))))
	check(t, int64(-1), r.ContentLength)
	check(t, 413, w.send(r).Status)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()

	if _, err := localgateway.New(localgateway.Config{
		Template: read(t, "rest.yaml"),
		API:      "Authorizer",
	}); err == nil {
		t.Error("a function passed for an API")
	}

	tmpl := read(t, "rest.yaml")
	token := tmpl.APIs["Plain"].Authorizers["Token"]
	token.Validation = "("

	tmpl.APIs["Plain"].Authorizers["Token"] = token
	if _, err := localgateway.New(localgateway.Config{Template: tmpl, API: "Plain"}); err == nil {
		t.Error("a broken validation expression passed")
	}
}

// The same answer says one thing to an authorizer with policies and another to one with simple
// answers, whichever comes first.
func TestAnswerOfBothKinds(t *testing.T) {
	t.Parallel()

	both := strings.Replace(allowAll, "{", `{"isAuthorized":false,`, 1)
	for name, paths := range map[string][]string{
		"policy first": {"/keys/1", "/simple/1", "/keys/1"},
		"simple first": {"/simple/1", "/keys/1", "/simple/1"},
	} {
		w := newHTTP(t, answers(both))

		for _, path := range paths {
			want := 200
			if path == "/simple/1" {
				want = 403
			}

			if got := w.get(path, "X-Api-Key: k"); got.Status != want {
				t.Errorf("%s: %s is %d, want %d", name, path, got.Status, want)
			}
		}
	}
}
