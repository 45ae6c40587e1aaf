package adminapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// hostileTimes are times, and what looks like them, at the edges of what can be written, kept and
// counted with.
var hostileTimes = []string{
	"9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999Z",
	"10000-01-01T00:00:00Z", "9999-12-31",
	"0000-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z",
	"0001-01-01T00:00:00+00:01", "-0001-01-01T00:00:00Z",
	"1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:01",
	"2262-04-11T23:47:16.854775808Z", "2027-02-30T00:00:00Z",
	"2027-01-01T24:00:00Z", "2027-01-01T1:00:00Z", "2027-01-01T00:00:60Z",
	"2027-01-01T00:00:00,5Z", "2027-01-01t00:00:00z",
	"2027-01-01T00:00:00+24:00", "2027-01-01 00:00:00Z", "2027-01-01T00:00:00", "2027-01-01",
	"now", "",
}

// hostileDurations are likewise.
var hostileDurations = []string{
	"0s", "1s", "30d", "1w", "100y", "101y", "36501d", "9223372036854775807s", "9223372036s",
	"106751d", "18446744073709551616y", "-1d", "1.5h", "1e3d", "１d", "d", "1", "∞",
}

// hostileNumbers are likewise, as JSON.
var hostileNumbers = []string{
	"0", "-0", "-1", "1", "1.0", "1e0", "10e-1", "0.5", "1e3", "1e9", "1e12", "9007199254740993",
	"9223372036854775807", "9223372036854775808",
	"-9223372036854775809", "1e18", "1e19", "1e308", "1e309", "1e999999999999", "-1e400", "1e-400",
	"null", `"1"`, `"NaN"`, "true", "[]", "{}",
}

// leaf is a value in the body of an operation that is no container.
type leaf struct {
	at   []any // names and indices
	kind string
	time bool
}

// durations are the fields and parameters that are durations, which no schema says.
var durations = []any{
	"expiresIn", "window", "overlap", "longest", "production", "staging", "development",
	"unusedSince",
}

// hostileTexts are what a text is tried with: everything, where it is a time or a duration, and a
// little of it otherwise.
func hostileTexts(name any, isTime bool) []string {
	switch {
	case isTime:
		return hostileTimes
	case slices.Contains(durations, name):
		return slices.Concat(hostileDurations, hostileTimes[:6])
	default:
		return []string{hostileTimes[0], hostileDurations[5], ""}
	}
}

func leaves(doc, schema map[string]any, at []any) (out []leaf) {
	if ref, ok := schema["$ref"].(string); ok {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		return leaves(doc,
			doc["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any),
			at)
	}

	kind, _ := schema["type"].(string)
	if kinds, ok := schema["type"].([]any); ok {
		kind = kinds[0].(string)
	}

	fields, _ := schema["properties"].(map[string]any)
	switch {
	case kind == "array":
		return leaves(doc, schema["items"].(map[string]any), append(slices.Clone(at), 0))
	case kind == "object":
		for name, inner := range fields {
			out = append(out,
				leaves(doc, inner.(map[string]any), append(slices.Clone(at), name))...)
		}

		return out
	case schema["enum"] != nil:
		return nil
	}

	return []leaf{{at: at, kind: kind, time: schema["format"] == "date-time"}}
}

// put returns a body with a value in its place.
func put(in any, at []any, value json.RawMessage) any {
	if len(at) == 0 {
		return value
	}

	if name, ok := at[0].(string); ok {
		fields, _ := in.(map[string]any)

		fields = maps.Clone(fields)
		if fields == nil {
			fields = map[string]any{}
		}

		fields[name] = put(fields[name], at[1:], value)
		return fields
	}

	var inner any
	if items, _ := in.([]any); len(items) > 0 {
		inner = items[0]
	}

	return []any{put(inner, at[1:], value)}
}

// goodBodies are bodies in which a wrong value is the only one.
func goodBodies(o tenant) map[string]map[string]any {
	key := map[string]any{
		"rateLimits": []any{map[string]any{
			"name":   "a",
			"limit":  5,
			"window": "1m",
			"burst":  5,
		}},
		"quota": map[string]any{"limit": 5, "period": "day"},
	}
	created := merged(map[string]any{"name": "A key", "environment": "staging"}, key)
	return map[string]map[string]any{
		"createKey": created,
		"updateKey": key,
		"importKeys": {
			"keys": []any{foreign("sk_live_"+o.id, merged(map[string]any{
				"permissions": []string{},
			}, key))},
		},
		"bulkKeys": {
			"action":   "extend",
			"filter":   map[string]any{"tag": "none"},
			"dryRun":   false,
			"expected": 0,
		},
		"explainKey":         {"method": "GET", "path": "/messages"},
		"createCustomer":     {"name": "A customer"},
		"putMember":          {"role": "viewer"},
		"createOrganization": {"name": "Another", "firstAdmin": "a@example.test"},
	}
}

// Whatever time, duration or number an operation is sent, in its body or its query, it answers what
// is wrong with it, or takes it: nothing of that is a fault of ours, and what was taken can be
// shown.
func TestHostileTimesDurationsAndNumbers(t *testing.T) {
	t.Parallel()
	o, doc := newTenant(t), document(t)
	tried := 0

	try := func(op operation, path string, body any, what string) {
		tried++
		client := o.admin

		var headers []string
		if strings.HasPrefix(op.path, "/v1/permissions") {
			client, headers = machine.Operator(), []string{`If-Match: "0"`}
		} else if op.path == "/v1/organizations" {
			client = machine.Operator()
		}

		a := client.Call(t, op.method, path, body, headers...)

		readable := json.Valid(a.Body) || len(a.Body) == 0 ||
			strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv")

		if a.Status >= 500 || a.Status < 300 && !readable {
			t.Errorf("%s with %s: %d %.300s", op.ID, what, a.Status, a.Body)
		}

		for _, words := range []string{"Go struct", "json:", "cannot unmarshal", "parsing time"} {
			if strings.Contains(string(a.Body), words) {
				t.Errorf("%s with %s speaks of %q: %s", op.ID, what, words, a.Body)
			}
		}
	}
	for _, op := range written(t) {
		k := o.key(t, nil)

		in := strings.NewReplacer("{org}", o.id, "{keyId}", k.Key.ID, "{customer}", "c1", "{user}",
			"hostile@people.test", "{job}", "j", "{requestId}", "r")
		for _, p := range op.parameters {
			schema, _ := p["schema"].(map[string]any)
			if p["in"] != "query" || schema["enum"] != nil {
				continue
			}

			values := hostileTexts(p["name"], p["name"] == "from" || p["name"] == "to")
			if schema["type"] != "string" {
				values = slices.Concat(values, hostileNumbers)
			}

			for _, value := range values {
				try(op, in.Replace(op.path)+"?"+p["name"].(string)+"="+url.QueryEscape(value), nil,
					fmt.Sprintf("%s=%s", p["name"], value))
			}
		}

		said := doc["paths"].(map[string]any)[op.path].(map[string]any)[strings.ToLower(
			op.method,
		)].(map[string]any)

		body, ok := said["requestBody"].(map[string]any)
		if !ok {
			continue
		}

		content := body["content"].(map[string]any)["application/json"].(map[string]any)

		schema := content["schema"].(map[string]any)
		for _, l := range leaves(doc, schema, nil) {
			values := hostileNumbers
			if l.kind == "string" {
				values = nil
				for _, text := range hostileTexts(l.at[len(l.at)-1], l.time) {
					quoted, _ := json.Marshal(text)
					values = append(values, string(quoted))
				}
			}

			for _, value := range values {
				try(op, in.Replace(op.path),
					put(goodBodies(o)[op.ID], l.at, json.RawMessage(value)),
					fmt.Sprintf("%s at %v", value, l.at))
			}
		}
	}

	for _, path := range []string{
		o.keys + "?status=all&limit=200", o.path("history") + "?limit=200",
		o.path("jobs") + "?limit=200", o.path(),
	} {
		if a := o.admin.Call(t, http.MethodGet, path, nil).Want(t,
			http.StatusOK); !json.Valid(a.Body) {
			t.Errorf("%s is no JSON", path)
		}
	}

	if tried < 900 {
		t.Errorf("%d calls were tried", tried)
	}
}

// Each is told at its own place. A time is of the years that can be written and counted with, in
// UTC.
func TestTimesAreOfTheirYears(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	k := o.key(t, nil)
	path := o.keys + "/" + k.Key.ID

	const (
		form  = "expected a time such as 2026-11-01T00:00:00Z"
		years = "expected a time in the years 1970 to 9999, in UTC"
	)
	for text, want := range map[string]string{
		"9999-12-31T23:59:59-23:59": years,
		"0000-01-01T00:00:00Z":      years,
		"0001-01-01T00:00:00Z":      years,
		"1970-01-01T00:00:00+00:01": years,
		"2027-01-01T1:00:00Z":       form,
		"2027-01-01T00:00:00,5Z":    form,
		"2027-01-01":                form,
		"":                          form,
	} {
		for location, call := range map[string]struct {
			method, path string
			body         map[string]any
		}{
			"body.notBefore": {http.MethodPatch, path, map[string]any{"notBefore": text}},
			"body.at": {http.MethodPost, path + "/explain", map[string]any{
				"method": "GET",
				"path":   "/messages",
				"at":     text,
			}},
			"body.keys[0].notBefore": {http.MethodPost, o.keys + "/import", map[string]any{
				"keys": []any{foreign("sk_live_"+o.id, map[string]any{"notBefore": text})},
			}},
		} {
			p := o.admin.Call(t, call.method, call.path, call.body).Refused(t,
				http.StatusUnprocessableEntity, "validation")
			if len(p.Errors) != 1 || p.Errors[0].Location != location ||
				p.Errors[0].Message != want {
				t.Errorf("%q at %s: %+v, want %q", text, location, p.Errors, want)
			}
		}
	}

	for _, text := range []string{
		"9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59+23:59",
	} {
		o.admin.Call(t, http.MethodPatch, path, map[string]any{
			"notBefore": text,
		}).Want(t, http.StatusOK)
	}

	for query, location := range map[string]string{
		// a day that is included ends in the year 10000
		"/usage?from=9999-12-30&to=9999-12-31":                         "query.to",
		"/usage?from=9999-12-30&to=9999-12-31T23:00:00-23:00":          "query.to",
		"/usage?from=0001-01-01":                                       "query.from",
		"/usage?from=1960-01-01&to=1960-01-03":                         "query.to",
		"/usage?from=2026-01-01T1:00:00Z&to=2026-01-02&from_is=strict": "query.from_is",
	} {
		p := o.admin.Call(t, http.MethodGet, path+query, nil).Refused(t, http.StatusBadRequest,
			"malformed")
		if !slices.Contains(p.Locations(), location) {
			t.Errorf("%s: %v, want %s", query, p.Locations(), location)
		}
	}

	p := o.admin.Call(t, http.MethodGet, o.keys+"?unusedSince=0000-01-01T00:00:00Z", nil).Refused(t,
		http.StatusBadRequest, "malformed")
	if p.Errors[0].Message != years {
		t.Errorf("%+v", p.Errors)
	}
}
