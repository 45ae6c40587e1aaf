package authorizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// The call of the sample events, and their secret, which is not a real one.
const (
	sampleARN    = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/production/GET/messages/42"
	sampleSecret = "bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"
	sampleID     = "7Qm2Xb0aVd91KtZs"
)

// admit is the usage plan's key of an admitted call.
const admit = "admitted"

// catalogue returns the permissions that the tests' keys may hold.
func catalogue() []permission.Permission {
	one := func(name string, routes ...permission.Route) permission.Permission {
		return permission.Permission{Name: name, Title: name, Routes: routes}
	}
	return []permission.Permission{
		one("messages:read", permission.Route{
			API:    "demo",
			Method: "GET",
			Path:   "/messages",
		}, permission.Route{
			API:    "demo",
			Method: "GET",
			Path:   "/messages/{messageId}",
		}),
		one("messages:write", permission.Route{API: "demo", Method: "POST", Path: "/messages"}),
		one("customers:read", permission.Route{
			API:    "demo",
			Method: "GET",
			Path:   "/customers/{customerId}",
		}),
	}
}

// setup returns a kit with the catalogue and production's pepper, and the authorizer of the demo
// API in production.
func setup(t testing.TB, change func(*authorizer.Config)) (*storetest.Kit, *authorizer.Authorizer) {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t, catalogue()...)

	for _, env := range apikey.Environments() {
		if _, err := kit.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	return kit, build(kit, change)
}

// build returns another authorizer over a kit.
func build(kit *storetest.Kit, change func(*authorizer.Config)) *authorizer.Authorizer {
	c := authorizer.Config{
		Checker: &check.Checker{
			Brand:        storetest.Brand,
			Environments: []apikey.Environment{apikey.Production},
			Keys:         kit.Store,
			FirstUses:    kit.Hot,
			Peppers:      kit.Keyring,
			Catalogue: check.NewCatalogue(kit.Store.CatalogueReader(apikey.Production),
				kit.Clock.Now),
			Settings: check.NewSettingsCache(kit.Store, kit.Clock.Now),
			Imports:  check.NewImports(kit.Store, kit.Clock.Now),
			Now:      kit.Clock.Now,
			Limits: limit.Keys{
				Limiter: limit.New(kit.Hot, kit.Clock.Now, func() float64 { return 0.5 }),
			},
		},
		API:       "demo",
		AdmitKey:  admit,
		FirstUses: usage.NewFirstUses(kit.Hot, kit.Log.Logger()),
		Logger:    kit.Log.Logger(),
	}
	if change != nil {
		change(&c)
	}

	return authorizer.New(c)
}

// sample reads an event from the folder events, and replaces its secret.
func sample(t testing.TB, name, secret string) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("..", "..", "events", "authorizer-"+name+".json"))
	if err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(string(text), sampleSecret) {
		t.Fatalf("%s has no sample secret", name)
	}

	return strings.ReplaceAll(string(text), sampleSecret, secret)
}

// elsewhere changes an event about GET /messages/42 into one about another call.
func elsewhere(event, method, path, resource string) string {
	return strings.NewReplacer(
		"/GET/messages/42", "/"+method+path, "GET /messages/{messageId}", method+" "+resource,
		`"GET"`, `"`+method+`"`,
		"/messages/42", path, "/messages/{messageId}", resource,
	).Replace(event)
}

// rewrite changes an event's JSON.
func rewrite(t testing.TB, event string, change func(map[string]any)) string {
	t.Helper()

	var decoded map[string]any
	if err := json.Unmarshal([]byte(event), &decoded); err != nil {
		t.Fatal(err)
	}

	change(decoded)

	text, err := json.Marshal(decoded)
	if err != nil {
		t.Fatal(err)
	}

	return string(text)
}

// answer is a decoded answer, with its policy, if any, in a separate field.
type answer struct {
	Fields map[string]any
	Policy json.RawMessage
}

func invoke(t testing.TB, a *authorizer.Authorizer, event string) (answer, string, error) {
	t.Helper()

	text, err := a.Invoke(t.Context(), []byte(event))
	if err != nil {
		return answer{}, string(text), err
	}

	var out answer
	if err := json.Unmarshal(text, &out.Fields); err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	if document, ok := out.Fields["policyDocument"]; ok {
		if out.Policy, err = json.Marshal(document); err != nil {
			t.Fatal(err)
		}

		delete(out.Fields, "policyDocument")
	}

	return out, string(text), nil
}
