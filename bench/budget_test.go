package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bitting-keys/bitting/pkg/admin"
	"github.com/bitting-keys/bitting/pkg/adminapi"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/awsjson"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/jsonstring"
	"github.com/bitting-keys/bitting/pkg/metric"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/dynamodbjson"
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

// setUpMemory returns an authorizer whose key is in memory, its checker, that key's secret, and how
// often the key was read.
func setUpMemory(t testing.TB) (*authorizer.Authorizer, *check.Checker, string, *atomic.Int64) {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t, catalogue()...)

	k, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "messages:write", "orders:read"}
	})

	calls := new(atomic.Int64)
	checker := &check.Checker{
		Brand:        storetest.Brand,
		Environments: []apikey.Environment{apikey.Production},
		Keys:         counted{memory{k}, calls},
		FirstUses:    kit.Hot,
		Peppers:      kit.Keyring,
		Catalogue:    check.NewCatalogue(kit.Store.CatalogueReader(apikey.Production), kit.Clock.Now),
		Settings:     check.NewSettingsCache(kit.Store, kit.Clock.Now),
		Imports:      check.NewImports(kit.Store, kit.Clock.Now),
		Policies:     policy.NewBuilder(10),
		Now:          kit.Clock.Now,
	}

	return authorizer.New(authorizer.Config{
		Checker:   checker,
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
	}), checker, secret.Reveal(), calls
}

// counted is memory that counts its calls.
type counted struct {
	memory

	calls *atomic.Int64
}

// Key implements check.Keys.
func (c counted) Key(ctx context.Context, e apikey.Environment, id string) (*apikey.Key, error) {
	c.calls.Add(1)
	return c.memory.Key(ctx, e, id)
}

// budget is what a part of a check may cost: never a time, which depends on the machine.
type budget struct {
	allocations int64
	bytes       int64
	calls       int64 // of the store
}

// budgets are checked in: lower what you lowered. A number that is not reached says so.
var budgets = map[string]budget{
	// from event to answer
	"allowed, REST":      {5, 5_700, 1},
	"allowed, HTTP":      {5, 5_500, 1},
	"malformed":          {2, 2_000, 0},
	"wrong checksum":     {2, 2_200, 0},
	"wrong environment":  {2, 2_200, 0},
	"no key":             {2, 2_000, 0},
	"not an event":       {7, 600, 0},
	"wrong secret":       {3, 2_300, 1},
	"permission refused": {23, 17_000, 1},

	// parts of it
	"scan":   {0, 20, 0},
	"check":  {1, 60, 1},
	"policy": {0, 20, 0},
	"hash":   {1, 60, 0},

	// a key's row, from DynamoDB by the client of checks, with its seal
	"read": {132, 24_000, 0},

	// what a function of administration declares at its start, and that with its first call
	"administration":             {430, 39_000, 0},
	"administration, first call": {1_600, 180_000, 0},
}

// part is what is measured under a name.
type part struct {
	name string
	run  func() error // an error if the outcome is another one than it should be
}

// parts returns what there is a budget for, and the count of the store's calls.
func parts(t testing.TB) ([]part, *atomic.Int64) {
	t.Helper()
	a, checker, secret, calls := setUpMemory(t)

	rest := event(t, "GET", "/messages/42", secret)
	invoke := func(name, status string, payload []byte) part {
		var first []byte // the answer, once looked at: to search it each time would be measured, too

		return part{name, func() error {
			out, err := a.Invoke(t.Context(), payload)
			if err == nil && first != nil && bytes.Equal(out, first) {
				return nil
			}

			if got := statusOf(out, err); got != status {
				return fmt.Errorf("%s: %s, %w", name, got, err)
			}

			first = out
			return nil
		}}
	}
	with := func(secret string) []byte { return event(t, "GET", "/messages/42", secret) }

	arn, err := policy.ParseARN(
		"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/production/GET/messages/42")
	if err != nil {
		t.Fatal(err)
	}

	headers := check.Headers{APIKey: []string{secret}}
	call := check.Call{API: "demo", Method: "GET", Path: "/messages/42", ARN: arn}
	text := string(rest)

	one := checker.Check(t.Context(), headers, call)

	catalogue, err := checker.Catalogue.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	pepper, err := checker.Peppers.Current(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	sent, err := storetest.Brand.Parse(secret)
	if err != nil {
		t.Fatal(err)
	}

	return []part{
		invoke("allowed, REST", "allowed", rest),
		invoke("allowed, HTTP", "allowed", compact(t, "http-2", secret)),
		invoke("malformed", "Unauthorized", with("nonsense")),
		invoke("wrong checksum", "Unauthorized", with(secret[:len(secret)-1]+"_")),
		invoke("wrong environment", "Unauthorized", with(elsewhere(t))),
		invoke("no key", "Unauthorized", with("")),
		invoke("not an event", "failed", []byte(`{"type":"REQUEST"`)),
		invoke("wrong secret", "Unauthorized", with(sampleSecret)),
		invoke("permission refused", "refused", event(t, "GET", "/invoices", secret)),
		{"scan", func() error {
			s := jsonstring.New(text)
			s.Skip()
			return s.End()
		}},
		{"check", func() error {
			v := checker.Check(t.Context(), headers, call)
			return v.Err
		}},
		{"policy", func() error {
			p := checker.Policies.Build(catalogue, "demo", check.Grant(one.Key), arn)
			if p.JSON == nil {
				return errors.New("no policy of the whole key")
			}

			return nil
		}},
		{"hash", func() error {
			pepper.Hash(sent)
			return nil
		}},
		{"read", read(t)},
		{"administration", func() error {
			adminapi.New(adminapi.Config{Admin: new(admin.Service), Group: adminapi.GroupKeys})
			return nil
		}},
		{"administration, first call", firstCall(t)},
	}, calls
}

// firstCall returns the first call of a function of administration, which nobody made.
func firstCall(t testing.TB) func() error {
	t.Helper()
	kit := storetest.New(t)
	kit.MustCatalogue(t, catalogue()...)

	service := admin.New(admin.Config{
		Brand:   storetest.Brand,
		Store:   kit.Store,
		Hot:     kit.Hot,
		Keyring: kit.Keyring,
		Logger:  slog.New(slog.DiscardHandler),
		Now:     kit.Clock.Now,
	})

	return func() error {
		a := adminapi.New(adminapi.Config{Admin: service, Group: adminapi.GroupKeys})
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet,
			"/v1/organizations/acme/keys/7Qm2Xb0aVd91KtZs", nil))

		if w.Code != http.StatusUnauthorized {
			return fmt.Errorf("%d: %s", w.Code, w.Body)
		}

		return nil
	}
}

// read returns the read of a key by the client of checks.
func read(t testing.TB) func() error {
	t.Helper()
	kit := storetest.New(t)

	k, _ := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "messages:write", "orders:read"}
	})

	rows := core.NewReader(dynamodbjson.New(awsjson.New(awsjson.Config{
		Service:     awsjson.DynamoDB,
		Region:      "us-east-1",
		Endpoint:    *kit.Client.Options().BaseEndpoint,
		Credentials: aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"},
		Timeout:     time.Minute,
	})), kit.CoreTable, kit.Keyring)

	return func() error {
		_, err := rows.Key(t.Context(), k.Environment, k.ID)
		return err
	}
}

// statusOf returns what a caller would get.
func statusOf(out []byte, err error) string {
	switch {
	case err != nil && err.Error() == "Unauthorized":
		return "Unauthorized"
	case err != nil:
		return "failed"
	case bytes.Contains(out, []byte(`"Deny","Resource":["arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/production/GET/invoices"]`)):
		return "refused"
	case bytes.Contains(out, []byte(`"Allow"`)):
		return "allowed"
	default:
		return string(out)
	}
}

// elsewhere returns a secret of another environment.
func elsewhere(t testing.TB) string {
	t.Helper()

	secret, err := storetest.Brand.Mint(rand.Reader, apikey.Staging, "7Qm2Xb0aVd91KtZs")
	if err != nil {
		t.Fatal(err)
	}

	return secret.Reveal()
}

// compact returns a sample event with a secret, as API Gateway sends it: without white space.
func compact(t testing.TB, kind, secret string) []byte {
	t.Helper()

	text, err := os.ReadFile("../events/authorizer-" + kind + ".json")
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer
	if err := json.Compact(&out, bytes.ReplaceAll(text, []byte(sampleSecret), []byte(secret))); err != nil {
		t.Fatal(err)
	}

	return out.Bytes()
}

// What a check may cost of its own, from event to answer and in its parts; and the start of a function
// of administration.
func TestAllocations(t *testing.T) {
	measured, calls := parts(t)

	for _, p := range measured {
		most, ok := budgets[p.name]
		if !ok {
			t.Errorf("%s has no budget", p.name)
		}

		got := measure(t, p, calls)
		t.Logf("%s: %+v", p.name, got)

		if got.allocations > most.allocations || got.bytes > most.bytes || got.calls != most.calls {
			t.Errorf("%s: %+v, expected at most %+v", p.name, got, most)
		}

		if got.allocations < most.allocations-most.allocations/10-1 || got.bytes < most.bytes*3/4-64 {
			t.Errorf("%s: %+v is far below its budget %+v: lower that", p.name, got, most)
		}
	}
}

// measure returns what a part takes on average, in the least of several rounds: what else the process
// does meanwhile, as its garbage collection, a connection that closes, adds to a round and never
// takes away.
func measure(t *testing.T, p part, calls *atomic.Int64) budget {
	t.Helper()

	const (
		rounds = 5
		runs   = 100
	)

	// once before, for what is kept in memory
	if err := p.run(); err != nil {
		t.Fatal(err)
	}

	runtime.GC()
	calls.Store(0)

	least := budget{allocations: math.MaxInt64, bytes: math.MaxInt64}

	for range rounds {
		var before, after runtime.MemStats

		runtime.ReadMemStats(&before)

		for range runs {
			_ = p.run()
		}

		runtime.ReadMemStats(&after)

		least.allocations = min(least.allocations, int64(after.Mallocs-before.Mallocs)/runs)
		least.bytes = min(least.bytes, int64(after.TotalAlloc-before.TotalAlloc)/runs)
	}

	if n := calls.Load(); n%(rounds*runs) != 0 {
		t.Errorf("%s: %d calls of the store in %d runs", p.name, n, rounds*runs)
	}

	least.calls = calls.Load() / (rounds * runs)
	return least
}

// BenchmarkParts measures what there is a budget for, without DynamoDB's part.
func BenchmarkParts(b *testing.B) {
	measured, _ := parts(b)

	for _, p := range measured {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if err := p.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
