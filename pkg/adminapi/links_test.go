package adminapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
)

// front is a way in which callers reach the functions, with the events that API Gateway makes of
// it.
type front struct {
	address string // what callers have before the paths of the API
	event   func(method, resource, path string, query url.Values) map[string]any
}

const ownDomain, customDomain = "abc123.execute-api.eu-west-1.amazonaws.com", "keys.example.test"

// payload1 makes events of payload 1.0, in which the path is as said, and the context's as the
// caller called.
func payload1(
	kind, domain, inPath, called string,
) func(method, resource, path string, query url.Values) map[string]any {
	return func(method, resource, path string, query url.Values) map[string]any {
		e := map[string]any{
			"resource":                        resource,
			"path":                            inPath + path,
			"httpMethod":                      method,
			"multiValueQueryStringParameters": query,
			"requestContext": map[string]any{
				"stage":        "admin",
				"domainName":   domain,
				"path":         called + path,
				"resourcePath": resource,
				"httpMethod":   method,
				"identity":     map[string]any{"sourceIp": "192.0.2.1"},
			},
		}
		if kind == "http" {
			e["version"] = "1.0"
		}

		return e
	}
}

// payload2 makes events of payload 2.0.
func payload2(
	stage, domain, inPath string,
) func(method, resource, path string, query url.Values) map[string]any {
	return func(method, resource, path string, query url.Values) map[string]any {
		return map[string]any{
			"version":        "2.0",
			"routeKey":       method + " " + resource,
			"rawPath":        inPath + path,
			"rawQueryString": query.Encode(),
			"requestContext": map[string]any{
				"stage":      stage,
				"domainName": domain,
				"routeKey":   method + " " + resource,
				"http": map[string]any{
					"method":   method,
					"path":     inPath + path,
					"sourceIp": "192.0.2.1",
				},
			},
		}
	}
}

func fronts() map[string]front {
	return map[string]front{
		"REST, stage": {
			"https://" + ownDomain + "/admin", payload1("rest", ownDomain, "", "/admin"),
		},
		"REST, custom domain": {
			"https://" + customDomain, payload1("rest", customDomain, "", ""),
		},
		"REST, base path": {
			"https://" + customDomain + "/manage",
			payload1("rest", customDomain, "/manage", "/manage"),
		},
		"REST, base path that looks odd": {
			"https://" + customDomain + "/v1/organizations",
			payload1("rest", customDomain, "/v1/organizations", "/v1/organizations"),
		},
		"HTTP 1.0, stage": {
			"https://" + ownDomain + "/admin", payload1("http", ownDomain, "/admin", "/admin"),
		},
		"HTTP 1.0, base path": {
			"https://" + customDomain + "/manage",
			payload1("http", customDomain, "/manage", "/manage"),
		},
		"HTTP 2.0, stage": {
			"https://" + ownDomain + "/admin", payload2("admin", ownDomain, "/admin"),
		},
		"HTTP 2.0, $default": {"https://" + ownDomain, payload2("$default", ownDomain, "")},
		// which the event has not
		"HTTP 2.0, base path, and stage": {
			"https://" + customDomain + "/manage", payload2("admin", customDomain, "/admin"),
		},
		"HTTP 2.0, base path, $default": {
			"https://" + customDomain + "/manage", payload2("$default", customDomain, ""),
		},
		"HTTP 2.0, base path that it has": {
			"https://" + customDomain + "/manage", payload2("$default", customDomain, "/manage"),
		},
	}
}

// gateway routes calls to the functions as the template does.
type gateway struct {
	t         *testing.T
	functions map[string]*full.Deployment
	routes    map[string]string // group by method and resource
	keyID     string
}

func newGateway(t *testing.T, keyID string) *gateway {
	t.Helper()

	d, err := full.Load(boot.Of(behind), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	g := &gateway{
		t:         t,
		functions: map[string]*full.Deployment{"": d},
		routes:    map[string]string{"GET /v1/openapi.json": "organizations"},
		keyID:     keyID,
	}
	for name, op := range operations(t, document(t)) {
		g.routes[name] = op.Group
	}

	return g
}

// answer is what a function answers.
type answer struct {
	StatusCode        int
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Body              string
}

func (a answer) header(name string) string {
	if values := a.MultiValueHeaders[name]; len(values) > 0 {
		return values[0]
	}

	return a.Headers[name]
}

// call calls an address through a front.
func (g *gateway) call(f front, method, address, body string, headers map[string]string) answer {
	g.t.Helper()

	rest, ok := strings.CutPrefix(address, f.address)
	if !ok {
		g.t.Fatalf("%s is not behind %s", address, f.address)
	}

	path, rawQuery, _ := strings.Cut(rest, "?")

	query, _ := url.ParseQuery(rawQuery)
	for name, group := range g.routes {
		on, resource, _ := strings.Cut(name, " ")

		pattern := "^" +
			regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(resource),
				"[^/]+") + "/?$"
		if on != method || !regexp.MustCompile(pattern).MatchString(path) ||
			strings.Contains(resource, "{keyId}") && strings.HasSuffix(path, "/bulk") {
			continue
		}

		e := f.event(method, resource, path, query)

		sent := map[string]string{"Content-Type": "application/json"}
		for name, value := range headers {
			sent[name] = value
		}

		e["headers"] = sent
		e["body"] = body
		said := map[string]any{"keyId": g.keyID, "environment": "production"}
		context := e["requestContext"].(map[string]any)

		context["requestId"] = "r1"
		if context["authorizer"] = said; e["version"] == "2.0" {
			context["authorizer"] = map[string]any{"lambda": said}
		}

		payload, err := json.Marshal(e)
		if err != nil {
			g.t.Fatal(err)
		}

		text, err := adminapi.Function(g.functions[""],
			adminapi.Group(group)).Invoke(g.t.Context(), payload)
		if err != nil {
			g.t.Fatal(err)
		}

		var a answer
		if err := json.Unmarshal(text, &a); err != nil {
			g.t.Fatal(err)
		}

		return a
	}

	g.t.Fatalf("no route for %s %s", method, path)
	return answer{}
}

// resolve is where a link leads from what was called.
func resolve(t *testing.T, called, link string) string {
	t.Helper()

	base, err := url.Parse(called)
	if err != nil {
		t.Fatal(err)
	}

	to, err := base.Parse(link)
	if err != nil || link == "" {
		t.Fatalf("%q is no link: %v", link, err)
	}

	return to.String()
}

// By whatever address the functions are called, they answer, and their links lead on from there;
// the document says where the API is.
func TestLinksLeadOn(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	admin := machine.Operator().CreateKey(t, o.id, map[string]any{
		"name":        "Admin",
		"environment": "production",
		"permissions": adminPermissions(),
		"grantable":   "catalogue",
	})

	g := newGateway(t, admin.Key.ID)
	for name, f := range fronts() {
		t.Run(name, func(t *testing.T) {
			g := *g
			g.t = t
			lead := func(path, body string, status int, headers map[string]string) string {
				t.Helper()

				a := g.call(f, http.MethodPost, f.address+path, body, headers)
				if a.StatusCode != status {
					t.Fatalf("%s: %d %s", path, a.StatusCode, a.Body)
				}

				to := resolve(t, f.address+path, a.header("Location"))
				if got := g.call(f, http.MethodGet, to, "", nil); got.StatusCode != http.StatusOK {
					t.Errorf("%s leads to %s: %d %s", path,
						a.header("Location"), got.StatusCode, got.Body)
				}

				return to
			}
			lead(o.keys, body(""), http.StatusCreated, nil)
			lead(o.keys+"/", body(""), http.StatusCreated, nil)
			lead(o.path("customers"), `{"name": "Somebody"}`, http.StatusCreated, nil)
			lead(o.keys+"/bulk",
				`{"action": "disable", "filter": {"tag": "none"}, "dryRun": false, "expected": 0}`,
				http.StatusAccepted, nil)

			once := map[string]string{
				"Idempotency-Key": "by any address",
			} // the answer is kept for all of them

			to := lead(o.keys, body(`"tags": ["once"]`), http.StatusCreated, once)
			if again := lead(o.keys+"/", body(`"tags": ["once"]`),
				http.StatusCreated, once); again != to {
				t.Errorf("the replay leads to %s, and the first to %s", again, to)
			}

			at := f.address + "/v1/openapi.json"

			var doc struct{ Servers []struct{ URL string } }
			if err := json.Unmarshal([]byte(g.call(f, http.MethodGet, at, "", nil).Body),
				&doc); err != nil || len(doc.Servers) != 1 {
				t.Fatalf("%v, %+v", err, doc)
			}

			if got := strings.TrimSuffix(resolve(t, at, doc.Servers[0].URL),
				"/"); got != f.address {
				t.Errorf("the document says that the API is at %s, which is %s",
					doc.Servers[0].URL, got)
			}

			if a := g.call(f, http.MethodGet, f.address+o.keys+"?limit=1&limit=2",
				"", nil); a.StatusCode != http.StatusBadRequest ||
				!strings.Contains(a.Body, `"query.limit"`) {
				t.Errorf("limit twice: %d %s", a.StatusCode, a.Body)
			}
		})
	}
}

// queried is the answer to a query of the tenant's keys as it was sent, which only payload 2.0
// shows.
func (o tenant) queried(t *testing.T, query string) answer {
	t.Helper()

	event, err := json.Marshal(map[string]any{
		"version":        "2.0",
		"rawPath":        o.keys,
		"rawQueryString": query,
		"headers":        map[string]any{},
		"requestContext": map[string]any{
			"authorizer": map[string]any{
				"lambda": map[string]any{"keyId": o.adminID(t), "environment": "production"},
			},
			"http": map[string]any{"method": "GET", "path": o.keys, "sourceIp": "192.0.2.1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	text, err := function(t).Invoke(t.Context(), event)

	var a answer
	if err != nil || json.Unmarshal(text, &a) != nil {
		t.Fatalf("%v %s", err, text)
	}

	return a
}

// A query that is no query, or no text, is told.
func TestQueriesAreRead(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for query, location := range map[string]string{
		"q=%ff":             "query.q",
		"%ff=1":             "query.",
		"q=%zz":             "query",
		"q=a;limit=1":       "query",
		"limit=1&%6cimit=2": "query.limit",
	} {
		a := o.queried(t, query)
		if a.StatusCode != http.StatusBadRequest ||
			!strings.Contains(a.Body, `"location":"`+location) {
			t.Errorf("%s: %d %s", query, a.StatusCode, a.Body)
		}
	}
}

// Names of query parameters that are percent-encoded are the same names: they are not passed over.
func TestEncodedNamesOfParameters(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	a := o.queried(t, "%6cimit=1")

	items, _ := decoded(t, []byte(a.Body))["items"].([]any)
	if a.StatusCode != http.StatusOK || len(items) != 1 {
		t.Errorf("%d %s", a.StatusCode, a.Body)
	}
}

// adminID is the id of the tenant's admin key.
func (o tenant) adminID(t *testing.T) string {
	t.Helper()
	var list struct{ Items []struct{ ID string } }
	o.admin.Call(t, http.MethodGet, o.keys+"?permission=keys%3Awrite", nil).Want(t,
		http.StatusOK).Into(t, &list)
	return list.Items[0].ID
}
