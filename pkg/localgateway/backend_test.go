package localgateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

const proxied = `Transform: AWS::Serverless-2016-10-31
Resources:
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Auth: {DefaultAuthorizer: X, Authorizers: {X: {FunctionArn: !GetAtt A.Arn}, Pool: {UserPoolArn: x}}}
  Http:
    Type: AWS::Serverless::HttpApi
  A: {Type: AWS::Serverless::Function}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Rest: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: "/{proxy+}", Method: any}}
        Slow: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: /slow, Method: any, TimeoutInMillis: 50}}
        Pool:
          {Type: Api, Properties: {RestApiId: !Ref Rest, Path: /pool, Method: any, Auth: {Authorizer: Pool}}}
        Http: {Type: HttpApi, Properties: {ApiId: !Ref Http, Path: "/{proxy+}", Method: any}}
  S:
    Type: AWS::Serverless::StateMachine
    Properties: {Events: {E: {Type: Api, Properties: {RestApiId: !Ref Rest, Path: /machine, Method: post}}}}
`

// proxy starts a gateway before a backend, which h scripts.
func proxy(t *testing.T, api string, h http.HandlerFunc) http.Handler {
	t.Helper()

	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	return proxyTo(t, api, server.URL+"/base/")
}

func proxyTo(t *testing.T, api, address string) http.Handler {
	t.Helper()

	tmpl, err := template.ReadAPIs([]byte(proxied), nil, "")
	if err != nil {
		t.Fatal(err)
	}

	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}

	said := `"context":{"keyId":"k1","keyName":"Zoë 100%","rateLimitPolicy":"a;q=1","count":3}}`

	gateway, err := localgateway.New(localgateway.Config{
		Template: tmpl,
		API:      api,
		Functions: map[string]lambda.Handler{
			"A": answers(strings.Replace(allowAll, allowAll[strings.Index(allowAll, `"context"`):],
				said, 1)),
		},
		Backend: &localgateway.Backend{URL: target, HeaderPrefix: "X-Bitting-"},
	})
	if err != nil {
		t.Fatal(err)
	}

	return gateway
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A backend gets the call as it was sent, with the authorizer's context in headers that no caller can set.
func TestBackend(t *testing.T) {
	t.Parallel()

	var got *http.Request
	var body []byte

	gateway := proxy(t, "Rest", func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Server", "own")
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/a%2Fb/c?x=%20&y",
		strings.NewReader("hello"))
	r.Header.Set("Authorization", "token")
	r.Header.Set("X-Other", "kept")

	spoofed := []string{
		"X-Bitting-Key-Id", "x-bitting-key-id", "X-BITTING-KEY-ID", "X_Bitting_Key_Id", "x-bitting_key-id",
		"X.Bitting.Key.Id", "X-Bitting-Organization-Id", "X-Bitting-", "X_BITTING_ANYTHING",
		"x~bitting!key$id",
	}
	for _, name := range spoofed {
		r.Header[name] = []string{"spoofed"}
	}

	w := send(gateway, r)

	if w.Code != http.StatusTeapot || w.Body.String() != "short and stout" ||
		w.Header().Get("X-Answer") != "yes" || w.Header().Get("X-Amzn-Remapped-Server") != "own" {
		t.Errorf("answer %d %q %v", w.Code, w.Body, w.Header())
	}

	if got.Method != http.MethodPut || got.RequestURI != "/base/a%2Fb/c?x=%20&y" ||
		string(body) != "hello" {
		t.Errorf("got %s %s %q", got.Method, got.RequestURI, body)
	}

	for name, want := range map[string]string{
		"X-Bitting-Key-Id":            "k1",
		"X-Bitting-Key-Name":          "Zo%C3%AB 100%25",
		"X-Bitting-Rate-Limit-Policy": "a;q=1",
		"X-Bitting-Count":             "3",
		"X-Bitting-Organization-Id":   "",
		"X-Other":                     "kept",
		"X-Forwarded-For":             "192.0.2.1",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}

	for name, values := range got.Header {
		if strings.Join(values, "") == "spoofed" {
			t.Errorf("the backend got %s from the caller", name)
		}
	}
}

// On a route without an authorizer nothing is said about the caller, by anybody.
func TestBackendOfAnOpenRoute(t *testing.T) {
	t.Parallel()

	var got http.Header

	gateway := proxy(t, "Http", func(_ http.ResponseWriter, r *http.Request) { got = r.Header })

	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/a", nil)
	r.Header.Set("X-Bitting-Key-Id", "spoofed")

	if w := send(gateway, r); w.Code != http.StatusOK || got.Get("X-Bitting-Key-Id") != "" {
		t.Errorf("answer %d, headers %v", w.Code, got)
	}
}

func TestBackendThatFails(t *testing.T) {
	t.Parallel()

	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	redirects := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}
	floods := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10<<20+1)) }

	for name, test := range map[string]struct {
		gateway http.Handler
		path    string
		status  int
	}{
		"unreachable":     {proxyTo(t, "Rest", "http://127.0.0.1:1"), "/a", 504},
		"unreachable, v2": {proxyTo(t, "Http", "http://127.0.0.1:1"), "/a", 503},
		"hangs":           {proxy(t, "Rest", hangs), "/slow", 504},
		"redirects":       {proxy(t, "Rest", redirects), "/a", 302},
		"floods":          {proxy(t, "Rest", floods), "/a", 504},
	} {
		began := time.Now()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, nil)
		r.Header.Set("Authorization", "token")

		if w := send(test.gateway, r); w.Code != test.status {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, test.status)
		}

		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// A route that cannot be answered as AWS would is answered by no one: not behind an authorizer that
// cannot be asked, and without a backend not where no function stands.
func TestRoutesThatAreNotAnswered(t *testing.T) {
	t.Parallel()

	tmpl, err := template.ReadAPIs([]byte(proxied), nil, "")
	if err != nil {
		t.Fatal(err)
	}

	alone, err := localgateway.New(localgateway.Config{
		Template:  tmpl,
		API:       "Rest",
		Functions: map[string]lambda.Handler{"A": answers(allowAll), "F": answers(ok)},
	})
	if err != nil {
		t.Fatal(err)
	}

	backend := proxy(t, "Rest", func(http.ResponseWriter, *http.Request) {})

	for name, test := range map[string]struct {
		gateway http.Handler
		method  string
		path    string
		status  int
		says    string
	}{
		"a user pool":                  {alone, "GET", "/pool", 501, "line 7: Rest.Auth.Authorizers.Pool"},
		"a user pool, with a backend":  {backend, "GET", "/pool", 501, "line 7"},
		"state machine":                {alone, "POST", "/machine", 501, "line 22"},
		"state machine for a backend":  {backend, "POST", "/machine", 200, ""},
		"what has a function, answers": {alone, "GET", "/a", 200, "backend"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil)
		r.Header.Set("Authorization", "token")

		if w := send(test.gateway, r); w.Code != test.status ||
			!strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, test.status, test.says)
		}
	}
}
