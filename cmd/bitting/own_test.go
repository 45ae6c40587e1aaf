package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/local/localtest"
)

// ownTemplate is an API of somebody who deployed Bitting beside it.
const ownTemplate = `Transform: AWS::Serverless-2016-10-31
Parameters:
  Environment: {Type: String}
Resources:
  Orders:
    Type: AWS::Serverless::Api
    Properties:
      StageName: !Ref Environment
      Cors: {AllowOrigin: "'*'", AllowHeaders: "'X-Api-Key'"}
      Auth:
        DefaultAuthorizer: Bitting
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers:
          Bitting:
            FunctionPayloadType: REQUEST
            FunctionArn: !Sub "{{resolve:ssm:/bitting/authorizer/${Environment}}}"
            Identity: {ReauthorizeEvery: 0}
  List:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Events:
        List: {Type: Api, Properties: {RestApiId: !Ref Orders, Path: /orders, Method: get}}
        Add: {Type: Api, Properties: {RestApiId: !Ref Orders, Path: /orders, Method: post}}
        Health:
          Type: Api
          Properties: {RestApiId: !Ref Orders, Path: /health, Method: get, Auth: {Authorizer: NONE}}
`

// TestEndToEndOwnAPI puts our authorizers before somebody's own API, far from any checkout.
func TestEndToEndOwnAPI(t *testing.T) {
	t.Parallel()

	tables := database(t)

	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"call":        r.Method + " " + r.URL.Path,
			"keyId":       r.Header.Get("X-Bitting-Key-Id"),
			"permissions": r.Header.Get("X-Bitting-Permissions"),
			"environment": r.Header.Get("X-Bitting-Environment"),
			"spoofed":     r.Header.Get("X-Bitting-Nobody") + r.Header.Get("X_Bitting_Key_Id"),
		})
	}))
	t.Cleanup(backend.Close)

	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "template.yaml"), []byte(ownTemplate), 0o600); err != nil {
		t.Fatal(err)
	}

	p := launchIn(t, folder, t.TempDir(), "--template", "template.yaml", "--backend", backend.URL,
		"--parameter", "Environment=production", "--dynamodb", tables)

	var err error
	if p.Machine, err = localtest.Wait(t.Context(), p.data, p.ended); err != nil {
		t.Fatalf("%v\n%s", err, p.out.String())
	}

	m := p.Machine
	said := func() bool { // after local.json is there
		return strings.Contains(p.out.String(), m.URL+"/production") &&
			strings.Contains(p.out.String(), "template.yaml is served in three environments")
	}

	for deadline := time.Now().Add(time.Minute); !said(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it says\n%s", p.out.String())
		}
	}

	m.Operator().Call(t, http.MethodPut, "/v1/permissions", map[string]any{
		"permissions": []map[string]any{
			{
				"name":   "orders:read",
				"title":  "Read orders",
				"routes": []map[string]any{{"api": "demo", "method": "GET", "path": "/orders"}},
			},
			{
				"name":   "orders:write",
				"title":  "Write orders",
				"routes": []map[string]any{{"api": "demo", "method": "POST", "path": "/orders"}},
			},
		},
	}).Want(t, http.StatusOK)

	key := m.Admin().CreateKey(t, "acme", map[string]any{
		"name":        "Orders",
		"environment": "staging",
		"permissions": []string{"orders:read"},
	})

	var got map[string]string

	m.As(key.Secret).Call(t, http.MethodGet, "/staging/orders", nil, "X-Bitting-Key-Id: spoofed",
		"X-Bitting-Nobody: spoofed", "X_Bitting_Key_Id: spoofed").Want(t, http.StatusOK).Into(t, &got)

	if got["call"] != "GET /orders" || got["keyId"] != key.Key.ID || got["environment"] != "staging" ||
		got["permissions"] != "orders:read" || got["spoofed"] != "" {
		t.Errorf("the backend got %v", got)
	}

	for _, test := range []struct {
		secret, method, path string
		status               int
	}{
		{"", "GET", "/staging/orders", 401},
		{key.Secret, "GET", "/production/orders", 401},
		{key.Secret, "POST", "/staging/orders", 403},
		{key.Secret, "GET", "/staging/nothing", 403}, // the API's own answer, which it does not customise
		{"", "GET", "/development/health", 200},
		{"", "OPTIONS", "/staging/orders", 200},
	} {
		m.As(test.secret).Call(t, test.method, test.path, nil).Want(t, test.status)
	}

	m.Admin().Call(t, http.MethodPost, "/v1/organizations/acme/keys/"+key.Key.ID+"/revoke", nil).Want(t,
		http.StatusOK)
	m.As(key.Secret).Call(t, http.MethodGet, "/staging/orders", nil).Want(t, http.StatusUnauthorized)
}
