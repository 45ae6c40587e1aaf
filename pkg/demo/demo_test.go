package demo_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/demo"
)

// response is the part of a proxy response that both kinds of API understand.
type response struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Body              string              `json:"body"`
}

// header returns the only value of a header, in the form of either kind of API.
func (r response) header(name string) string {
	if v := r.MultiValueHeaders[name]; len(v) > 0 {
		return v[0]
	}

	return r.Headers[name]
}

// event reads a sample event and lets the test change it.
func event(t *testing.T, file string, change func(map[string]any)) []byte {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("..", "..", "events", file))
	if err != nil {
		t.Fatal(err)
	}

	if change == nil {
		return text
	}

	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}

	change(decoded)

	if text, err = json.Marshal(decoded); err != nil {
		t.Fatal(err)
	}

	return text
}

// invoke answers an event and decodes the response and its body.
func invoke(t *testing.T, payload []byte) (response, map[string]any) {
	t.Helper()

	answer, err := demo.Function().Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}

	var got response
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}

	var body map[string]any
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		t.Fatalf("body %q: %v", got.Body, err)
	}

	return got, body
}

// authorizer returns the authorizer's context in an event of either kind.
func authorizer(event map[string]any) map[string]any {
	context, _ := event["requestContext"].(map[string]any)

	found, _ := context["authorizer"].(map[string]any)
	if lambda, ok := found["lambda"].(map[string]any); ok {
		return lambda
	}

	return found
}

func TestFunctionEchoesTheCaller(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		event  string
		method string
		status int
		route  string
	}{
		"REST GET":          {"demo-get-message.json", "", 200, "GET /messages/{messageId}"},
		"REST POST creates": {"demo-post-message.json", "", 201, "POST /messages"},
		"REST DELETE": {
			"demo-get-message.json", http.MethodDelete, 200, "DELETE /messages/{messageId}",
		},
		"HTTP GET": {"demo-get-message-http.json", "", 200, "GET /messages/{messageId}"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said map[string]any
			payload := event(t, test.event, func(e map[string]any) {
				said = authorizer(e)

				if test.method == "" {
					return
				}

				e["httpMethod"] = test.method
				e["requestContext"].(map[string]any)["httpMethod"] = test.method
			})

			got, body := invoke(t, payload)
			if got.StatusCode != test.status {
				t.Errorf("status %d, want %d", got.StatusCode, test.status)
			}

			want := map[string]any{
				"route":       test.route,
				"environment": "production",
				"authorizer":  said,
			}
			if diff := cmp.Diff(want, body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}

			if v := got.header("Content-Type"); v != "application/json" {
				t.Errorf("Content-Type %q", v)
			}

			if v := got.header("Access-Control-Allow-Origin"); v != "*" {
				t.Errorf("Access-Control-Allow-Origin %q", v)
			}
		})
	}
}

func TestFunctionRefuses(t *testing.T) {
	t.Parallel()
	set := func(values map[string]any) func(map[string]any) {
		return func(e map[string]any) {
			for name, value := range values {
				authorizer(e)[name] = value
			}
		}
	}
	type want struct {
		Status     int
		Code       string
		RetryAfter string
	}
	unavailable := want{503, "unavailable", "5"}

	tests := map[string]struct {
		event  string
		change func(map[string]any)
		want   want
	}{
		"REST without authorizer": {"demo-no-authorizer.json", nil, unavailable},
		"HTTP without authorizer": {"demo-no-authorizer-http.json", nil, unavailable},
		"REST with an empty context": {"demo-get-message.json", set(map[string]any{
			"keyId": "",
		}), unavailable},
		"HTTP with a null key": {"demo-get-message-http.json", set(map[string]any{
			"keyId": nil,
		}), unavailable},
		"HTTP with another authorizer": {"demo-get-message-http.json", jwtInstead, unavailable},
		"health of another method":     {"demo-health.json", method(http.MethodPost), unavailable},
		"limited HTTP": {
			"demo-limited-http.json",
			nil,
			want{429, "rate_limited", "12"},
		},
		"limited HTTP by a boolean": {"demo-limited-http.json", set(map[string]any{
			"limited":    true,
			"retryAfter": 7,
		}), want{429, "rate_limited", "7"}},
		"limited REST": {"demo-get-message.json", set(map[string]any{
			"limited":    "true",
			"retryAfter": "3",
		}), want{429, "rate_limited", "3"}},
		"quota used up": {"demo-limited-http.json", set(map[string]any{
			"denialCode": "quota_exceeded",
		}), want{429, "quota_exceeded", "12"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, body := invoke(t, event(t, test.event, test.change))

			seen := want{got.StatusCode, fmt.Sprint(body["code"]), got.header("Retry-After")}
			if diff := cmp.Diff(test.want, seen); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}

			if v := got.header("Content-Type"); v != "application/problem+json" {
				t.Errorf("Content-Type %q", v)
			}

			if kind := fmt.Sprint(body["type"]); !strings.HasSuffix(kind,
				"/docs/problems.md#"+test.want.Code) {
				t.Errorf("type %q does not explain %s", kind, test.want.Code)
			}

			if body["status"] != float64(test.want.Status) || body["requestId"] == "" ||
				body["title"] == "" {
				t.Errorf("problem %v lacks its status, title or request id", body)
			}
		})
	}
}

// jwtInstead replaces the Lambda authorizer's context with a JWT authorizer's, which knows nothing
// of keys.
func jwtInstead(e map[string]any) {
	e["requestContext"].(map[string]any)["authorizer"] = map[string]any{
		"jwt": map[string]any{
			"claims": map[string]any{"keyId": "7Qm2Xb0aVd91KtZs"},
			"scopes": []any{},
		},
	}
}

// method changes a REST event's method.
func method(m string) func(map[string]any) {
	return func(e map[string]any) {
		e["httpMethod"] = m
		e["requestContext"].(map[string]any)["httpMethod"] = m
	}
}

func TestFunctionHealthNeedsNoKey(t *testing.T) {
	t.Parallel()

	got, body := invoke(t, event(t, "demo-health.json", nil))
	if got.StatusCode != 200 {
		t.Errorf("status %d, want 200", got.StatusCode)
	}

	if diff := cmp.Diff(map[string]any{"status": "ok"}, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestFunctionWantsProxyEvents(t *testing.T) {
	t.Parallel()

	for _, payload := range []string{
		``, `[]`, `{"version": 2}`, `{"version": "2.0", "headers": 1}`, `{"headers": 1}`,
	} {
		if answer, err := demo.Function().Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("event %q was answered with %s", payload, answer)
		}
	}
}
