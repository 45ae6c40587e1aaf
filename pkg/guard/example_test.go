package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/bitting-keys/bitting/pkg/guard"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

// A backend of two routes. Its main hands the handler to Lambda:
// lambda.Start(proxy.New(guard.Protect(mux))).
func ExampleProtect() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, r *http.Request) {
		caller, _ := guard.CallerOf(r.Context())
		_, _ = fmt.Fprintf(w, "messages of %s", caller.OrganizationID)
	})
	mux.Handle("POST /messages",
		guard.Require("messages:write")(http.HandlerFunc(func(
			w http.ResponseWriter, _ *http.Request,
		) {
			w.WriteHeader(http.StatusCreated)
		})))

	// Here, what API Gateway would say of a call.
	said := proxy.Call{
		Authorizer: map[string]any{
			"keyId":          "7Qm2Xb0aVd91KtZs",
			"organizationId": "acme",
			"permissions":    "messages:read",
			"limited":        "false",
			"limits":         "burst;q=100;w=60;r=42;t=35",
		},
	}
	backend := guard.Guard{Call: func(*http.Request) proxy.Call { return said }}.Protect(mux)

	for _, method := range []string{http.MethodGet, http.MethodPost} {
		answer := httptest.NewRecorder()
		backend.ServeHTTP(answer,
			httptest.NewRequestWithContext(context.Background(), method, "/messages", nil))
		fmt.Println(method, answer.Code, answer.Header().Get("RateLimit"))
	}

	// Output:
	// GET 200 "burst";r=42;t=35
	// POST 403 "burst";r=42;t=35
}
