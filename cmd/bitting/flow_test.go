package main_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// TestEndToEndFlow takes a key through its whole life, for both ways to run functions and both
// kinds of API.
func TestEndToEndFlow(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		args []string
		api  api
	}{
		"functions inside the process":     {nil, rest},
		"functions as their own processes": {[]string{"--functions", "process"}, rest},
		"HTTP APIs":                        {[]string{"--api", "http"}, httpAPI},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			m := start(t, t.TempDir(), test.args...).Machine
			for name, step := range map[string]func(*testing.T, *localtest.Machine, api){
				"a key's life":  life,
				"rotation":      rotation,
				"revocation":    revocation,
				"expiry":        expiry,
				"environments":  environments,
				"organizations": organizations,
				"customers":     customers,
			} {
				t.Run(name, func(t *testing.T) { t.Parallel(); step(t, m, test.api) })
			}
		})
	}
}

// api is how a kind of API refuses.
type api struct {
	unauthorized, forbidden func(*testing.T, localtest.Answer, string)
}

// A REST API answers with the template's own bodies, an HTTP API with API Gateway's.
var (
	rest = api{
		unauthorized: func(t *testing.T, a localtest.Answer, _ string) {
			t.Helper()

			if p := a.Refused(t, http.StatusUnauthorized, "invalid_key"); p.Detail != "" ||
				p.RequiredPermission != "" || p.Errors != nil {
				t.Errorf("a 401 that says more than another: %s", a.Body)
			}

			if a.Header.Get("WWW-Authenticate") == "" {
				t.Error("a 401 without WWW-Authenticate")
			}
		},
		forbidden: func(t *testing.T, a localtest.Answer, permission string) {
			t.Helper()

			p := a.Refused(t, http.StatusForbidden, "permission_denied")
			if p.RequiredPermission != permission || !strings.Contains(p.Detail, permission) {
				t.Errorf("requiredPermission %q and detail %q, want %s in both",
					p.RequiredPermission, p.Detail, permission)
			}
		},
	}
	httpAPI = api{
		unauthorized: plain(http.StatusUnauthorized, "Unauthorized"),
		forbidden:    plain(http.StatusForbidden, "Forbidden"),
	}
)

func plain(status int, message string) func(*testing.T, localtest.Answer, string) {
	return func(t *testing.T, a localtest.Answer, _ string) {
		t.Helper()

		if want := `{"message":"` + message + `"}`; string(a.Want(t, status).Body) != want {
			t.Errorf("%s: %s, want %s", a.Call, a.Body, want)
		}
	}
}

// admits and refuses check the answer of production's demo API to a secret.
func admits(t *testing.T, m *localtest.Machine, secret string) {
	t.Helper()
	m.As(secret).Call(t, http.MethodGet, "/production/messages", nil).Want(t, http.StatusOK)
}

func refuses(t *testing.T, m *localtest.Machine, kind api, secret string) {
	t.Helper()
	kind.unauthorized(t, m.As(secret).Call(t, http.MethodGet, "/production/messages", nil), "")
}

const acmeKeys = "/v1/organizations/acme/keys/"

func reader(t *testing.T, m *localtest.Machine, more map[string]any) localtest.Made {
	t.Helper()

	fields := map[string]any{
		"name":        t.Name(),
		"environment": "production",
		"permissions": []string{"messages:read"},
	}
	for name, value := range more {
		fields[name] = value
	}

	return m.Admin().CreateKey(t, "acme", fields)
}

func life(t *testing.T, m *localtest.Machine, kind api) {
	k, admin := reader(t, m, nil), m.Admin()

	path := acmeKeys + k.Key.ID
	if shown := admin.Call(t, http.MethodGet, path, nil).Want(t,
		http.StatusOK); shown.Header.Get("ETag") != `"1"` {
		t.Errorf("ETag %s of a new key", shown.Header.Get("ETag"))
	}

	admits(t, m, k.Secret)
	m.As("").Call(t, http.MethodGet, "/production/messages/7", nil,
		"Authorization: Bearer "+k.Secret).Want(t, http.StatusOK)
	kind.forbidden(t,
		m.As(k.Secret).Call(t, http.MethodPost, "/production/messages", map[string]any{}),
		"messages:write")
	kind.forbidden(t, m.As(k.Secret).Call(t, http.MethodGet, "/production/licenses", nil),
		"licenses:manage")

	admin.Call(t, http.MethodPatch, path, map[string]any{
		"permissions": []string{"messages:write"},
	}).Want(t, http.StatusOK)
	m.As(k.Secret).Call(t, http.MethodPost, "/production/messages", map[string]any{}).Want(t,
		http.StatusCreated)
	kind.forbidden(t, m.As(k.Secret).Call(t, http.MethodGet, "/production/messages", nil),
		"messages:read")
	admin.Call(t, http.MethodPatch, path, map[string]any{
		"permissions": []string{"messages:read"},
	}).Want(t, http.StatusOK)

	admin.Call(t, http.MethodPatch, path, map[string]any{"enabled": false}).Want(t, http.StatusOK)
	refuses(t, m, kind, k.Secret)
	admin.Call(t, http.MethodPatch, path, map[string]any{"enabled": true}).Want(t, http.StatusOK)
	admits(t, m, k.Secret)

	admin.Call(t, http.MethodDelete, path, nil).Want(t, http.StatusNoContent)
	refuses(t, m, kind, k.Secret)
	var tombstone localtest.Key
	admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &tombstone)

	if tombstone.DeletedAt == "" || tombstone.Status != "inactive" || tombstone.Name != k.Key.Name {
		t.Errorf("a deleted key is shown as %+v", tombstone)
	}

	admin.Call(t, http.MethodPatch, path, map[string]any{
		"enabled": true,
	}).Refused(t, http.StatusConflict, "deleted")
	admin.Call(t, http.MethodPost, path+"/regenerate", nil).Refused(t, http.StatusConflict,
		"deleted")
	admin.Call(t, http.MethodPost, path+"/restore", nil).Refused(t, http.StatusConflict, "deleted")
	admin.Call(t, http.MethodDelete, path, nil).Want(t, http.StatusNoContent)
	refuses(t, m, kind, k.Secret)
}

func rotation(t *testing.T, m *localtest.Machine, kind api) {
	k, admin := reader(t, m, nil), m.Admin()
	path := acmeKeys + k.Key.ID
	regenerated := admin.Call(t, http.MethodPost, path+"/regenerate", map[string]any{}).Made(t,
		http.StatusOK)
	refuses(t, m, kind, k.Secret)
	admits(t, m, regenerated.Secret)

	admin.Call(t, http.MethodGet, path+"/rotation", nil).Refused(t, http.StatusConflict,
		"no_rotation")
	rotated := admin.Call(t, http.MethodPost, path+"/rotate", map[string]any{
		"overlap": "24h",
	}).Made(t, http.StatusOK)
	admits(t, m, regenerated.Secret)
	admits(t, m, rotated.Secret)
	refuses(t, m, kind, k.Secret)
	admin.Call(t, http.MethodGet, path+"/rotation", nil).Want(t, http.StatusOK)
	admin.Call(t, http.MethodPost, path+"/rotate", map[string]any{}).Refused(t, http.StatusConflict,
		"rotation_running")
	admin.Call(t, http.MethodPost, path+"/rotation/finish", map[string]any{}).Want(t, http.StatusOK)
	refuses(t, m, kind, regenerated.Secret)
	admits(t, m, rotated.Secret)
	admin.Call(t, http.MethodPost, path+"/rotation/finish", map[string]any{}).Refused(t,
		http.StatusConflict, "no_rotation")

	// Regenerating during a rotation drops both secrets, and a rotation without overlap is over at
	// once.
	again := admin.Call(t, http.MethodPost, path+"/rotate", nil).Made(t, http.StatusOK)
	last := admin.Call(t, http.MethodPost, path+"/regenerate", nil).Made(t, http.StatusOK)
	refuses(t, m, kind, rotated.Secret)
	refuses(t, m, kind, again.Secret)
	atOnce := admin.Call(t, http.MethodPost, path+"/rotate", map[string]any{
		"overlap": "0s",
	}).Made(t, http.StatusOK)
	refuses(t, m, kind, last.Secret)
	admits(t, m, atOnce.Secret)

	short := admin.Call(t, http.MethodPost, path+"/rotate", map[string]any{
		"overlap": "2s",
	}).Made(t, http.StatusOK)
	eventually(t, "the old secret ends with its overlap", func() bool {
		return m.As(atOnce.Secret).Call(t, http.MethodGet,
			"/production/messages", nil).Status == http.StatusUnauthorized
	})
	admits(t, m, short.Secret)

	// The overlap begins with the first use of the new secret, not when it is made.
	awaited := admin.Call(t, http.MethodPost, path+"/rotate", map[string]any{
		"overlap":  "0s",
		"startsAt": "first_use",
	}).Made(t, http.StatusOK)
	admits(t, m, short.Secret)
	admits(t, m, awaited.Secret)
	eventually(t, "the old secret ends with the first use of the new one", func() bool {
		return m.As(short.Secret).Call(t, http.MethodGet,
			"/production/messages", nil).Status == http.StatusUnauthorized
	})
	admits(t, m, awaited.Secret)
	admin.Call(t, http.MethodGet, path+"/rotation", nil).Refused(t, http.StatusConflict,
		"no_rotation")
}

func revocation(t *testing.T, m *localtest.Machine, kind api) {
	k, admin := reader(t, m, nil), m.Admin()
	path := acmeKeys + k.Key.ID
	admin.Call(t, http.MethodPost, path+"/revoke", map[string]any{
		"reason": "a test",
	}).Want(t, http.StatusOK)
	refuses(t, m, kind, k.Secret)
	admin.Call(t, http.MethodPost, path+"/rotate", nil).Refused(t, http.StatusConflict,
		"not_active")
	admin.Call(t, http.MethodPatch, path, map[string]any{"enabled": true}).Want(t, http.StatusOK)
	refuses(t, m, kind, k.Secret) // enabling is not restoring
	admin.Call(t, http.MethodPost, path+"/restore", nil).Want(t, http.StatusOK)
	admits(t, m, k.Secret)

	admin.Call(t, http.MethodPatch, path, map[string]any{"enabled": false}).Want(t, http.StatusOK)
	admin.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
	admin.Call(t, http.MethodPost, path+"/restore", nil).Want(t, http.StatusOK)
	refuses(t, m, kind, k.Secret) // restoring is not enabling
	admin.Call(t, http.MethodPatch, path, map[string]any{"enabled": true}).Want(t, http.StatusOK)
	admits(t, m, k.Secret)

	// Someone will paste the leaked secret: it is neither stored nor repeated.
	admin.Call(t, http.MethodPost, path+"/revoke", map[string]any{
		"reason":      "leaked " + k.Secret,
		"compromised": true,
	}).Refused(t, http.StatusUnprocessableEntity, "validation")
	admin.Call(t, http.MethodPost, path+"/revoke", map[string]any{
		"reason":      "leaked in a log",
		"compromised": true,
	}).Want(t, http.StatusOK)
	refuses(t, m, kind, k.Secret)
	admin.Call(t, http.MethodPost, path+"/restore", nil).Refused(t, http.StatusConflict,
		"compromised")
	fresh := admin.Call(t, http.MethodPost, path+"/regenerate", nil).Made(t, http.StatusOK)
	refuses(t, m, kind, k.Secret)
	admits(t, m, fresh.Secret)

	// Anyone may report a secret. The answer reveals nothing about it, and GitHub's reports need
	// its signature.
	stranger := m.As("")

	report := map[string]any{
		"secret": fresh.Secret,
		"url":    "https://example.test/",
	}
	for _, body := range []any{map[string]any{"secret": k.Key.ID}, report, report} {
		if a := stranger.Call(t, http.MethodPost, "/v1/leaks", body).Want(t,
			http.StatusAccepted); strings.TrimSpace(string(a.Body)) != "{}" {
			t.Errorf("a report is answered with %s", a.Body)
		}
	}

	refuses(t, m, kind, fresh.Secret)
	admin.Call(t, http.MethodPost, path+"/restore", nil).Refused(t, http.StatusConflict,
		"compromised")
	stranger.Call(t, http.MethodPost, "/v1/leaks/github", "[]").Refused(t, http.StatusBadRequest,
		"malformed")
	var shown struct {
		Exposure struct{ Source, URL, Action string }
	}
	admin.Call(t, http.MethodGet, path, nil).Want(t, http.StatusOK).Into(t, &shown)

	if e := shown.Exposure; e.Source != "report" || e.URL != "https://example.test/" ||
		e.Action != "revoked" {
		t.Errorf("exposure %+v", e)
	}
}

func expiry(t *testing.T, m *localtest.Machine, kind api) {
	k := reader(t, m, map[string]any{"expiresIn": "2s"})
	path := acmeKeys + k.Key.ID
	admits(t, m, k.Secret)
	eventually(t, "the key expires", func() bool {
		return m.As(k.Secret).Call(t, http.MethodGet,
			"/production/messages", nil).Status == http.StatusUnauthorized
	})
	m.Admin().Call(t, http.MethodPost, path+"/regenerate", nil).Refused(t, http.StatusConflict,
		"not_active")
	var page struct{ Items []localtest.Key }
	m.Admin().Call(t, http.MethodGet, acmeKeys[:len(acmeKeys)-1]+"?status=expired", nil).Want(t,
		http.StatusOK).Into(t, &page)

	if len(page.Items) != 1 || page.Items[0].ID != k.Key.ID || page.Items[0].Status != "expired" {
		t.Errorf("the list of expired keys is %+v", page.Items)
	}

	m.Admin().Call(t, http.MethodPatch, path, map[string]any{
		"expiresIn": "1h",
	}).Want(t, http.StatusOK)
	admits(t, m, k.Secret)

	soon := reader(t, m, map[string]any{"notBefore": "2999-01-01T00:00:00Z"})
	refuses(t, m, kind, soon.Secret)
	m.Admin().Call(t, http.MethodPatch, acmeKeys+soon.Key.ID, map[string]any{
		"notBefore": nil,
	}).Want(t, http.StatusOK)
	admits(t, m, soon.Secret)

	bound := reader(t, m, map[string]any{"allowedAddresses": []string{"192.0.2.0/24"}})
	refuses(t, m, kind, bound.Secret)
	m.Admin().Call(t, http.MethodPatch, acmeKeys+bound.Key.ID, map[string]any{
		"allowedAddresses": []string{"127.0.0.1"},
	}).Want(t, http.StatusOK)
	admits(t, m, bound.Secret)
}

// environments sends a key of each environment to the APIs of all: only its own admits it.
func environments(t *testing.T, m *localtest.Machine, kind api) {
	all := []string{"production", "staging", "development"}
	for _, of := range all {
		k := reader(t, m, map[string]any{"environment": of})
		for _, at := range all {
			a := m.As(k.Secret).Call(t, http.MethodGet, "/"+at+"/messages", nil)
			if at != of {
				kind.unauthorized(t, a, "")
				continue
			}

			var got struct {
				Route, Environment string
				Authorizer         map[string]any
			}
			a.Want(t, http.StatusOK).Into(t, &got)

			want := map[string]any{
				"keyId":          k.Key.ID,
				"environment":    at,
				"organizationId": "acme",
				"permissions":    "messages:read",
				"limited":        "false",
			}
			for name := range got.Authorizer {
				if _, looked := want[name]; !looked {
					delete(got.Authorizer, name)
				}
			}

			if diff := cmp.Diff(want, got.Authorizer); diff != "" || got.Environment != at ||
				got.Route != "GET /messages" {
				t.Errorf("%s of %s: %+v (-want +got):\n%s", at, of, got, diff)
			}
		}

		m.As(k.Secret).Call(t, http.MethodGet, "/v1/whoami", nil).Want(t, http.StatusOK)
		m.As(k.Secret).Call(t, http.MethodGet, "/v1/organizations/acme/keys", nil).Refused(t,
			http.StatusForbidden, "permission_denied")
		m.As("").Call(t, http.MethodGet, "/"+of+"/health", nil).Want(t, http.StatusOK)
	}
}

// organizations makes another tenant, and tries to see across.
func organizations(t *testing.T, m *localtest.Machine, _ api) {
	var made struct {
		Organization struct{ ID string }
		localtest.Made
	}
	m.Operator().Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"name":       "Initech",
		"firstAdmin": "peter@initech.test",
	}).Want(t, http.StatusCreated).Into(t, &made)

	if made.Organization.ID != "initech" || made.Key.Environment != "production" {
		t.Errorf("made %+v", made)
	}

	m.As(made.Secret).Call(t, http.MethodPost, "/production/messages", map[string]any{}).Want(t,
		http.StatusCreated)
	m.Admin().Call(t, http.MethodGet, "/v1/organizations/initech", nil).Refused(t,
		http.StatusNotFound, "not_found")
	m.Admin().Call(t, http.MethodGet, "/v1/organizations/initech/keys/"+made.Key.ID, nil).Refused(t,
		http.StatusNotFound, "not_found")
	m.Admin().Call(t, http.MethodGet, acmeKeys+made.Key.ID, nil).Refused(t, http.StatusNotFound,
		"not_found")
}

// customers checks a key that is scoped to some of them.
func customers(t *testing.T, m *localtest.Machine, kind api) {
	m.Admin().Call(t, http.MethodPost, "/v1/organizations/acme/customers", map[string]any{
		"id":   "c1",
		"name": "First",
	}).Want(t, http.StatusCreated)
	k := reader(t, m, map[string]any{
		"permissions": []string{"customers:read"},
		"customers":   []string{"c1"},
	})
	m.As(k.Secret).Call(t, http.MethodGet, "/production/customers/c1", nil).Want(t, http.StatusOK)

	other := m.As(k.Secret).Call(t, http.MethodGet, "/production/customers/c2", nil).Want(t,
		http.StatusForbidden)
	if json.Valid(other.Body) && strings.Contains(string(other.Body), `"code"`) {
		other.Refused(t, http.StatusForbidden, "customer_not_allowed")
	}

	kind.forbidden(t,
		m.As(k.Secret).Call(t, http.MethodGet, "/production/customers/c1/secrets", nil),
		"customers:secrets")
}
