package authorizer_test

import (
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// The ARNs of a WebSocket API: of the sample's handshake, and of others that it must not open.
const (
	connectARN = "arn:aws:execute-api:us-east-1:123456789012:w1x2y3z4a5/production/$connect"
	messageARN = "arn:aws:execute-api:us-east-1:123456789012:w1x2y3z4a5/production/$default"
)

// chats sets up an authorizer of an API chat with a handshake, and of one that is called other.
func chats(t *testing.T, change func(*authorizer.Config)) (*storetest.Kit, *authorizer.Authorizer) {
	t.Helper()
	kit, a := setup(t, change)

	var all []permission.Permission
	for _, api := range []string{"chat", "other"} {
		all = append(all, permission.Permission{
			Name:   api + ":connect",
			Title:  api,
			Routes: []permission.Route{{API: api, Method: "GET", Path: "/$connect"}},
		})
	}

	kit.MustCatalogue(t, all...)
	return kit, a
}

// permitted makes a key that holds one permission.
func permitted(t *testing.T, kit *storetest.Kit, name string) (*apikey.Key, string) {
	t.Helper()
	k, secret := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{name} })
	return k, secret.Reveal()
}

// A key opens the handshake of the API that its permission names, and nothing else.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	seen := &calls{}
	kit, a := chats(t, func(c *authorizer.Config) { c.Recorder = seen })
	k, secret := permitted(t, kit, "chat:connect")
	_, foreign := permitted(t, kit, "other:connect")

	got, text, err := invoke(t, a, sample(t, "websocket", secret))
	if err != nil {
		t.Fatal(err)
	}

	context := got.Fields["context"].(map[string]any)
	if !opens(t, got, connectARN) || opens(t, got, messageARN) ||
		opens(t, got, strings.Replace(connectARN, "/$", "/GET/$", 1)) ||
		context["permission"] != "chat:connect" || context["api"] != "chat" ||
		got.Fields["principalId"] != k.ID || got.Fields["usageIdentifierKey"] != nil {
		t.Error(text)
	}

	if len(seen.all) != 1 || seen.all[0].Method != "GET" || seen.all[0].Route != "/$connect" ||
		seen.all[0].API != "chat" || seen.all[0].UserAgent != "Mozilla/5.0" {
		t.Errorf("recorded %+v", seen.all)
	}

	got, text, err = invoke(t, a, sample(t, "websocket", foreign))
	if err != nil {
		t.Fatal(err)
	}

	context = got.Fields["context"].(map[string]any)
	if opens(t, got, connectARN) || context["denialCode"] != "permission_denied" ||
		context["requiredPermission"] != "chat:connect" {
		t.Error(text)
	}

	got, text, err = invoke(t, a, named(t, sample(t, "websocket", foreign), "other"))
	if err != nil || !opens(t, got, connectARN) {
		t.Errorf("%v: %s", err, text)
	}
}

// A browser, which can set no header, sends the key in the query; with any other API, that is no
// place for one. A key in two places is refused.
func TestWebSocketKeyInTheQuery(t *testing.T) {
	t.Parallel()
	kit, byHeader := chats(t, nil)
	_, secret := permitted(t, kit, "chat:connect")
	_, other := permitted(t, kit, "chat:connect")
	inQuery := func(event string, keys ...any) string {
		return rewrite(t, event, func(e map[string]any) {
			e["headers"], e["multiValueHeaders"] = map[string]any{}, map[string]any{}
			e["queryStringParameters"] = map[string]any{"api_key": keys[len(keys)-1]}
			e["multiValueQueryStringParameters"] = map[string]any{"api_key": keys}
		})
	}
	inBoth := func(event string, key string) string {
		return rewrite(t, event, func(e map[string]any) {
			e["multiValueQueryStringParameters"] = map[string]any{"api_key": []any{key}}
		})
	}
	handshake := sample(t, "websocket", secret)

	// with API Gateway's cache, which keeps no answer for a handshake, both places serve as well
	byBearer := build(kit, func(c *authorizer.Config) { c.KeyHeader = "Authorization" })

	for name, test := range map[string]struct {
		event string
		want  bool
	}{
		"in the header":                    {handshake, true},
		"in the query":                     {inQuery(handshake, secret), true},
		"nowhere":                          {inQuery(handshake, ""), false},
		"another's id":                     {inQuery(handshake, secret[:len(secret)-1]), false},
		"twice":                            {inQuery(handshake, secret, secret), false},
		"another beside the header":        {inBoth(handshake, other), false},
		"the same beside the header":       {inBoth(handshake, secret), false},
		"in the query of a call":           {inQuery(sample(t, "rest-request", secret), secret), false},
		"in the query of an HTTP API":      {inQuery(sample(t, "http-1", secret), secret), false},
		"in the query of an HTTP API, 2.0": {inQuery(sample(t, "http-2", secret), secret), false},
	} {
		for _, a := range []*authorizer.Authorizer{byHeader, byBearer} {
			_, text, err := invoke(t, a, test.event)
			if (err == nil) != test.want || err != nil && err.Error() != "Unauthorized" {
				t.Errorf("%s: %v, %s", name, err, text)
			}
		}
	}
}

// What is half a handshake is none.
func TestWebSocketEvents(t *testing.T) {
	t.Parallel()
	kit, a := chats(t, nil)
	_, secret := permitted(t, kit, "chat:connect")
	handshake := sample(t, "websocket", secret)
	context := func(change func(map[string]any)) string {
		return rewrite(t, handshake, func(e map[string]any) {
			change(e["requestContext"].(map[string]any))
		})
	}

	for name, event := range map[string]string{
		"a message":              strings.ReplaceAll(handshake, "$connect", "$default"),
		"the event of a message": context(func(c map[string]any) { c["eventType"] = "MESSAGE" }),
		"the ARN of a call":      strings.Replace(handshake, "/$connect", "/GET/$connect", 1),
		"a token": strings.Replace(sample(t, "rest-token", secret),
			"/GET/messages/42", "/$connect", 1),
		"of the HTTP API": strings.Replace(sample(t, "http-2", secret),
			"/GET/messages/42", "/$connect", 1),
	} {
		if text, err := a.Invoke(t.Context(), []byte(event)); err == nil ||
			err.Error() == "Unauthorized" || text != nil {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}
