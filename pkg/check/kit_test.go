package check_test

import (
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// catalogue is what the tests' keys may hold.
func catalogue() []permission.Permission {
	one := func(name string, routes ...permission.Route) permission.Permission {
		return permission.Permission{Name: name, Title: name, Routes: routes}
	}
	return []permission.Permission{
		one("messages:read", permission.Route{
			API:    "*",
			Method: "GET",
			Path:   "/messages",
		}, permission.Route{
			API:    "*",
			Method: "GET",
			Path:   "/messages/{messageId}",
		}),
		one("messages:write", permission.Route{API: "*", Method: "POST", Path: "/messages"}),
		one("customers:read", permission.Route{
			API:    "*",
			Method: "GET",
			Path:   "/customers/{customerId}",
		}),
		one("metrics:read", permission.Route{API: "*", Method: "GET", Path: "/metrics/{proxy+}"}),
	}
}

// setup makes a kit with the catalogue, the peppers of all environments, and a checker of some
// environments whose catalogue is not read yet.
func setup(t testing.TB, environments ...apikey.Environment) (*storetest.Kit, *check.Checker) {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t, catalogue()...)

	for _, env := range apikey.Environments() {
		if _, err := kit.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	return kit, checker(kit, &kit.Process, environments...)
}

func checker(
	kit *storetest.Kit, p *storetest.Process, environments ...apikey.Environment,
) *check.Checker {
	reader := apikey.Production // a checker of no environment has no catalogue of its own either
	if len(environments) > 0 {
		reader = environments[0]
	}

	return &check.Checker{
		Brand:        storetest.Brand,
		Environments: environments,
		Keys:         p.Store,
		FirstUses:    p.Hot,
		Peppers:      p.Keyring,
		Catalogue:    check.NewCatalogue(p.Store.CatalogueReader(reader), kit.Clock.Now),
		Settings:     check.NewSettingsCache(p.Store, kit.Clock.Now),
		Imports:      check.NewImports(p.Store, kit.Clock.Now),
		Now:          kit.Clock.Now,
	}
}

// sent is the header that carries a secret.
func sent(secret string) check.Headers { return check.Headers{APIKey: []string{secret}} }

// read is a call that messages:read opens.
var read = check.Call{
	API:      "demo",
	Method:   "GET",
	Path:     "/messages/42",
	Resource: "/messages/{messageId}",
}
