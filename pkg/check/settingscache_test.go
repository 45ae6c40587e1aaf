package check_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/policy"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/core"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// said is what of a verdict the tests of runtime settings look at.
type said struct {
	Outcome check.Outcome
	Reason  check.Reason
}

// near is a call from an address of the network that the tests allow.
func near() check.Call {
	call := read
	call.SourceIP = netip.MustParseAddr("192.0.2.7")
	return call
}

// deleted, strict and fenced change an organization.
func deleted(o *organization.Organization) {
	o.DeletedAt = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)
}
func strict(o *organization.Organization) { o.Settings.LegacyKeysAccepted = false }
func fenced(o *organization.Organization) {
	o.Settings.AllowedAddresses = []string{"198.51.100.0/24", "2001:db8::/32"}
}

// What an organization sets of calls acts when the settings that are kept are ten seconds old, and
// until five it is not even asked for.
func TestRuntimeSettingsActWithinTenSeconds(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		change func(*organization.Organization)
		want   said
	}{
		"deleted":             {deleted, said{check.Inactive, check.OrganizationDeleted}},
		"legacy not accepted": {strict, said{check.Inactive, check.LegacyNotAccepted}},
		"addresses":           {fenced, said{check.AddressNotAllowed, check.OrganizationAddresses}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, c := setup(t, apikey.Production)
			_, secret := kit.MustKey(t, func(k *apikey.Key) { k.Legacy = true })
			ask := func() said {
				v := c.Check(t.Context(), sent(secret.Reveal()), near())
				if v.Err != nil {
					t.Error(v.Err)
				}

				return said{v.Outcome, v.Reason}
			}

			good := said{check.Allowed, ""}
			if got := ask(); got != good {
				t.Fatal(got)
			}

			kit.MustRuntimeSettings(t, "acme", test.change)
			kit.Clock.Advance(5*time.Second - 1)

			if got := ask(); got != good {
				t.Errorf("what is fresh was not used: %v", got)
			}

			kit.Clock.Advance(5*time.Second + 1)

			if got := ask(); got != test.want {
				t.Errorf("ten seconds later: %v, want %v", got, test.want)
			}

			kit.MustRuntimeSettings(t, "acme", nil)
			kit.Clock.Advance(10 * time.Second)

			if got := ask(); got != good {
				t.Errorf("ten seconds after the change back: %v", got)
			}
		})
	}
}

// late is a store whose keys are read when its settings and its catalogue have been asked for.
type late struct {
	*store.Store

	settings, catalogue chan struct{} // each holds one
}

// Key implements check.Keys.
func (l late) Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error) {
	for what, asked := range map[string]chan struct{}{
		"the settings": l.settings, "the catalogue": l.catalogue,
	} {
		select {
		case <-asked:
		case <-time.After(time.Second): // one after the other is right, only slower
			return nil, errors.New(what + " are not read meanwhile")
		}
	}

	return l.Store.Key(ctx, env, id)
}

// RuntimeSettings implements check.SettingsSource.
func (l late) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	l.settings <- struct{}{}
	return l.Store.RuntimeSettings(ctx, env, org)
}

// permissions is a check.ReadCatalogue.
func (l late) permissions(ctx context.Context) ([]permission.Permission, int64, error) {
	l.catalogue <- struct{}{}
	return l.Catalogue(ctx, apikey.Production)
}

// A key that is used less often than settings and catalogue are kept is read together with them, from
// its second check on. For whoever has not its whole secret, it is not.
func TestSettingsAreReadMeanwhile(t *testing.T) {
	t.Parallel()

	kit, c := setup(t, apikey.Production)
	k, secret := kit.MustKey(t, func(*apikey.Key) {})

	l := late{kit.Store, make(chan struct{}, 1), make(chan struct{}, 1)}
	c.Settings = check.NewSettingsCache(l, kit.Clock.Now)
	c.Catalogue = check.NewCatalogue(l.permissions, kit.Clock.Now)

	if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Allowed {
		t.Fatal(v.Outcome, v.Err)
	}

	<-l.settings
	<-l.catalogue

	c.Keys = l
	for range 3 {
		kit.Clock.Advance(time.Minute)

		if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Allowed {
			t.Fatal(v.Outcome, v.Err)
		}
	}

	kit.Clock.Advance(time.Minute)

	c.Keys = kit.Store
	wrong, _ := kit.Mint(t, k.Environment, k.ID)

	if v := c.Check(t.Context(), sent(wrong.Reveal()), near()); v.Outcome != check.WrongSecret {
		t.Error(v.Outcome, v.Err)
	}

	select {
	case <-l.settings:
		t.Error("settings are read for a secret that nobody has")
	case <-l.catalogue:
		t.Error("the catalogue is read for a secret that nobody has")
	case <-time.After(50 * time.Millisecond):
	}
}

// An outage of the settings costs a check one read of them, whether it began that early or late.
func TestOutageOfSettings(t *testing.T) {
	t.Parallel()

	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, func(*apikey.Key) {})

	var reads atomic.Int64

	source := &failing{SettingsSource: kit.Store, reads: &reads}
	c.Settings = check.NewSettingsCache(source, kit.Clock.Now)
	c.Keys = slow{kit.Store}

	for try := range 10 {
		source.broken.Store(try > 0)
		kit.Clock.Advance(time.Minute)

		before := reads.Load()

		v := c.Check(t.Context(), sent(secret.Reveal()), near())
		if (v.Outcome == check.Allowed) != (try == 0) {
			t.Fatal(v.Outcome, v.Err)
		}

		if n := reads.Load() - before; n != 1 {
			t.Errorf("check %d: %d reads", try, n)
		}
	}
}

// failing are settings that can fail at once.
type failing struct {
	check.SettingsSource

	broken atomic.Bool
	reads  *atomic.Int64
}

// RuntimeSettings implements check.SettingsSource.
func (f *failing) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	f.reads.Add(1)

	if f.broken.Load() {
		return nil, errors.New("down")
	}

	return f.SettingsSource.RuntimeSettings(ctx, env, org)
}

// A read that began before a check, and fails, is made again by it: the instance may have been
// suspended in between.
func TestReadThatWasHeldUp(t *testing.T) {
	t.Parallel()

	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, func(*apikey.Key) {})

	var reads atomic.Int64

	begun, end := make(chan struct{}), make(chan struct{})
	c.Settings = check.NewSettingsCache(settingsBy(func(
		ctx context.Context, env apikey.Environment, org string,
	) (*organization.RuntimeSettings, error) {
		if reads.Add(1) != 2 {
			return kit.Store.RuntimeSettings(ctx, env, org)
		}

		close(begun)
		<-end

		return nil, errors.New("held up")
	}), kit.Clock.Now)

	for _, later := range []time.Duration{0, 6 * time.Second} {
		kit.Clock.Advance(later)

		if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Allowed {
			t.Fatal(v.Outcome, v.Err)
		}
	}

	<-begun
	kit.Clock.Advance(time.Minute)
	time.AfterFunc(20*time.Millisecond, func() { close(end) })

	if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Allowed {
		t.Error(v.Outcome, v.Err)
	}

	if n := reads.Load(); n != 3 {
		t.Errorf("%d reads", n)
	}
}

// settingsBy is a check.SettingsSource.
type settingsBy func(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error)

// RuntimeSettings implements check.SettingsSource.
func (f settingsBy) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	return f(ctx, env, org)
}

// A refusal by the settings waits for no catalogue.
func TestRefusalWaitsForNoCatalogue(t *testing.T) {
	t.Parallel()

	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, func(*apikey.Key) {})
	kit.MustRuntimeSettings(t, "acme", deleted)

	var ended atomic.Bool

	c.Policies = policy.NewBuilder(1)
	c.Catalogue = check.NewCatalogue(func(
		ctx context.Context,
	) ([]permission.Permission, int64, error) {
		<-ctx.Done()
		ended.Store(true)

		return nil, 0, ctx.Err()
	}, kit.Clock.Now)

	call := near()
	call.ARN = policy.ARN{Stage: "production", Method: call.Method, Path: call.Path}

	if v := c.Check(t.Context(), sent(secret.Reveal()), call); v.Outcome != check.Inactive || ended.Load() {
		t.Error(v.Outcome, v.Err)
	}
}

// What is remembered of an organization is not the row of its key. Not beside other tests, since
// it looks at the heap.
func TestRowsAreNotRemembered(t *testing.T) {
	const keys, size = 100, 10_000

	kit, c := setup(t, apikey.Production)
	small, _ := kit.Small()
	reader := core.NewReader(small, kit.CoreTable, kit.Keyring)
	c.Keys = reader
	c.Settings = check.NewSettingsCache(reader, kit.Clock.Now)

	secrets := make([]apikey.Secret, keys)
	for i := range secrets {
		_, secrets[i] = kit.MustKey(t, func(k *apikey.Key) {
			k.OrganizationID = "org-" + strconv.Itoa(i)

			k.Metadata = map[string]string{}
			for part := range 20 {
				k.Metadata[strconv.Itoa(part)] = strings.Repeat("x", size/20)
			}
		})
	}

	heap := func() int64 {
		runtime.GC()

		var m runtime.MemStats

		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}

	before := heap()

	for _, secret := range secrets {
		kit.Clock.Advance(time.Minute)

		if v := c.Check(t.Context(), sent(secret.Reveal()), near()); v.Outcome != check.Allowed {
			t.Fatal(v.Outcome, v.Err)
		}
	}

	if grown := heap() - before; grown > keys*size/2 {
		t.Errorf("%d bytes for %d keys", grown, keys)
	}

	runtime.KeepAlive(c)
}

// slow are keys that are read later than anything that was asked for at the same time.
type slow struct{ check.Keys }

// Key implements check.Keys.
func (s slow) Key(ctx context.Context, env apikey.Environment, id string) (*apikey.Key, error) {
	time.Sleep(20 * time.Millisecond)
	return s.Keys.Key(ctx, env, id)
}

// waiting are settings that are there when something else has been read.
type waiting struct {
	check.SettingsSource

	until <-chan struct{}
}

// RuntimeSettings implements check.SettingsSource.
func (w waiting) RuntimeSettings(
	ctx context.Context, env apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	select {
	case <-w.until:
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	return w.SettingsSource.RuntimeSettings(ctx, env, org)
}

// The first check of an instance begins to read the catalogue, from which it builds the policy, while
// it waits for the settings: here these come only after that.
func TestCatalogueIsReadMeanwhile(t *testing.T) {
	t.Parallel()

	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, func(*apikey.Key) {})

	read := kit.Store.CatalogueReader(apikey.Production)
	catalogue := make(chan struct{})
	c.Catalogue = check.NewCatalogue(func(
		ctx context.Context,
	) ([]permission.Permission, int64, error) {
		defer close(catalogue)
		return read(ctx)
	}, kit.Clock.Now)
	c.Settings = check.NewSettingsCache(waiting{kit.Store, catalogue}, kit.Clock.Now)
	c.Policies = policy.NewBuilder(1)

	call := near()

	var err error
	if call.ARN, err = policy.ParseARN("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/" +
		"production/" + call.Method + call.Path); err != nil {
		t.Fatal(err)
	}

	if v := c.Check(t.Context(), sent(secret.Reveal()), call); v.Outcome != check.Allowed {
		t.Error(v.Outcome, v.Err)
	}
}

// What is sent to whom: the keys of a deleted organization are good for nothing; its other settings
// do not bind the admin API, its addresses not whoami.
func TestRuntimeSettingsByUse(t *testing.T) {
	t.Parallel()

	kit, c := setup(t, apikey.Production)
	for name, test := range map[string]struct {
		change            func(*organization.Organization)
		legacy            bool
		data, self, admin said
	}{
		"nothing set": {
			nil,
			true,
			said{check.Allowed, ""},
			said{check.Allowed, ""},
			said{check.Allowed, ""},
		},
		"deleted": {
			deleted,
			false,
			said{check.Inactive, check.OrganizationDeleted},
			said{check.Inactive, check.OrganizationDeleted},
			said{check.Inactive, check.OrganizationDeleted},
		},
		"legacy not accepted": {
			strict,
			true,
			said{check.Inactive, check.LegacyNotAccepted},
			said{check.Inactive, check.LegacyNotAccepted},
			said{check.Allowed, ""},
		},
		"a key that is no legacy": {
			strict,
			false,
			said{check.Allowed, ""},
			said{check.Allowed, ""},
			said{check.Allowed, ""},
		},
		"addresses": {
			fenced,
			false,
			said{check.AddressNotAllowed, check.OrganizationAddresses},
			said{check.Allowed, ""},
			said{check.Allowed, ""},
		},
	} {
		org := "org-" + strings.ReplaceAll(name, " ", "-")
		kit.MustRuntimeSettings(t, org, test.change)
		k, secret := kit.MustKey(t, func(k *apikey.Key) {
			k.OrganizationID = org
			k.Legacy = test.legacy
		})

		headers, from := sent(secret.Reveal()), near()
		for use, got := range map[string]struct {
			check.Verdict
			want said
		}{
			"data plane": {c.Check(t.Context(), headers, from), test.data},
			"whoami":     {c.Self(t.Context(), headers, from.SourceIP), test.self},
			"admin API":  {c.Authenticate(t.Context(), headers, from.SourceIP), test.admin},
			"explain": {
				c.Explain(t.Context(), k, k.Environment, from, kit.Clock.Now()).Verdict, test.data,
			},
		} {
			if diff := cmp.Diff(got.want, said{got.Outcome, got.Reason}); diff != "" ||
				got.Settings == nil || got.Settings.OrganizationID != org {
				t.Errorf("%s, %s: %v (-want +got):\n%s", name, use, got.Err, diff)
			}
		}
	}
}

// Both lists must allow an address; the key's own fault is told before its organization's.
func TestBothAddressLists(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	kit.MustRuntimeSettings(t, "fenced", fenced) // 198.51.100.0/24 and 2001:db8::/32

	for _, test := range []struct {
		own, source string
		want        said
	}{
		{"", "198.51.100.9", said{check.Allowed, ""}},
		{"", "::ffff:198.51.100.9", said{check.Allowed, ""}},
		{"", "2001:db8::1", said{check.Allowed, ""}},
		{"", "192.0.2.1", said{check.AddressNotAllowed, check.OrganizationAddresses}},
		{"", "", said{check.AddressNotAllowed, check.OrganizationAddresses}},
		{"198.51.100.9/32", "198.51.100.9", said{check.Allowed, ""}},
		{"198.51.100.9/32", "198.51.100.8", said{check.AddressNotAllowed, ""}},
		{"0.0.0.0/0", "192.0.2.1", said{check.AddressNotAllowed, check.OrganizationAddresses}},
		{"192.0.2.0/24", "198.51.100.9", said{check.AddressNotAllowed, ""}},
		{"192.0.2.0/24", "203.0.113.1", said{check.AddressNotAllowed, ""}},
	} {
		_, secret := kit.MustKey(t, func(k *apikey.Key) {
			k.OrganizationID = "fenced"
			if test.own != "" {
				k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix(test.own)}
			}
		})

		call := read
		if test.source != "" {
			call.SourceIP = netip.MustParseAddr(test.source)
		}

		v := c.Check(t.Context(), sent(secret.Reveal()), call)
		if got := (said{v.Outcome, v.Reason}); got != test.want {
			t.Errorf("%q from %q: %v %v, want %v", test.own, test.source, got, v.Err, test.want)
		}
	}
}

// A key goes by its own organization's runtime settings and by no other's, in its own environment.
func TestRuntimeSettingsAreTheOrganizationsOwn(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Environments()...)
	kit.MustRuntimeSettings(t, "gone", deleted)

	for _, env := range apikey.Environments() {
		_, good := kit.MustKey(t, func(k *apikey.Key) { k.Environment = env })

		_, bad := kit.MustKey(t, func(k *apikey.Key) {
			k.OrganizationID = "gone"
			k.Environment = env
		})
		for range 2 {
			for secret, want := range map[string]check.Outcome{
				good.Reveal(): check.Allowed,
				bad.Reveal():  check.Inactive,
			} {
				if v := c.Check(t.Context(), sent(secret), read); v.Outcome != want {
					t.Errorf("%s: %s %v, want %s", env, v.Outcome, v.Err, want)
				}
			}
		}
	}

	_, operator := kit.MustKey(t, func(k *apikey.Key) {
		k.OrganizationID = apikey.OperatorOrganization
	})
	if v := c.Authenticate(t.Context(), sent(operator.Reveal()),
		netip.Addr{}); v.Outcome != check.Allowed || v.Settings != nil {
		t.Errorf("an operator's key: %s %v", v.Outcome, v.Err)
	}
}

// Runtime settings that are not there, were edited, or are another's are nobody's: its keys are
// neither allowed nor blamed.
func TestRuntimeSettingsThatAreDamaged(t *testing.T) {
	t.Parallel()

	const place = "production#organization#acme"
	for name, spoil := range map[string]func(*testing.T, *storetest.Kit){
		"missing": func(t *testing.T, kit *storetest.Kit) { kit.Remove(t, place, "settings") },
		"revived": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "settings", "deletedAt", nil)
		},
		"opened": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "settings", "legacyKeysAccepted", true)
		},
		"addresses": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "settings", "allowedAddresses", []string{"::/0"})
		},
		"version": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "settings", "version", 9)
		},
		"without a seal": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "settings", "seal", nil)
		},
		"an attribute": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "settings", "note", "x")
		},
		"another's": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, "production#organization#globex", "settings", "pk", place)
		},
		"another's, named": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, "production#organization#globex", "settings", "pk", place)
			kit.Change(t, place, "settings", "organizationId", "acme")
		},
		"of staging": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, "staging#organization#acme", "settings", "pk", place)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, c := setup(t, apikey.Production)
			kit.MustRuntimeSettings(t, "globex", nil)
			kit.MustRuntimeSettings(t, "acme", func(o *organization.Organization) {
				deleted(o)
				strict(o)
				fenced(o)
			})
			_, secret := kit.MustKey(t, nil)
			spoil(t, kit)

			if v := c.Check(t.Context(), sent(secret.Reveal()),
				near()); v.Outcome != check.Unavailable || v.Err == nil ||
				v.Outcome.Status() != 503 {
				t.Errorf("%s %v", v.Outcome, v.Err)
			}
		})
	}
}

// While the runtime settings alone cannot be read, what is at hand serves for ten seconds and no
// longer.
func TestRuntimeSettingsOutage(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, nil)

	ask := func() check.Outcome { return c.Check(t.Context(), sent(secret.Reveal()), read).Outcome }
	if got := ask(); got != check.Allowed {
		t.Fatal(got)
	}

	kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if strings.Contains(string(r.Body), "#organization#") {
			return storetest.Broken
		}

		return storetest.None
	})
	kit.Clock.Advance(10*time.Second - 1)

	if got := ask(); got != check.Allowed {
		t.Errorf("before ten seconds: %s", got)
	}

	kit.Clock.Advance(1)

	if got := ask(); got != check.Unavailable {
		t.Errorf("at ten seconds: %s", got)
	}

	kit.Traffic.Inject(nil)

	if got := ask(); got != check.Allowed {
		t.Errorf("afterwards: %s", got)
	}
}

// settingsReads counts the readings of runtime settings, each of which may wait.
type settingsReads struct {
	count atomic.Int64
	mu    sync.Mutex
	of    []string
	gate  map[string]chan struct{} // by organization
}

// RuntimeSettings implements check.SettingsSource.
func (s *settingsReads) RuntimeSettings(
	ctx context.Context, _ apikey.Environment, org string,
) (*organization.RuntimeSettings, error) {
	s.count.Add(1)
	s.mu.Lock()
	s.of = append(s.of, org)
	s.mu.Unlock()

	if gate := s.gate[org]; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}

	return &organization.RuntimeSettings{OrganizationID: org, Version: s.count.Load()}, nil
}

func keyOf(org string) *apikey.Key {
	return &apikey.Key{OrganizationID: org, Environment: apikey.Production}
}

// However many organizations there are, a bounded number is kept; those in use stay.
func TestRuntimeSettingssAreBounded(t *testing.T) {
	t.Parallel()
	source, clock := &settingsReads{}, &storetest.Clock{}

	cache := check.NewSettingsCache(source, clock.Now)
	for i := range 30_000 {
		for _, org := range []string{"busy", fmt.Sprintf("org-%d", i)} {
			if _, err := cache.Of(t.Context(), keyOf(org)); err != nil {
				t.Fatal(err)
			}
		}
	}

	if got := source.count.Load(); got != 30_001 {
		t.Errorf("%d readings", got)
	}

	if _, err := cache.Of(t.Context(), keyOf("org-29999")); err != nil ||
		source.count.Load() != 30_001 {
		t.Errorf("the last was forgotten: %v", err)
	}

	if _, err := cache.Of(t.Context(), keyOf("org-10000")); err != nil ||
		source.count.Load() != 30_002 {
		t.Errorf("one of long ago was kept: %v", err)
	}
}

// One organization is read by one at a time, and waits for no other.
func TestRuntimeSettingssAreReadByOneAtATime(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	source := &settingsReads{
		gate: map[string]chan struct{}{"slow": gate},
	}
	clock := &storetest.Clock{}
	cache := check.NewSettingsCache(source, clock.Now)

	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got, err := cache.Of(t.Context(), keyOf("slow")); err != nil ||
				got.OrganizationID != "slow" {
				t.Error(got, err)
			}
		})
	}

	if got, err := cache.Of(t.Context(), keyOf("quick")); err != nil ||
		got.OrganizationID != "quick" {
		t.Error(got, err)
	}

	close(gate)
	all.Wait()
	slices.Sort(source.of)

	if diff := cmp.Diff([]string{"quick", "slow"}, source.of); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
}
