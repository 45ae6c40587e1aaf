package adminapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/boot"
	"github.com/bitting-keys/bitting/pkg/boot/full"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// function is the Lambda function of the keys' operations, as it is when its authorizer has let a
// call pass.
func function(t *testing.T) *proxy.Function {
	t.Helper()

	d, err := full.Load(boot.Of(behind), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	return adminapi.Function(d, adminapi.GroupKeys)
}

// events makes the event of a GET in both forms, with what the authorizer said; nil where none ran.
func events(path string, said map[string]any) map[string]map[string]any {
	var lambda any
	if said != nil {
		lambda = map[string]any{"lambda": said}
	}

	return map[string]map[string]any{
		"payload 1.0": {
			"httpMethod": "GET",
			"path":       path,
			"headers":    map[string]any{},
			"requestContext": map[string]any{
				"requestId":  "r1",
				"authorizer": said,
				"identity":   map[string]any{"sourceIp": "192.0.2.1"},
			},
		},
		"payload 2.0": {
			"version": "2.0",
			"rawPath": path,
			"headers": map[string]any{},
			"requestContext": map[string]any{
				"requestId":  "r1",
				"authorizer": lambda,
				"http": map[string]any{
					"method":   "GET",
					"path":     path,
					"sourceIp": "192.0.2.1",
				},
			},
		},
	}
}

// The function believes of the authorizer's answer which key it was, and looks by itself at what
// that key is now.
func TestFunctionChecksItsCallerAgain(t *testing.T) {
	t.Parallel()
	o := newTenant(t)
	f := function(t)
	admin := func(fields map[string]any) string {
		t.Helper()
		return machine.Operator().CreateKey(t, o.id, merged(map[string]any{
			"name":        "Admin",
			"environment": "production",
			"permissions": []string{"keys:read"},
		}, fields)).Key.ID
	}
	revoked, deleted := admin(nil), admin(nil)
	o.admin.Call(t, http.MethodPost, o.keys+"/"+revoked+"/revoke", nil).Want(t, http.StatusOK)
	o.admin.Call(t, http.MethodDelete, o.keys+"/"+deleted, nil).Want(t, http.StatusNoContent)

	good := admin(nil)
	for name, test := range map[string]struct {
		path   string
		said   map[string]any
		status int
		code   string
	}{
		"a good key": {o.keys, map[string]any{
			"keyId":       good,
			"environment": "production",
		}, 200, ""},
		"no authorizer":              {o.keys, nil, 401, "unauthenticated"},
		"an authorizer's empty hand": {o.keys, map[string]any{}, 401, "unauthenticated"},
		"no environment": {o.keys, map[string]any{
			"keyId": good,
		}, 401, "unauthenticated"},
		"another environment": {o.keys, map[string]any{
			"keyId":       good,
			"environment": "staging",
		}, 401, "unauthenticated"},
		"no such environment": {o.keys, map[string]any{
			"keyId":       good,
			"environment": "prod",
		}, 401, "unauthenticated"},
		"a number for an id": {o.keys, map[string]any{
			"keyId":       7,
			"environment": "production",
		}, 401, "unauthenticated"},
		"no such key": {o.keys, map[string]any{
			"keyId":       "0000000000000000",
			"environment": "production",
		}, 401, "unauthenticated"},
		"revoked since": {o.keys, map[string]any{
			"keyId":       revoked,
			"environment": "production",
		}, 401, "unauthenticated"},
		"deleted since": {o.keys, map[string]any{
			"keyId":       deleted,
			"environment": "production",
		}, 401, "unauthenticated"},
		"disabled since": {o.keys, map[string]any{
			"keyId":       admin(map[string]any{"enabled": false}),
			"environment": "production",
		}, 401, "unauthenticated"},
		"no admin key": {o.keys, map[string]any{
			"keyId":       o.first.Key.ID,
			"environment": "production",
		}, 403, "permission_denied"},
		"permissions that it says": {o.keys, map[string]any{
			"keyId":       o.first.Key.ID,
			"environment": "production",
			"permissions": "keys:read",
		}, 403, "permission_denied"},
		"another function's route": {"/v1/permissions", map[string]any{
			"keyId":       good,
			"environment": "production",
		}, 404, "not_found"},
		"no route": {"/v2", map[string]any{
			"keyId":       good,
			"environment": "production",
		}, 404, "not_found"},
		"a path that is none": {"/%zz", map[string]any{
			"keyId":       good,
			"environment": "production",
		}, 404, "not_found"},
	} {
		for form, event := range events(test.path, test.said) {
			payload, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}

			text, err := f.Invoke(t.Context(), payload)
			if err != nil {
				t.Errorf("%s, %s: %v", name, form, err)
				continue
			}

			var answer struct {
				StatusCode int
				Body       string
			}
			if err := json.Unmarshal(text, &answer); err != nil {
				t.Fatal(err)
			}

			code, _ := decoded(t, []byte(answer.Body))["code"].(string)
			if answer.StatusCode != test.status || code != test.code {
				t.Errorf("%s, %s: %d %q, want %d %q\n%s", name, form, answer.StatusCode, code,
					test.status, test.code, answer.Body)
			}

			if test.status != http.StatusOK && !strings.Contains(answer.Body, `"requestId":"r1"`) {
				t.Errorf("%s, %s: a problem without the call's request id\n%s",
					name, form, answer.Body)
			}
		}
	}
}

func TestFunctionRefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()

	f := function(t)
	for _, payload := range []string{
		"", "{", `"x"`, `{"version": 2}`, `{"version": "2.0", "rawPath": 7}`, `{"path": 7}`,
	} {
		if answer, err := f.Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("%s is answered %s", payload, answer)
		}
	}
}

// Somebody whose e-mail nobody verified is signed in, and can become nothing: members are named by
// their e-mail.
func TestUnverifiedPersonBecomesNothing(t *testing.T) {
	t.Parallel()

	d, err := full.Load(boot.Of(behind), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}

	f := adminapi.Function(d, adminapi.GroupOrganizations)

	event, err := json.Marshal(map[string]any{
		"httpMethod": "POST",
		"path":       "/v1/organizations",
		"headers":    map[string]any{"Content-Type": "application/json"},
		"body":       `{"name": "Nobody's"}`,
		"requestContext": map[string]any{
			"requestId":  "r1",
			"authorizer": map[string]any{"userId": "u1", "userName": "No One"},
			"identity":   map[string]any{"sourceIp": "192.0.2.1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	text, err := f.Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}

	var answer struct {
		StatusCode int    `json:"statusCode"`
		Body       string `json:"body"`
	}
	if err := json.Unmarshal(text, &answer); err != nil ||
		answer.StatusCode != http.StatusForbidden ||
		!strings.Contains(answer.Body, "permission_denied") {
		t.Errorf("%v, %d %s", err, answer.StatusCode, answer.Body)
	}
}
