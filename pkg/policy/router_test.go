package policy_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	pathpkg "path"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// TestPathMeansOneThing shows that a call which the check and its own policy allow reaches the
// handler of the route that was checked, or none: behind http.ServeMux, behind a router that uses
// paths as they were sent, and behind routers that change paths first.
func TestPathMeansOneThing(t *testing.T) {
	t.Parallel()

	var allowed, respelled, muxed, served atomic.Int64
	for round := range rounds {
		t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s := genScene().Draw(t, "scene")
				s.grant = permission.Grant{All: true, Customers: s.grant.Customers}

				mux := newMux(s)
				for range 16 {
					call := stage(rapid.SampledFrom(called).Draw(t, "method"),
						genPath(s).Draw(t, "path"))
					decision := permission.Decide(s.catalogue,
						s.api, s.grant, call.Method, call.Path)

					document := policy.Build(s.catalogue, s.api, s.grant, call).Document
					if opens(t, marshal(t, document), call) && !decision.Allowed() {
						t.Fatalf("%s %s is refused by the check and allowed by its policy",
							call.Method, call.Path)
					}

					if !decision.Allowed() {
						continue
					}

					allowed.Add(1)

					if strings.ContainsAny(call.Path, "%;") {
						respelled.Add(1)
					}

					want := decision.Match.Route.Path
					if got := serve(mux, call); got != "" {
						muxed.Add(1)

						if !permission.SameShape(got, want) {
							t.Fatalf("%s %s: checked as %s, and http.ServeMux serves %s",
								call.Method, call.Path, want, got)
						}
					}

					for name, read := range readers {
						got := route(s.catalogue.Routes(s.api), read(call.Path))
						if got != "" {
							served.Add(1)
						}

						if got != "" && !permission.SameShape(got, want) {
							t.Fatalf("%s %s: checked as %s, and a router that %s serves %s",
								call.Method, call.Path, want, name, got)
						}
					}
				}
			})
		})
	}

	t.Cleanup(func() {
		t.Logf("%d allowed calls, %d of them with escapes or semicolons; http.ServeMux served "+
			"%d, other routers %d",
			allowed.Load(), respelled.Load(), muxed.Load(), served.Load())

		if !t.Failed() && (respelled.Load() < 80 || muxed.Load() < 1000) {
			t.Errorf("too few cases to mean anything")
		}
	})
}

// TestAttacksOnPaths spells calls that a key may not make in many ways, each with the route it
// aims at. The key holds all but the literal routes, and serves customer 42.
func TestAttacksOnPaths(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t,
		perm("metrics:read", "GET /metrics", "GET /metrics/{proxy+}"),
		perm("metrics:admin", "GET /metrics/admin"),
		perm("customers:read", "GET /customers/{proxy+}"),
		perm("customers:secrets", "GET /customers/{customerId}/secrets"),
		perm("files:read", "GET /files/{proxy+}"),
	)

	g := permission.Grant{
		Permissions: []string{"metrics:read", "customers:read", "customers:secrets", "files:read"},
		Customers:   []string{"42"},
	}
	for _, path := range []string{
		"/metrics/admin", "/metrics/admin/", "/metrics/%61dmin", "/metrics/admi%6e",
		"/metrics/admi%6E", "/metrics/%2561dmin", "/metrics/%61%64%6d%69%6e",
		"/metrics/admin%00", "/metrics/%20admin", "/metrics/admin%20", "/metrics/ad%20min",
		"/metrics/admin;x=1", "/metrics/admin%3bx=1", "/metrics/admin%3Fx", "/metrics/admin%23",
		"/metrics/x/../admin", "/metrics/x/%2e%2e/admin", "/metrics/x/%2E%2e/admin",
		"/metrics/x/..;/admin", "/metrics/x%2f..%2fadmin", `/metrics/x\..\admin`,
		"/metrics/x%5c..%5Cadmin",
		"/metrics//admin", "/metrics/./admin", "/metrics/", "/metrics/..%c0%afmetrics/admin",
		"/files/%2e%2e/metrics/admin", "/files/..%20/metrics/admin",
		"/files/%252e%252e/metrics/admin",
		"/customers/7/secrets", "/customers/7/secrets/", "/customers/7/%73ecrets",
		"/customers/%37/secrets", "/customers/7/%2573ecrets", "/customers/7/secrets;x",
		"/customers/7;x/secrets;y",
		"/customers/7/secrets%20", "/customers/7/secrets%00", "/customers/7//secrets",
		"/customers/42/../7/secrets", "/customers/42%2f..%2f7/secrets", "/customers/%34%32/secrets",
	} {
		call := stage("GET", path)

		decision := permission.Decide(catalogue, "demo", g, "GET", path)
		if decision.Allowed() {
			t.Errorf("%s is allowed as %s", path, decision.Match.Route.Path)
		}

		for _, other := range []string{
			path, "/metrics/cpu", "/files/a", "/files/a%20b", "/customers/42/secrets",
		} {
			data := marshal(t, policy.Build(catalogue, "demo", g, stage("GET", other)).Document)
			if opens(t, data, call) {
				t.Errorf("the policy of %s opens %s: %s", other, path, data)
			}
		}
	}

	for _, path := range []string{
		"/metrics/cpu", "/metrics/cpu/0/", "/metrics/cpu/a%20b", "/files/a%20b",
		"/files/caf%C3%A9/%e2%82%ac", "/files/alice%40example.com", "/files/2026-11-28T09%3A30",
		"/files/a:b",
		"/files/a=b;c=d/e", "/files/a%2Cb%2Bc", "/customers/42/secrets", "/customers/7/notes",
	} {
		if !opens(t, marshal(t, policy.Build(catalogue, "demo", g, stage("GET", path)).Document),
			stage("GET", path)) {
			t.Errorf("the honest call %s is refused", path)
		}
	}
}

// newMux returns a Go backend's mux with the scene's routes; nil if http.ServeMux considers them
// contradictory.
func newMux(s scene) (mux *http.ServeMux) {
	defer func() {
		if recover() != nil {
			mux = nil
		}
	}()

	mux = http.NewServeMux()
	for _, e := range s.catalogue.Routes(s.api) {
		pattern := strings.ReplaceAll(e.Route.Path, "+}", "...}")
		if pattern == "/" {
			pattern = "/{$}"
		}

		if e.Route.Method != "ANY" {
			pattern = e.Route.Method + " " + pattern
		}

		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(e.Route.Path))
		})
	}

	return mux
}

// serve returns the path template whose handler answers the call as a server reads it;
// "" for none.
func serve(mux *http.ServeMux, call policy.ARN) string {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(call.Method + " " + call.Path +
		" HTTP/1.1\r\nHost: api.example\r\n\r\n")))
	if err != nil || mux == nil {
		return ""
	}

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)

	if w.Code != http.StatusOK {
		return ""
	}

	return w.Body.String()
}

// readers change paths before they are routed.
var readers = map[string]func(path string) string{
	"changes nothing": func(path string) string { return path },
	"decodes":         unescape,
	"decodes twice":   func(path string) string { return unescape(unescape(path)) },
	"decodes and takes out dots": func(path string) string {
		return pathpkg.Clean(unescape(path))
	},
	"cuts off parameters": segmentwise(cut),
	"decodes and cuts off parameters": func(path string) string {
		return segmentwise(cut)(unescape(path))
	},
	"decodes and trims": func(path string) string {
		return segmentwise(strings.TrimSpace)(unescape(path))
	},
	"cuts off parameters and takes out dots": func(path string) string {
		return pathpkg.Clean(segmentwise(cut)(path))
	},
	"decodes before it cuts off the query": func(path string) string {
		path, _, _ = strings.Cut(unescape(path), "?")
		path, _, _ = strings.Cut(path, "#")
		return path
	},
	"ends at a zero byte": func(path string) string {
		path, _, _ = strings.Cut(unescape(path), "\x00")
		return path
	},
	"takes backslashes for slashes": func(path string) string {
		return strings.ReplaceAll(unescape(path), `\`, "/")
	},
}

func cut(segment string) string {
	segment, _, _ = strings.Cut(segment, ";")
	return segment
}

func unescape(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		return decoded
	}

	return path
}

func segmentwise(change func(string) string) func(path string) string {
	return func(path string) string {
		segments := strings.Split(path, "/")
		for i, segment := range segments {
			segments[i] = change(segment)
		}

		return strings.Join(segments, "/")
	}
}

// route finds the template for a path as a simple router does, which ignores one trailing slash:
// segment by segment, a literal before a parameter before a greedy one.
func route(entries []permission.Entry, path string) string {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
	if segments[0] == "" && len(segments) == 1 {
		segments = nil
	}

	best, found := "", ""
	for _, e := range entries {
		if rank, ok := ranked(e.Segments, segments); ok && (best == "" || rank < best) {
			best, found = rank, e.Route.Path
		}
	}

	return found
}

func ranked(template []permission.Segment, segments []string) (rank string, ok bool) {
	rank = "."
	for i, s := range template {
		switch {
		case i >= len(segments) || segments[i] == "":
			return "", false
		case s.Kind == permission.Greedy:
			return rank + "3", true
		case s.Kind == permission.Parameter:
			rank += "2"
		case s.Text == segments[i]:
			rank += "1"
		default:
			return "", false
		}
	}

	return rank, len(segments) == len(template)
}

// TestSamplesOfReaders shows that each reader does what its name says, so that the property has
// substance.
func TestSamplesOfReaders(t *testing.T) {
	t.Parallel()
	catalogue := newCatalogue(t, perm("a:a", "GET /a/b"), perm("a:x", "GET /a/{x}", "GET /{p+}"))

	samples := map[string]string{
		"changes nothing":                        "/a/b",
		"decodes":                                "/a/%62",
		"decodes twice":                          "/a/%2562",
		"decodes and takes out dots":             "/a/c/%2e%2e/b",
		"cuts off parameters":                    "/a/b;x=1",
		"decodes and cuts off parameters":        "/a/b%3Bx=1",
		"decodes and trims":                      "/a/b%20",
		"cuts off parameters and takes out dots": "/a/c/..;/b",
		"decodes before it cuts off the query":   "/a/b%3F/c",
		"ends at a zero byte":                    "/a/b%00/c",
		"takes backslashes for slashes":          "/a%5Cb",
	}
	for name, path := range samples {
		if got := route(catalogue.Routes("demo"), readers[name](path)); got != "/a/b" {
			t.Errorf("a router that %s takes %s to %q", name, path, got)
		}

		if d := permission.Decide(catalogue, "demo", grant("a:x"), "GET", path); d.Allowed() {
			t.Errorf("%s is allowed as %s", path, d.Match.Route.Path)
		}
	}

	if len(readers) != len(samples) {
		t.Errorf("%d readers, %d samples", len(readers), len(samples))
	}
}
