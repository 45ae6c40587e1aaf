package authorizer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/identity"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// tails returns an authorizer of an API with a greedy route next to one that the test's keys don't
// hold.
func tails(
	t *testing.T, change func(*authorizer.Config),
) (keyOf func(func(*apikey.Key)) string, a *authorizer.Authorizer) {
	t.Helper()
	kit, _ := setup(t, nil)
	kit.MustCatalogue(t,
		permission.Permission{
			Name:  "files:read",
			Title: "F",
			Routes: []permission.Route{
				{API: "demo", Method: "GET", Path: "/customers/{customerId}/{proxy+}"},
			},
		},
		permission.Permission{
			Name:  "secrets:read",
			Title: "S",
			Routes: []permission.Route{
				{API: "demo", Method: "GET", Path: "/customers/{customerId}/secrets"},
			},
		},
	)
	return func(change func(*apikey.Key)) string {
		_, secret := kit.MustKey(t, func(k *apikey.Key) {
			k.Permissions = []string{"files:read"}
			change(k)
		})
		return secret.Reveal()
	}, build(kit, change)
}

// A call that the check allows and no policy can express is refused with an outcome of its own,
// counted as that, and uses up none of the key's limits. An answer without a policy allows it.
func TestPathThatNoPolicySays(t *testing.T) {
	t.Parallel()

	long := "/customers/42/" + strings.Repeat("a", 500)
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded := &calls{}
			keyOf, a := tails(t, func(c *authorizer.Config) {
				c.SimpleResponses = kind.simple
				c.Recorder = recorded
			})

			everybody := keyOf(func(k *apikey.Key) {
				k.RateLimits = []apikey.RateLimit{{Name: "once", Limit: 1, Window: time.Hour}}
			})
			if kind.simple {
				everybody = keyOf(func(*apikey.Key) {})
			}

			scoped := keyOf(func(k *apikey.Key) { k.Customers = []string{"42"} })
			for _, test := range []struct {
				secret, path string
				want         check.Outcome // behind a policy
			}{
				{everybody, "/customers/42/a*b", check.PathNotSupported},
				{everybody, "/customers/42/x/a%20*", check.PathNotSupported},
				{everybody, "/customers/42/é", check.PathNotSupported},
				{everybody, "/customers/42/${a}", check.PathNotSupported},
				{everybody, long, check.PathNotSupported},
				// the route's neighbour has a literal there
				{everybody, "/customers/42/a%2Ab", check.PermissionDenied},
				// the only call of its limit
				{everybody, "/customers/42/a", check.Allowed},

				// With one customer the neighbour can be denied by name, so the policy is the
				// whole key's.
				{scoped, "/customers/42/a*b", check.Allowed},
				{scoped, "/customers/42/é", check.Allowed},
				{scoped, long, check.Allowed},
				{scoped, "/customers/42/x/a%2Ab", check.Allowed},
				{scoped, "/customers/42/x/a%20*", check.PathNotSupported},
				{scoped, "/customers/42/secrets", check.PermissionDenied},
				{scoped, "/customers/43/a*b", check.CustomerNotAllowed},
			} {
				recorded.all = nil

				want := test.want
				if kind.simple && want == check.PathNotSupported {
					want = check.Allowed
				}

				event := elsewhere(sample(t, kind.event, test.secret), "GET", test.path,
					"/customers/{customerId}/{proxy+}")

				got, text, err := invoke(t, a, event)
				if err != nil {
					t.Fatal(err)
				}

				context, _ := got.Fields["context"].(map[string]any)
				if context["limited"] != "false" {
					t.Errorf("%.40s: a refused call has used the limit up", test.path)
				}

				if want != check.Allowed && context["denialCode"] != string(want) {
					t.Errorf("%.40s: the code %v, want %s", test.path, context["denialCode"], want)
				}

				if detail, _ := context["denialDetail"].(string); want == check.PathNotSupported &&
					!strings.Contains(detail, "No policy of API Gateway") {
					t.Errorf("%.40s: %q", test.path, detail)
				}

				if kind.simple {
					if got.Fields["isAuthorized"] != (want == check.Allowed) {
						t.Errorf("%.40s: %s", test.path, text)
					}
				} else {
					evaluates(t, got.Policy, arn(t, event), want == check.Allowed)
				}

				if len(recorded.all) != 1 || recorded.all[0].Outcome != want {
					t.Errorf("%.40s: recorded %+v, want %s", test.path, recorded.all, want)
				}
			}
		})
	}
}

// A path that is refused for its spelling is reported as such to the caller.
func TestSpellingIsReported(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)

	_, secret := kit.MustKey(t, nil)
	for path, want := range map[string]string{
		"/messages/%34":    "The encoding is the problem",
		"/messages/4%00":   "The encoding is the problem",
		"/messages/%2534":  "The encoding is the problem",
		"/messages;x=1/4":  "a semicolon",
		"/messages/../4":   "an empty segment, . or ..",
		"/messages/4/5":    "does not hold a permission for this route",
		"/messages/4%20/5": "does not hold a permission for this route",
	} {
		event := elsewhere(sample(t, "rest-request", secret.Reveal()), "GET", path,
			"/messages/{messageId}")

		got, text, err := invoke(t, a, event)
		if err != nil {
			t.Fatal(err)
		}

		evaluates(t, got.Policy, arn(t, event), false)

		context := got.Fields["context"].(map[string]any)
		if detail, _ := context["denialDetail"].(string); !strings.Contains(detail, want) ||
			context["denialCode"] != "permission_denied" || strings.ContainsAny(detail, `"\`) {
			t.Errorf("%s: %s", path, text)
		}
	}
}

// On the admin API a policy covers only the one call, for keys and for people.
func TestPathThatNoPolicySaysOnTheAdminAPI(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, func(c *authorizer.Config) {
		c.API = permission.AdminAPI
		c.AdmitKey = ""
		c.Checker.Environments = apikey.Environments()
		c.People = says{
			person: identity.Person{ID: "sub-1"},
		}
	})

	_, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"members:write"}
		k.RateLimits = []apikey.RateLimit{{
			Name:   "once",
			Limit:  1,
			Window: time.Hour,
		}}
	})
	for _, test := range []struct {
		path    string
		allowed bool
	}{
		{"/v1/organizations/acme/members/a*b@acme.test", false},
		{"/v1/organizations/acme/members/" + strings.Repeat("a", 500), false},
		{"/v1/organizations/acme/members/a%2Ab@acme.test", true},
	} {
		for who, headers := range map[string]string{"a key": secret.Reveal(), "a person": jwt} {
			event := elsewhere(sample(t, "rest-token", headers), "PUT", test.path, "")

			got, text, err := invoke(t, a, event)
			if err != nil {
				t.Fatal(err)
			}

			evaluates(t, got.Policy, arn(t, event), test.allowed)

			context := got.Fields["context"].(map[string]any)
			if (context["denialCode"] == "path_not_supported") == test.allowed ||
				context["limited"] != "false" {
				t.Errorf("%s, %.60s: %s", who, test.path, text)
			}
		}
	}

	if log := kit.Log.String(); strings.Count(log, `"outcome":"path_not_supported"`) != 4 {
		t.Errorf("logged: %s", log)
	}
}
