package authorizer_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
)

// headers sets an event's headers, in the form of its kind: multi has every value of each, single
// the last.
func headers(t testing.TB, event string, values map[string][]string) string {
	t.Helper()
	return rewrite(t, event, func(e map[string]any) {
		single, multi := map[string]any{}, map[string]any{}
		for name, all := range values {
			list := []any{}
			for _, value := range all {
				list = append(list, value)
				single[name] = value
			}

			multi[name] = list
		}

		e["headers"] = single
		if _, ok := e["multiValueHeaders"]; ok {
			e["multiValueHeaders"] = multi
		}
	})
}

// A key of another system is sent as before: in either header of every kind of event, and ignored
// if Authorization is the backend's.
func TestForeignSecretInEveryEvent(t *testing.T) {
	t.Parallel()
	const (
		secret = "sk_live_51H8xYzAbCdEf"
		other  = "sk_live_00000000000000"
		jwt    = "eyJhbGciOiJub25lIn0.e30.c2lnbmF0dXJl"
	)
	kit, a := setup(t, nil)
	kit.MustImport(t, secret, apikey.SHA256, nil)

	_, ours := kit.MustKey(t, nil)
	for name, kind := range kinds() {
		allows := func(what, event string, want bool) {
			t.Helper()

			if _, _, err := invoke(t, a, event); (err == nil) != want {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		allows("as it is", sample(t, kind.event, secret), true)
		allows("another", sample(t, kind.event, other), false)

		if kind.event == "rest-token" {
			continue
		}

		for what, test := range map[string]struct {
			apiKey, authorization string
			want                  bool
		}{
			"in X-Api-Key":                    {secret, "", true},
			"as a bearer token":               {"", "Bearer " + secret, true},
			"without a scheme":                {"", secret, false},
			"with the backend's token":        {secret, "Bearer " + jwt, true},
			"with another of its system":      {secret, "Bearer " + other, true},
			"a bad one with a good one":       {other, "Bearer " + secret, false},
			"with one of ours":                {secret, "Bearer " + ours.Reveal(), false},
			"with ours":                       {ours.Reveal(), "Bearer " + secret, true},
			"the backend's token by itself":   {"", "Bearer " + jwt, false},
			"of another scheme":               {"", "Basic " + secret, false},
			"in X-Api-Key, with its scheme":   {"Bearer " + secret, "", false},
			"in X-Api-Key, and Basic besides": {secret, "Basic dXNlcjpwYXNz", true},
		} {
			values := map[string][]string{}
			if test.apiKey != "" {
				values["x-api-key"] = []string{test.apiKey}
			}

			if test.authorization != "" {
				values["authorization"] = []string{test.authorization}
			}

			allows(what, headers(t, sample(t, kind.event, secret), values), test.want)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	kit, both := setup(t, nil)
	apiKeyOnly := build(kit, func(c *authorizer.Config) { c.KeyHeader = "X-Api-Key" })
	bearerOnly := build(kit, func(c *authorizer.Config) { c.KeyHeader = "Authorization" })
	_, secret := kit.MustKey(t, nil)
	_, another := kit.MustKey(t, nil)
	key := secret.Reveal()
	bearer := "Bearer " + secret.Reveal()

	other := another.Reveal()
	for name, test := range map[string]struct {
		values                       map[string][]string
		both, apiKeyOnly, bearerOnly bool // which configurations allow it
		// several values of one name, which only REST distinguishes
		restOnly bool
	}{
		"x-api-key": {map[string][]string{
			"x-api-key": {key},
		}, true, true, false, false},
		"X-API-KEY": {map[string][]string{
			"X-API-KEY": {key},
		}, true, true, false, false},
		"X-Api-Key": {map[string][]string{
			"X-Api-Key": {key},
		}, true, true, false, false},
		"authorization": {map[string][]string{
			"authorization": {bearer},
		}, true, false, true, false},
		"AUTHORIZATION, bearer": {map[string][]string{
			"AUTHORIZATION": {"bearer " + key},
		}, true, false, true, false},
		"both the same": {map[string][]string{
			"X-Api-Key":     {key},
			"Authorization": {bearer},
		}, true, true, true, false},
		"both, two of ours": {map[string][]string{
			"X-Api-Key":     {key},
			"Authorization": {"Bearer " + other},
		}, false, true, true, false},
		"key and Basic": {map[string][]string{
			"X-Api-Key":     {key},
			"Authorization": {"Basic dXNlcjpwYXNz"},
		}, true, true, false, false},
		"none": {map[string][]string{
			"Accept": {"*/*"},
		}, false, false, false, false},
		"another header": {map[string][]string{
			"X-Api-Key-Id":    {key},
			"X-Authorization": {bearer},
			"Api-Key":         {key},
		}, false, false, false, false},
		"key twice": {map[string][]string{
			"X-Api-Key": {key, other},
		}, false, false, false, true},
		"key twice the same": {map[string][]string{
			"X-Api-Key": {key, key},
		}, false, false, false, true},
		"key in two spellings": {map[string][]string{
			"X-Api-Key": {key},
			"x-api-key": {key},
		}, false, false, false, true},
		"bearer twice": {map[string][]string{
			"Authorization": {bearer, bearer},
		}, false, false, false, true},
		"joined by a comma": {map[string][]string{
			"X-Api-Key": {key + "," + key},
		}, false, false, false, false},
		"bearer joined": {map[string][]string{
			"Authorization": {bearer + "," + bearer},
		}, false, false, false, false},
		"key and bearer joined": {map[string][]string{
			"X-Api-Key":     {key},
			"Authorization": {"Bearer " + other + ",Basic x"},
		}, false, true, false, false},
	} {
		for kind, event := range map[string]string{
			"rest-request": sample(t, "rest-request", key),
			"http-1":       sample(t, "http-1", key),
			"http-2":       sample(t, "http-2", key),
		} {
			if test.restOnly && kind != "rest-request" {
				continue
			}

			// The fields authorizationToken and identitySource are API Gateway's copies of headers,
			// and are never a source of keys.
			event = headers(t, event, test.values)
			for who, ask := range map[string]struct {
				a    *authorizer.Authorizer
				want bool
			}{
				"both":               {both, test.both},
				"X-Api-Key only":     {apiKeyOnly, test.apiKeyOnly},
				"Authorization only": {bearerOnly, test.bearerOnly},
			} {
				_, _, err := invoke(t, ask.a, event)
				if (err == nil) != ask.want || err != nil && err.Error() != "Unauthorized" {
					t.Errorf("%s, %s, %s: %v", kind, name, who, err)
				}
			}
		}
	}
}

// A TOKEN event has one value, of the header that API Gateway is configured with.
func TestToken(t *testing.T) {
	t.Parallel()
	kit, both := setup(t, nil)
	apiKeyOnly := build(kit, func(c *authorizer.Config) { c.KeyHeader = "X-Api-Key" })
	bearerOnly := build(kit, func(c *authorizer.Config) { c.KeyHeader = "Authorization" })
	_, secret := kit.MustKey(t, nil)

	key := secret.Reveal()
	for token, test := range map[string]struct{ both, apiKeyOnly, bearerOnly bool }{
		key:             {true, true, false},
		"Bearer " + key: {true, false, true},
		"bearer " + key: {true, false, true},
		"Basic " + key:  {},
		"":              {},
		"Bearer":        {},
		" " + key:       {},
		key + " ":       {},
		key + "," + key: {},
	} {
		event := rewrite(t, sample(t, "rest-token", key), func(e map[string]any) {
			e["authorizationToken"] = token
		})
		for who, ask := range map[string]struct {
			a    *authorizer.Authorizer
			want bool
		}{
			"both":               {both, test.both},
			"X-Api-Key only":     {apiKeyOnly, test.apiKeyOnly},
			"Authorization only": {bearerOnly, test.bearerOnly},
		} {
			_, _, err := invoke(t, ask.a, event)
			if (err == nil) != ask.want || err != nil && err.Error() != "Unauthorized" {
				t.Errorf("%q, %s: %v", token, who, err)
			}
		}
	}
}

// A key is accepted in headers only: one in the URL, which logs and histories store, counts as
// none.
func TestKeyInURL(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)

	_, secret := kit.MustKey(t, nil)
	for _, kind := range []string{"rest-request", "http-1", "http-2"} {
		event := rewrite(t, headers(t, sample(t, kind, secret.Reveal()), map[string][]string{
			"Accept": {"*/*"},
		}), func(e map[string]any) {
			e["queryStringParameters"] = map[string]any{
				"api_key":   secret.Reveal(),
				"x-api-key": secret.Reveal(),
			}
			e["rawQueryString"] = "api_key=" + secret.Reveal()
			e["cookies"] = []any{"x-api-key=" + secret.Reveal()}
		})
		if _, _, err := invoke(t, a, event); err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// The source address is what the gateway says, never what a header says.
func TestSourceAddress(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	bound := func(prefix string) string {
		_, secret := kit.MustKey(t, func(k *apikey.Key) {
			k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix(prefix)}
		})
		return secret.Reveal()
	}

	at, forwarded := bound("203.0.113.7/32"), bound("198.51.100.1/32")
	for kind, knows := range map[string]bool{
		"rest-request": true,
		"http-1":       true,
		"http-2":       true,
		"rest-token":   false,
	} {
		if _, _, err := invoke(t, a, sample(t, kind, at)); (err == nil) != knows {
			t.Errorf("%s, the caller's address: %v", kind, err)
		}

		event := rewrite(t, sample(t, kind, forwarded), func(e map[string]any) {
			for _, field := range []string{"headers", "multiValueHeaders"} {
				if h, ok := e[field].(map[string]any); ok {
					if _, multi := h["X-Forwarded-For"].([]any); multi {
						h["X-Forwarded-For"] = []any{"198.51.100.1"}
					} else {
						h["X-Forwarded-For"] = "198.51.100.1"
						h["x-forwarded-for"] = "198.51.100.1"
					}
				}
			}
		})
		if _, _, err := invoke(t, a, event); err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s, a header's address: %v", kind, err)
		}
	}
}

// Clients' headers and the event's own fields never become context.
func TestContextIsNotTheCallers(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	_, secret := kit.MustKey(t, nil)
	event := rewrite(t, headers(t, sample(t, "rest-request", secret.Reveal()), map[string][]string{
		"X-Api-Key":                   {secret.Reveal()},
		"X-Authorizer-OrganizationId": {"globex"},
		"organizationId":              {"globex"},
		"environment":                 {"staging"},
	}), func(e map[string]any) {
		e["stageVariables"] = map[string]any{"environment": "staging"}
		e["pathParameters"] = map[string]any{"organizationId": "globex"}
	})

	got, text, err := invoke(t, a, event)
	if err != nil {
		t.Fatal(err)
	}

	context := got.Fields["context"].(map[string]any)
	if context["organizationId"] != "acme" || context["environment"] != "production" ||
		strings.Contains(text, "globex") {
		t.Error(text)
	}
}

// A payload that is not an authorizer's event is our fault, not the key's.
func TestOtherEvents(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	_, secret := kit.MustKey(t, nil)
	good := sample(t, "rest-request", secret.Reveal())

	events := map[string]string{
		"nothing":         "",
		"no JSON":         "{",
		"no object":       "[]",
		"empty":           "{}",
		"null":            "null",
		"a text":          `"x"`,
		"no ARN":          rewrite(t, good, func(e map[string]any) { delete(e, "methodArn") }),
		"another type":    rewrite(t, good, func(e map[string]any) { e["type"] = "WEBSOCKET" }),
		"another version": rewrite(t, good, func(e map[string]any) { e["version"] = "3.0" }),
		"headers are a list": rewrite(t, good, func(e map[string]any) {
			e["headers"] = []any{secret.Reveal()}
		}),
		"a secret as ARN": rewrite(t, good, func(e map[string]any) {
			e["methodArn"] = secret.Reveal()
		}),
		"a secret in the ARN": rewrite(t, good, func(e map[string]any) {
			e["methodArn"] = "arn:aws:execute-api:us-east-1:1:" + secret.Reveal() +
				"/production/GE T/" + secret.Reveal()
		}),
		"another ARN": rewrite(t, good, func(e map[string]any) {
			e["methodArn"] = "arn:aws:s3:::bucket"
		}),
	}
	for name, event := range events {
		if text, err := a.Invoke(t.Context(), []byte(event)); err == nil ||
			err.Error() == "Unauthorized" || text != nil {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}

	if log := kit.Log.String(); strings.Count(log, `"msg":"check failed"`) != len(events) ||
		strings.Contains(log, secret.Reveal()) {
		t.Errorf("%d lines for %d events: %s", strings.Count(log, "\n"), len(events), log)
	}
}

// API Gateway's route and the path must belong to the same route.
func TestRouteOfTheGateway(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)

	_, secret := kit.MustKey(t, nil)
	for _, kind := range []string{"rest-request", "http-1", "http-2"} {
		for resource, allowed := range map[string]bool{
			"/messages/{messageId}":   true,
			"/messages/{id}":          true,
			"/{proxy+}":               true,
			"/customers/{customerId}": false,
			"/messages":               false,
		} {
			event := strings.ReplaceAll(sample(t, kind, secret.Reveal()),
				"/messages/{messageId}", resource)

			got, _, err := invoke(t, a, event)
			if err != nil {
				t.Fatal(err)
			}

			evaluates(t, got.Policy, arn(t, event), allowed)
		}
	}

	event := rewrite(t, sample(t, "http-2", secret.Reveal()), func(e map[string]any) {
		e["routeKey"] = "$default"
	})

	got, _, err := invoke(t, a, event)
	if err != nil {
		t.Fatal(err)
	}

	evaluates(t, got.Policy, arn(t, event), true)
}
