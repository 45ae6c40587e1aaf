package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/client"
)

// fake stands in for the admin API.
func fake(status int, body string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
}

func Example() {
	server := fake(http.StatusCreated, `{"key": {"id": "7Qm2Xb0aVd91KtZs"}, "secret": "bt_prod_…"}`)
	defer server.Close()

	c, err := client.New(client.Config{URL: server.URL, Key: "bt_prod_example", UserAgent: "billing"})
	if err != nil {
		fmt.Println(err)
		return
	}

	made, err := c.CreateKey(context.Background(), "acme", api.CreateKey{
		Name:        "Main website",
		Environment: "production",
		KeySettings: api.KeySettings{ExpiresIn: "90d"},
	})

	switch {
	case err != nil:
		fmt.Println(err)
	case made.Secret == nil: // the answer that had it was lost: RegenerateKey makes another
		fmt.Println("made before:", made.Key.ID)
	default:
		fmt.Println(made.Key.ID, "has a secret")
	}

	// Output: 7Qm2Xb0aVd91KtZs has a secret
}

func ExampleClient_ListKeys() {
	server := fake(http.StatusOK, `{"items": [{"name": "Website"}, {"name": "App"}]}`)
	defer server.Close()

	c, err := client.New(client.Config{URL: server.URL, Key: "bt_prod_example"})
	if err != nil {
		fmt.Println(err)
		return
	}

	query := api.ListKeys{KeyFilter: api.KeyFilter{UnusedSince: "90d"}}
	for key, err := range c.ListKeys(context.Background(), "acme", query) {
		if err != nil {
			fmt.Println(err)
			return
		}

		fmt.Println(key.Name)
	}

	// Output:
	// Website
	// App
}

func ExampleError() {
	server := fake(http.StatusConflict,
		`{"code": "in_use", "detail": "3 keys are scoped to the customer."}`)
	defer server.Close()

	c, err := client.New(client.Config{URL: server.URL, Key: "bt_prod_example"})
	if err != nil {
		fmt.Println(err)
		return
	}

	_, err = c.DeleteCustomer(context.Background(), "acme", "globex")
	if errors.Is(err, client.ErrInUse) {
		fmt.Println(err)
	}

	// Output: deleteCustomer: 409 in_use 3 keys are scoped to the customer.
}
