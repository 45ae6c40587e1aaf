package console_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/console"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// page is a small one, in the form that `make console` builds.
var page = fstest.MapFS{
	"index.html": {Data: []byte(`<meta property="csp-nonce" nonce="{nonce}">` +
		`<script src="./assets/index-1.js" nonce="{nonce}"></script>`)},
	"assets/index-1.js":    {Data: []byte("start()")},
	"assets/index-1.js.br": {Data: []byte("\x8b\xfe\xff")},
	"assets/inter-1.woff2": {Data: []byte("wOF2\xff\x00")},
}

// get calls a path of the console behind a REST API whose stage, or base path, is base.
func get(
	t *testing.T, files fs.FS, c boot.Configuration, base, path string, header map[string]string,
) events.APIGatewayProxyResponse {
	t.Helper()

	resource := "/console"
	parameters := map[string]string{}

	if below := strings.TrimPrefix(path, "/console/"); below != path && below != "" {
		resource = "/console/{proxy+}"
		parameters["proxy"] = below
	}

	event, err := json.Marshal(events.APIGatewayProxyRequest{
		Resource:       resource,
		Path:           path,
		HTTPMethod:     http.MethodGet,
		Headers:        header,
		PathParameters: parameters,
		RequestContext: events.APIGatewayProxyRequestContext{Path: base + path},
	})
	if err != nil {
		t.Fatal(err)
	}

	text, err := proxy.New(console.New(files, c)).Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}

	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}

	return answer
}

func headerOf(a events.APIGatewayProxyResponse, name string) string {
	return strings.Join(a.MultiValueHeaders[name], ", ")
}

func TestPageWorksBelowAnyPath(t *testing.T) {
	t.Parallel()

	for _, base := range []string{"", "/admin", "/keys"} {
		for _, path := range []string{"/console/", "/console/acme/keys/7Qm2Xb0aVd91KtZs/edit"} {
			answer := get(t, page, boot.Configuration{}, base, path, nil)
			if answer.StatusCode != http.StatusOK ||
				!strings.Contains(answer.Body, `src="`+base+`/console/assets/index-1.js"`) {
				t.Errorf("%s%s: %d %s", base, path, answer.StatusCode, answer.Body)
			}

			if got := headerOf(answer, "Cache-Control"); got != "no-store" {
				t.Errorf("%s%s: Cache-Control %q", base, path, got)
			}
		}

		answer := get(t, page, boot.Configuration{}, base, "/console", nil)
		if got := headerOf(answer, "Location"); answer.StatusCode != http.StatusPermanentRedirect ||
			got != base+"/console/" {
			t.Errorf("%s/console: %d to %q", base, answer.StatusCode, got)
		}
	}
}

func TestPolicyAllowsThePageAndTheSignInOnly(t *testing.T) {
	t.Parallel()

	c := boot.Configuration{
		OIDCIssuer:    "https://id.test/realm",
		SignInOrigins: []string{"https://token.test", "not an origin"},
	}
	first := get(t, page, c, "", "/console/", nil)
	second := get(t, page, c, "", "/console/", nil)

	nonce := regexp.MustCompile(`<script [^>]*nonce="([^"]{26})"`).FindStringSubmatch(first.Body)
	if nonce == nil {
		t.Fatalf("no nonce in %s", first.Body)
	}

	want := "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce[1] + "'; " +
		"img-src 'self'; font-src 'self'; connect-src 'self' https://id.test https://token.test; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	if diff := cmp.Diff(want, headerOf(first, "Content-Security-Policy")); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}

	if strings.Contains(second.Body, nonce[1]) || strings.Contains(second.Body, "{nonce}") {
		t.Error("two answers have one nonce, or none")
	}

	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
	} {
		if got := headerOf(first, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAssetsAreCachedForGoodAndCompressed(t *testing.T) {
	t.Parallel()

	const forGood = "public, max-age=31536000, immutable"

	br := map[string]string{"Accept-Encoding": "gzip, br"}
	for _, test := range []struct {
		path   string
		header map[string]string
		status int
		kind   string
		cache  string
		coding string
		binary bool
	}{
		{"/console/assets/index-1.js", nil, 200, "text/javascript; charset=utf-8", forGood, "", false},
		{"/console/assets/index-1.js", br, 200, "text/javascript; charset=utf-8", forGood, "br", true},
		{"/console/assets/inter-1.woff2", br, 200, "font/woff2", forGood, "", true},
		{"/console/assets/index-2.js", br, 404, "text/plain; charset=utf-8", "no-store", "", false},
		{"/console/assets/../index.html", nil, 404, "text/plain; charset=utf-8", "no-store", "", false},
		{"/console/assets/", nil, 404, "text/plain; charset=utf-8", "no-store", "", false},
	} {
		answer := get(t, page, boot.Configuration{}, "", test.path, test.header)
		got := []any{
			answer.StatusCode, headerOf(answer, "Content-Type"), headerOf(answer, "Cache-Control"),
			headerOf(answer, "Content-Encoding"), answer.IsBase64Encoded,
		}

		want := []any{test.status, test.kind, test.cache, test.coding, test.binary}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", test.path, test.header, diff)
		}
	}
}

func TestConfigurationIsWhatThePageMayKnow(t *testing.T) {
	t.Parallel()

	answer := get(t, page, boot.Configuration{
		OIDCIssuer:   "https://id.test",
		OIDCAudience: "client",
		Brand:        "bt",
		Profile:      "fast",
		APIAddresses: map[string]string{"staging": "https://api.test/staging"},
		KMSKey:       "arn:of-a-key",
	}, "", "/console/config.json", nil)

	want := `{"issuer":"https://id.test","clientId":"client","brand":"bt","profile":"fast",` +
		`"apis":{"staging":"https://api.test/staging"}}`
	if diff := cmp.Diff(want, answer.Body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if got := headerOf(answer, "Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestBuildWithoutThePageSaysSo(t *testing.T) {
	t.Parallel()

	answer := get(t, fstest.MapFS{}, boot.Configuration{}, "", "/console/", nil)
	if answer.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(answer.Body, "make console") {
		t.Errorf("%d %s", answer.StatusCode, answer.Body)
	}
}

func TestPagesAreOnlyRead(t *testing.T) {
	t.Parallel()

	event := `{"resource": "/console", "path": "/console", "httpMethod": "POST",
		"requestContext": {"path": "/console"}}`

	text, err := proxy.New(console.New(page, boot.Configuration{})).Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}

	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}

	if got := headerOf(answer, "Allow"); answer.StatusCode != http.StatusMethodNotAllowed ||
		got != "GET, HEAD" {
		t.Errorf("%d, Allow %q", answer.StatusCode, got)
	}
}
