package main_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// TestEndToEndCredentials sends keys in every conceivable way, byte for byte.
func TestEndToEndCredentials(t *testing.T) {
	t.Parallel()
	m := start(t, t.TempDir()).Machine
	k := reader(t, m, nil)
	good, other := k.Secret, reader(t, m, nil).Secret
	flipped := good[:len(good)-1] + string(good[len(good)-1]^1)
	apiKey, bearer := "X-Api-Key: "+good, "Authorization: Bearer "+good

	tests := map[string]struct {
		lines []string
		want  int
	}{
		"X-Api-Key":               {[]string{apiKey}, 200},
		"x-api-key":               {[]string{"x-api-key: " + good}, 200},
		"X-API-KEY":               {[]string{"X-API-KEY: " + good}, 200},
		"spaces around the value": {[]string{"X-Api-Key:   " + good + "  "}, 200},
		"Bearer":                  {[]string{bearer}, 200},
		"bearer":                  {[]string{"authorization: bearer " + good}, 200},
		"both, the same":          {[]string{apiKey, bearer}, 200},
		"with Basic":              {[]string{apiKey, "Authorization: Basic dTpw"}, 200},
		"with a token of another service": {
			[]string{apiKey, "Authorization: Bearer eyJhbGciOiJub25lIn0.e30."},
			200,
		},
		"nothing":            {nil, 401},
		"an empty X-Api-Key": {[]string{"X-Api-Key:"}, 401},
		"an empty X-Api-Key with a good one in Authorization": {
			[]string{"X-Api-Key:", bearer},
			401,
		},
		"a bad X-Api-Key with a good one in Authorization": {
			[]string{"X-Api-Key: x", bearer},
			401,
		},
		"X-Api-Key twice, the same":         {[]string{apiKey, apiKey}, 401},
		"X-Api-Key twice, in two spellings": {[]string{apiKey, "x-api-key: " + good}, 401},
		"X-Api-Key twice, another":          {[]string{apiKey, "X-Api-Key: " + other}, 401},
		"X-Api-Key twice, one empty":        {[]string{"X-Api-Key:", apiKey}, 401},
		"Authorization twice, the same":     {[]string{bearer, bearer}, 401},
		"Authorization twice, Basic and Bearer": {
			[]string{"Authorization: Basic dTpw", bearer},
			401,
		},
		"both, another key": {
			[]string{apiKey, "Authorization: Bearer " + other},
			401,
		},
		"both, a malformed one of our brand": {
			[]string{apiKey, "Authorization: Bearer bt_prod_x"},
			401,
		},
		"two in one value":       {[]string{"X-Api-Key: " + good + ", " + good}, 401},
		"Basic":                  {[]string{"Authorization: Basic " + good}, 401},
		"no scheme":              {[]string{"Authorization: " + good}, 401},
		"Bearer in X-Api-Key":    {[]string{"X-Api-Key: Bearer " + good}, 401},
		"another last character": {[]string{"X-Api-Key: " + flipped}, 401},
		"one character more":     {[]string{apiKey + "x"}, 401},
		"one character less":     {[]string{apiKey[:len(apiKey)-1]}, 401},
		"all in lower case": {
			[]string{"X-Api-Key: " + strings.ToLower(good)},
			401,
		},
		"another environment's prefix": {
			[]string{"X-Api-Key: " + strings.Replace(good, "bt_prod", "bt_stg", 1)},
			401,
		},
		"the id of the key": {[]string{"X-Api-Key: " + k.Key.ID}, 401},
		"its hint":          {[]string{"X-Api-Key: " + k.Key.Hint}, 401},
		"in a cookie":       {[]string{"Cookie: X-Api-Key=" + good}, 401},
		"in another header": {[]string{"Api-Key: " + good}, 401},
		"more headers than API Gateway takes": {
			[]string{"X-Api-Key: " + strings.Repeat("x", 11000)},
			431,
		},
	}
	for _, size := range []int{1, 16, 62, 127, 128, 129, 1024, 4096, 8192} {
		tests[fmt.Sprintf("%d bytes", size)] = struct {
			lines []string
			want  int
		}{[]string{"X-Api-Key: " + strings.Repeat("b", size)}, 401}
	}

	refused := map[string][]string{} // the bodies of 401 answers, without request ids
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := m.Raw(t,
				append([]string{"GET /production/messages HTTP/1.1"}, test.lines...)...).Want(t,
				test.want)
			if test.want == http.StatusUnauthorized {
				rest.unauthorized(t, a, "")
				body := requestID.ReplaceAllString(string(a.Body), "")
				refused[body] = append(refused[body], name)
			}
		})
	}

	for _, parameter := range []string{
		"api_key", "apiKey", "x-api-key", "X-Api-Key", "key", "token", "access_token",
		"authorization",
	} {
		t.Run("in the query as "+parameter, func(t *testing.T) {
			rest.unauthorized(t,
				m.Raw(t, "GET /production/messages?"+parameter+"="+good+" HTTP/1.1"), "")
		})
	}

	if len(refused) != 1 {
		t.Errorf("a 401 says more than another: %v", refused)
	}
}

var requestID = regexp.MustCompile(`"requestId":"[^"]*"`)

// TestEndToEndPaths spells routes in every way. However a spelling is interpreted, the route that
// answers must be one that the key opens.
func TestEndToEndPaths(t *testing.T) {
	t.Parallel()

	for name, args := range map[string][]string{"REST": nil, "HTTP API": {"--api", "http"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			m := start(t, t.TempDir(), args...).Machine
			for permissions, test := range map[string]struct{ opens, paths []string }{
				"messages:read": {
					[]string{"GET /messages", "GET /messages/{messageId}"},
					[]string{
						"/licenses", "/licenses/", "//licenses", "/./licenses", "/%6cicenses",
						"/licenses%2f", "/licenses%2F1", "/LICENSES", "/licenses;a",
						"/licenses?a=/messages",
						"/licenses#/messages", "/licenses%00", "/licenses%20",
						"/messages/../licenses", "/messages/%2e%2e/licenses",
						"/messages/..%2flicenses", "/messages/..%5clicenses",
						"/messages/1/../../licenses", "/messages//licenses",
						"/messages%2f..%2flicenses", "/metrics/../messages",
						"/metrics/a/../../messages", "/metrics/messages",
						"/messages*", "/messages/*/../../licenses", "/*", "/%2a",
						"/messages%3f/licenses", "/../production/licenses", "/../staging/messages",
						"/messages/.%00./licenses",
					},
				},
				"customers:read": {
					[]string{"GET /customers", "GET /customers/{customerId}"},
					[]string{
						"/customers/c1/secrets", "/customers/c1/secrets/",
						"/customers/c1//secrets", "/customers//secrets", "/customers/c1%2fsecrets",
						"/customers/c1/%73ecrets",
						"/customers/c1/./secrets", "/customers/c1/x/../secrets",
						"/customers/../customers/c1/secrets", "/customers/c1/secrets%2f",
						"/customers/c1/secrets;a", "//customers/c1/secrets",
					},
				},
				"metrics:read": {
					[]string{"GET /metrics", "GET /metrics/{proxy+}"},
					[]string{
						"/metrics/../licenses", "/metrics/%2e%2e/licenses", "/metrics//licenses",
						"/metricsx", "/metrics%2f..%2flicenses",
						"/metrics/../../production/licenses",
					},
				},
			} {
				t.Run(permissions, func(t *testing.T) {
					t.Parallel()
					spell(t, m, reader(t, m, map[string]any{
						"permissions": []string{permissions},
					}).Secret, test.opens, test.paths)
				})
			}
		})
	}
}

func spell(t *testing.T, m *localtest.Machine, secret string, opens, paths []string) {
	t.Helper()

	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST", "get"} {
			a := m.Raw(t, method+" /production"+path+" HTTP/1.1", "X-Api-Key: "+secret)
			if a.Status >= 300 {
				continue
			}

			if method != "GET" {
				t.Errorf("%s is answered %d", a.Call, a.Status)
				continue
			}

			var got struct{ Route string }
			a.Into(t, &got)

			if !slices.Contains(opens, got.Route) {
				t.Errorf("%s is answered by %s, which the key does not open", a.Call, got.Route)
			}
		}
	}
}

// TestEndToEndAnswers checks API Gateway's own answers.
func TestEndToEndAnswers(t *testing.T) {
	t.Parallel()
	m := start(t, t.TempDir()).Machine
	key, nobody := m.As(m.Keys["production"]), m.As("")

	// An unknown route is unknown to all: a bad key would get 401 if the authorizer had been
	// called.
	for _, path := range []string{
		"/production/nope", "/production", "/production/", "/production/messages/1/2", "/v1/nope",
		"/v1", "/nope", "//production/messages",
	} {
		nobody.Call(t, http.MethodGet, path, nil).Refused(t, http.StatusNotFound, "not_found")
		m.As("malformed").Call(t, http.MethodGet, path, nil).Refused(t, http.StatusNotFound,
			"not_found")
		nobody.Call(t, http.MethodGet, path, nil, "Authorization: Bearer x").Refused(t,
			http.StatusNotFound, "not_found")
	}

	for _, method := range []string{http.MethodDelete, http.MethodPatch, http.MethodPut} {
		key.Call(t, method, "/production/messages", nil).Refused(t, http.StatusNotFound,
			"not_found")
	}

	nobody.Call(t, http.MethodGet, "/v1/permissions", nil).Refused(t, http.StatusUnauthorized,
		"unauthenticated")
	nobody.Call(t, http.MethodGet, "/v1/whoami", nil).Refused(t, http.StatusUnauthorized,
		"invalid_key")

	if got := key.Call(t, http.MethodGet, "/production/messages", nil).Want(t,
		http.StatusOK).Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q of the demo API", got)
	}

	if got := m.Admin().Call(t, http.MethodGet, "/v1/permissions", nil).Want(t,
		http.StatusOK).Header; got.Get("Content-Type") != "application/json" ||
		got.Get("Cache-Control") != "no-store" {
		t.Errorf("headers of the admin API: %v", got)
	}

	preflight := []string{
		"Origin: https://app.example", "Access-Control-Request-Method: POST",
		"Access-Control-Request-Headers: x-api-key,content-type",
	}

	a := nobody.Call(t, http.MethodOptions, "/production/messages", nil, preflight...).Want(t,
		http.StatusOK)
	if a.Header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(strings.ToLower(a.Header.Get("Access-Control-Allow-Headers")),
			"x-api-key") ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("a preflight is answered with %v", a.Header)
	}

	for _, a := range []localtest.Answer{
		nobody.Call(t, http.MethodPost, "/production/messages", nil, "Origin: https://app.example"),
		key.Call(t, http.MethodGet, "/production/licenses", nil, "Origin: https://app.example"),
		key.Call(t, http.MethodGet, "/production/messages", nil, "Origin: https://app.example"),
	} {
		if a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d that a page cannot read", a.Call, a.Status)
		}
	}
}

// TestEndToEndHTTPAPIAnswers checks those of an HTTP API, whose bodies are API Gateway's own.
func TestEndToEndHTTPAPIAnswers(t *testing.T) {
	t.Parallel()
	m := start(t, t.TempDir(), "--api", "http").Machine
	nobody := m.As("")
	plain(http.StatusNotFound, "Not Found")(t,
		nobody.Call(t, http.MethodGet, "/production/nope", nil), "")
	plain(http.StatusNotFound, "Not Found")(t,
		m.As("malformed").Call(t, http.MethodPut, "/production/messages", nil), "")

	a := nobody.Call(t, http.MethodOptions, "/production/messages", nil,
		"Origin: https://app.example", "Access-Control-Request-Method: POST").Want(t,
		http.StatusNoContent)
	if a.Header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(strings.ToLower(a.Header.Get("Access-Control-Allow-Headers")),
			"x-api-key") {
		t.Errorf("a preflight is answered with %v", a.Header)
	}

	for _, lines := range [][]string{
		{"X-Api-Key: " + m.Keys["production"], "X-Api-Key: " + m.Keys["production"]},
		{"X-Api-Key: " + m.Keys["staging"]},
		{},
		{"Authorization: Basic dTpw"},
	} {
		httpAPI.unauthorized(t,
			m.Raw(t, append([]string{"GET /production/messages HTTP/1.1"}, lines...)...), "")
	}
}
