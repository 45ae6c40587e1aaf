package adminapi_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// Whatever stops an import in the middle, whole keys are left, and the repeated call brings in the
// rest.
func TestImportThatIsCutShort(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		fault storetest.Fault
		from  int // the attempt at a transaction that it begins with
		left  int
	}{
		"before the first key":          {storetest.Broken, 1, 0},
		"at the first keys":             {storetest.Broken, 2, 0},
		"at the second transaction":     {storetest.Refused, 3, 20},
		"an answer lost, and all after": {storetest.DropAnswer, 3, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := importKit(t)
			p := newImporter(t, kit)
			secrets, entries := many(120)
			p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
				if r.Operation == "TransactWriteItems" && r.N >= test.from {
					return test.fault
				}

				return storetest.None
			})

			if status, got := p.call(t, entries); status != http.StatusServiceUnavailable {
				t.Fatalf("%d %+v", status, got)
			}

			if got := whole(t, kit, secrets); got != test.left {
				t.Errorf("%d keys are left, want %d", got, test.left)
			}

			p.Traffic.Inject(nil)

			status, got := p.call(t, entries)
			if status != http.StatusOK || got.Imported != 120-test.left ||
				len(got.Failed) != test.left {
				t.Errorf("again: %d %d imported, %d failed", status, got.Imported, len(got.Failed))
			}

			if got := whole(t, kit, secrets); got != 120 {
				t.Errorf("%d keys in the end", got)
			}
		})
	}
}

// Calls with the same keys at once bring in each key once, and each says of every key whether it
// was the one that did.
func TestImportsAtOnce(t *testing.T) {
	t.Parallel()
	kit := importKit(t)
	secrets, entries := many(60)
	var all sync.WaitGroup

	answers := make([]imported, 4)
	for i := range answers {
		p := newImporter(t, kit)
		all.Go(func() {
			for {
				status, got := p.call(t, entries)

				answers[i].Imported += got.Imported
				if status == http.StatusOK {
					if got.Imported+len(got.Failed) != 60 {
						t.Errorf("%d imported and %d failed", got.Imported, len(got.Failed))
					}

					return
				}

				// the transactions of others got in the way
				if status != http.StatusConflict || got.Code != "conflict" {
					t.Errorf("status %d", status)
					return
				}
			}
		})
	}

	all.Wait()

	if got := whole(t, kit, secrets); got != 60 {
		t.Errorf("%d keys", got)
	}
}

// A person who was removed, or is no admin any more, between the gate and the write imports
// nothing.
func TestImportStandsOnWhatTheGateSaw(t *testing.T) {
	t.Parallel()
	kit := importKit(t)
	p := newImporter(t, kit)
	secrets, entries := many(3)

	m, err := kit.Store.Member(t.Context(), "acme", "alice@acme.test")
	if err != nil {
		t.Fatal(err)
	}

	once := sync.OnceFunc(func() {
		demoted := *m
		demoted.Role = organization.RoleViewer

		demoted.Version = m.Version + 1
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutMember(&demoted, m.Version)); err != nil {
			t.Error(err)
		}
	})
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" {
			once()
		}

		return storetest.None
	})

	if status, got := p.call(t, entries); status != http.StatusForbidden {
		t.Errorf("%d %+v", status, got)
	}

	if got := whole(t, kit, secrets); got != 0 {
		t.Errorf("%d keys", got)
	}
}

// A thousand keys are imported by one call, and by the next one none, which is told without writing
// anything.
func TestImportOfAThousand(t *testing.T) {
	t.Parallel()
	kit := importKit(t)
	ids := customers(t, kit, 3)
	p := newImporter(t, kit)

	secrets, entries := many(1000)
	for i, secret := range secrets {
		entries[i] = merged(entries[i], map[string]any{
			"name":        strings.Repeat("ö", 100),
			"hash":        digestOf("sha512", "hex", hex.EncodeToString)(secret),
			"environment": apikey.Environments()[i%3],
			"customers":   ids[:i%4],
		})
	}

	if status, got := p.call(t, entries); status != http.StatusOK || got.Imported != 1000 ||
		len(got.Failed) != 0 {
		t.Errorf("%d %s: %d imported, %d failed", status, got.Code, got.Imported, len(got.Failed))
	}

	if got := whole(t, kit, secrets); got != 1000 {
		t.Errorf("%d keys", got)
	}

	p.Traffic.Reset()

	_, again := p.call(t, entries)
	if again.Imported != 0 || len(again.Failed) != 1000 ||
		p.Traffic.Count("TransactWriteItems") != 0 {
		t.Errorf("again: %d imported, %d failed, %d transactions", again.Imported,
			len(again.Failed), p.Traffic.Count("TransactWriteItems"))
	}

	for i, f := range again.Failed {
		if f != (failure{i, "duplicate"}) {
			t.Fatalf("%+v at %d", f, i)
		}
	}
}

// Keys of many customers take more of a transaction; and a customer that is deleted meanwhile stops
// the keys that name it.
func TestImportOfManyCustomers(t *testing.T) {
	t.Parallel()
	kit := importKit(t)
	ids := customers(t, kit, 90)
	p := newImporter(t, kit)

	secrets, entries := many(5)
	for i := range entries {
		entries[i]["customers"] = ids[i%3*30:][:30]
	}

	if status, got := p.call(t, entries[:4]); status != http.StatusOK || got.Imported != 4 {
		t.Errorf("%d %+v", status, got)
	}

	once := sync.OnceFunc(func() {
		if err := kit.Store.Commit(t.Context(), kit.Store.RemoveCustomer(&organization.Customer{
			OrganizationID: "acme",
			ID:             ids[40],
			Version:        1,
		})); err != nil {
			t.Error(err)
		}
	})
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "TransactWriteItems" {
			once()
		}

		return storetest.None
	})

	if status, got := p.call(t, entries[4:]); status != http.StatusConflict {
		t.Errorf("%d %+v", status, got)
	}

	if status, got := p.call(t, entries[4:]); status != http.StatusOK || len(got.Failed) != 1 ||
		got.Failed[0].Code != "validation" {
		t.Errorf("again: %d %+v", status, got)
	}

	if got := whole(t, kit, secrets); got != 4 {
		t.Errorf("%d keys", got)
	}
}

// The answer says when the keys work everywhere: ten seconds after the first import into an
// environment, later at once; and until then they may not.
func TestImportSaysWhenItActs(t *testing.T) {
	t.Parallel()
	kit := importKit(t)
	p := newImporter(t, kit)
	secrets, entries := many(3)
	entries[2]["hash"] = digestOf("sha512", "hex", hex.EncodeToString)(secrets[2])
	other := newImporter(t, kit).checker
	works := func(secret string) bool {
		return other.Authenticate(t.Context(), check.Headers{
			APIKey: []string{secret},
		}, netip.Addr{}).Outcome == check.Allowed
	}
	works(secrets[0]) // the other process has just seen that nothing was imported

	start := kit.Clock.Now()
	for i, test := range []struct {
		later, wait time.Duration
	}{{0, 10 * time.Second}, {4 * time.Second, 6 * time.Second}, {time.Hour, 10 * time.Second}} {
		kit.Clock.Set(start.Add(test.later))

		status, got := p.call(t, entries[i:i+1])
		if by := kit.Clock.Now().Add(test.wait); status != http.StatusOK ||
			!got.EffectiveBy.Equal(by) {
			t.Errorf("%d: %d, effective by %s, want %s", i, status, got.EffectiveBy, by)
		}

		kit.Clock.Set(got.EffectiveBy)

		if !works(secrets[i]) {
			t.Errorf("%d does not work at %s", i, got.EffectiveBy)
		}
	}
}

// Neither a secret of another system nor its digest is anywhere in the table, nor in the log: who
// copies both learns nothing to try guesses against.
func TestTablesHoldNoImportedHash(t *testing.T) {
	t.Parallel()
	kit := importKit(t)

	secrets, entries := many(5)
	for i, secret := range secrets {
		if i%2 == 0 {
			entries[i]["hash"] = digestOf("sha512", "base64",
				base64.StdEncoding.EncodeToString)(secret)
		}
	}

	p := newImporter(t, kit)
	for _, want := range []int{5, 0} {
		if status, got := p.call(t, entries); status != http.StatusOK || got.Imported != want {
			t.Fatalf("%d %+v", status, got)
		}
	}

	all := kit.Dump(t) + kit.Log.String()
	for _, secret := range secrets {
		for _, a := range apikey.Algorithms() {
			sum := a.Sum(secret)
			for what, text := range map[string]string{
				"itself":    secret,
				"bytes":     string(sum[:16]),
				"hex":       hex.EncodeToString(sum)[:16],
				"HEX":       strings.ToUpper(hex.EncodeToString(sum))[:16],
				"base64":    base64.StdEncoding.EncodeToString(sum)[:16],
				"base64url": base64.URLEncoding.EncodeToString(sum)[:16],
			} {
				if strings.Contains(all, text) {
					t.Errorf("%s of %s is there as %s", a, secret, what)
				}
			}
		}
	}

	if !strings.Contains(all, "key.imported") || !strings.Contains(all, "sha512:") {
		t.Error("the dump lacks what it should hold")
	}
}
