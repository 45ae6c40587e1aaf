package guard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/guard"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// said returns a Guard that sees a call with the authorizer's context.
func said(context map[string]any) guard.Guard {
	return guard.Guard{
		DocsURL: "https://docs.test/#",
		Call: func(*http.Request) proxy.Call {
			return proxy.Call{
				RequestID:  "r-1",
				Authorizer: context,
			}
		},
	}
}

// authorizer returns the context of an admitted call.
func authorizer(change map[string]any) map[string]any {
	out := map[string]any{
		"api":            "orders",
		"keyId":          "k",
		"keyName":        "Main website",
		"organizationId": "acme",
		"environment":    "production",
		"ownerId":        "user-1",
		"customers":      "",
		"permissions":    "messages:read,messages:write",
		"permission":     "messages:read",
		"limits":         "",
		"limited":        "false",
		"retryAfter":     "0",
		"denialCode":     "permission_denied",
		"denialDetail":   "The key does not hold a permission for this route.",
	}
	for name, value := range change {
		out[name] = value
	}

	return out
}

// ok answers with the caller.
var ok = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	caller, _ := guard.CallerOf(r.Context())
	_, _ = w.Write([]byte(caller.KeyID))
})

func TestProtect(t *testing.T) {
	t.Parallel()
	type answer struct {
		Status                     int
		Code, RetryAfter           string
		Policy, State, ContentType string
	}
	const limits = "burst;q=100;w=60;r=42;t=18,quota;q=1000;w=86400;r=7;t=600"
	const policy, state = `"burst";q=100;w=60, "quota";q=1000;w=86400`, `"burst";r=42;t=18, "quota";r=7;t=600`

	const problem = "application/problem+json"
	for name, test := range map[string]struct {
		context map[string]any
		want    answer
	}{
		"admitted": {authorizer(nil), answer{Status: 200}},
		"admitted, with limits": {authorizer(map[string]any{
			"limits": limits,
		}), answer{
			Status: 200,
			Policy: policy,
			State:  state,
		}},
		"no authorizer": {nil, answer{503, "unavailable", "5", "", "", problem}},
		"another authorizer": {map[string]any{
			"principalId": "x",
		}, answer{503, "unavailable", "5", "", "", problem}},
		"a person": {authorizer(map[string]any{
			"keyId":  "",
			"userId": "u",
		}), answer{503, "unavailable", "5", "", "", problem}},
		"limited": {authorizer(map[string]any{
			"limited":    "true",
			"retryAfter": "12",
			"denialCode": "rate_limited",
			"limits":     limits,
		}), answer{429, "rate_limited", "12", policy, state, problem}},
		"limited, a boolean": {authorizer(map[string]any{
			"limited":    true,
			"retryAfter": 12,
			"denialCode": "rate_limited",
		}), answer{429, "rate_limited", "12", "", "", problem}},
		"quota": {authorizer(map[string]any{
			"limited":    "true",
			"retryAfter": "600",
			"denialCode": "quota_exceeded",
		}), answer{429, "quota_exceeded", "600", "", "", problem}},
		"limited, says not when": {authorizer(map[string]any{
			"limited":    "true",
			"retryAfter": "soon\r\nX: y",
		}), answer{429, "rate_limited", "1", "", "", problem}},
		"malformed limits": {authorizer(map[string]any{
			"limits": `burst";q=1,x;q=1;w=2,burst;q=1;w=1;r=1;t=-1`,
		}), answer{
			Status: 200,
		}},
		"limits of which one is well-formed": {authorizer(map[string]any{
			"limits": "burst;q=1,day_2;q=1;w=1;r=0;t=3",
		}), answer{
			Status: 200,
			Policy: `"day_2";q=1;w=1`,
			State:  `"day_2";r=0;t=3`,
		}},
	} {
		w := httptest.NewRecorder()

		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/messages", nil)
		for _, forged := range []string{"keyId", "X-Amzn-Request-Context", "x-apigateway-event"} {
			request.Header.Set(forged, `{"authorizer":{"keyId":"forged"}}`)
		}

		said(test.context).Protect(ok).ServeHTTP(w, request)
		var body struct{ Type, Code, RequestID string }
		_ = json.Unmarshal(w.Body.Bytes(), &body)

		got := answer{
			w.Code, body.Code, w.Header().Get("Retry-After"), w.Header().Get("RateLimit-Policy"),
			w.Header().Get("RateLimit"), "",
		}
		if w.Code != 200 {
			got.ContentType = w.Header().Get("Content-Type")
			if body.Type != "https://docs.test/#"+test.want.Code || body.RequestID != "r-1" {
				t.Errorf("%s: %s", name, w.Body)
			}
		} else if w.Body.String() != "k" {
			t.Errorf("%s: handed over %q", name, w.Body)
		}

		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// By default the call is found where aws-lambda-go-api-proxy puts it, and not in a request that
// came another way.
func TestProtectWithoutAPIGateway(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	guard.Protect(ok).ServeHTTP(w,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))

	if w.Code != 503 {
		t.Errorf("status %d", w.Code)
	}
}

// Guard imports no check, so that backends stay light. It spells outcomes as the check does.
func TestCodesAreThoseOfTheCheck(t *testing.T) {
	t.Parallel()
	code := func(context map[string]any, next http.Handler) (body struct{ Code check.Outcome }) {
		w := httptest.NewRecorder()
		said(context).Protect(next).ServeHTTP(w,
			httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		_ = json.Unmarshal(w.Body.Bytes(), &body)
		return body
	}

	for _, outcome := range check.Outcomes() {
		context, next := authorizer(nil), http.Handler(ok)
		switch {
		case outcome.Status() == 429:
			context = authorizer(map[string]any{"limited": "true", "denialCode": string(outcome)})
		case outcome == check.Unavailable:
			context = nil
		case outcome == check.PermissionDenied:
			next = guard.Require("other:x")(ok)
		default:
			continue
		}

		if got := code(context, next).Code; got != outcome {
			t.Errorf("%s is told as %q", outcome, got)
		}
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		change map[string]any
		want   int
	}{
		"held":     {nil, 200},
		"not held": {map[string]any{"permissions": "messages:read"}, 403},
		"none":     {map[string]any{"permissions": "", "permission": ""}, 403},
		"all":      {map[string]any{"permissions": "*"}, 200},
		"a part of a name": {map[string]any{
			"permissions": "messages:writer,essages:write,messages:",
		}, 403},
		"more than were handed over": {map[string]any{"permissions": "messages:read,..."}, 403},
		"the one that opened": {map[string]any{
			"permissions": "a:b,...",
			"permission":  "messages:write",
		}, 200},
		"a star among others": {map[string]any{"permissions": "messages:read,*"}, 403},
		"what opened is another": {map[string]any{
			"permissions": "",
			"permission":  "messages:read",
		}, 403},
		"the ellipsis is not a wildcard": {map[string]any{"permissions": "..."}, 403},
	} {
		w := httptest.NewRecorder()
		said(authorizer(test.change)).Protect(guard.Require("messages:write")(ok)).ServeHTTP(w,
			httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/messages", nil))

		if w.Code != test.want {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, test.want, w.Body)
		}

		var body struct{ Code, RequiredPermission string }
		if _ = json.Unmarshal(w.Body.Bytes(), &body); w.Code == 403 &&
			(body.Code != "permission_denied" || body.RequiredPermission != "messages:write") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}

	w := httptest.NewRecorder()
	if guard.Require("messages:write")(ok).ServeHTTP(w,
		httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)); w.Code != 503 {
		t.Errorf("without Protect: status %d", w.Code)
	}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	var got guard.Caller
	var found bool
	seen := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, found = guard.CallerOf(r.Context())
	})
	call := func(change map[string]any) {
		said(authorizer(change)).Protect(seen).ServeHTTP(httptest.NewRecorder(),
			httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}
	call(map[string]any{"customers": "42,43,..."})

	want := guard.Caller{
		API:            "orders",
		KeyID:          "k",
		KeyName:        "Main website",
		OrganizationID: "acme",
		Environment:    "production",
		OwnerID:        "user-1",
		Permissions:    []string{"messages:read", "messages:write"},
		Scoped:         true,
		Customers:      []string{"42", "43"},
	}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "opened"
	}, cmp.Ignore())); diff != "" || !found {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if !got.Serves("42") || got.Serves("44") || got.Serves("...") || got.Serves("") {
		t.Error("a scoped caller serves its customers and no others")
	}

	if call(nil); !got.Serves("44") {
		t.Error("a caller that is not scoped serves every customer")
	}

	if _, found := guard.CallerOf(t.Context()); found {
		t.Error("a caller without a call")
	}
}
