package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// body makes a JSON object of a good name and environment, and more fields.
func body(more string) string {
	if more != "" {
		more = ", " + more
	}

	return `{"name": "A key", "environment": "staging"` + more + `}`
}

// keyFaults are wrong values of the fields that creating and changing a key have in common, with
// the locations that are told.
func keyFaults() map[string][]string {
	many := func(n int, item string) string {
		return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
	}

	entries := make([]string, 51)
	for i := range entries {
		entries[i] = fmt.Sprintf(`"m%d": ""`, i)
	}

	return map[string][]string{
		`"colour": "red"`:                            {"body.colour"},
		`"Permissions": []`:                          {"body.Permissions"},
		`"keyId": "x", "organizationId": "y"`:        {"body.keyId", "body.organizationId"},
		`"status": "active", "version": 7`:           {"body.status", "body.version"},
		`"legacy": true`:                             {"body.legacy"},
		`"name": ""`:                                 {"body.name"},
		`"name": "   "`:                              {"body.name"},
		`"name": "a\u0000b"`:                         {"body.name"},
		`"name": "\u3164\u200b"`:                     {"body.name"},
		`"name": "\u3164"`:                           {"body.name"},
		`"name": "two\nlines"`:                       {"body.name"},
		`"name": "` + strings.Repeat("n", 101) + `"`: {"body.name"},
		`"name": 7`:                                  {"body.name"},
		`"name": null`:                               {"body.name"},
		`"description": "` + strings.Repeat("d", 1001) + `"`: {"body.description"},
		`"description": {}`:                                     {"body.description"},
		`"enabled": "yes"`:                                      {"body.enabled"},
		`"permissions": "messages:read"`:                        {"body.permissions"},
		`"permissions": [7]`:                                    {"body.permissions[0]"},
		`"permissions": ["messages:read", "nope:nope"]`:         {"body.permissions[1]"},
		`"permissions": [` + many(201, `"messages:read"`) + `]`: {"body.permissions"},
		// admin permissions outside of production
		`"permissions": ["keys:read"]`:           {"body.permissions"},
		`"allPermissions": "all"`:                {"body.allPermissions"},
		`"grantable": "everything"`:              {"body.grantable"},
		`"customers": ["ok", "a b", ""]`:         {"body.customers[1]", "body.customers[2]"},
		`"customers": [` + many(31, `"c"`) + `]`: {"body.customers"},
		`"rateLimits": {}`:                       {"body.rateLimits"},
		`"rateLimits": [null]`:                   {"body.rateLimits[0]"},
		`"rateLimits": [{}]`: {
			"body.rateLimits[0].name", "body.rateLimits[0].limit", "body.rateLimits[0].window",
		},
		`"rateLimits": [{"name": "a", "limit": 1, "window": "1m"}, {"name": "a", "limit": 2, "window": "1h"}]`: {
			"body.rateLimits[1].name",
		},
		`"rateLimits": [{"name": "A b", "limit": 1, "window": "1m"}]`: {
			"body.rateLimits[0].name",
		},
		`"rateLimits": [{"name": "a", "limit": 0, "window": "1m"}]`: {
			"body.rateLimits[0].limit",
		},
		`"rateLimits": [{"name": "a", "limit": 1.5, "window": "1m"}]`: {
			"body.rateLimits[0].limit",
		},
		`"rateLimits": [{"name": "a", "limit": 1e30, "window": "1m"}]`: {
			"body.rateLimits[0].limit",
		},
		`"rateLimits": [{"name": "a", "limit": 1, "window": "1m", "burst": 0}]`: {
			"body.rateLimits[0].burst",
		},
		`"rateLimits": [{"name": "a", "limit": 1, "window": "1m", "per": "ip"}]`: {
			"body.rateLimits[0].per",
		},
		`"rateLimits": [` + many(6,
			`{"name": "a", "limit": 1, "window": "1m"}`) + `]`: {"body.rateLimits"},
		`"rateLimits": [{"name": "a", "limit": 50001, "window": "1s"}]`: {
			"body.rateLimits[0].limit",
		},
		`"rateLimits": [{"name": "a", "limit": 1000000000, "window": "5h"}]`: {
			"body.rateLimits[0].limit",
		},
		`"rateLimits": [{"name": "a", "limit": 1, "window": "30d", "burst": 1217}]`: {
			"body.rateLimits[0].burst",
		},
		`"quota": {"limit": 0, "period": "day"}`:    {"body.quota.limit"},
		`"quota": {"limit": 1, "period": "week"}`:   {"body.quota.period"},
		`"quota": {"limit": null, "period": "day"}`: {"body.quota.limit"},
		`"quota": {"limit": 1, "period": null}`:     {"body.quota.period"},
		`"quota": {"limit": 1}`:                     {"body.quota.period"},
		`"quota": 7`:                                {"body.quota"},
		`"allowedAddresses": ["10.0.0.0/33"]`:       {"body.allowedAddresses[0]"},
		`"allowedAddresses": ["10.0.0.1/8"]`:        {"body.allowedAddresses[0]"},
		`"allowedAddresses": ["example.org", "::ffff:10.0.0.0/104", "fe80::1%eth0", ""]`: {
			"body.allowedAddresses[0]", "body.allowedAddresses[1]", "body.allowedAddresses[2]",
			"body.allowedAddresses[3]",
		},
		`"notBefore": "soon"`: {"body.notBefore"},
		`"notBefore": "2998-01-01T00:00:00Z", "expiresIn": "1d"`: {"body.notBefore"},
		`"expiresAt": "2001-01-01T00:00:00Z"`:                    {"body.expiresAt"},
		`"expiresAt": "9999-01-01T00:00:00Z"`:                    {"body.expiresAt"},
		`"expiresAt": "tomorrow"`:                                {"body.expiresAt"},
		`"expiresAt": 1700000000`:                                {"body.expiresAt"},
		`"expiresIn": "0s"`:                                      {"body.expiresIn"},
		`"expiresIn": "-1d"`:                                     {"body.expiresIn"},
		`"expiresIn": "1M"`:                                      {"body.expiresIn"},
		`"expiresIn": "w"`:                                       {"body.expiresIn"},
		`"expiresIn": "101y"`:                                    {"body.expiresIn"},
		`"expiresIn": "1.5h"`:                                    {"body.expiresIn"},
		`"expiresIn": "99999999999d"`:                            {"body.expiresIn"},
		`"expiresIn": 60`:                                        {"body.expiresIn"},
		`"expiresAt": "2099-01-01T00:00:00Z", "expiresIn": "1d"`: {"body.expiresIn"},
		`"metadata": []`:                                         {"body.metadata"},
		`"metadata": {"a": 1}`:                                   {"body.metadata.a"},
		`"metadata": {"": "x"}`:                                  {"body.metadata"},
		`"metadata": {"a": "` + strings.Repeat("v", 501) + `"}`:  {"body.metadata"},
		`"metadata": {` + strings.Join(entries, ",") + `}`:       {"body.metadata"},
		`"tags": ["ok", "two words"]`:                            {"body.tags[1]"},
		`"tags": [` + many(21, `"t"`) + `]`:                      {"body.tags"},
		// the decoder stops at the first, and the rules know of those behind it all the same
		`"enabled": 7, "tags": ["two words"], "quota": {"limit": "x", "period": "day"}, "expiresIn": "x"`: {
			"body.enabled", "body.tags[0]", "body.quota.limit", "body.expiresIn",
		},
		`"name": "", "colour": 1, "tags": [""], "quota": null, "expiresIn": "x"`: {
			"body.name", "body.colour", "body.tags[0]", "body.expiresIn",
		},
	}
}

// Each field, alone and wrong, when a key is made and when it is changed.
func TestWrongFields(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	k := o.key(t, map[string]any{"environment": "staging"})
	for _, method := range []string{http.MethodPost, http.MethodPatch} {
		calls := map[string]wrong{}
		for fields, locations := range keyFaults() {
			c := wrong{
				method:    method,
				path:      "{key}",
				body:      "{" + fields + "}",
				status:    422,
				code:      "validation",
				locations: locations,
			}
			if method == http.MethodPost {
				c.path = "{keys}"
				c.body = body(fields) // where a field comes twice, the last counts
			}

			calls[fields] = c
		}

		t.Run(method, func(t *testing.T) { refuseAll(t, o, k, o.admin, calls) })
	}
}

func TestWrongBodies(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, map[string]any{"environment": "staging"})
	huge := body(`"description": "` + strings.Repeat("x", 256<<10) + `"`)
	full := body("")
	full += strings.Repeat(" ", 256<<10-len(full)) // the largest that is read

	calls := map[string]wrong{
		"POST an unknown environment": {
			method:    "POST",
			path:      "{keys}",
			body:      `{"name": "x", "environment": "prod"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.environment"},
		},
		"POST nothing of what it needs": {
			method:    "POST",
			path:      "{keys}",
			body:      `{}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.name", "body.environment"},
		},
		"POST in another case": {
			method:    "POST",
			path:      "{keys}",
			body:      `{"Name": "x", "ENVIRONMENT": "production"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.name", "body.environment", "body.Name", "body.ENVIRONMENT"},
		},
		"POST a personal key": {
			method:    "POST",
			path:      "{keys}",
			body:      body(`"ownership": "personal"`),
			status:    422,
			code:      "validation",
			locations: []string{"body.ownership"},
		},
		"PATCH environment": {
			method:    "PATCH",
			path:      "{key}",
			body:      `{"environment": "production"}`,
			status:    422,
			code:      "immutable",
			locations: []string{"body.environment"},
		},
		"PATCH environment to null": {
			method:    "PATCH",
			path:      "{key}",
			body:      `{"environment": null}`,
			status:    422,
			code:      "immutable",
			locations: []string{"body.environment"},
		},
		"PATCH ownership": {
			method:    "PATCH",
			path:      "{key}",
			body:      `{"ownership": "personal"}`,
			status:    422,
			code:      "immutable",
			locations: []string{"body.ownership"},
		},
		"PATCH enabled to null": {
			method:    "PATCH",
			path:      "{key}",
			body:      `{"enabled": null}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.enabled"},
		},
		"PATCH nothing at all": {
			method: "PATCH",
			path:   "{key}",
			status: 400,
			code:   "malformed",
		},
		"POST nothing at all": {
			method: "POST",
			path:   "{keys}",
			status: 400,
			code:   "malformed",
		},
		"rotate for too long": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"overlap": "31d"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.overlap"},
		},
		"rotate for no time": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"overlap": "long"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.overlap"},
		},
		"rotate from some day": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"startsAt": "someday"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.startsAt"},
		},
		"rotate by now and longest": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"startsAt": "now", "longest": "30d"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.longest"},
		},
		"rotate by longest alone": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"longest": "30d"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.longest"},
		},
		"rotate longer than longest": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"overlap": "25h", "startsAt": "first_use", "longest": "24h"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.longest"},
		},
		"rotate by default for longer": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"startsAt": "first_use", "longest": "23h"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.longest"},
		},
		"rotate with no longest": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"overlap": "0s", "startsAt": "first_use", "longest": "0s"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.longest"},
		},
		"rotate with a longest too far": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"startsAt": "first_use", "longest": "31d"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.longest"},
		},
		"rotate by two wrong durations": {
			method:    "POST",
			path:      "{key}/rotate",
			body:      `{"overlap": "x", "startsAt": "first_use", "longest": "y"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.overlap", "body.longest"},
		},
		"revoke for too many reasons": {
			method:    "POST",
			path:      "{key}/revoke",
			body:      `{"reason": "` + strings.Repeat("r", 501) + `"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.reason"},
		},
		"revoke as maybe compromised": {
			method:    "POST",
			path:      "{key}/revoke",
			body:      `{"compromised": "maybe"}`,
			status:    422,
			code:      "validation",
			locations: []string{"body.compromised"},
		},
	}
	for _, at := range []string{
		"POST {keys}", "PATCH {key}", "POST {key}/regenerate", "POST {key}/rotate",
		"POST {key}/rotation/finish", "POST {key}/revoke", "POST {key}/restore",
	} {
		method, path, _ := strings.Cut(at, " ")
		for what, c := range map[string]wrong{
			"not JSON": {
				body:      "{",
				status:    400,
				code:      "malformed",
				locations: []string{"body"},
			},
			"more than one value": {
				body:      "{} {}",
				status:    400,
				code:      "malformed",
				locations: []string{"body"},
			},
			"an array": {
				body:      "[]",
				status:    422,
				code:      "validation",
				locations: []string{"body"},
			},
			"a text": {
				body:      `"x"`,
				status:    422,
				code:      "validation",
				locations: []string{"body"},
			},
			"null": {
				body:      "null",
				status:    422,
				code:      "validation",
				locations: []string{"body"},
			},
			"over 256 KiB": {body: huge, status: 413, code: "too_large"},
			"a form": {
				body:      "name=x",
				headers:   []string{"Content-Type: application/x-www-form-urlencoded"},
				status:    415,
				code:      "unsupported_media_type",
				locations: []string{"body"},
			},
			"XML": {
				body:      "<x/>",
				headers:   []string{"Content-Type: text/xml"},
				status:    415,
				code:      "unsupported_media_type",
				locations: []string{"body"},
			},
			"an unknown field": {
				body:      `{"name": "x", "environment": "staging", "nope": 1}`,
				status:    422,
				code:      "validation",
				locations: []string{"body.nope"},
			},
			"an unknown query": {
				path:      "?dry=true",
				body:      "{}",
				status:    400,
				code:      "malformed",
				locations: []string{"query.dry"},
			},
		} {
			if what == "null" && strings.HasPrefix(path, "{key}/") {
				continue // there it is no body: see TestNullIsNoBody
			}

			c.method = method

			c.path = path + c.path
			if what == "an unknown field" && !strings.Contains(at, "PATCH") && path != "{keys}" {
				c.locations = []string{"body.environment", "body.name", "body.nope"}
			}

			calls[at+": "+what] = c
		}
	}

	for _, tag := range []string{"1", `"1`, "latest", `"1" "2"`, `w/"1"`} {
		calls["If-Match: "+tag] = wrong{
			method:    "PATCH",
			path:      "{key}",
			body:      `{"name": "y"}`,
			headers:   []string{"If-Match: " + tag},
			status:    400,
			code:      "malformed",
			locations: []string{"header.If-Match"},
		}
	}

	for _, tag := range []string{`"7"`, `"0"`, `""`, `W/"1"`, `"2", "3"`} {
		for _, at := range []string{
			"PATCH {key}", "DELETE {key}", "POST {key}/regenerate", "POST {key}/rotate",
			"POST {key}/revoke", "POST {key}/restore",
		} {
			method, path, _ := strings.Cut(at, " ")

			c := wrong{
				method:  method,
				path:    path,
				headers: []string{"If-Match: " + tag},
				status:  412,
				code:    "stale",
			}
			if method == http.MethodPatch {
				c.body = `{"name": "y"}`
			}

			calls[at+" If-Match: "+tag] = c
		}
	}

	refuseAll(t, o, k, o.admin, calls)
	o.admin.Call(t, http.MethodPost, o.keys, full).Want(t, http.StatusCreated)
	o.admin.Call(t, http.MethodPost, o.keys, body(""),
		"Content-Type: application/json; charset=utf-8", "Accept: text/html").Want(t,
		http.StatusCreated)
}

func TestWrongOrganizations(t *testing.T) {
	t.Parallel()
	o := newTenant(t)

	calls := map[string]wrong{}
	for fields, locations := range map[string][]string{
		`{}`:                                     {"body.name", "body.firstAdmin"},
		`{"name": "", "firstAdmin": "a@b.test"}`: {"body.name"},
		`{"name": "!!!", "firstAdmin": "a@b.test"}`: {
			"body.id",
		},
		`{"name": "x", "firstAdmin": "a@b.test"}`: {
			"body.id",
		},
		`{"name": "Xy", "firstAdmin": "nobody"}`: {
			"body.firstAdmin",
		},
		`{"name": "Xy", "firstAdmin": "A <a@b.test>"}`: {
			"body.firstAdmin",
		},
		`{"id": "Upper", "name": "Xy", "firstAdmin": "a@b.test"}`: {
			"body.id",
		},
		`{"id": "a_b", "name": "Xy", "firstAdmin": "a@b.test", "settings": {}}`: {
			"body.id", "body.settings",
		},
		`{"id": "` + strings.Repeat("a",
			40) + `", "name": "Xy", "firstAdmin": "a@b.test"}`: {"body.id"},
	} {
		calls[fields] = wrong{
			method:    "POST",
			path:      "/v1/organizations",
			body:      fields,
			status:    422,
			code:      "validation",
			locations: locations,
		}
	}

	calls["a taken id"] = wrong{
		method: "POST",
		path:   "/v1/organizations",
		body:   map[string]any{"id": o.id, "name": "Xy", "firstAdmin": "a@b.test"},
		status: 409,
		code:   "duplicate",
	}
	refuseAll(t, o, o.first, machine.Operator(), calls)
	refuseAll(t, o, o.first, o.admin, map[string]wrong{
		"by an admin key": {
			method: "POST",
			path:   "/v1/organizations",
			body:   `{}`,
			status: 403,
			code:   "permission_denied",
		},
	})
}

// A secret that stands where it does not belong is not repeated; the client looks at every answer
// for that.
func TestSecretsInWrongPlacesAreNotRepeated(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)
	path, s := o.keys+"/"+k.Key.ID, k.Secret

	fields := []string{
		"name", "description", "permissions", "grantable", "customers", "rateLimits", "quota",
		"allowedAddresses", "notBefore", "expiresAt", "expiresIn", "metadata", "tags",
		"environment", "ownership", "secret", s,
	}
	for _, field := range fields {
		for _, value := range []any{s, []string{s + " "}, map[string]any{
			s: s,
		}, map[string]any{
			s: 7,
		}, []any{map[string]any{
			"name":   s,
			"limit":  1,
			"window": s,
			s:        1,
		}}} {
			answer := o.admin.Call(t, http.MethodPatch, path, map[string]any{field: value})
			if answer.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s as %v: %d", field, value, answer.Status)
			}
		}
	}

	for _, call := range []string{
		"?status=" + s, "?limit=" + s, "?cursor=" + s, "?" + s + "=1", "/" + s,
		"/" + s + "/rotation", "?environment=%20" + s,
	} {
		if a := o.admin.Call(t, http.MethodGet, o.keys+call,
			nil); a.Status != http.StatusBadRequest && a.Status != http.StatusNotFound {
			t.Errorf("%s: %d", a.Call, a.Status)
		}
	}

	o.admin.Call(t, http.MethodPatch, path, s).Refused(t, http.StatusBadRequest, "malformed")
	o.admin.Call(t, http.MethodPatch, path, map[string]any{
		"description": "x",
	}, "User-Agent: curl/8 "+s).Want(t, http.StatusOK)

	if entries, _ := history(t, o.admin,
		path+"/history", 200); entries[0].UserAgent != "curl/8 [secret]" {
		t.Errorf("%+v", entries[0])
	}

	o.admin.Call(t, http.MethodPatch, path, `{}`, "If-Match: "+s).Refused(t, http.StatusBadRequest,
		"malformed")
	o.admin.Call(t, http.MethodPatch, path, `{}`, "Content-Type: application/"+s).Refused(t,
		http.StatusUnsupportedMediaType, "unsupported_media_type")
	machine.Operator().Call(t, http.MethodPost, "/v1/organizations", map[string]any{
		"id":         s,
		"name":       "x",
		"firstAdmin": s,
	}).Refused(t, 422, "validation")
	machine.Operator().Call(t, http.MethodPut, "/v1/permissions", map[string]any{
		"permissions": []any{map[string]any{
			"name":   s,
			"title":  s,
			"routes": []any{map[string]any{"api": s, "method": s, "path": s}},
		}},
	}).Refused(t, 422, "validation")
}

// What the problem says is for people: it names what was expected.
func TestWordsOfProblems(t *testing.T) {
	t.Parallel()

	o := newTenant(t)
	for name, test := range map[string]struct {
		body, detail string
		messages     []string
	}{
		"JSON": {
			`{"name"`,
			"The body is not JSON.",
			[]string{"expected JSON: the text ends too early"},
		},
		"CIDR": {
			body(`"allowedAddresses": ["10.1.2.3/8"]`),
			"Some fields are not valid.",
			[]string{"the address has bits outside of its network: did you mean 10.0.0.0/8?"},
		},
		"required": {
			`{}`,
			"Some fields are not valid.",
			[]string{
				"expected required property environment to be present",
				"expected required property name to be present",
			},
		},
		"both": {
			body(`"expiresAt": "2999-01-01T00:00:00Z", "expiresIn": "1d"`),
			"Some fields are not valid.",
			[]string{"give expiresAt or expiresIn, not both"},
		},
	} {
		a := o.admin.Call(t, http.MethodPost, o.keys, test.body)
		p := a.Refused(t, a.Status, decoded(t, a.Body)["code"].(string))

		var messages []string
		for _, e := range p.Errors {
			messages = append(messages, e.Message)
		}

		slices.Sort(messages)

		if p.Detail != test.detail || !slices.Equal(messages, test.messages) {
			t.Errorf("%s: %q %q, want %q %q", name, p.Detail, messages, test.detail, test.messages)
		}
	}
}
