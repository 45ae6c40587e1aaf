package authorizer_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

var _ lambda.Handler = (*authorizer.Authorizer)(nil)

// kinds are the sample events, each with the form of the answer to it.
func kinds() map[string]struct {
	event      string
	simple     bool
	admits     bool // REST: the answer carries the usage plan's key
	knowsRoute bool // all but TOKEN, which has no resource
} {
	type kind = struct {
		event      string
		simple     bool
		admits     bool
		knowsRoute bool
	}
	return map[string]kind{
		"REST TOKEN":       {"rest-token", false, true, false},
		"REST REQUEST":     {"rest-request", false, true, true},
		"HTTP 1.0":         {"http-1", false, false, true},
		"HTTP 2.0":         {"http-2", false, false, true},
		"HTTP 2.0, simple": {"http-2", true, false, true},
	}
}

// said returns the context of an answer about the test's key.
func said(change map[string]any) map[string]any {
	out := map[string]any{
		"api":                "demo",
		"keyId":              sampleID,
		"keyName":            "Main website",
		"organizationId":     "acme",
		"environment":        "production",
		"ownerId":            "user-1",
		"customers":          "",
		"permissions":        "messages:read",
		"permission":         "messages:read",
		"limits":             "",
		"limited":            "false",
		"retryAfter":         "0",
		"denialCode":         "permission_denied",
		"requiredPermission": "",
		"denialDetail":       "The key does not hold a permission for this route.",
	}
	maps.Copy(out, change)
	return out
}

// Every kind of event, with every kind of verdict, in the exact form that API Gateway expects.
func TestAnswers(t *testing.T) {
	t.Parallel()

	for name, kind := range kinds() {
		for verdict, test := range map[string]struct {
			change               func(*apikey.Key)
			method, path, route  string
			allowed              bool
			err                  string
			context              map[string]any
			wrongSecret, outOfIt bool
		}{
			"allow": {
				method:  "GET",
				path:    "/messages/42",
				route:   "/messages/{messageId}",
				allowed: true,
				context: map[string]any{},
			},
			"allow, scoped": {
				change: func(k *apikey.Key) {
					k.Permissions = []string{"customers:read", "messages:read"}
					k.Customers = []string{"42", "43"}
				},
				method:  "GET",
				path:    "/customers/43",
				route:   "/customers/{customerId}",
				allowed: true,
				context: map[string]any{
					"permissions": "customers:read,messages:read",
					"permission":  "customers:read",
					"customers":   "42,43",
				},
			},
			"permission denied": {
				method: "POST",
				path:   "/messages",
				route:  "/messages",
				context: map[string]any{
					"permission":         "",
					"requiredPermission": "messages:write",
					"denialDetail": "The key does not hold the permission messages:write, " +
						"which this route needs.",
				},
			},
			"no permission has the route": {
				method:  "DELETE",
				path:    "/messages/42",
				route:   "/messages/{messageId}",
				context: map[string]any{"permission": ""},
			},
			"customer not allowed": {
				change: func(k *apikey.Key) {
					k.Permissions = []string{"customers:read"}
					k.Customers = []string{"42"}
				},
				method: "GET",
				path:   "/customers/43",
				route:  "/customers/{customerId}",
				context: map[string]any{
					"permissions":  "customers:read",
					"permission":   "customers:read",
					"customers":    "42",
					"denialCode":   "customer_not_allowed",
					"denialDetail": "The key is not scoped to the customer in the path.",
				},
			},
			"disabled": {
				change: func(k *apikey.Key) { k.Enabled = false },
				method: "GET",
				path:   "/messages/42",
				route:  "/messages/{messageId}",
				err:    "Unauthorized",
			},
			"wrong secret": {
				method:      "GET",
				path:        "/messages/42",
				route:       "/messages/{messageId}",
				wrongSecret: true,
				err:         "Unauthorized",
			},
			"unavailable": {
				method:  "GET",
				path:    "/messages/42",
				route:   "/messages/{messageId}",
				outOfIt: true,
				err:     "the key could not be checked: a dependency is unavailable",
			},
		} {
			t.Run(name+", "+verdict, func(t *testing.T) {
				t.Parallel()
				kit, a := setup(t, func(c *authorizer.Config) { c.SimpleResponses = kind.simple })

				k, secret := kit.MustKey(t, func(k *apikey.Key) {
					k.ID = sampleID
					if test.change != nil {
						test.change(k)
					}
				})
				if test.wrongSecret {
					secret, _ = kit.Mint(t, apikey.Production, k.ID)
				}

				if test.outOfIt {
					kit.Traffic.Inject(storetest.Always(storetest.Broken))
				}

				event := elsewhere(sample(t, kind.event, secret.Reveal()),
					test.method, test.path, test.route)

				got, text, err := invoke(t, a, event)
				if test.err != "" {
					if err == nil || err.Error() != test.err || text != "" {
						t.Fatalf("%s, %v; want the error %q", text, err, test.err)
					}

					return
				}

				if err != nil {
					t.Fatal(err)
				}

				want := map[string]any{"principalId": sampleID, "context": said(test.context)}
				if kind.admits {
					want["usageIdentifierKey"] = admit
				}

				if kind.simple {
					want = map[string]any{
						"isAuthorized": test.allowed,
						"context":      said(test.context),
					}
				}

				if diff := cmp.Diff(want, got.Fields); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}

				if !kind.simple {
					evaluates(t, got.Policy, arn(t, event), test.allowed)
				}
			})
		}
	}
}

// arn is the ARN of the call that an event is about.
func arn(t testing.TB, event string) string {
	t.Helper()

	var e struct{ MethodArn, RouteArn string }
	if err := json.Unmarshal([]byte(event), &e); err != nil || e.MethodArn+e.RouteArn == "" {
		t.Fatal(event, err)
	}

	return e.MethodArn + e.RouteArn
}

// evaluates compares a policy with the verdict, by an evaluator that shares no code with what
// built it.
func evaluates(t testing.TB, document json.RawMessage, arn string, allowed bool) {
	t.Helper()

	decision, err := policy.Evaluate(document, "execute-api:Invoke", arn)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}

	if (decision == policy.Allow) != allowed {
		t.Errorf("%s: %s by %s", arn, decision, document)
	}
}

// The policy covers every route of the key, not only the one that was called, and no others: API
// Gateway may cache it for other calls.
func TestPolicyIsTheKeysNotTheCalls(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	_, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "customers:read"}
		k.Customers = []string{"42"}
	})

	calls := map[string]bool{
		"GET/messages":             true,
		"GET/messages/1":           true,
		"GET/customers/42":         true,
		"POST/messages":            false,
		"GET/customers/43":         false,
		"GET/customers":            false,
		"GET/messages/1/2":         false,
		"DELETE/messages/1":        false,
		"GET/":                     false,
		"GET/customers/42/secrets": false,
	}
	for _, called := range slices.Sorted(maps.Keys(calls)) {
		method, path, _ := strings.Cut(called, "/")
		event := elsewhere(sample(t, "rest-token", secret.Reveal()), method, "/"+path, "")

		got, _, err := invoke(t, a, event)
		if err != nil {
			t.Fatal(err)
		}

		for other, allowed := range calls {
			evaluates(t, got.Policy,
				strings.Replace(sampleARN, "GET/messages/42", other, 1), allowed)
		}

		evaluates(t, got.Policy, strings.Replace(sampleARN, "/production/", "/staging/", 1), false)
		evaluates(t, got.Policy, strings.Replace(sampleARN, "a1b2c3d4e5", "zzzzzzzzzz", 1), false)
	}
}

func TestContextIsScalarAndSmall(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, func(c *authorizer.Config) { c.AdmitKey = strings.Repeat("k", 150) })

	many := make([]permissionName, 0, 200)
	for i := range 200 {
		many = append(many,
			permissionName(fmt.Sprintf("permission-number-%d:read-and-write-and-more-of-it", i)))
	}

	for name, change := range map[string]func(*apikey.Key){
		"plain": func(*apikey.Key) {},
		"long": func(k *apikey.Key) {
			k.Name = strings.Repeat("ä", 3000)
			k.Owner.ID = strings.Repeat("o", 1500)
			k.Permissions = append([]string{"messages:read"}, texts(many)...)
			k.Customers = texts(many[:30])
		},
		"escaped by JSON": func(k *apikey.Key) {
			k.Name = strings.Repeat("<", 512)
			k.Owner.ID = strings.Repeat("&", 512)
		},
		"separators": func(k *apikey.Key) {
			k.Name = strings.Repeat("\u2028", 512)
			k.Owner.ID = strings.Repeat("\u2029", 512)
		},
		"not UTF-8":     func(k *apikey.Key) { k.Name = strings.Repeat("é", 255) + "€" },
		"one long name": func(k *apikey.Key) { k.Customers = []string{strings.Repeat("c", 600)} },
		"quotes":        func(k *apikey.Key) { k.Name = `"},"x":"\` + "\n\r\t\x00\x7f" },
	} {
		_, secret := kit.MustKey(t, change)

		got, text, err := invoke(t, a, sample(t, "rest-request", secret.Reveal()))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}

		if len(text) > 8<<10 {
			t.Errorf("%s: an answer of %d bytes", name, len(text))
		}

		context, _ := got.Fields["context"].(map[string]any)
		if len(context) != len(said(nil)) {
			t.Errorf("%s: %d fields", name, len(context))
		}

		for field, value := range context {
			s, ok := value.(string)
			if !ok || strings.ContainsAny(s, "\"\\\x00\n\r\t\x7f") ||
				strings.Contains(s, "\ufffd") {
				t.Errorf("%s: %s is %q", name, field, value)
			}
		}

		// A list that is cut is marked, and has whole names only.
		if list, _ := context["permissions"].(string); name == "long" &&
			(!strings.HasSuffix(list, ",...") ||
				!strings.HasPrefix(list, "messages:read,permission-number-0:")) {
			t.Errorf("permissions: %q", list)
		}
	}
}

// Policy and context each have a limit: together they must fit into the answer, for keys of every
// size.
func TestAnswerIsSmallWhateverThePolicyTakes(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, func(c *authorizer.Config) {
		c.AdmitKey = strings.Repeat("k", 150)
		c.CacheTime = 300 * time.Second
	})

	largest := 0
	for n := 1; n <= 30; n++ {
		_, secret := kit.MustKey(t, func(k *apikey.Key) {
			k.Permissions = []string{"messages:read", "customers:read"}

			k.Customers = nil
			for i := range n {
				k.Customers = append(k.Customers, fmt.Sprintf("%02d%s", i, strings.Repeat("c", 62)))
			}

			// a policy that ends has an additional condition
			k.ExpiresAt = kit.Clock.Now().Add(time.Minute)
			k.Name = strings.Repeat("<", 512)

			k.Owner.ID = strings.Repeat("\u2028", 512)
			for i := range 5 {
				k.RateLimits = append(k.RateLimits, apikey.RateLimit{
					Name:   fmt.Sprintf("%d%s", i, strings.Repeat("l", 31)),
					Limit:  1e9,
					Window: 30 * 24 * time.Hour,
				})
			}

			k.RateLimits[4].Limit = 1 // the second call exceeds it, which makes the answer longer
			for i := range 10 {
				k.Permissions = append(k.Permissions,
					fmt.Sprintf("permission-number-%d:read-and-write-and-more", i))
			}
		})
		for call := range 2 {
			got, text, err := invoke(t, a, sample(t, "rest-request", secret.Reveal()))
			if err != nil {
				t.Fatal(err)
			}

			if context, _ := got.Fields["context"].(map[string]any); context["limited"] != []string{
				"false", "true",
			}[call] {
				t.Errorf("%d customers, call %d: limited %v", n, call, context["limited"])
			}

			if largest = max(largest, len(text)); len(text) > 8<<10 {
				t.Errorf("%d customers, call %d: an answer of %d bytes", n, call, len(text))
			}
		}
	}

	if largest < 7000 {
		t.Errorf("the largest answer has %d bytes: no policy came near the limit", largest)
	}
}

type permissionName string

func texts(names []permissionName) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, string(n))
	}

	return out
}

func TestAdminAPI(t *testing.T) {
	t.Parallel()

	kit, a := setup(t, func(c *authorizer.Config) {
		c.API = permission.AdminAPI
		c.AdmitKey = ""
		c.Checker.Environments = apikey.Environments()
	})
	for name, test := range map[string]struct {
		change  func(*apikey.Key)
		allowed bool
	}{
		"admin key": {func(k *apikey.Key) {
			k.Permissions = []string{"keys:read"}
		}, true},
		"admin and data plane": {func(k *apikey.Key) {
			k.Permissions = []string{"messages:read", "usage:read"}
		}, true},
		"operator key": {func(k *apikey.Key) {
			k.OrganizationID = apikey.OperatorOrganization
			k.Permissions = []string{"permissions:write"}
		}, true},
		"operator without permission": {func(k *apikey.Key) {
			k.OrganizationID = apikey.OperatorOrganization
			k.Permissions = nil
		}, false},
		"data-plane key": {func(*apikey.Key) {}, false},
		"data-plane key of staging": {func(k *apikey.Key) {
			k.Environment = apikey.Staging
		}, false},
		"all data-plane permissions": {func(k *apikey.Key) { k.AllPermissions = true }, false},
		"no permission":              {func(k *apikey.Key) { k.Permissions = nil }, false},
		"a name like an admin one": {func(k *apikey.Key) {
			k.Permissions = []string{"keys:readx", "keys_read"}
		}, false},
		"an undefined permission": {func(k *apikey.Key) {
			k.Permissions = []string{"unknown:thing"}
		}, false},
	} {
		_, secret := kit.MustKey(t, test.change)
		event := elsewhere(sample(t, "rest-request", secret.Reveal()), "POST",
			"/v1/organizations/acme/keys", "/v1/organizations/{org}/keys")

		got, text, err := invoke(t, a, event)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}

		evaluates(t, got.Policy, arn(t, event), test.allowed)
		evaluates(t, got.Policy, strings.Replace(arn(t, event), "acme", "globex", 1), false)

		context := got.Fields["context"].(map[string]any)
		if context["denialCode"] != "permission_denied" ||
			strings.Contains(text, "usageIdentifierKey") {
			t.Errorf("%s: %s", name, text)
		}
	}

	_, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"keys:read"}
		k.Enabled = false
	})
	if _, _, err := invoke(t, a, sample(t, "rest-request", secret.Reveal())); err == nil ||
		err.Error() != "Unauthorized" {
		t.Errorf("a disabled admin key: %v", err)
	}
}

// An admin key opens no data-plane route with its admin permissions.
func TestAdminKeyOnTheDataPlane(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	_, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"keys:read", "keys:write"}
	})

	got, _, err := invoke(t, a, sample(t, "rest-request", secret.Reveal()))
	if err != nil {
		t.Fatal(err)
	}

	evaluates(t, got.Policy, sampleARN, false)
}
