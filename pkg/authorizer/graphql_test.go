package authorizer_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// graph sets up an authorizer of a GraphQL API whose fields need two permissions.
func graph(t *testing.T, change func(*authorizer.Config)) (*storetest.Kit, *authorizer.Authorizer) {
	t.Helper()
	kit, a := setup(t, change)

	routes := func(method string, paths ...string) (all []permission.Route) {
		for _, path := range paths {
			all = append(all, permission.Route{API: "demo", Method: method, Path: path})
		}

		return all
	}

	kit.MustCatalogue(t,
		permission.Permission{
			Name:   "messages:read",
			Title:  "Read messages",
			Routes: routes("POST", "/graphql", "/graphql/Query.messages", "/graphql/Message.author"),
		},
		permission.Permission{
			Name:  "messages:write",
			Title: "Write messages",
			Routes: routes("POST", "/graphql", "/graphql/Mutation.createMessage",
				"/graphql/Subscription.onMessage", "/graphql/not.a.field", "/graphql/other"),
		},
		permission.Permission{
			Name:   "odd:read",
			Title:  "What is no POST",
			Routes: routes("GET", "/graphql/Query.odd"),
		},
		permission.Permission{
			Name:   "other:read",
			Title:  "Another API's",
			Routes: []permission.Route{{API: "other", Method: "POST", Path: "/graphql/Query.foreign"}},
		})

	return kit, a
}

// asking changes the document of an event.
func asking(t *testing.T, event, document string) string {
	t.Helper()
	return rewrite(t, event, func(e map[string]any) {
		e["requestContext"].(map[string]any)["queryString"] = document
	})
}

// deniedIn returns the fields that an answer denies.
func deniedIn(got answer) (denied []string) {
	list, _ := got.Fields["deniedFields"].([]any)
	for _, f := range list {
		denied = append(denied, f.(string))
	}

	return denied
}

// A key opens the API's one route, and of the fields that permissions name those that it holds.
func TestGraphQL(t *testing.T) {
	t.Parallel()
	seen := &calls{}
	kit, a := graph(t, func(c *authorizer.Config) { c.Recorder = seen })
	writes := []string{"Mutation.createMessage", "Subscription.onMessage"}

	for name, test := range map[string]struct {
		change func(*apikey.Key)
		denied []string
	}{
		"reads": {
			func(k *apikey.Key) { k.Permissions = []string{"messages:read"} },
			append(writes, "Query.odd"),
		},
		"writes": {
			func(k *apikey.Key) { k.Permissions = []string{"messages:write"} },
			[]string{"Query.messages", "Message.author", "Query.odd"},
		},
		"both, and what is no POST": {
			func(k *apikey.Key) {
				k.Permissions = []string{"messages:read", "messages:write", "odd:read"}
			},
			[]string{"Query.odd"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, secret := kit.MustKey(t, test.change)

			got, text, err := invoke(t, a, sample(t, "appsync", secret.Reveal()))
			if err != nil {
				t.Fatal(err)
			}

			context, _ := got.Fields["resolverContext"].(map[string]any)
			denied := deniedIn(got)
			slices.Sort(denied)
			slices.Sort(test.denied)

			if got.Fields["isAuthorized"] != true || got.Fields["ttlOverride"] != 0. ||
				context["keyId"] != k.ID || context["limited"] != "false" ||
				!slices.Equal(denied, test.denied) {
				t.Error(text)
			}

			last := seen.all[len(seen.all)-1]
			if last.Outcome != "allowed" || last.Method != "POST" || last.Path != "/graphql" ||
				last.Route != "/graphql" || last.UserAgent != "curl/8.7.1" || last.SourceIP.IsValid() ||
				last.RequestID != "b80ed838-14c6-4500-b4c3-b694c7bef086" || last.KeyID != k.ID {
				t.Errorf("%+v", last)
			}
		})
	}
}

// A document that names a mutation which the key does not hold is refused as a whole, however it is
// written; one that only looks like it is not.
func TestGraphQLMutations(t *testing.T) {
	t.Parallel()
	seen := &calls{}
	kit, a := graph(t, func(c *authorizer.Config) { c.Recorder = seen })
	_, reads := permitted(t, kit, "messages:read")
	_, writes := permitted(t, kit, "messages:write")

	for document, allowed := range map[string]bool{
		`mutation { createMessage(text: "x") { id } }`:               false,
		`mutation{createMessage}`:                                    false,
		`mutation { x: createMessage }`:                              false,
		`mutation { x:createMessage@skip(if: false)}`:                false,
		"mutation{#\ncreateMessage#\n}":                              false,
		"\ufeffmutation{,createMessage,}":                            false,
		`mutation { ...f } fragment f on Mutation { createMessage }`: false,
		`query a { messages } mutation b { createMessage }`:          false,
		`subscription { onMessage { id } }`:                          false,
		`query { messages(like: "createMessage") }`:                  false,
		`mutation { createMessages }`:                                true,
		`mutation { _createMessage create_message createMessage2 }`:  true,
		`mutation { CreateMessage }`:                                 true,
		`query { messages { id } odd other not a field }`:            true,
		``: true,
		"mutation { createMessage" + strings.Repeat(" ", 1<<20) + "}": false,
		"{" + strings.Repeat("a", 1<<20) + "}":                        true,
	} {
		got, text, err := invoke(t, a, asking(t, sample(t, "appsync", reads), document))
		if err != nil {
			t.Fatal(err)
		}

		short := document[:min(len(document), 60)]
		if got.Fields["isAuthorized"] != allowed {
			t.Errorf("%s: %s", short, text)
		}

		last := seen.all[len(seen.all)-1]

		refused := last.Outcome == "permission_denied" && last.Permission == "messages:write"
		if refused == allowed {
			t.Errorf("%s: recorded %+v", short, last)
		}

		got, text, err = invoke(t, a, asking(t, sample(t, "appsync", writes), document))
		if err != nil || got.Fields["isAuthorized"] != true {
			t.Errorf("%s: %v, %s", short, err, text)
		}
	}
}

// AppSync has one refusal, and it tells nothing; what could not be checked is an error.
func TestGraphQLRefusals(t *testing.T) {
	t.Parallel()
	kit, a := graph(t, nil)
	_, foreign := permitted(t, kit, "odd:read")
	_, bound := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read"}
		k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	})
	_, limited := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read"}
		k.RateLimits = []apikey.RateLimit{{Name: "once", Limit: 1, Window: time.Hour}}
	})

	refusal := `{"isAuthorized":false,"ttlOverride":0}`

	for name, secret := range map[string]string{
		"no such key":              sampleSecret,
		"not the API's permission": foreign,
		"bound to addresses, which AppSync does not tell": bound.Reveal(),
		"nothing": "",
	} {
		if _, text, err := invoke(t, a, sample(t, "appsync", secret)); err != nil || text != refusal {
			t.Errorf("%s: %v, %s", name, err, text)
		}
	}

	event := sample(t, "appsync", limited.Reveal())
	if _, text, err := invoke(t, a, event); err != nil || text == refusal {
		t.Errorf("%v, %s", err, text)
	}

	if _, text, err := invoke(t, a, event); err != nil || text != refusal {
		t.Errorf("over its limit: %v, %s", err, text)
	}

	kit.Traffic.Inject(storetest.Always(storetest.Broken))

	if _, text, err := invoke(t, a, sample(t, "appsync", foreign)); err == nil || text != "" {
		t.Errorf("without its table: %v, %s", err, text)
	}

	kit.Traffic.Inject(nil)

	// as with a TOKEN event, the value may have a scheme
	bearer := rewrite(t, sample(t, "appsync", foreign), func(e map[string]any) {
		e["authorizationToken"] = "Bearer " + foreign
	})
	if _, text, err := invoke(t, a, bearer); err != nil || text != refusal {
		t.Errorf("%v, %s", err, text)
	}
}

// What was meant for a REST API, such as a greedy route, opens no GraphQL API of the same name.
func TestGraphQLNeedsItsOwnRoute(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	kit.MustCatalogue(t, permission.Permission{
		Name:   "rest:all",
		Title:  "Everything of a REST API",
		Routes: []permission.Route{{API: "demo", Method: "ANY", Path: "/{proxy+}"}},
	})

	_, secret := permitted(t, kit, "rest:all")
	if got, text, err := invoke(t, a, sample(t, "appsync", secret)); err != nil ||
		got.Fields["isAuthorized"] != false {
		t.Errorf("%v, %s", err, text)
	}
}

// What is like an event of a GraphQL API, but is none, is an error: another API of AppSync's would
// not heed denied fields, and the admin API is none of AppSync's.
func TestGraphQLEvents(t *testing.T) {
	t.Parallel()
	kit, a := graph(t, nil)
	_, secret := permitted(t, kit, "messages:read")
	event := sample(t, "appsync", secret)
	route := rewrite(t, event, func(e map[string]any) { e["routeArn"] = sampleARN })
	admin := build(kit, func(c *authorizer.Config) { c.API = permission.AdminAPI })

	publish := rewrite(t, event, func(e map[string]any) {
		e["requestContext"] = map[string]any{
			"apiId":                "giy7kumfmvcqvbedntjwjvagii",
			"operation":            "EVENT_PUBLISH",
			"channelNamespaceName": "default",
			"channel":              "/default/messages",
		}
	})
	none := rewrite(t, event, func(e map[string]any) { delete(e, "requestContext") })
	arn := rewrite(t, event, func(e map[string]any) { e["methodArn"] = sampleARN })

	for name, text := range map[string]string{
		"an event API's": publish,
		"no API":         none,
		"an ARN":         arn,
		"a route's ARN":  route,
	} {
		if out, err := a.Invoke(t.Context(), []byte(text)); err == nil || out != nil {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}

	if out, err := admin.Invoke(t.Context(), []byte(event)); err == nil || out != nil {
		t.Errorf("admin: %s, %v", out, err)
	}

	if strings.Contains(kit.Log.String(), secret) {
		t.Error("a secret in the log")
	}
}

// The fields of a large catalogue are denied in an answer that AppSync takes: 5 MB of context.
func TestGraphQLAnswersFit(t *testing.T) {
	t.Parallel()
	kit, a := setup(t, nil)
	all := []permission.Permission{{
		Name:   "messages:read",
		Title:  "Read",
		Routes: []permission.Route{{API: "demo", Method: "POST", Path: "/graphql"}},
	}}

	fields := permission.Permission{Name: "all:write", Title: "Write"}
	for i := range 250 {
		fields.Routes = append(fields.Routes, permission.Route{
			API:    "demo",
			Method: "POST",
			Path:   fmt.Sprintf("/graphql/Mutation.change%s%d", strings.Repeat("x", 40), i),
		})
	}

	kit.MustCatalogue(t, append(all, fields)...)
	_, secret := permitted(t, kit, "messages:read")

	got, text, err := invoke(t, a, sample(t, "appsync", secret))
	if err != nil || len(deniedIn(got)) != 250 || len(text) > 64<<10 || !json.Valid([]byte(text)) {
		t.Errorf("%v, %d denied, %d bytes", err, len(deniedIn(got)), len(text))
	}
}
