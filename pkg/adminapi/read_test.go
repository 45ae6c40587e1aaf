package adminapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// No operation takes one of two values in silence: each parameter, and each header that is no list,
// is given once.
func TestParametersAreGivenOnce(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	in := strings.NewReplacer("{org}", o.id, "{keyId}", o.first.Key.ID, "{customer}", "c1",
		"{user}", "once@people.test", "{job}", "j", "{requestId}", "r")
	good := map[string]string{
		"limit":       "2",
		"force":       "false",
		"include":     "usage",
		"status":      "all",
		"environment": "production",
		"sort":        "createdAt",
		"ownership":   "personal",
		"granularity": "day",
		"by":          "outcome",
	}

	tried := 0
	for _, op := range written(t) {
		as := o.admin
		if strings.HasPrefix(op.path, "/v1/permissions") || op.path == "/v1/organizations" {
			as = machine.Operator()
		}

		for _, p := range op.parameters {
			name := p["name"].(string)
			if p["in"] != "query" {
				continue
			}

			value := good[name]
			for _, query := range []string{
				"%s=%s&%s=%s",
				"%s=%s&%%" + fmt.Sprintf("%x", name[0]) + name[1:] + "=%[4]s%.0[3]s", "%s=%s&%s=",
			} {
				tried++

				path := in.Replace(op.path) + "?" + fmt.Sprintf(strings.Replace(query, "&%s=",
					"&%[3]s=", 1), name, value, name, value)
				if strings.HasSuffix(query, "%s=") {
					path = in.Replace(op.path) + "?" + name + "=" + value + "&" + name + "="
				}

				got := as.Call(t, op.method, path, nil).Refused(t, http.StatusBadRequest,
					"malformed")
				if !slices.Contains(got.Locations(), "query."+name) {
					t.Errorf("%s %s: %v", op.method, path, got.Locations())
				}
			}
		}
	}

	if tried < 60 {
		t.Errorf("%d parameters were tried", tried)
	}

	for path, location := range map[string]string{
		"/v1/openapi.json?a=1&a=2": "query.a",
		"/v1/whoami?x=1":           "query.x",
	} {
		got := o.admin.Call(t, http.MethodGet, path, nil).Refused(t, http.StatusBadRequest,
			"malformed")
		if !slices.Contains(got.Locations(), location) {
			t.Errorf("%s: %v, want %s", path, got.Locations(), location)
		}
	}

	for _, path := range []string{
		o.path("customers") + "/%ff", o.path("members") + "/%ff%40x.test", o.keys + "/%2e%2e",
		o.path() + "/../" + o.id + "/keys",
	} {
		if a := o.admin.Call(t, http.MethodGet, path, nil); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.Status)
		}
	}
}

// A query that is no query is told, also where the gateway makes parameters of it; nothing in it is
// passed over.
func TestMalformedQueries(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for query, location := range map[string]string{
		"limit=%zz":         "query",
		"q=%zz":             "query",
		"limit=1&q=%":       "query",
		"%zz=1":             "query",
		"a;b":               "query.a;b",
		"limit=1;q=x":       "query.limit",
		"q=%ff":             "query.q",
		"%ff=1":             "query.",
		"q=%ef%bf%bd":       "query.q", // as another encoding arrives
		"limit=1&%6cimit=2": "query.limit",
	} {
		got := o.admin.Call(t, http.MethodGet, o.keys+"?"+query, nil).Refused(t,
			http.StatusBadRequest, "malformed")
		if !slices.ContainsFunc(got.Locations(), func(l string) bool {
			return strings.HasPrefix(l, location)
		}) {
			t.Errorf("%s: %v, want %s", query, got.Locations(), location)
		}
	}

	o.admin.Call(t, http.MethodGet, o.keys+"?limit=1&q=%25zz%3B", nil).Want(t, http.StatusOK)
}

// What is no UTF-8 is no JSON, also where something on the way has put the replacement character in
// its place.
func TestBodiesAreUTF8(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	for _, name := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "\ufffd"} {
		got := o.admin.Call(t, http.MethodPost, o.keys,
			`{"name": "`+name+`", "environment": "production"}`).Refused(t, http.StatusBadRequest,
			"malformed")
		if !slices.Equal(got.Locations(), []string{"body"}) {
			t.Errorf("%q: %v", name, got.Locations())
		}
	}

	o.admin.Call(t, http.MethodPost, o.keys,
		`{"name": "\ufffd", "environment": "production"}`).Want(t, http.StatusCreated)
}

// A body says what it is; where there is none, there is nothing to say.
func TestBodiesHaveATypeOfTheirOwn(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	key := o.keys + "/" + o.key(t, nil).Key.ID

	for method, path := range map[string]string{
		http.MethodPost:  o.keys,
		http.MethodPatch: key,
		http.MethodPut:   o.path("members", "typed@people.test"),
	} {
		a := o.admin.Call(t, method, path, `{"role": "viewer"}`, "Content-Type")
		if p := a.Refused(t, http.StatusUnsupportedMediaType,
			"unsupported_media_type"); !strings.Contains(p.Detail, "application/json") {
			t.Errorf("%s: %s", method, p.Detail)
		}
	}

	o.admin.Call(t, http.MethodPost, key+"/revoke", nil).Want(t, http.StatusOK)
}

// A body means one thing: what another reader could read otherwise is refused at its place, and the
// rest is told with it.
func TestBodiesMeanOneThing(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)

	calls := map[string]wrong{}
	for fields, locations := range map[string][]string{
		`"name": "B"`: {
			"body.name",
		},
		`"tags": ["a"], "\u0074ags": ["b"]`: {
			"body.tags",
		},
		`"quota": {"limit": 1, "period": "day", "limit": 2}`: {
			"body.quota.limit",
		},
		`"metadata": {"a": "x", "a": "y"}, "colour": 1`: {
			"body.metadata.a", "body.colour",
		},
		`"rateLimits": [{"name": "a", "limit": 1, "limit": 1, "window": "1m"}]`: {
			"body.rateLimits[0].limit",
		},
		`"description": "\ud800", "tags": ["\udc00x"]`: {
			"body.description", "body.tags[0]",
		},
		`"metadata": {"\ud83d": "x"}`: {
			"body.metadata.\ufffd",
		},
		`"quota": {"limit": 1e30, "period": "day"}`: {
			"body.quota.limit",
		},
		`"quota": {"limit": 1.5, "period": "day"}, "notBefore": "x", "tags": ["a b"]`: {
			"body.quota.limit", "body.notBefore", "body.tags[0]",
		},
		`"description": "x", "description": "y", "customers": ["none"], "enabled": "x"`: {
			"body.description", "body.customers[0]", "body.enabled",
		},
	} {
		calls[fields] = wrong{
			method:    "POST",
			path:      "{keys}",
			body:      body(fields),
			status:    422,
			code:      "validation",
			locations: locations,
		}
	}

	calls["bulk"] = wrong{
		method:    "POST",
		path:      "{keys}/bulk",
		body:      `{"action": "disable", "filter": {"tag": "none", "tag": "x"}, "expected": 1e30}`,
		status:    422,
		code:      "validation",
		locations: []string{"body.filter.tag", "body.expected"},
	}
	calls["too deep"] = wrong{
		method:    "POST",
		path:      "{keys}",
		body:      strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65),
		status:    400,
		code:      "malformed",
		locations: []string{"body"},
	}
	refuseAll(t, o, k, o.admin, calls)

	var made struct {
		Key struct {
			Quota      struct{ Limit json.Number }
			RateLimits []struct{ Limit, Burst json.Number }
			Name       string
		}
	}
	integers := `"quota": {"limit": 1.0e6, "period": "day"}, "rateLimits": [{"name": "a", "limit": 1e3, "window": "1m", "burst": 1000.0}]`
	o.admin.Call(t, http.MethodPost, o.keys,
		`{"name": "\ud83d\ude00 ok", "environment": "staging", `+integers+`}`).Want(t,
		http.StatusCreated).Into(t, &made)

	if got := fmt.Sprint(made.Key); got != "{{1000000} [{1000 1000}] 😀 ok}" {
		t.Errorf("integers of other spellings: %s", got)
	}

	settings := `{"settings": {"sampleRequests": 1.0}}`
	o.admin.Call(t, http.MethodPatch, o.path(), settings).Want(t, http.StatusOK)
}

// What cannot be seen is in no name: it could make one look like another.
func TestNamesCanBeSeen(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	key := o.keys + "/" + o.key(t, nil).Key.ID
	for _, r := range []rune{
		0x202e, 0x202a, 0x2066, 0x200b, 0x200d, 0xfeff, 0xad, 0x2028, 0x2029, 0xe0041, 0x7f, 0x85,
	} {
		name := "pay" + string(r) + "roll"
		for location, call := range map[string]struct {
			as           localtest.Client
			method, path string
			body         map[string]any
		}{
			"body.name": {o.admin, http.MethodPatch, key, map[string]any{"name": name}},
			"body.tags[0]": {o.admin, http.MethodPatch, key, map[string]any{
				"tags": []string{name},
			}},
			"body.metadata": {o.admin, http.MethodPatch, key, map[string]any{
				"metadata": map[string]string{name: "x"},
			}},
			" body.name": {o.admin, http.MethodPost, o.path("customers"), map[string]any{
				"name": name,
			}},
			"  body.name": {o.admin, http.MethodPatch, o.path(), map[string]any{"name": name}},
			"   body.name": {
				machine.Operator(), http.MethodPost, "/v1/organizations",
				map[string]any{
					"name":       name,
					"firstAdmin": "a@b.test",
				},
			},
		} {
			p := call.as.Call(t, call.method, call.path, call.body).Refused(t,
				http.StatusUnprocessableEntity, "validation")
			if !slices.Contains(p.Locations(), strings.TrimSpace(location)) {
				t.Errorf("%U at %s: %v", r, location, p.Locations())
			}
		}
	}

	o.admin.Call(t, http.MethodPatch, key, map[string]any{
		"name":        "Zoë — 東京 😀",
		"description": "two\nlines",
		"tags":        []string{"zoë"},
	}).Want(t, http.StatusOK)
}

// Clients that have nothing to say send no body, an empty object, or null: all mean the same where
// a body may be left out, and null is none where it may not.
func TestNullIsNoBody(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for _, said := range []any{nil, "", "{}", "null"} {
		k := o.key(t, nil)
		path := o.keys + "/" + k.Key.ID

		for _, action := range []string{"/rotate", "/rotation/finish", "/revoke", "/restore", "/regenerate"} {
			if a := o.admin.Call(t, http.MethodPost, path+action, said); a.Status != http.StatusOK {
				t.Errorf("%s with %v: %d %s", action, said, a.Status, a.Body)
			}
		}
	}

	o.admin.Call(t, http.MethodPatch, o.keys+"/"+o.key(t, nil).Key.ID, "null").Refused(t,
		http.StatusUnprocessableEntity, "validation")
}

// Media types have no case, a weight of 0 is a no, and the most exact range counts.
func TestMediaTypes(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for media, status := range map[string]int{
		"application/json":                201,
		"Application/Json":                201,
		"APPLICATION/JSON; Charset=UTF-8": 201,
		"application/merge-patch+json":    201,
		"application/VND.x+JSON":          201,
		"json":                            415,
		"text/json":                       415,
		"application/json;":               201,
		"application/jsonx":               415,
		"text/plain":                      415,
		"application/":                    415,
		";":                               415,
		"application/json, text/plain":    415,

		"application/json; charset=iso-8859-1": 415,
	} {
		if a := o.admin.Call(t, http.MethodPost, o.keys, body(""),
			"Content-Type: "+media); a.Status != status {
			t.Errorf("Content-Type %s: %d, want %d\n%s", media, a.Status, status, a.Body)
		}
	}

	for encoding, status := range map[string]int{"gzip": 415, "identity": 201, "Br": 415} {
		a := o.admin.Call(t, http.MethodPost, o.keys, body(""), "Content-Encoding: "+encoding)
		if a.Status != status || status == 415 && !strings.Contains(string(a.Body), "Content-Encoding") {
			t.Errorf("Content-Encoding %s: %d, want %d\n%s", encoding, a.Status, status, a.Body)
		}
	}

	for accept, csv := range map[string]bool{
		"text/csv":     true,
		"Text/CSV":     true,
		"TEXT/CSV;q=1": true,
		"text/*":       true,
		"text/csv; Q=0.5, application/json;q=0.4": true,
		"application/json;q=0, */*":               true,
		"application/json;q=0.1, text/*;q=0.2":    true,
		"text/csv;q=0.9, */*;q=0.1":               true,
		"":                                        false,
		"*/*":                                     false,
		"text/csv;q=0":                            false,
		"text/csv;q=0, */*":                       false,
		"text/html":                               false,
		"application/json, text/csv":              false,
		"text/csv;q=0.000":                        false,
		"text/*;q=0.9, text/csv;q=0":              false,
		"text/csv;q=0.5, Application/Json;q=0.6":  false,
		"text/csv;q=x":                            false,
		"text/csv;q=2":                            false,
		"csv":                                     false,
		",;":                                      false,
	} {
		a := o.admin.Call(t, http.MethodGet, o.path("usage"), nil, "Accept: "+accept).Want(t,
			http.StatusOK)
		if got := strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv"); got != csv ||
			a.Header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %s", accept, a.Header.Get("Content-Type"))
		}
	}

	// there is one form only
	for _, accept := range []string{"json", "Application/Json;q=0", "text/html"} {
		a := o.admin.Call(t, http.MethodGet, o.keys, nil, "Accept: "+accept).Want(t, http.StatusOK)
		if got := a.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("Accept %s: %s", accept, got)
		}
	}
}

// What a caller has already is not sent again, of whatever has an ETag.
func TestIfNoneMatch(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	key := o.keys + "/" + o.key(t, nil).Key.ID
	for _, path := range []string{key, o.path(), "/v1/permissions"} {
		whole := o.admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK)

		tag := whole.Header.Get("ETag")
		if tag == "" {
			t.Fatalf("%s has no ETag", path)
		}

		for _, has := range []string{tag, "W/" + tag, `"0", ` + tag, "*"} {
			a := o.admin.Call(t, http.MethodGet, path, nil, "If-None-Match: "+has).Want(t,
				http.StatusNotModified)
			if len(a.Body) != 0 || a.Header.Get("ETag") != tag ||
				a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %v %q", path, has, a.Header, a.Body)
			}
		}

		for _, has := range []string{`"0"`, `W/"0", "none"`} {
			if a := o.admin.Call(t, http.MethodGet, path, nil, "If-None-Match: "+has).Want(t,
				http.StatusOK); len(a.Body) == 0 {
				t.Errorf("%s, %s: no body", path, has)
			}
		}

		p := o.admin.Call(t, http.MethodGet, path, nil, "If-None-Match: 3").Refused(t,
			http.StatusBadRequest, "malformed")
		if !slices.Equal(p.Locations(), []string{"header.If-None-Match"}) {
			t.Errorf("%s: %v", path, p.Locations())
		}
	}

	first := o.admin.Call(t, http.MethodGet, key, nil).Want(t, http.StatusOK).Header.Get("ETag")
	o.admin.Call(t, http.MethodPatch, key, `{"description": "another"}`).Want(t, http.StatusOK)

	if a := o.admin.Call(t, http.MethodGet, key, nil, "If-None-Match: "+first).Want(t,
		http.StatusOK); !bytes.Contains(a.Body, []byte("another")) {
		t.Errorf("after a change: %s", a.Body)
	}

	o.admin.Call(t, http.MethodGet, o.keys+"/0000000000000000", nil, "If-None-Match: *").Refused(t,
		http.StatusNotFound, "not_found")

	paths := document(t)["paths"].(map[string]any)

	doc := paths["/v1/organizations/{org}/keys/{keyId}"].(map[string]any)["get"].(map[string]any)
	if _, told := doc["responses"].(map[string]any)["304"]; !told ||
		!strings.Contains(fmt.Sprint(doc["parameters"]), "If-None-Match") {
		t.Errorf("the document does not tell of it: %v", doc)
	}
}

// A slash at the end changes nothing, at every list and every thing.
func TestSlashAtTheEnd(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	key := o.keys + "/" + o.first.Key.ID
	for _, path := range []string{
		o.keys, key, o.path("members"), o.path("customers"), o.path("history"), "/v1/permissions",
		key + "/history", "/v1/openapi.json",
	} {
		without := o.admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK)

		with := o.admin.Call(t, http.MethodGet, path+"/", nil).Want(t, http.StatusOK)
		if !bytes.Equal(without.Body, with.Body) {
			t.Errorf("%s/: %s\nwithout: %s", path, with.Body, without.Body)
		}
	}

	a := o.admin.Call(t, http.MethodPost, o.keys+"/", body("")).Want(t, http.StatusCreated)
	o.admin.Call(t, http.MethodGet, a.Header.Get("Location"), nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodGet, o.keys+"//", nil).Refused(t, http.StatusNotFound, "not_found")
}
