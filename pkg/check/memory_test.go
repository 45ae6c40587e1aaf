package check_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// remembered is how long a row is remembered.
const remembered = check.FastWithin - time.Second

// fast makes a checker with a memory, of an instance of its own.
func fast(kit *storetest.Kit) *check.Checker {
	c := limited(kit, &kit.Process)
	c.Memory = check.NewMemory(kit.Clock.Now, func() time.Duration { return 0 })
	return c
}

func allowed(t *testing.T, c *check.Checker, secret apikey.Secret) {
	t.Helper()

	if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Allowed {
		t.Fatal(v.Outcome, v.Reason, v.Err)
	}
}

// keyReads returns how often rows of keys were read: settings and the catalogue are, too.
func keyReads(t *testing.T, kit *storetest.Kit) (n int) {
	t.Helper()

	for _, r := range kit.Traffic.Requests("GetItem") {
		var in struct{ Key map[string]struct{ S string } }
		if r.Decode(t, &in); in.Key["sk"].S == "key" {
			n++
		}
	}

	return n
}

// At four seconds a row is read again; until then no check of the key reads it.
func TestMemorySparesReads(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	_, secret := kit.MustKey(t, nil)
	allowed(t, c, secret)
	kit.Traffic.Reset()

	for range 100 {
		allowed(t, c, secret)
		kit.Clock.Advance(remembered/100 - 1)
	}

	if got := kit.Traffic.Count(); got != 0 {
		t.Errorf("%d requests for 100 checks of a key that is remembered", got)
	}

	kit.Clock.Advance(100)
	allowed(t, c, secret)
	allowed(t, c, secret)

	if got := kit.Traffic.Count(); got != 1 {
		t.Errorf("%d requests after %v", got, remembered)
	}
}

// What takes something from a key acts when its row is no longer remembered, and not before: else
// nothing would be remembered.
func TestWhatIsTakenEndsWithTheMemory(t *testing.T) {
	t.Parallel()

	kit, _ := setup(t, apikey.Production)
	for name, test := range map[string]struct {
		change func(*apikey.Key)
		want   check.Outcome
	}{
		"revoked": {func(k *apikey.Key) {
			if err := k.Revoke(k.Owner, "", true, kit.Clock.Now()); err != nil {
				t.Error(err)
			}
		}, check.Inactive},
		"disabled": {func(k *apikey.Key) { k.Enabled = false }, check.Inactive},
		"deleted":  {func(k *apikey.Key) { k.Delete(kit.Clock.Now()) }, check.Inactive},
		"expired":  {func(k *apikey.Key) { k.ExpiresAt = kit.Clock.Now() }, check.Expired},
		"another secret": {func(k *apikey.Key) {
			_, fresh := kit.Mint(t, apikey.Production, k.ID)
			if err := k.Regenerate(fresh, kit.Clock.Now()); err != nil {
				t.Error(err)
			}
		}, check.RetiredSecret},
		"without the permission": {
			func(k *apikey.Key) { k.Permissions = []string{"messages:write"} },
			check.PermissionDenied,
		},
		"elsewhere": {func(k *apikey.Key) {
			k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
		}, check.AddressNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			c := fast(kit)
			k, secret := kit.MustKey(t, nil)
			allowed(t, c, secret)
			kit.MustChange(t, k, test.change)
			kit.Clock.Advance(remembered - 1)
			allowed(t, c, secret)
			kit.Clock.Advance(1)

			if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != test.want {
				t.Errorf("%s, want %s", v.Outcome, test.want)
			}
		})
	}
}

// What gives a key something acts at once, though its row is remembered; and from then on the new
// row is.
func TestWhatIsGivenActsAtOnce(t *testing.T) {
	t.Parallel()

	kit, _ := setup(t, apikey.Production)
	for name, test := range map[string]struct {
		make, change func(*apikey.Key)
		before       check.Outcome
	}{
		"enabled": {
			func(k *apikey.Key) { k.Enabled = false },
			func(k *apikey.Key) { k.Enabled = true },
			check.Inactive,
		},
		"extended": {
			func(k *apikey.Key) { k.ExpiresAt = kit.Clock.Now() },
			func(k *apikey.Key) { k.ExpiresAt = time.Time{} },
			check.Expired,
		},
		"with the permission": {
			func(k *apikey.Key) { k.Permissions = nil },
			func(k *apikey.Key) { k.Permissions = []string{"messages:read"} },
			check.PermissionDenied,
		},
		"from everywhere": {
			func(k *apikey.Key) {
				k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
			},
			func(k *apikey.Key) { k.AllowedAddresses = nil },
			check.AddressNotAllowed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := fast(kit)
			k, secret := kit.MustKey(t, test.make)

			for range 2 {
				if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != test.before {
					t.Fatalf("%s, want %s", v.Outcome, test.before)
				}
			}

			kit.MustChange(t, k, test.change)
			kit.Traffic.Reset()

			for range 3 {
				allowed(t, c, secret)
			}

			// for the call that the old row refuses, for the one that finds none, and no more
			if got := keyReads(t, kit); got != 2 {
				t.Errorf("%d reads", got)
			}
		})
	}
}

// A new secret works at once, and the old one in its overlap, where the row from before is
// remembered. A secret that was never the key's is looked up each time, as without a memory, and
// makes nobody forget the row.
func TestSecretsThatARememberedRowDoesNotKnow(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	k, old := kit.MustKey(t, nil)
	allowed(t, c, old)

	wrong, _ := kit.Mint(t, apikey.Production, k.ID)
	kit.Traffic.Reset()

	for range 3 {
		if v := c.Check(t.Context(), sent(wrong.Reveal()), near()); v.Outcome != check.WrongSecret {
			t.Fatal(v.Outcome)
		}

		allowed(t, c, old)
	}

	if got := kit.Traffic.Count(); got != 3 {
		t.Errorf("%d reads for three wrong secrets, and three right ones", got)
	}

	current, fresh := kit.Mint(t, apikey.Production, k.ID)
	kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Rotate(fresh, 2*time.Second, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	allowed(t, c, current)
	allowed(t, c, old)
	kit.Clock.Advance(2 * time.Second)

	// its end is no change of the row
	if v := c.Check(t.Context(), sent(old.Reveal()), near()); v.Outcome != check.RetiredSecret {
		t.Errorf("the old secret: %s", v.Outcome)
	}

	allowed(t, c, current)
}

// The first use of a new secret ends the old one as soon as it is recorded, though the row that does
// not know of it is remembered.
func TestFirstUseIsNotRemembered(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	k, old := kit.MustKey(t, nil)
	current, fresh := kit.Mint(t, apikey.Production, k.ID)
	k = kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.RotateFromFirstUse(fresh, 0, time.Hour, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	allowed(t, c, old)
	allowed(t, c, current)

	if err := kit.Hot.PutFirstUse(t.Context(), k, kit.Clock.Now()); err != nil {
		t.Fatal(err)
	}

	if v := c.Check(t.Context(), sent(old.Reveal()), near()); v.Outcome != check.RetiredSecret {
		t.Errorf("the old secret: %s", v.Outcome)
	}

	allowed(t, c, current)
}

// What a check decides of the call and by the clock, it decides for each call.
func TestMemoryDecidesEachCall(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	_, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.NotBefore = kit.Clock.Now().Add(time.Second)
		k.ExpiresAt = kit.Clock.Now().Add(2 * time.Second)
		k.Permissions = []string{"messages:read", "customers:read"}
		k.Customers = []string{"c1"}
		k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		k.RateLimits = []apikey.RateLimit{{Name: "burst", Limit: 3, Window: time.Hour}}
	})
	far := near()
	far.SourceIP = netip.MustParseAddr("198.51.100.1")

	call := func(method, path string) check.Call {
		c := near()
		c.Method, c.Path, c.Resource = method, path, ""
		return c
	}
	for _, step := range []struct {
		later time.Duration
		call  check.Call
		want  check.Outcome
	}{
		{0, near(), check.NotYetValid},
		{time.Second, near(), check.Allowed},
		{0, far, check.AddressNotAllowed},
		{0, call("POST", "/messages"), check.PermissionDenied},
		{0, call("GET", "/customers/c1"), check.Allowed},
		{0, call("GET", "/customers/c2"), check.CustomerNotAllowed},
		{0, near(), check.Allowed},
		{0, near(), check.RateLimited},
		{time.Second, near(), check.Expired},
	} {
		kit.Clock.Advance(step.later)

		v := c.Check(t.Context(), sent(secret.Reveal()), step.call)
		if v.Outcome != step.want {
			t.Errorf("%s %s: %s, want %s", step.call.Method, step.call.Path, v.Outcome, step.want)
		}
	}

	// the first read, one for each call that the row refuses, and none for the limit
	if got := keyReads(t, kit); got != 5 {
		t.Errorf("%d reads", got)
	}
}

// Neither an error nor an absence is remembered, and a row that cannot be read again is not used.
func TestMemoryKeepsNoErrors(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	k, secret := kit.MustKey(t, nil)
	allowed(t, c, secret)

	for name, step := range map[string]struct {
		fault func(storetest.Request) storetest.Fault
		do    func()
		want  check.Outcome
	}{
		"outage":  {storetest.Always(storetest.Refused, "GetItem"), func() {}, check.Unavailable},
		"missing": {nil, func() { kit.Remove(t, "production#"+k.ID, "key") }, check.UnknownKey},
	} {
		item := kit.Item(t, "production#"+k.ID, "key")
		kit.Clock.Advance(remembered)
		step.do()
		kit.Traffic.Inject(step.fault)

		if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != step.want {
			t.Errorf("%s: %s", name, v.Outcome)
		}

		kit.Traffic.Inject(nil)
		kit.Put(t, item)
		allowed(t, c, secret)
	}
}

// Ids that nobody has take no place of those that are in use.
func TestUnknownKeysDisplaceNothing(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	_, secret := kit.MustKey(t, nil)
	keys := &counted{Keys: kit.Store}
	c.Keys = keys
	allowed(t, c, secret)

	for range 2500 {
		id := kit.Key(t).ID
		unknown, _ := kit.Mint(t, apikey.Production, id)
		keys.none.Store(&id)
		c.Check(t.Context(), sent(unknown.Reveal()), near())
	}

	before := keys.n.Load()
	allowed(t, c, secret)

	if keys.n.Load() != before || before != 2501 {
		t.Errorf("%d reads, then %d", before, keys.n.Load())
	}
}

// counted counts reads, and knows of a key that there is none.
type counted struct {
	check.Keys

	n    atomic.Int64
	none atomic.Pointer[string]
}

func (c *counted) Key(
	ctx context.Context, env apikey.Environment, id string,
) (*apikey.Key, error) {
	c.n.Add(1)

	if none := c.none.Load(); none != nil && *none == id {
		return nil, apikey.ErrNotFound
	}

	return c.Keys.Key(ctx, env, id)
}

// The clock may be set, and the process suspended: what may be older than it seems is read again.
func TestMemoryTellsAgesByTwoClocks(t *testing.T) {
	t.Parallel()

	kit, _ := setup(t, apikey.Production)
	for name, test := range map[string]struct {
		clock   []time.Duration // is set forth or back so much before each of two checks
		running time.Duration   // passes before the first
		reads   int
	}{
		"nothing":                     {[]time.Duration{0, 0}, 0, 0},
		"set forth":                   {[]time.Duration{remembered, 0}, 0, 1},
		"suspended":                   {[]time.Duration{time.Hour, 0}, time.Millisecond, 1},
		"set back":                    {[]time.Duration{-1, 2}, 0, 1},
		"set back, after its read":    {[]time.Duration{3 * time.Second, -2 * time.Second}, 0, 1},
		"set back, as time goes on":   {[]time.Duration{0, 0}, remembered, 1},
		"set back, a bit less of it":  {[]time.Duration{0, 0}, remembered - 1, 0},
		"set forth, then back by all": {[]time.Duration{time.Hour, -time.Hour}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := fast(kit)

			var running time.Duration
			c.Memory = check.NewMemory(kit.Clock.Now, func() time.Duration { return running })

			_, secret := kit.MustKey(t, nil)
			allowed(t, c, secret)
			kit.Traffic.Reset()

			running = test.running
			for _, d := range test.clock {
				kit.Clock.Advance(d)
				allowed(t, c, secret)
			}

			if got := keyReads(t, kit); got != test.reads {
				t.Errorf("%d reads, want %d", got, test.reads)
			}
		})
	}
}

// gate makes reads wait, and counts them.
type gate struct {
	check.Keys

	n    atomic.Int64
	open chan struct{}
	read chan struct{} // a read was made, and its answer waits
}

func newGate(keys check.Keys) *gate {
	return &gate{Keys: keys, open: make(chan struct{}), read: make(chan struct{}, 1000)}
}

func (g *gate) Key(
	ctx context.Context, env apikey.Environment, id string,
) (*apikey.Key, error) {
	g.n.Add(1)
	k, err := g.Keys.Key(ctx, env, id)
	g.read <- struct{}{}

	select {
	case <-g.open:
		return k, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Checks of a key at the same time cost one read. Who cannot wait for it goes, and takes nothing
// from the others.
func TestChecksShareARead(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	_, secret := kit.MustKey(t, nil)
	keys := newGate(kit.Store)
	c.Keys = keys

	var all sync.WaitGroup
	check1 := func(ctx context.Context) (v check.Verdict) {
		return c.Check(ctx, sent(secret.Reveal()), near())
	}
	first, leave := context.WithCancel(t.Context())
	all.Go(func() {
		if v := check1(first); !errors.Is(v.Err, context.Canceled) {
			t.Errorf("who left: %s, %v", v.Outcome, v.Err)
		}
	})
	<-keys.read
	leave() // it began the read
	all.Wait()

	for range 50 {
		all.Go(func() {
			if v := check1(t.Context()); v.Outcome != check.Allowed {
				t.Error(v.Outcome, v.Err)
			}
		})
	}

	close(keys.open)
	all.Wait()

	if got := keys.n.Load(); got != 1 {
		t.Errorf("%d reads for 51 checks at once", got)
	}
}

// A process that has changed a key forgets what it remembers of it, and what is just being read.
func TestForgottenRowsLetNobodyThrough(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	k, secret := kit.MustKey(t, nil)
	revoke := func(k *apikey.Key) *apikey.Key {
		return kit.MustChange(t, k, func(k *apikey.Key) {
			if err := k.Revoke(k.Owner, "", false, kit.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		})
	}
	refused := func() {
		t.Helper()

		if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Inactive {
			t.Fatalf("%s after the process was told", v.Outcome)
		}
	}

	allowed(t, c, secret)

	k = revoke(k)
	c.Memory.Forget()
	refused()

	k = kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Restore(); err != nil {
			t.Fatal(err)
		}
	})

	// read, and not yet answered, when it is revoked
	keys := newGate(kit.Store)
	c.Keys = keys

	var before sync.WaitGroup
	before.Go(func() { allowed(t, c, secret) })
	<-keys.read
	revoke(k)
	c.Memory.Forget()
	close(keys.open)
	before.Wait()
	refused()
}

// The admin API, whoami, explanations and reports of leaks know a key as it is.
func TestOnlyChecksRemember(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	k, secret := kit.MustKey(t, nil)
	allowed(t, c, secret)
	k = kit.MustChange(t, k, func(k *apikey.Key) { k.Enabled = false })
	allowed(t, c, secret)

	headers := sent(secret.Reveal())
	for name, got := range map[string]check.Outcome{
		"the admin API": c.Authenticate(t.Context(), headers, netip.Addr{}).Outcome,
		"whoami":        c.Self(t.Context(), headers, netip.Addr{}).Outcome,
		"explain":       c.Explain(t.Context(), k, apikey.Production, near(), kit.Clock.Now()).Outcome,
	} {
		if got != check.Inactive {
			t.Errorf("%s: %s", name, got)
		}
	}

	if v := c.Identify(t.Context(), apikey.Production, secret.Reveal()); v[0].Key.Enabled {
		t.Error("a leak report looks at what is remembered")
	}
}

// Another system's secret goes to the next in line when the first key is deleted, though its row is
// remembered.
func TestMemoryOfImportedKeys(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	k := kit.MustImport(t, foreign, apikey.SHA256, nil)
	kit.Clock.Advance(10 * time.Second)

	ask := func() check.Verdict { return c.Check(t.Context(), sent(foreign), near()) }
	if v := ask(); v.Outcome != check.Allowed || v.Key.ID != k.ID {
		t.Fatal(v.Outcome, v.Err)
	}

	kit.MustChange(t, k, func(k *apikey.Key) { k.Delete(kit.Clock.Now()) })

	if v := ask(); v.Outcome != check.Allowed {
		t.Errorf("it is not remembered: %s", v.Outcome)
	}

	kit.Clock.Advance(remembered)

	if v := ask(); v.Outcome != check.Inactive {
		t.Errorf("deleted: %s", v.Outcome)
	}
}

// What is remembered keeps nothing of the call alive: the secret was part of its event.
func TestMemoryKeepsNothingOfTheCall(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t, apikey.Production)
	c := fast(kit)
	_, secret := kit.MustKey(t, nil)

	text := strings.Clone(secret.Reveal())
	event := weak.Make(unsafe.StringData(text))

	if v := c.Check(t.Context(), sent(text), near()); v.Outcome != check.Allowed {
		t.Fatal(v.Outcome, v.Reason, v.Err)
	}

	runtime.KeepAlive(text)
	runtime.GC()

	if event.Value() != nil {
		t.Error("the text of the secret is in memory after the call")
	}

	runtime.KeepAlive(c)
}
