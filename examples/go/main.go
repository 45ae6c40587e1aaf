// Command go is a backend of three routes. Anybody with a key that opens the route lists and places
// orders. A refund needs a permission that the gateway, which sees one route for all changes of an
// order, cannot tell apart.
package main

import (
	"encoding/json"
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/guard"
	"github.com/bitting-keys/bitting/pkg/proxy"
)

func main() { lambda.Start(proxy.New(guard.Protect(routes()))) }

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		reply(w, r, http.StatusOK, "orders", []string{})
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		reply(w, r, http.StatusCreated, "placed", true)
	})
	mux.HandleFunc("PATCH /orders/{orderId}", change)
	return mux
}

func change(w http.ResponseWriter, r *http.Request) {
	var in struct{ Refund bool }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, "expected JSON", http.StatusBadRequest)
		return
	}

	changed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply(w, r, http.StatusOK, "changed", r.PathValue("orderId"))
	})
	if in.Refund {
		guard.Require("orders:refund")(changed).ServeHTTP(w, r)
		return
	}

	changed(w, r)
}

// reply answers, and says by whose key.
func reply(w http.ResponseWriter, r *http.Request, status int, name string, value any) {
	caller, _ := guard.CallerOf(r.Context())

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// the status is written: an error cannot be reported any more
	_ = json.NewEncoder(w).Encode(map[string]any{
		name: value,
		"by": map[string]string{
			"api":          caller.API,
			"key":          caller.KeyID,
			"organization": caller.OrganizationID,
		},
	})
}
