package bench

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// memory has one key, and so takes DynamoDB's part out of what is counted.
type memory struct{ key *apikey.Key }

// Key implements check.Keys.
func (m memory) Key(context.Context, apikey.Environment, string) (*apikey.Key, error) {
	return m.key, nil
}

// FirstUse implements check.Keys.
func (memory) FirstUse(context.Context, *apikey.Key) (time.Time, error) { return time.Time{}, nil }

// Claims implements check.Keys.
func (memory) Claims(context.Context, apikey.Environment, string) ([]string, error) {
	return nil, nil
}

// What a check may allocate of its own, from event to answer. Lower what you lowered: a number that
// is not reached says so.
func TestAllocations(t *testing.T) {
	kit := storetest.New(t)
	kit.MustCatalogue(t, catalogue()...)

	k, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "messages:write", "orders:read"}
	})

	a := authorizer.New(authorizer.Config{
		Checker: &check.Checker{
			Brand:        storetest.Brand,
			Environments: []apikey.Environment{apikey.Production},
			Keys:         memory{k},
			FirstUses:    kit.Hot,
			Peppers:      kit.Keyring,
			Catalogue:    check.NewCatalogue(kit.Store.CatalogueReader(apikey.Production), kit.Clock.Now),
			Settings:     check.NewSettingsCache(kit.Store, kit.Clock.Now),
			Imports:      check.NewImports(kit.Store, kit.Clock.Now),
			Policies:     policy.NewBuilder(10),
			Now:          kit.Clock.Now,
		},
		API:       "demo",
		FirstUses: usage.NewFirstUses(kit.Hot, slog.New(slog.DiscardHandler)),
		Recorder:  usage.NewRecorder(kit.Hot, "bench", kit.Clock.Now, slog.New(slog.DiscardHandler)),
		Logger:    slog.New(slog.DiscardHandler),
	})

	for name, test := range map[string]struct {
		secret  string
		most    float64
		allowed bool
	}{
		"allowed":        {secret.Reveal(), 105, true},
		"malformed":      {"nonsense", 90, false},
		"wrong checksum": {secret.Reveal()[:len(secret.Reveal())-1] + "_", 90, false},
		"wrong secret":   {"bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi", 97, false},
	} {
		payload := event(t, "GET", "/messages/42", test.secret)

		// once before, for what is kept in memory
		if _, err := a.Invoke(t.Context(), payload); (err == nil) != test.allowed {
			t.Fatalf("%s: %v", name, err)
		}

		got := testing.AllocsPerRun(100, func() { _, _ = a.Invoke(t.Context(), payload) })
		if got > test.most || got < test.most-5 {
			t.Errorf("%s: %.0f allocations, expected at most %.0f, and not far below", name, got, test.most)
		}
	}
}
