package authorizer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
)

// apis returns permissions of APIs that all have GET /messages/{messageId}, one for each API, named
// after it.
func apis(names ...string) []permission.Permission {
	var all []permission.Permission
	for _, name := range names {
		all = append(all, permission.Permission{
			Name:   name + ":read",
			Title:  name,
			Routes: []permission.Route{{API: name, Method: "GET", Path: "/messages/{messageId}"}},
		})
	}

	return all
}

// named returns an event of a stage that has the variable.
func named(t *testing.T, event string, name any) string {
	t.Helper()
	return rewrite(t, event, func(e map[string]any) {
		e["stageVariables"] = map[string]any{"bittingApi": name, "other": "x"}
	})
}

var arnIn = regexp.MustCompile(`arn:aws:execute-api:[^"]+`)

// opens reports whether an answer's policy allows a call.
func opens(t *testing.T, got answer, arn string) bool {
	t.Helper()

	decision, err := policy.Evaluate(got.Policy, "execute-api:Invoke", arn)
	if err != nil {
		t.Fatal(err)
	}

	return decision == policy.Allow
}

// The stage variable decides whose routes a call is checked against, in every kind of event that
// has one, and the policy opens no other API that has the same paths.
func TestAPISaysItsName(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, nil)
	kit.MustCatalogue(t, apis("orders", "billing", "demo")...)

	secrets := map[string]apikey.Secret{}
	for _, api := range []string{"orders", "billing", "demo"} {
		_, secrets[api] = kit.MustKey(t, func(k *apikey.Key) {
			k.Permissions = []string{api + ":read"}
		})
	}

	for name, kind := range kinds() {
		seen := &calls{}
		a := build(kit, func(c *authorizer.Config) {
			c.SimpleResponses = kind.simple
			c.Recorder = seen
			c.Checker.Policies = policy.NewBuilder(10)
		})

		// each API before the other: what one was told must not stick
		for _, api := range []string{"orders", "billing", "orders", "demo", "billing"} {
			for _, of := range []string{"orders", "billing", "demo"} {
				event := sample(t, kind.event, secrets[of].Reveal())

				want := "demo"
				if kind.event != "rest-token" && api != "demo" {
					event, want = named(t, event, api), api
				}

				got, text, err := invoke(t, a, event)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}

				called := arnIn.FindString(event)

				allowed := got.Fields["isAuthorized"] == true
				if got.Policy != nil {
					allowed = opens(t, got, called)
				}

				if allowed != (of == want) || got.Fields["context"].(map[string]any)["api"] != want {
					t.Errorf("%s: the API %s with a key of %s: %s", name, want, of, text)
				}

				last := seen.all[len(seen.all)-1]
				if last.API != want || last.Permission != want+":read" {
					t.Errorf("%s: recorded as %+v", name, last)
				}

				for _, other := range []string{
					strings.Replace(called, "/production/", "/staging/", 1),
					regexp.MustCompile(`:\w+/`).ReplaceAllString(called, ":otherapi00/"),
				} {
					if got.Policy != nil && (other == called || opens(t, got, other)) {
						t.Errorf("%s: the policy for %s opens %s", name, called, other)
					}
				}
			}
		}
	}
}

// A name that no route can have must not fall back to another API's routes.
func TestMalformedNameOfAnAPI(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	_, secret := kit.MustKey(t, nil)

	names := []any{
		"", "*", "admin", "Demo", "demo ", "1demo", "-demo", "demo/x", strings.Repeat("d", 33),
		"d\u00e9mo", 7,
		[]any{"demo"},
		map[string]any{"demo": "demo"},
		secret.Reveal(),
	}
	for _, name := range names {
		for _, kind := range []string{"rest-request", "http-1", "http-2"} {
			text, err := a.Invoke(t.Context(),
				[]byte(named(t, sample(t, kind, secret.Reveal()), name)))
			if err == nil || err.Error() == "Unauthorized" || text != nil {
				t.Errorf("%s, named %v: %s, %v", kind, name, text, err)
			}
		}
	}

	if log := kit.Log.String(); strings.Count(log, "bittingApi") == 0 ||
		strings.Contains(log, secret.Reveal()) {
		t.Error(log)
	}
}

// What a caller sends names no API.
func TestCallersNameNoAPI(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	kit.MustCatalogue(t, apis("orders", "demo")...)
	_, secret := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"orders:read"} })

	for _, kind := range []string{"rest-request", "http-1", "http-2"} {
		event := rewrite(t, headers(t, sample(t, kind, secret.Reveal()), map[string][]string{
			"x-api-key":              {secret.Reveal()},
			"bittingApi":             {"orders"},
			"stageVariables":         {`{"bittingApi":"orders"}`},
			"X-Amzn-Stage-Variables": {"bittingApi=orders"},
		}), func(e map[string]any) {
			own := map[string]any{"bittingApi": "orders"}
			e["queryStringParameters"] = own
			e["pathParameters"] = own
			e["cookies"] = []any{"bittingApi=orders"}
			e["rawQueryString"] = "bittingApi=orders"
			e["bittingApi"] = "orders"
		})

		got, text, err := invoke(t, a, event)
		if err != nil || got.Fields["context"].(map[string]any)["api"] != "demo" {
			t.Errorf("%s: %s, %v", kind, text, err)
		}
	}
}

// The admin API's authorizer guards that API alone, whatever its stage says.
func TestAdminAPIHasOneName(t *testing.T) {
	t.Parallel()
	seen := &calls{}
	kit, a := setup(t, func(c *authorizer.Config) {
		c.API = permission.AdminAPI
		c.Recorder = seen
	})
	_, secret := kit.MustKey(t, nil)

	got, text, err := invoke(t, a, named(t, sample(t, "rest-request", secret.Reveal()), "demo"))
	if err != nil || got.Fields["context"].(map[string]any)["api"] != "admin" ||
		seen.all[0].API != "admin" || seen.all[0].Outcome != check.PermissionDenied {
		t.Errorf("%s, %v, %+v", text, err, seen.all)
	}
}

// One key, one path, two APIs: neither's cached answer is the other's, whichever was called first.
func TestBehindTheCacheAPIsHaveTheirOwnPolicies(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(filepath.Join("testdata", "two-apis.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	read, err := template.Read(text, nil)
	if err != nil {
		t.Fatal(err)
	}

	for _, order := range [][]string{{"Orders", "Billing"}, {"Billing", "Orders"}} {
		kit, _ := setup(t, nil)
		kit.MustCatalogue(t, apis("orders", "billing")...)
		_, secret := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"orders:read"} })

		a := build(kit, func(c *authorizer.Config) {
			c.KeyHeader = "X-Api-Key"
			c.CacheTime = 300 * time.Second
			c.Checker.Limits = nil
			c.Checker.Policies = policy.NewBuilder(10)
		})
		asked := 0
		functions := map[string]lambda.Handler{
			"Authorizer": function(func(ctx context.Context, event []byte) ([]byte, error) {
				asked++
				return a.Invoke(ctx, event)
			}),
			"Backend": function(func(_ context.Context, event []byte) ([]byte, error) {
				var e struct {
					RequestContext struct{ Authorizer struct{ API string } }
				}
				if err := json.Unmarshal(event, &e); err != nil {
					return nil, err
				}

				return json.Marshal(map[string]any{
					"statusCode": 200,
					"body":       e.RequestContext.Authorizer.API,
				})
			}),
		}

		gateways := map[string]http.Handler{}
		for _, id := range order {
			if gateways[id], err = localgateway.New(localgateway.Config{
				Template:  read,
				API:       id,
				Now:       kit.Clock.Now,
				Functions: functions,
			}); err != nil {
				t.Fatal(err)
			}
		}

		for round := range 2 { // the second from the cache
			for _, id := range order {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/messages/1", nil)
				r.Header.Set("X-Api-Key", secret.Reveal())
				w := httptest.NewRecorder()
				gateways[id].ServeHTTP(w, r)

				if id == "Orders" && (w.Code != 200 || w.Body.String() != "orders") ||
					id == "Billing" && w.Code != 403 {
					t.Errorf("%v, round %d: %s: %d %s", order, round, id, w.Code, w.Body)
				}
			}
		}

		if asked != 2 {
			t.Errorf("%v: the authorizer was asked %d times", order, asked)
		}
	}
}
