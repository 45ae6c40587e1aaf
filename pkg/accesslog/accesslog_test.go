package accesslog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/accesslog"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

const (
	keyID    = "7Qm2Xb0aVd91KtZs"
	victimID = "V1ct1mV1ct1mV1ct"
)

// taken keeps what a handler would count.
type taken struct {
	entries []usage.Entry
	err     error
}

func (c *taken) Record(_ context.Context, entries []usage.Entry) error {
	c.entries = append(c.entries, entries...)
	return c.err
}

// variable is a variable in a format.
var variable = regexp.MustCompile(`\$context(?:\.\w+)+`)

// world is a handler over a catalogue, and what it counts and logs.
type world struct {
	*accesslog.Handler
	kit   *storetest.Kit
	taken *taken
}

func newWorld(t *testing.T) *world {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t,
		permission.Permission{
			Name:  "messages:read",
			Title: "t",
			Routes: []permission.Route{{
				API:    "*",
				Method: "GET",
				Path:   "/messages",
			}, {
				API:    "*",
				Method: "GET",
				Path:   "/messages/{messageId}",
			}},
		},
		permission.Permission{
			Name:   "messages:all",
			Title:  "t",
			Routes: []permission.Route{{API: "*", Method: "GET", Path: "/messages"}},
		},
		permission.Permission{
			Name:   "customers:read",
			Title:  "t",
			Routes: []permission.Route{{API: "*", Method: "GET", Path: "/customers/{customerId}"}},
		},
		permission.Permission{
			Name:  "metrics:read",
			Title: "t",
			Routes: []permission.Route{{
				API:    "*",
				Method: "GET",
				Path:   "/metrics/{proxy+}",
			}, {
				API:    "*",
				Method: "GET",
				Path:   "/metrics/own",
			}},
		},
	)
	w := &world{kit: kit, taken: &taken{}}
	w.Handler = &accesslog.Handler{
		Brand:     storetest.Brand,
		Catalogue: check.NewCatalogue(kit.Store.CatalogueReader(apikey.Production), kit.Clock.Now),
		Counter:   w.taken,
		Logger:    kit.Log.Logger(),
	}
	return w
}

// pack makes the event of a batch.
func pack(t *testing.T, batch any) []byte {
	t.Helper()

	text, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}

	var compressed bytes.Buffer

	writer := gzip.NewWriter(&compressed)
	if _, err := writer.Write(text); err != nil {
		t.Fatal(err)
	}

	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}

	return fmt.Appendf(nil, `{"awslogs":{"data":%q}}`,
		base64.StdEncoding.EncodeToString(compressed.Bytes()))
}

// send sends lines in a batch.
func (w *world) send(t *testing.T, lines ...string) error {
	t.Helper()

	batch := events.CloudwatchLogsData{MessageType: "DATA_MESSAGE"}
	for i, line := range lines {
		batch.LogEvents = append(batch.LogEvents, events.CloudwatchLogsLogEvent{
			ID:      fmt.Sprint(i),
			Message: line,
		})
	}

	_, err := w.Invoke(t.Context(), pack(t, batch))
	return err
}

// usual is what API Gateway knows of a usual call.
func usual() map[string]string {
	return map[string]string{
		"extendedRequestId":            "AbCdEf-1=",
		"requestTimeEpoch":             "1795516200123",
		"stage":                        "production",
		"resourcePath":                 "/messages/{messageId}",
		"routeKey":                     "GET /messages/{messageId}",
		"status":                       "200",
		"responseLatency":              "12",
		"identity.sourceIp":            "203.0.113.7",
		"authorizer.api":               "demo",
		"authorizer.keyId":             keyID,
		"authorizer.organizationId":    "acme",
		"authorizer.environment":       "production",
		"authorizer.permissions":       "messages:read",
		"authorizer.rotationStartedAt": "2026-11-24T09:00:00.123Z",
		"authorizer.oldSecret":         "true",
		"authorizer.sampleRequests":    "0.25",
		"authorizer.denialCode":        "permission_denied",
		"httpMethod":                   "GET",
		"requestId":                    "req-1",
		"path":                         "/production/messages/7",
		"identity.userAgent":           "curl/8",
	}
}

// line writes a usual call, but for the changes, in a format of the template, as API Gateway does:
// it escapes nothing.
func line(t *testing.T, format string, changes map[string]string) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	api := "DemoProduction"

	parameters := map[string]string{"Profile": "cached", "KeyLimits": "off", "DemoApi": "rest"}
	if format == "Http" {
		api = "DemoHttpProduction"
		parameters["DemoApi"] = "http"
	}

	read, err := template.Read(text, parameters)
	if err != nil {
		t.Fatal(err)
	}

	values := usual()
	for name, value := range changes {
		values[name] = value
	}

	return variable.ReplaceAllStringFunc(read.APIs[api].AccessLog.Format, func(name string) string {
		if value := values[strings.TrimPrefix(name, "$context.")]; value != "" {
			return value
		}

		return "-"
	})
}

func TestLineOfAUsualCall(t *testing.T) {
	t.Parallel()

	for _, format := range []string{"Rest", "Http"} {
		w := newWorld(t)
		if err := w.send(t, line(t, format, nil)); err != nil {
			t.Fatal(err)
		}

		want := []usage.Entry{{
			ID: "AbCdEf-1=",
			Call: usage.Call{
				At:             time.UnixMilli(1795516200123).UTC(),
				Environment:    apikey.Production,
				OrganizationID: "acme",
				KeyID:          keyID,
				Outcome:        "allowed",
				Permission:     "messages:read",
				Secret:         apikey.Old,
				Rotation:       time.Date(2026, 11, 24, 9, 0, 0, 123e6, time.UTC),
				RequestID:      "req-1",
				API:            "demo",
				Method:         "GET",
				Route:          "/messages/{messageId}",
				Path:           "/messages/7",
				SourceIP:       netip.MustParseAddr("203.0.113.7"),
				UserAgent:      "curl/8",
				Latency:        12 * time.Millisecond,
				SampleRate:     0.25,
			},
		}}
		if diff := cmp.Diff(want, w.taken.entries,
			cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	type told struct{ Outcome, Permission, Customer, Route string }

	tests := map[string]struct {
		changes map[string]string
		want    *told // nil: not counted
	}{
		"the backend's own 403": {map[string]string{
			"status": "403",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"the backend's failure": {map[string]string{
			"status":             "502",
			"error.responseType": "DEFAULT_5XX",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"nobody was recognised": {map[string]string{
			"status":                 "401",
			"error.responseType":     "UNAUTHORIZED",
			"authorizer.keyId":       "",
			"authorizer.environment": "",
		}, nil},
		"the authorizer failed": {map[string]string{
			"status":             "503",
			"error.responseType": "AUTHORIZER_CONFIGURATION_ERROR",
			"authorizer.keyId":   "",
		}, nil},
		"permission denied": {map[string]string{
			"status":                 "403",
			"error.responseType":     "ACCESS_DENIED",
			"authorizer.permissions": "messages:all",
		}, &told{"permission_denied", "messages:read", "", "/messages/{messageId}"}},
		"rate limit": {map[string]string{
			"status":                "429",
			"error.responseType":    "INVALID_API_KEY",
			"authorizer.denialCode": "rate_limited",
		}, &told{"rate_limited", "messages:read", "", "/messages/{messageId}"}},
		"quota": {map[string]string{
			"status":                "429",
			"error.responseType":    "INVALID_API_KEY",
			"authorizer.denialCode": "quota_exceeded",
		}, &told{"quota_exceeded", "messages:read", "", "/messages/{messageId}"}},
		"API Gateway's throttle": {map[string]string{
			"status":             "429",
			"error.responseType": "THROTTLED",
		}, &told{"rate_limited", "messages:read", "", "/messages/{messageId}"}},
		"the permission held": {map[string]string{
			"resourcePath":           "/messages",
			"path":                   "/production/messages",
			"authorizer.permissions": "other:x,messages:all",
		}, &told{"allowed", "messages:all", "", "/messages"}},
		"all permissions": {map[string]string{
			"authorizer.permissions": "*",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"no such route": {map[string]string{
			"status":             "403",
			"error.responseType": "ACCESS_DENIED",
			"resourcePath":       "/secret",
			"path":               "/production/secret",
		}, &told{"permission_denied", "", "", "/secret"}},
		"a customer": {map[string]string{
			"resourcePath":           "/customers/{customerId}",
			"path":                   "/production/customers/42",
			"authorizer.permissions": "customers:read",
		}, &told{"allowed", "customers:read", "42", "/customers/{customerId}"}},
		"ended while it was cached": {map[string]string{
			"status":                "403",
			"error.responseType":    "ACCESS_DENIED",
			"authorizer.denialCode": "invalid_key",
			"authorizer.oldSecret":  "false",
		}, &told{"expired", "", "", "/messages/{messageId}"}},
		"an old secret that ended": {map[string]string{
			"status":                "403",
			"error.responseType":    "ACCESS_DENIED",
			"authorizer.denialCode": "invalid_key",
			"authorizer.oldSecret":  "true",
		}, &told{"retired_secret", "", "", "/messages/{messageId}"}},
		"an end that is not reached": {map[string]string{
			"authorizer.denialCode": "invalid_key",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"another customer": {map[string]string{
			"status":                 "403",
			"error.responseType":     "ACCESS_DENIED",
			"authorizer.denialCode":  "customer_not_allowed",
			"authorizer.customers":   "1,2",
			"resourcePath":           "/customers/{customerId}",
			"path":                   "/production/customers/42",
			"authorizer.permissions": "customers:read",
		}, &told{"customer_not_allowed", "customers:read", "42", "/customers/{customerId}"}},
		"another, by a cached yes": {map[string]string{
			"status":                 "403",
			"error.responseType":     "ACCESS_DENIED",
			"authorizer.customers":   "1,2",
			"resourcePath":           "/customers/{customerId}",
			"path":                   "/production/customers/42",
			"authorizer.permissions": "customers:read",
		}, &told{"customer_not_allowed", "customers:read", "42", "/customers/{customerId}"}},
		"of too many to say": {map[string]string{
			"status":                "403",
			"error.responseType":    "ACCESS_DENIED",
			"authorizer.denialCode": "permission_denied",
			"authorizer.customers":  "1,2,...",
			"resourcePath":          "/customers/{customerId}",
			"path":                  "/production/customers/42",
		}, &told{"permission_denied", "customers:read", "42", "/customers/{customerId}"}},
		"no policy for the path": {map[string]string{
			"status":                "403",
			"error.responseType":    "ACCESS_DENIED",
			"authorizer.denialCode": "path_not_supported",
			"path":                  "/production/messages/a:*",
		}, &told{"path_not_supported", "messages:read", "", "/messages/{messageId}"}},
		"an ambiguous path": {map[string]string{
			"status":             "403",
			"error.responseType": "ACCESS_DENIED",
			"path":               "/production/messages/%61",
		}, &told{"permission_denied", "", "", "/messages/{messageId}"}},
		"an escape that is none": {map[string]string{
			"path": "/production/messages/a%20b",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"a base path": {map[string]string{
			"path": "/v2/messages/7",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"a greedy resource": {map[string]string{
			"resourcePath":           "/metrics/{proxy+}",
			"path":                   "/production/metrics/own",
			"authorizer.permissions": "metrics:read",
		}, &told{"allowed", "metrics:read", "", "/metrics/own"}},
		"a query in the path": {map[string]string{
			"path": "/production/messages/7?x=1",
		}, &told{"allowed", "messages:read", "", "/messages/{messageId}"}},
		"no authorizer of ours": {map[string]string{"authorizer.keyId": "somebody"}, nil},
		"of no environment":     {map[string]string{"authorizer.environment": "test"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := newWorld(t)
			if err := w.send(t, line(t, "Rest", test.changes)); err != nil {
				t.Fatal(err)
			}

			var got *told
			if len(w.taken.entries) == 1 {
				c := w.taken.entries[0].Call
				got = &told{string(c.Outcome), c.Permission, c.Customer, c.Route}
			}

			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What the authorizer's context says of a refusal is what counts, whichever outcomes there are.
func TestRefusalsCountAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	types := map[int]string{403: "ACCESS_DENIED", 429: "INVALID_API_KEY"}

	for _, outcome := range check.Outcomes() {
		if types[outcome.Status()] == "" {
			continue
		}

		w := newWorld(t)
		if err := w.send(t, line(t, "Rest", map[string]string{
			"error.responseType":    types[outcome.Status()],
			"authorizer.denialCode": outcome.Code(),
		})); err != nil {
			t.Fatal(err)
		}

		if n := len(w.taken.entries); n != 1 || w.taken.entries[0].Outcome != outcome {
			t.Errorf("%s: %+v", outcome, w.taken.entries)
		}
	}
}

// A caller chooses the path, the user agent and, with a header, the request id. None of it makes
// the call another key's, or keeps it from being counted.
func TestCallersCannotForgeLines(t *testing.T) {
	t.Parallel()
	// No API has a method like these, so its route and permission need not be found.
	forged := `x","api":"other","keyId":"` + victimID +
		`","organizationId":"globex","environment":"staging","extendedRequestId":"other","status":"401`
	for _, field := range []string{"identity.userAgent", "path", "requestId", "httpMethod"} {
		for _, value := range []string{
			forged, forged + `"}`, `"`, `\`, `"}`, `{`, strings.Repeat(`"`, 100), `\u00"`, "\xff",
		} {
			w := newWorld(t)
			if err := w.send(t, line(t, "Rest", map[string]string{field: value})); err != nil {
				t.Fatal(err)
			}

			if len(w.taken.entries) != 1 {
				t.Errorf("%s %q: %d calls are counted", field, value, len(w.taken.entries))
				continue
			}

			e := w.taken.entries[0]
			if e.API != "demo" || e.KeyID != keyID || e.OrganizationID != "acme" ||
				e.Environment != apikey.Production || e.ID != "AbCdEf-1=" ||
				e.Outcome != "allowed" || e.Permission != "messages:read" && field != "httpMethod" {
				t.Errorf("%s %q: counted as %+v", field, value, e)
			}
		}
	}
}

// The name in the line is the API's: its routes decide the permission, and no other API's.
func TestLinesSayWhoseAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	var own []permission.Permission
	for _, api := range []string{"orders", "billing"} {
		own = append(own, permission.Permission{
			Name:   api + ":read",
			Title:  "t",
			Routes: []permission.Route{{API: api, Method: "GET", Path: "/messages/{messageId}"}},
		})
	}

	w.kit.MustCatalogue(t, own...)

	for _, api := range []string{"orders", "billing", "orders"} {
		if err := w.send(t, line(t, "Rest", map[string]string{
			"authorizer.api":         api,
			"authorizer.permissions": "orders:read,billing:read",
		})); err != nil {
			t.Fatal(err)
		}

		e := w.taken.entries[len(w.taken.entries)-1]
		if e.API != api || e.Permission != api+":read" {
			t.Errorf("%s: counted as %+v", api, e)
		}
	}
}

func TestMalformedLinesAreToldOfOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// not of our format
	broken := strings.Replace(line(t, "Rest", nil), `"status":"200"`, `"status":200`, 1)
	if err := w.send(t, "", "secret text", "[]", broken, line(t, "Rest", map[string]string{
		"requestTimeEpoch": "soon",
	}), line(t, "Rest", map[string]string{
		"authorizer.api": "",
	}), line(t, "Rest", map[string]string{
		"authorizer.api": "*",
	}), strings.Replace(line(t, "Rest", nil), `"api":"demo",`, "", 1),
		line(t, "Rest", nil)); err != nil {
		t.Fatal(err)
	}

	if len(w.taken.entries) != 1 {
		t.Errorf("%d calls are counted", len(w.taken.entries))
	}

	log := w.kit.Log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, `"lines":8`) ||
		strings.Contains(log, "secret text") {
		t.Errorf("logged: %s", log)
	}
}

func TestControlMessagesHaveNoLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	payload := pack(t, events.CloudwatchLogsData{
		MessageType: "CONTROL_MESSAGE",
		LogEvents: []events.CloudwatchLogsLogEvent{{
			Message: "CWL CONTROL MESSAGE: Checking health of destination",
		}},
	})
	if _, err := w.Invoke(t.Context(), payload); err != nil || len(w.taken.entries) != 0 ||
		w.kit.Log.String() != "" {
		t.Errorf("%v, %d calls, logged: %s", err, len(w.taken.entries), w.kit.Log)
	}
}

func TestBatchesThatCannotBeCountedComeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	bomb := events.CloudwatchLogsData{
		MessageType: "DATA_MESSAGE",
		LogEvents:   []events.CloudwatchLogsLogEvent{{Message: strings.Repeat("x", 33<<20)}},
	}
	for name, payload := range map[string][]byte{
		"no JSON":        []byte("x"),
		"no data":        []byte("{}"),
		"no base64":      []byte(`{"awslogs":{"data":"!"}}`),
		"not compressed": []byte(`{"awslogs":{"data":"eHg="}}`),
		"no batch":       pack(t, []string{"x"}),
		"too large":      pack(t, bomb),
	} {
		if _, err := w.Invoke(t.Context(), payload); err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	w.taken.err = errors.New("not written")
	if err := w.send(t, line(t, "Rest", nil)); err == nil {
		t.Error("no error where nothing was written")
	}

	w = newWorld(t)
	w.kit.Traffic.Inject(storetest.Always(storetest.Refused))

	if err := w.send(t, line(t, "Rest", nil)); err == nil {
		t.Error("no error where the catalogue cannot be read")
	}
}

// A secret that stands in a path or a user agent by mistake is not kept, though the line has it.
func TestCallsHoldNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	secret, _ := w.kit.Mint(t, apikey.Production, keyID)
	for _, text := range []string{
		secret.Reveal(), strings.ReplaceAll(secret.Reveal(), "_", "%5F"),
		strings.ReplaceAll(secret.Reveal(), "_", "%255f"),
		strings.Replace(secret.Reveal(), "b", "%62", 1),
		secret.Reveal()[:12] + "%2D" + secret.Reveal()[12:],
		secret.Reveal()[:12] + "%00" + secret.Reveal()[12:],
		strings.ReplaceAll(secret.Reveal(), "_", "."), secret.Reveal()[len(secret.Reveal())-38:],
	} {
		if err := w.send(t, line(t, "Rest", map[string]string{
			"path":               "/production/messages/" + text,
			"identity.userAgent": "curl " + text,
			"requestId":          text,
		})); err != nil {
			t.Fatal(err)
		}

		c := w.taken.entries[len(w.taken.entries)-1].Call
		if c.Path != "/messages/[secret]" || c.UserAgent != "curl [secret]" ||
			c.RequestID != "[secret]" || c.Route != "/messages/{messageId}" {
			t.Errorf("route %s, path %s by %s, request %s",
				c.Route, c.Path, c.UserAgent, c.RequestID)
		}

		if err := w.send(t, line(t, "Rest", map[string]string{
			"resourcePath": "/customers/{customerId}",
			"path":         "/production/customers/" + text,
		})); err != nil {
			t.Fatal(err)
		}

		want := "[secret]"
		if strings.Contains(text, "%") {
			want = "" // no path with such an escape names a customer
		}

		if c := w.taken.entries[len(w.taken.entries)-1].Call; c.Customer != want ||
			c.Route != "/customers/{customerId}" {
			t.Errorf("route %s, customer %s", c.Route, c.Customer)
		}
	}
}
