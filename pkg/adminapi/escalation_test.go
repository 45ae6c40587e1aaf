package adminapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// escalates is a call by which somebody would hand out more than they hold.
func escalates(method, path string, fields map[string]any, locations ...string) wrong {
	if method == http.MethodPost && path == "{keys}" {
		fields = merged(map[string]any{"name": "More", "environment": "production"}, fields)
	}

	w := wrong{
		method:    method,
		path:      path,
		status:    http.StatusUnprocessableEntity,
		code:      "escalation",
		locations: locations,
	}
	if fields != nil {
		w.body = fields
	}

	return w
}

// A key with grantable own hands out what it holds, and nothing else.
func TestNobodyHandsOutWhatTheyLack(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"permissions": []string{"messages:read"}})
	own := o.with(t, map[string]any{
		"permissions": []string{"keys:read", "keys:write", "keys:rotate", "messages:read"},
	})

	calls := map[string]wrong{}
	for what, path := range map[string]string{"POST": "{keys}", "PATCH": "{key}"} {
		calls[what+" a permission that it lacks"] = escalates(what, path, map[string]any{
			"permissions": []string{"messages:read", "licenses:manage"},
		}, "body.permissions")
		calls[what+" an admin permission that it lacks"] = escalates(what, path, map[string]any{
			"permissions": []string{"keys:revoke"},
		}, "body.permissions")
		calls[what+" permissions:write"] = escalates(what, path, map[string]any{
			"permissions": []string{"permissions:write"},
		}, "body.permissions")
		calls[what+" all permissions"] = escalates(what, path, map[string]any{
			"permissions":    []string{"messages:read"},
			"allPermissions": true,
		}, "body.allPermissions")
		calls[what+" grantable"] = escalates(what, path, map[string]any{
			"permissions": []string{"messages:read"},
			"grantable":   "catalogue",
		}, "body.grantable")
		calls[what+" all of it"] = escalates(what, path, map[string]any{
			"permissions":    []string{"permissions:write", "licenses:manage"},
			"allPermissions": true,
			"grantable":      "catalogue",
		},
			"body.permissions", "body.permissions", "body.allPermissions", "body.grantable")
	}

	calls["the defaults, which it lacks"] = escalates(http.MethodPost, "{keys}", nil,
		"body.permissions")
	refuseAll(t, o, k, own, calls)
	made := own.CreateKey(t, o.id, map[string]any{
		"name":        "Mine",
		"environment": "production",
		"permissions": []string{"messages:read", "keys:read"},
	})
	own.Call(t, http.MethodPatch, o.keys+"/"+made.Key.ID, map[string]any{
		"permissions": []string{},
	}).Want(t, http.StatusOK)

	// One that may hand out the catalogue hands out no admin permission that it lacks, and never
	// the operators'.
	catalogue := o.with(t, map[string]any{
		"permissions": []string{"keys:write"},
		"grantable":   "catalogue",
	})
	catalogue.CreateKey(t, o.id, map[string]any{
		"name":        "Any",
		"environment": "production",
		"permissions": []string{"licenses:manage", "keys:write"},
	})
	calls = map[string]wrong{
		"an admin permission": escalates(http.MethodPost, "{keys}", map[string]any{
			"permissions": []string{"keys:read"},
		}, "body.permissions"),
		"permissions:write": escalates(http.MethodPost, "{keys}", map[string]any{
			"permissions": []string{"permissions:write"},
		}, "body.permissions"),
		"all permissions": escalates(http.MethodPost, "{keys}", map[string]any{
			"allPermissions": true,
		}, "body.allPermissions"),
	}
	refuseAll(t, o, k, catalogue, calls)
	refuseAll(t, o, k, machine.Operator(), map[string]wrong{
		"permissions:write, by the operator": escalates(http.MethodPost, "{keys}", map[string]any{
			"permissions": []string{"permissions:write"},
		}, "body.permissions"),
	})
}

// A new secret is all that the key holds: whoever takes one must be able to hand that out, or own
// the key.
func TestNobodyTakesOverAStrongerKey(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	rotator := o.with(t, map[string]any{
		"permissions": []string{"keys:read", "keys:write", "keys:rotate", "messages:read"},
	})
	for name, strong := range map[string]localtest.Made{
		"another permission": o.key(t, map[string]any{"permissions": []string{"licenses:manage"}}),
		"an admin key": machine.Operator().CreateKey(t, o.id, map[string]any{
			"name":        "Boss",
			"environment": "production",
			"permissions": adminPermissions(),
		}),
		"all permissions": o.join(t, "alice", "admin").CreateKey(t, o.id, map[string]any{
			"name":           "All",
			"environment":    "production",
			"permissions":    []string{},
			"allPermissions": true,
		}),
	} {
		location := "body.permissions"
		if name == "all permissions" {
			location = "body.allPermissions"
		}

		t.Run(name, func(t *testing.T) {
			calls := map[string]wrong{}
			for _, action := range []string{"regenerate", "rotate"} {
				w := escalates(http.MethodPost, "{key}/"+action, nil, location)
				if name == "an admin key" {
					// keys:revoke and the four others that it lacks
					w.locations = []string{location, location, location, location, location}
				}

				calls[action] = w
			}

			refuseAll(t, o, strong, rotator, calls)
		})
	}

	weak := o.key(t, map[string]any{"permissions": []string{"messages:read"}})
	rotator.Call(t, http.MethodPost, o.keys+"/"+weak.Key.ID+"/regenerate", nil).Want(t,
		http.StatusOK)
	mine := rotator.CreateKey(t, o.id, map[string]any{
		"name":        "Mine",
		"environment": "production",
		"permissions": []string{"messages:read"},
	})
	o.admin.Call(t, http.MethodPatch, o.keys+"/"+mine.Key.ID, map[string]any{
		"permissions": []string{"licenses:manage"},
	}).Want(t, http.StatusOK)
	// having made it gives no right to what it holds by now
	rotator.Call(t, http.MethodPost, o.keys+"/"+mine.Key.ID+"/rotate", nil).
		Refused(t, http.StatusUnprocessableEntity, "escalation")
}

// What a key makes is bound as the key itself is: to its life, its customers and its limits.
func TestNobodyOutgrowsTheirMaker(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	end := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	bound := o.with(t, map[string]any{
		"permissions": []string{"keys:read", "keys:write", "keys:rotate", "messages:read"},
		"expiresAt":   end,
		"customers":   []string{"c1", "c2"},
		"rateLimits":  []map[string]any{{"name": "burst", "limit": 1000, "window": "1m"}},
		"quota":       map[string]any{"limit": 100, "period": "month"},
	})
	within := map[string]any{
		"permissions": []string{"messages:read"},
		"customers":   []string{"c1"},
		"rateLimits":  []map[string]any{{"name": "other", "limit": 1, "window": "6s"}},
		"quota":       map[string]any{"limit": 100, "period": "month"},
	}
	with := func(more map[string]any) map[string]any {
		return merged(merged(map[string]any{}, within), more)
	}

	k := bound.CreateKey(t, o.id, with(map[string]any{
		"name":        "Child",
		"environment": "production",
	}))
	if got, err := time.Parse(time.RFC3339, k.Key.ExpiresAt); err != nil || !got.Equal(end) {
		t.Errorf("a key whose maker ends at %v ends at %q", end, k.Key.ExpiresAt)
	}

	calls := map[string]wrong{
		"a time before which it would not start": {
			method:    http.MethodPost,
			path:      "{keys}",
			status:    422,
			code:      "validation",
			locations: []string{"body.notBefore"},
			body: with(map[string]any{
				"name":        "x",
				"environment": "production",
				"notBefore":   end.Add(time.Hour),
			}),
		},
	}
	for what, path := range map[string]string{"POST": "{keys}", "PATCH": "{key}"} {
		for name, excess := range map[string]struct {
			fields   map[string]any
			location string
		}{
			"a later end": {map[string]any{
				"expiresAt": end.Add(time.Second),
			}, "body.expiresAt"},
			"a longer life": {map[string]any{"expiresIn": "3d"}, "body.expiresIn"},
			"another customer": {map[string]any{
				"customers": []string{"c1", "c3"},
			}, "body.customers"},
			"every customer": {map[string]any{"customers": []string{}}, "body.customers"},
			"a higher limit": {map[string]any{
				"rateLimits": []map[string]any{{"name": "burst", "limit": 1001, "window": "1m"}},
			}, "body.rateLimits"},
			"a higher burst": {map[string]any{
				"rateLimits": []map[string]any{{
					"name":   "burst",
					"limit":  1000,
					"window": "1m",
					"burst":  1001,
				}},
			}, "body.rateLimits"},
			"no limit": {map[string]any{"rateLimits": nil}, "body.rateLimits"},
			"no quota": {map[string]any{"quota": nil}, "body.rateLimits"},
			"a quota by day": {map[string]any{
				"quota": map[string]any{"limit": 100, "period": "day"},
			}, "body.rateLimits"},
			"a higher quota": {map[string]any{
				"quota": map[string]any{"limit": 101, "period": "month"},
			}, "body.rateLimits"},
			"a permission it lacks": {map[string]any{
				"permissions": []string{"messages:write"},
			}, "body.permissions"},
		} {
			fields := excess.fields
			if what == http.MethodPost {
				fields = with(fields)
			}

			calls[what+" "+name] = escalates(what, path, fields, excess.location)
		}
	}

	calls["PATCH no end"] = escalates(http.MethodPatch, "{key}", map[string]any{
		"expiresAt": nil,
	}, "body.expiresAt")
	refuseAll(t, o, k, bound, calls)
	bound.Call(t, http.MethodPatch, o.keys+"/"+k.Key.ID, map[string]any{
		"expiresIn":   "1d",
		"description": "shorter",
	}).Want(t, http.StatusOK)
}

// What may not be seen is not there, whatever else is wrong with the call; and then comes what may
// not be done.
func TestWhatIsAnsweredFirst(t *testing.T) {
	t.Parallel()
	o, other := newTenant(t), newTenant(t)
	k, theirs := o.key(t, nil), other.key(t, nil)
	elsewhere := map[string]wrong{}

	operations := []struct{ method, path string }{
		{"GET", ""},
		{"PATCH", ""},
		{"DELETE", ""},
		{"POST", "/regenerate"},
		{"POST", "/rotate"},
		{"GET", "/rotation"},
		{"POST", "/rotation/finish"},
		{"POST", "/revoke"},
		{"POST", "/restore"},
	}
	for _, op := range operations {
		for where, path := range map[string]string{
			"another organization's": other.keys + "/" + theirs.Key.ID,
			"ours by another's id":   o.keys + "/" + theirs.Key.ID,
			"another's by our id":    other.keys + "/" + k.Key.ID,
			"no such key":            o.keys + "/0000000000000000",
			"no id":                  o.keys + "/x",
			"the operators'":         "/v1/organizations/operators/keys/0000000000000000",
			"no such organization":   "/v1/organizations/nobody-at-all/keys/" + k.Key.ID,
			"no organization's id":   "/v1/organizations/A_B/keys/" + k.Key.ID,
		} {
			elsewhere[op.method+" "+op.path+" of "+where] = wrong{
				method:  op.method,
				path:    path + op.path,
				status:  http.StatusNotFound,
				code:    "not_found",
				body:    `{"name": ""`,
				headers: []string{`If-Match: nonsense`, "Content-Type: text/plain"},
			}
		}
	}

	for _, path := range []string{
		"/v1/organizations/" + other.id, other.keys, other.keys + "?limit=0",
	} {
		elsewhere["GET "+path] = wrong{
			method: "GET",
			path:   path,
			status: http.StatusNotFound,
			code:   "not_found",
		}
	}

	elsewhere["POST "+other.keys] = wrong{
		method: "POST",
		path:   other.keys,
		body:   "{",
		status: http.StatusNotFound,
		code:   "not_found",
	}

	nothing := o.with(t, map[string]any{"permissions": []string{"usage:read"}})
	for _, caller := range []localtest.Client{o.admin, nothing} {
		refuseAll(t, other, theirs, caller, elsewhere)
	}

	// nor do words tell which keys there are
	for _, id := range []string{theirs.Key.ID, "0000000000000000", "x"} {
		for _, org := range []string{other.id, "nobody-at-all"} {
			if p := o.admin.Call(t, http.MethodGet,
				"/v1/organizations/"+org+"/keys/"+id, nil).Refused(t, http.StatusNotFound,
				"not_found"); p.Detail != "There is no such organization." {
				t.Errorf("key %s of %s: %s", id, org, p.Detail)
			}
		}
	}

	// Who sees it but may not: 403, and which permission it would take, before anything is said of
	// the input.
	forbidden := map[string]wrong{
		"POST {keys}":     {method: "POST", path: "{keys}"},
		"GET {keys}":      {method: "GET", path: "{keys}?limit=0"},
		"PUT permissions": {method: "PUT", path: "/v1/permissions"},
	}
	for _, op := range operations {
		forbidden[op.method+" "+op.path] = wrong{method: op.method, path: "{key}" + op.path}
	}

	for name, c := range forbidden {
		c.status = http.StatusForbidden
		c.code = "permission_denied"
		c.body = "{"
		forbidden[name] = c
	}

	refuseAll(t, o, k, nothing, forbidden)

	for path, permission := range map[string]string{"": "keys:read", "/rotation": "keys:read"} {
		if p := nothing.Call(t, http.MethodGet, o.keys+"/"+k.Key.ID+path, nil).Refused(t,
			http.StatusForbidden, "permission_denied"); p.RequiredPermission != permission {
			t.Errorf("GET %s requires %q, want %q", path, p.RequiredPermission, permission)
		}
	}
}
