package adminapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// A body above 1 KB is gzip'd for who takes that, and says the same.
func TestLongAnswersAreCompressed(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	get := func(path, accept string) localtest.Answer {
		return o.admin.Call(t, http.MethodGet, path, nil, "Accept-Encoding: "+accept).Want(t,
			http.StatusOK)
	}

	plain := get("/v1/permissions", "identity")
	if len(plain.Body) <= 1<<10 {
		t.Fatalf("the catalogue has %d bytes: too short for this test", len(plain.Body))
	}

	for accept, coding := range map[string]string{
		"gzip":                         "gzip",
		"br, gzip;q=0.8":               "gzip",
		"*":                            "gzip",
		"identity;q=0.5, gzip;q=0.5":   "gzip",
		"":                             "",
		"br":                           "",
		"gzip;q=0":                     "",
		"gzip;q=0, *":                  "",
		"gzip;q=1.5":                   "",
		"gzip;q=0.5, identity;q=0.6":   "",
		"deflate, identity, *;q=0.001": "",
	} {
		a := get("/v1/permissions", accept)
		if got := a.Header.Get("Content-Encoding"); got != coding {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q", accept, got)
		}

		if got := a.Header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary %q", accept, got)
		}

		if a.Header.Get("ETag") != plain.Header.Get("ETag") || !bytes.Equal(a.Body, plain.Body) {
			t.Errorf("Accept-Encoding %q: another answer than without", accept)
		}
	}

	if a := get("/v1/organizations/"+o.id, "gzip"); a.Header.Get("Content-Encoding") != "" {
		t.Errorf("%d bytes are compressed", len(a.Body))
	}
}

// In Lambda's answer, a compressed body is base64, which API Gateway decodes for REST APIs with
// binary media types and for HTTP APIs.
func TestCompressedAnswersOfTheFunction(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	reader := machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Reader",
		"description": strings.Repeat("It reads. ", 40),
		"environment": "production",
		"permissions": []string{"keys:read"},
	}).Key.ID
	said := map[string]any{"keyId": reader, "environment": "production"}

	for kind, event := range events(o.keys+"/"+reader, said) {
		event["headers"] = map[string]any{"accept-encoding": "gzip"}

		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}

		out, err := function(t).Invoke(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}

		var answer struct {
			Body            string `json:"body"`
			IsBase64Encoded bool   `json:"isBase64Encoded"`
		}
		if err := json.Unmarshal(out, &answer); err != nil || !answer.IsBase64Encoded {
			t.Fatalf("%s: %v %s", kind, err, out)
		}

		zipped, err := base64.StdEncoding.DecodeString(answer.Body)
		if err != nil {
			t.Fatal(err)
		}

		unzipped, err := gzip.NewReader(bytes.NewReader(zipped))
		if err != nil {
			t.Fatal(err)
		}

		if body, err := io.ReadAll(unzipped); err != nil || decoded(t, body)["id"] != reader {
			t.Errorf("%s: %v %s", kind, err, body)
		}
	}
}

// HEAD is where GET is, with the same headers and no body.
func TestHead(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	key := o.keys + "/" + o.first.Key.ID

	for path, c := range map[string]localtest.Client{
		"/v1/docs":                     machine.As(""),
		"/v1/openapi.json":             machine.As(""),
		"/v1/whoami":                   machine.As(o.first.Secret),
		"/v1/permissions":              o.admin,
		key:                            o.admin,
		key + "/usage":                 o.admin,
		o.keys + "/0000000000000000":   o.admin,
		o.keys + "?limit=0":            o.admin,
		"/v1/organizations/" + o.id:    machine.As(""),
		"/v1/organizations/none/of/it": o.admin,
	} {
		get, head := c.Call(t, http.MethodGet, path, nil), c.Call(t, http.MethodHead, path, nil)
		if head.Status != get.Status || len(head.Body) > 0 {
			t.Errorf("HEAD %s: %d with %d bytes; GET: %d", path, head.Status, len(head.Body),
				get.Status)
		}

		for _, h := range []http.Header{get.Header, head.Header} {
			for _, name := range []string{
				"Content-Encoding", "Content-Length", "Date", "X-Amzn-Requestid", "X-Amz-Apigw-Id",
			} {
				h.Del(name) // of the connection, or of the call
			}
		}

		if diff := cmp.Diff(get.Header, head.Header); diff != "" {
			t.Errorf("%s (-GET +HEAD):\n%s", path, diff)
		}
	}

	fresh := o.admin.Call(t, http.MethodHead, key, nil).Want(t, http.StatusOK).Header.Get("ETag")
	o.admin.Call(t, http.MethodHead, key, nil, "If-None-Match: "+fresh).Want(t,
		http.StatusNotModified)
}

// OPTIONS says what a path takes.
func TestOptions(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for path, allow := range map[string]string{
		o.keys:                  "GET, HEAD, POST, OPTIONS",
		o.keys + "/some":        "GET, HEAD, PATCH, DELETE, OPTIONS",
		o.keys + "/some/revoke": "POST, OPTIONS",
		"/v1/permissions":       "GET, HEAD, PUT, OPTIONS",
		"/v1/docs":              "GET, HEAD, OPTIONS",
		"/v1/leaks/":            "POST, OPTIONS",
	} {
		a := o.admin.Call(t, http.MethodOptions, path, nil).Want(t, http.StatusNoContent)
		if got := a.Header.Get("Allow"); got != allow {
			t.Errorf("OPTIONS %s: Allow %q", path, got)
		}
	}

	o.admin.Call(t, http.MethodOptions, "/v1/nothing", nil).Want(t, http.StatusNotFound)
	o.admin.Call(t, http.MethodPut, o.keys, map[string]any{}).Want(t, http.StatusNotFound)
	machine.As("").Call(t, http.MethodOptions, o.keys, nil).Want(t, http.StatusUnauthorized)
}

// A page of any origin may read what whoami answers, and the document; no page may read anything
// else.
func TestWhatPagesMayRead(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	origin := "Origin: https://page.example"
	cors := func(h http.Header) []string {
		var names []string
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				names = append(names, name)
			}
		}

		return names
	}

	for _, path := range []string{"/v1/whoami", "/v1/openapi.json"} {
		for _, c := range []localtest.Client{machine.As(o.first.Secret), machine.As("")} {
			a := c.Call(t, http.MethodGet, path, nil, origin)
			if a.Header.Get("Access-Control-Allow-Origin") != "*" ||
				!strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
				t.Errorf("%s, %d: %v", path, a.Status, a.Header)
			}
		}

		a := machine.As("").Call(t, http.MethodOptions, path, nil, origin,
			"Access-Control-Request-Method: GET",
			"Access-Control-Request-Headers: x-api-key").Want(t, http.StatusNoContent)
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":  "*",
			"Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
			"Access-Control-Allow-Headers": "Authorization, X-Api-Key",
			"Access-Control-Max-Age":       "600",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("preflight of %s: %s %q", path, name, got)
			}
		}
	}

	for path, c := range map[string]localtest.Client{
		"/v1/docs":                     machine.As(""),
		"/v1/permissions":              o.admin,
		o.keys:                         machine.As(""), // 401 of API Gateway
		o.keys + "?limit=%zz":          o.admin,        // 400 of API Gateway
		o.keys + "/none":               o.admin,
		"/v1/nothing":                  o.admin, // 404 of API Gateway
		"/v1/whoami/" + o.first.Key.ID: o.admin,
	} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			if a := c.Call(t, method, path, nil, origin); len(cors(a.Header)) > 0 {
				t.Errorf("%s %s, %d: %v", method, path, a.Status, cors(a.Header))
			}
		}
	}
}
