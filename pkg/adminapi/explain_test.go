package adminapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// explanation is the answer of explain.
type explanation struct {
	Allowed            bool
	Outcome            string
	Status             int
	RequiredPermission string
	Steps              []struct {
		Check  string
		Passed bool
		Detail string
	}
}

func explain(t *testing.T, o tenant, id string, body map[string]any) explanation {
	t.Helper()
	var e explanation
	o.admin.Call(t, http.MethodPost, o.keys+"/"+id+"/explain", body).Want(t, http.StatusOK).Into(t,
		&e)
	return e
}

func TestExplain(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"permissions": []string{"messages:read"}, "expiresIn": "1h"})

	e := explain(t, o, k.Key.ID, map[string]any{"method": "get", "path": "/messages/7"})
	if !e.Allowed || e.Outcome != "allowed" || e.Status != http.StatusOK || len(e.Steps) < 6 {
		t.Errorf("%+v", e)
	}

	e = explain(t, o, k.Key.ID, map[string]any{
		"method":      "GET",
		"path":        "/customers/42",
		"sourceIp":    "203.0.113.7",
		"environment": "production",
	})
	if e.Allowed || e.Outcome != "permission_denied" || e.Status != http.StatusForbidden ||
		e.RequiredPermission != "customers:read" {
		t.Errorf("%+v", e)
	}

	later := time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
	if e := explain(t, o, k.Key.ID, map[string]any{
		"method": "GET",
		"path":   "/messages/7",
		"at":     later,
	}); e.Outcome != "expired" || e.Status != http.StatusUnauthorized {
		t.Errorf("later: %+v", e)
	}

	if e := explain(t, o, k.Key.ID, map[string]any{
		"method": "GET",
		"path":   "/messages/7",
		"api":    "another",
	}); !e.Allowed {
		t.Errorf("the demo's routes are those of every API: %+v", e)
	}

	e = explain(t, o, k.Key.ID, map[string]any{"method": "GET", "path": "/messages/%37"})
	if last := e.Steps[len(e.Steps)-1]; e.Allowed || e.Outcome != "permission_denied" ||
		last.Check != "route" || !strings.HasPrefix(last.Detail, "The encoding is the problem") {
		t.Errorf("an encoded digit: %+v", e)
	}

	e = explain(t, o, k.Key.ID, map[string]any{"method": "GET", "path": "/messages/7:*"})
	if last := e.Steps[len(e.Steps)-1]; e.Allowed || e.Outcome != "path_not_supported" ||
		e.Status != http.StatusForbidden || last.Check != "policy" {
		t.Errorf("a path that no policy says: %+v", e)
	}

	refuseAll(t, o, k, o.admin, map[string]wrong{
		"nothing said": {
			http.MethodPost,
			"{key}/explain",
			map[string]any{},
			nil,
			422,
			"validation",
			[]string{"body.method", "body.path"},
		},
		"no method": {http.MethodPost, "{key}/explain", map[string]any{
			"method": "FETCH",
			"path":   "/messages",
		}, nil, 422, "validation", []string{"body.method"}},
		"a query": {http.MethodPost, "{key}/explain", map[string]any{
			"method": "GET",
			"path":   "/messages?limit=1",
		}, nil, 422, "validation", []string{"body.path"}},
		"no path": {http.MethodPost, "{key}/explain", map[string]any{
			"method": "GET",
			"path":   "messages",
		}, nil, 422, "validation", []string{"body.path"}},
		"no address": {http.MethodPost, "{key}/explain", map[string]any{
			"method":   "GET",
			"path":     "/",
			"sourceIp": "here",
		}, nil, 422, "validation", []string{"body.sourceIp"}},
		"no environment": {http.MethodPost, "{key}/explain", map[string]any{
			"method":      "GET",
			"path":        "/",
			"environment": "prod",
		}, nil, 422, "validation", []string{"body.environment"}},
		"an unknown field": {http.MethodPost, "{key}/explain", map[string]any{
			"method": "GET",
			"path":   "/",
			"secret": "x",
		}, nil, 422, "validation", []string{"body.secret"}},
	})
}

// Explain and the gateway always agree: random keys, random calls, over HTTP, and nothing in common
// but the check.
func TestExplainAgreesWithTheGateway(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))

	cases := 0
	for range 40 {
		k := o.randomKey(t, random)
		for range 25 {
			method, path, environment := randomCall(random)
			e := explain(t, o, k.Key.ID, map[string]any{
				"method":      method,
				"path":        path,
				"sourceIp":    "127.0.0.1",
				"environment": environment,
			})
			got := machine.As(k.Secret).Call(t, method, "/"+environment+path, nil)

			status := got.Status
			if status < 300 {
				status = http.StatusOK
			}

			var p struct{ Code, RequiredPermission string }
			if status != http.StatusOK {
				got.Into(t, &p)
			}

			cases++

			if status != e.Status || p.RequiredPermission != e.RequiredPermission ||
				status == http.StatusForbidden && p.Code != e.Outcome {
				t.Fatalf("seed %d: %s /%s%s: the gateway says %d %s %s, explain %+v", seed, method,
					environment, path, status, p.Code, p.RequiredPermission, e)
			}
		}
	}

	t.Logf("%d cases agree", cases)
}

// randomKey makes a key in a random state.
func (o tenant) randomKey(t *testing.T, random *rand.Rand) localtest.Made {
	t.Helper()
	some := func(of ...string) []string {
		out := []string{}
		for _, name := range of {
			if random.IntN(2) == 0 {
				out = append(out, name)
			}
		}

		return out
	}
	k := o.key(t, map[string]any{
		"environment": []string{"production", "staging", "development"}[random.IntN(3)],
		"permissions": some("messages:write", "messages:read", "deployments:write",
			"licenses:manage", "customers:read", "customers:secrets", "telemetry:write",
			"metrics:read"),
		"customers": [][]string{{}, {}, {"c1"}, {"c1", "c2"}}[random.IntN(4)],
		"allowedAddresses": [][]string{
			{},
			{},
			{},
			{"127.0.0.0/8"},
			{"192.0.2.0/24"},
		}[random.IntN(5)],
	})

	path := o.keys + "/" + k.Key.ID
	switch random.IntN(8) {
	case 0:
		o.admin.Call(t, http.MethodPatch, path, map[string]any{
			"enabled": false,
		}).Want(t, http.StatusOK)
	case 1:
		o.admin.Call(t, http.MethodPost, path+"/revoke", nil).Want(t, http.StatusOK)
	case 2:
		o.admin.Call(t, http.MethodPatch, path, map[string]any{
			"notBefore": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		}).Want(t, http.StatusOK)
	}

	return k
}

// randomCall is a call of a route that the demo API has.
func randomCall(random *rand.Rand) (method, path, environment string) {
	routes := []string{
		"POST /messages", "GET /messages", "GET /messages/7", "POST /deployments", "GET /licenses",
		"POST /licenses", "DELETE /licenses/x", "GET /customers",
		"GET /customers/c1", "GET /customers/c2", "GET /customers/c3/secrets",
		"GET /customers/c1/secrets", "POST /telemetry", "POST /telemetry/batch", "GET /metrics",
		"GET /metrics/a/b",
		"GET /messages/a%20b", "GET /messages/%61", "GET /messages/a:*", "GET /customers/a*b",
		"GET /customers/c%31", "GET /customers/c1;x/secrets", "GET /metrics/a/%C3%A9",
		"GET /metrics/a/",
	}

	_, err := fmt.Sscanf(routes[random.IntN(len(routes))], "%s %s", &method, &path)
	if err != nil {
		panic(err)
	}

	return method, path, []string{
		"production", "production", "staging", "development",
	}[random.IntN(4)]
}

// A refusal that happened is explained by the requestId of its answer.
func TestRefusalIsExplained(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	k := o.key(t, map[string]any{
		"permissions": []string{"messages:read"},
		"customers":   []string{"c1"},
	})
	for path, want := range map[string]string{
		"/licenses":     "permission",
		"/customers/c2": "customer",
	} {
		var p struct{ RequestID string }
		machine.As(k.Secret).Call(t, http.MethodGet, "/production"+path, nil).Want(t,
			http.StatusForbidden).Into(t, &p)
		var e explanation
		eventually(t, 15*time.Second, func() bool {
			a := o.admin.Call(t, http.MethodGet, o.path("requests", p.RequestID), nil)
			if a.Status != http.StatusOK {
				return false
			}

			a.Into(t, &e)
			return true
		})

		if len(e.Steps) < 3 {
			t.Fatalf("%s: %+v", path, e)
		}

		for i, s := range e.Steps {
			if last := i == len(e.Steps)-1; s.Passed == last || s.Detail == "" ||
				last && s.Check != want {
				t.Errorf("%s: step %d is %+v, want the last to be %s", path, i, s, want)
			}
		}
	}
}
