// Package events_test holds the sample events to the shapes that AWS publishes: each is decoded
// strictly by the struct of aws-lambda-go that is made for it, and loses nothing on the way.
package events_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// shapeOf returns a new value of the struct that an event must fit, chosen by the file's name.
func shapeOf(file string) any {
	switch name := strings.TrimSuffix(file, ".json"); {
	case name == "authorizer-rest-token":
		return new(events.APIGatewayCustomAuthorizerRequest)
	case name == "authorizer-rest-request":
		return new(events.APIGatewayCustomAuthorizerRequestTypeRequest)
	case name == "authorizer-http-1":
		return new(events.APIGatewayV2CustomAuthorizerV1Request)
	case name == "authorizer-http-2":
		return new(events.APIGatewayV2CustomAuthorizerV2Request)
	case name == "authorizer-websocket":
		return new(websocketAuthorizerRequest)
	case name == "authorizer-appsync":
		return new(appSyncAuthorizerRequest)
	case strings.HasSuffix(name, "-http"):
		return new(events.APIGatewayV2HTTPRequest)
	default:
		return new(events.APIGatewayProxyRequest)
	}
}

// websocketAuthorizerRequest is the event of a WebSocket's authorizer, for which aws-lambda-go has
// no struct: that of its backend, with the type and the ARN of any authorizer's.
type websocketAuthorizerRequest struct {
	Type      string `json:"type"`
	MethodARN string `json:"methodArn"`
	events.APIGatewayWebsocketProxyRequest
}

// appSyncAuthorizerRequest is the event of AppSync's authorizer, with the headers, which the struct of
// aws-lambda-go lacks.
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
type appSyncAuthorizerRequest struct {
	events.AppSyncLambdaAuthorizerRequest
	RequestHeaders map[string]string `json:"requestHeaders"`
}

// files lists the sample events, and fails when there are suspiciously few: an empty folder would
// pass every test.
func files(t *testing.T) []string {
	t.Helper()

	found, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}

	if len(found) < 20 {
		t.Fatalf("only %d sample events found", len(found))
	}

	return found
}

func TestEventsFitTheirShapes(t *testing.T) {
	t.Parallel()

	for _, file := range files(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()

			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}

			shape := shapeOf(file)
			strict := json.NewDecoder(bytes.NewReader(text))
			strict.DisallowUnknownFields()

			if err := strict.Decode(shape); err != nil {
				t.Fatalf("not a %T: %v", shape, err)
			}

			again, err := json.Marshal(shape)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(said(t, text), said(t, again)); diff != "" {
				t.Errorf("lost in %T (-file +decoded):\n%s", shape, diff)
			}
		})
	}
}

// said decodes JSON and leaves out what says nothing: null, "", false and empty collections, which
// AWS sends in some events, leaves out of others, and which Go cannot tell apart.
func said(t *testing.T, text []byte) any {
	t.Helper()

	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}

	return prune(value)
}

// prune returns nil for a value that says nothing.
func prune(value any) any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case map[string]any:
		for name, member := range v {
			if v[name] = prune(member); v[name] == nil {
				delete(v, name)
			}
		}

		if len(v) == 0 {
			return nil
		}
	}

	return value
}

// secret is the form of a Bitting secret; see docs.
var secret = regexp.MustCompile(`bt_(prod|stg|dev)_[0-9A-Za-z]+_[0-9A-Za-z]+`)

// The samples' secrets must be plainly made up: sequences that no generator yields.
func TestEventsHoldNoRealSecret(t *testing.T) {
	t.Parallel()

	for _, file := range files(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		for _, found := range secret.FindAllString(string(text), -1) {
			if !strings.Contains(found, "0123456789") || !strings.Contains(found, "ABCDEFGHIJKL") {
				t.Errorf("%s holds %s, which looks real", file, found)
			}
		}
	}
}
