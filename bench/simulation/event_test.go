package simulation_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/authorizer"
)

// event returns the sample event of a REST API about GET /messages, with another key.
func event(t *testing.T, secret, id string) []byte {
	t.Helper()

	text, err := os.ReadFile("../../events/authorizer-rest-request.json")
	if err != nil {
		t.Fatal(err)
	}

	var e map[string]any
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}

	arn, _, _ := strings.Cut(e["methodArn"].(string), "/production/")
	e["methodArn"] = arn + "/production/GET/messages"
	e["httpMethod"], e["path"], e["resource"] = "GET", "/messages", "/messages"
	e["headers"].(map[string]any)["X-Api-Key"] = secret
	e["multiValueHeaders"].(map[string]any)["X-Api-Key"] = []any{secret}
	e["requestContext"].(map[string]any)["requestId"] = id

	if text, err = json.Marshal(e); err != nil {
		t.Fatal(err)
	}

	return text
}

// status returns what API Gateway makes of an authorizer's answer to a call.
func status(t *testing.T, a *authorizer.Authorizer, secret, id string) int {
	t.Helper()

	out, err := a.Invoke(t.Context(), event(t, secret, id))
	if err != nil {
		if err.Error() == "Unauthorized" {
			return 401
		}

		return 503
	}

	var answer struct {
		PolicyDocument struct {
			Statement []struct{ Effect string }
		} `json:"policyDocument"`
		Context map[string]string `json:"context"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(errors.Join(err, errors.New(string(out))))
	}

	switch {
	case answer.Context["limited"] == "true":
		return 429
	case strings.Contains(string(out), `"Effect":"Allow"`):
		return 200
	default:
		return 403
	}
}
