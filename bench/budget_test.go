package bench

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// sampleSecret is that of the sample events, which no key has.
const sampleSecret = "bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"

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

// setUpMemory returns an authorizer whose key is in memory, and that key's secret.
func setUpMemory(t testing.TB) (*authorizer.Authorizer, string) {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t, catalogue()...)

	k, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "messages:write", "orders:read"}
	})

	return authorizer.New(authorizer.Config{
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
		Metrics: metric.New(metric.Config{
			Stack:    "bench",
			Function: "bench",
			Now:      kit.Clock.Now,
			Out:      io.Discard,
		}),
		Logger: slog.New(slog.DiscardHandler),
	}), secret.Reveal()
}

// What a check may allocate of its own, from event to answer. Lower what you lowered: a number that
// is not reached says so.
func TestAllocations(t *testing.T) {
	a, secret := setUpMemory(t)

	for name, test := range map[string]struct {
		secret  string
		most    float64
		allowed bool
	}{
		"allowed":        {secret, 105, true},
		"malformed":      {"nonsense", 90, false},
		"wrong checksum": {secret[:len(secret)-1] + "_", 90, false},
		"wrong secret":   {sampleSecret, 97, false},
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

// BenchmarkInvoke measures an allowed call without its read.
func BenchmarkInvoke(b *testing.B) {
	a, secret := setUpMemory(b)

	for _, kind := range []string{"rest-request", "http-2"} {
		b.Run(kind, func(b *testing.B) {
			text, err := os.ReadFile("../events/authorizer-" + kind + ".json")
			if err != nil {
				b.Fatal(err)
			}

			payload := bytes.ReplaceAll(text, []byte(sampleSecret), []byte(secret))
			if _, err := a.Invoke(b.Context(), payload); err != nil {
				b.Fatal(err)
			}

			b.ReportAllocs()

			for b.Loop() {
				if _, err := a.Invoke(b.Context(), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
