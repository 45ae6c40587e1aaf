package check_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// Each key has the fault of its step and all those of later steps: the first step that fails
// decides.
func TestOrderOfSteps(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	now := kit.Clock.Now()
	faults := []func(*apikey.Key){
		func(k *apikey.Key) { k.Enabled = false },
		func(k *apikey.Key) { k.ExpiresAt = now },
		func(k *apikey.Key) { k.NotBefore = now.Add(time.Second) },
		func(k *apikey.Key) {
			k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		},
		func(k *apikey.Key) { k.Customers = []string{"42"} },
		func(k *apikey.Key) { k.Permissions = nil },
	}
	call := check.Call{
		API:      "demo",
		Method:   "GET",
		Path:     "/customers/43",
		SourceIP: netip.MustParseAddr("203.0.113.7"),
	}
	// faulty makes a key with the faults from one step on.
	faulty := func(from int) (*apikey.Key, string) {
		k, secret := kit.MustKey(t, func(k *apikey.Key) {
			k.Permissions = []string{"customers:read"}
			for _, fault := range faults[from:] {
				fault(k)
			}
		})
		return k, secret.Reveal()
	}
	all, secret := faulty(0)
	another, _ := kit.Mint(t, apikey.Production, all.ID)
	staging, _ := kit.Mint(t, apikey.Staging, all.ID)

	unknown, _ := kit.Mint(t, apikey.Production, "0000000000000000")
	for name, test := range map[string]struct {
		secret string
		want   check.Outcome
	}{
		"malformed":         {staging.Reveal() + "x", check.Malformed},
		"wrong environment": {staging.Reveal(), check.WrongEnvironment},
		"unknown key":       {unknown.Reveal(), check.UnknownKey},
		"wrong secret":      {another.Reveal(), check.WrongSecret},
		"inactive":          {secret, check.Inactive},
	} {
		if got := c.Check(t.Context(), sent(test.secret), call); got.Outcome != test.want {
			t.Errorf("%s: %s", name, got.Outcome)
		}
	}

	for from, want := range []check.Outcome{
		check.Inactive, check.Expired, check.NotYetValid, check.AddressNotAllowed,
		check.CustomerNotAllowed, check.PermissionDenied, check.Allowed,
	} {
		k, secret := faulty(from)

		got := c.Check(t.Context(), sent(secret), call)
		if got.Outcome != want || got.Key == nil || got.Key.ID != k.ID {
			t.Errorf("faults from step %d on: %s %v, want %s", from, got.Outcome, got.Err, want)
		}
	}
}

func TestEnvironmentMatrix(t *testing.T) {
	t.Parallel()

	kit, _ := setup(t)
	for _, of := range apikey.Environments() {
		_, secret := kit.MustKey(t, func(k *apikey.Key) { k.Environment = of })
		for _, at := range apikey.Environments() {
			want := check.WrongEnvironment
			if of == at {
				want = check.Allowed
			}

			kit.Traffic.Reset()

			if got := checker(kit, &kit.Process, at).Check(t.Context(),
				sent(secret.Reveal()), read); got.Outcome != want {
				t.Errorf("a key of %s in %s: %s %v", of, at, got.Outcome, got.Err)
			}

			if of != at && kit.Traffic.Count() != 0 {
				t.Errorf("a key of %s in %s: %v", of, at,
					storetest.Operations(kit.Traffic.Requests()))
			}
		}

		if got := checker(kit, &kit.Process, apikey.Environments()...).Check(t.Context(),
			sent(secret.Reveal()), read); got.Outcome != check.Allowed {
			t.Errorf("a key of %s where all are accepted: %s", of, got.Outcome)
		}

		if got := checker(kit, &kit.Process).Check(t.Context(),
			sent(secret.Reveal()), read); got.Outcome != check.WrongEnvironment {
			t.Errorf("a key of %s where none is accepted: %s", of, got.Outcome)
		}
	}
}

// A secret says its environment, and the hash binds it: the same characters with another
// environment and a good checksum are another secret.
func TestSecretOfAnotherEnvironmentWithTheSameID(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Environments()...)
	k, secret := kit.MustKey(t, nil)
	staging := k.Clone()
	staging.Environment = apikey.Staging

	staging.Version = 1 // the row holds production's hash
	if err := kit.Store.Commit(t.Context(), kit.Store.PutKey(t.Context(), staging, 0)); err != nil {
		t.Fatal(err)
	}

	forged, err := storetest.Brand.Mint(strings.NewReader(replay(secret.Reveal())),
		apikey.Staging, k.ID)
	if err != nil || forged.Reveal()[24:56] != secret.Reveal()[25:57] {
		t.Fatal(err, forged.Reveal())
	}

	if got := c.Check(t.Context(), sent(forged.Reveal()), read); got.Outcome != check.WrongSecret {
		t.Errorf("%s %v", got.Outcome, got.Err)
	}
}

// replay is the random source that makes the same random part again: each byte is the place of a
// character in the alphabet.
func replay(secret string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	random := secret[len("bt_prod_")+17:][:32]

	out := make([]byte, 64)
	for i := range random {
		out[i] = byte(strings.IndexByte(alphabet, random[i]))
	}

	return string(out)
}

func TestSecretsOfAKey(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k, first := kit.MustKey(t, nil)
	second, fresh := kit.Mint(t, apikey.Production, k.ID)
	k = kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Rotate(fresh, time.Hour, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	type answer struct {
		Outcome check.Outcome
		OldOne  bool
	}
	ask := func(secret apikey.Secret) answer {
		v := c.Check(t.Context(), sent(secret.Reveal()), read)
		return answer{v.Outcome, v.OldSecret}
	}
	expect := func(when string, old, current answer) {
		t.Helper()

		if diff := cmp.Diff([]answer{old, current}, []answer{ask(first), ask(second)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	expect("during a rotation", answer{check.Allowed, true}, answer{check.Allowed, false})
	kit.Clock.Advance(time.Hour - 1)
	expect("at its last moment", answer{check.Allowed, true}, answer{check.Allowed, false})
	kit.Clock.Advance(1)
	expect("at its end", answer{check.RetiredSecret, false}, answer{check.Allowed, false})
	third, fresh := kit.Mint(t, apikey.Production, k.ID)
	kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Regenerate(fresh, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	expect("after a regeneration", answer{check.RetiredSecret, false},
		answer{check.RetiredSecret, false})

	if got := ask(third); got != (answer{check.Allowed, false}) {
		t.Errorf("the newest secret: %v", got)
	}
}

// The clock decides at each check, to the millisecond, whatever was seen before.
func TestLifeByTheClock(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	start := kit.Clock.Now()

	_, secret := kit.MustKey(t, func(k *apikey.Key) {
		k.NotBefore = start.Add(time.Hour)
		k.ExpiresAt = start.Add(2 * time.Hour)
	})
	for _, test := range []struct {
		at   time.Duration
		want check.Outcome
	}{
		{0, check.NotYetValid},
		{time.Hour - 1, check.NotYetValid},
		{time.Hour, check.Allowed},
		{2*time.Hour - 1, check.Allowed},
		{2 * time.Hour, check.Expired},
		{100 * time.Hour, check.Expired},
	} {
		kit.Clock.Set(start.Add(test.at))

		if got := c.Check(t.Context(), sent(secret.Reveal()), read); got.Outcome != test.want {
			t.Errorf("after %v: %s %v, want %s", test.at, got.Outcome, got.Err, test.want)
		}
	}
}

// What is changed in the table acts at the next check: nothing of a key is kept.
func TestChangesActAtOnce(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k, secret := kit.MustKey(t, nil)

	by := apikey.Actor{}
	for _, step := range []struct {
		name   string
		change func(*apikey.Key)
		want   check.Outcome
	}{
		{"nothing", func(*apikey.Key) {}, check.Allowed},
		{"disable", func(k *apikey.Key) { k.Enabled = false }, check.Inactive},
		{"enable", func(k *apikey.Key) { k.Enabled = true }, check.Allowed},
		{"revoke", func(k *apikey.Key) {
			_ = k.Revoke(by, "", false, kit.Clock.Now())
		}, check.Inactive},
		{"restore", func(k *apikey.Key) { _ = k.Restore() }, check.Allowed},
		{"another permission", func(k *apikey.Key) {
			k.Permissions = []string{"messages:write"}
		}, check.PermissionDenied},
		{"all permissions", func(k *apikey.Key) { k.AllPermissions = true }, check.Allowed},
		{"no permission", func(k *apikey.Key) {
			k.AllPermissions = false
			k.Permissions = nil
		}, check.PermissionDenied},
		{"the permission again", func(k *apikey.Key) {
			k.Permissions = []string{"messages:read"}
		}, check.Allowed},
		{"delete", func(k *apikey.Key) { k.Delete(kit.Clock.Now()) }, check.Inactive},
	} {
		k = kit.MustChange(t, k, step.change)
		if got := c.Check(t.Context(), sent(secret.Reveal()), read); got.Outcome != step.want {
			t.Errorf("%s: %s %v", step.name, got.Outcome, got.Err)
		}
	}

	kit.Remove(t, "production#"+k.ID, "key")

	if got := c.Check(t.Context(), sent(secret.Reveal()), read); got.Outcome != check.UnknownKey {
		t.Errorf("removed: %s", got.Outcome)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	secrets := map[string]string{}
	for _, allowed := range []string{
		"", "192.0.2.0/24", "192.0.2.7/32", "2001:db8::/32", "0.0.0.0/0", "::/0",
		"198.51.100.0/24,2001:db8::/32",
	} {
		_, secret := kit.MustKey(t, func(k *apikey.Key) {
			for _, p := range strings.FieldsFunc(allowed, func(r rune) bool { return r == ',' }) {
				k.AllowedAddresses = append(k.AllowedAddresses, netip.MustParsePrefix(p))
			}
		})
		secrets[allowed] = secret.Reveal()
	}

	for _, test := range []struct {
		allowed, source string
		want            bool
	}{
		{"", "203.0.113.7", true},
		{"", "", true},
		{"", "::1", true},
		{"192.0.2.0/24", "192.0.2.0", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "", false},
		{
			"192.0.2.0/24", "::ffff:192.0.2.9", true,
		},
		{"192.0.2.0/24", "::ffff:192.0.3.9", false},
		{"192.0.2.0/24", "2001:db8::1", false},
		{"192.0.2.7/32", "192.0.2.7", true},
		{"192.0.2.7/32", "192.0.2.8", false},
		{
			"2001:db8::/32", "2001:db8:ffff::1", true,
		},
		{"2001:db8::/32", "2001:db9::1", false},
		{"2001:db8::/32", "192.0.2.1", false},
		{"2001:db8::/32", "", false},
		{"2001:db8::/32", "2001:db8::1%eth0", false},
		{"0.0.0.0/0", "203.0.113.7", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"0.0.0.0/0", "", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "203.0.113.7", false},
		{"::/0", "::ffff:203.0.113.7", false},
		{
			"198.51.100.0/24,2001:db8::/32", "198.51.100.1", true,
		},
		{
			"198.51.100.0/24,2001:db8::/32", "2001:db8::1", true,
		},
		{"198.51.100.0/24,2001:db8::/32", "192.0.2.1", false},
	} {
		call, want := read, check.AddressNotAllowed
		if test.source != "" {
			call.SourceIP = netip.MustParseAddr(test.source)
		}

		if test.want {
			want = check.Allowed
		}

		if got := c.Check(t.Context(), sent(secrets[test.allowed]), call); got.Outcome != want {
			t.Errorf("%q from %q: %s %v", test.allowed, test.source, got.Outcome, got.Err)
		}
	}
}

func TestPermissionsAndCustomers(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, plain := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "customers:read", "metrics:read"}
	})
	_, scoped := kit.MustKey(t, func(k *apikey.Key) {
		k.Permissions = []string{"messages:read", "customers:read"}
		k.Customers = []string{"42", "A.b-c_d"}
	})
	_, nothing := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = nil })
	_, admin := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"keys:write"} })

	_, all := kit.MustKey(t, func(k *apikey.Key) { k.Permissions, k.AllPermissions = nil, true })
	for _, test := range []struct {
		secret                 apikey.Secret
		method, path, resource string
		want                   check.Outcome
		required               string
	}{
		{plain, "GET", "/messages", "", check.Allowed, ""},
		{plain, "POST", "/messages", "", check.PermissionDenied, "messages:write"},
		{plain, "DELETE", "/messages", "", check.PermissionDenied, ""},
		{plain, "GET", "/unknown", "", check.PermissionDenied, ""},
		{plain, "GET", "//messages", "", check.PermissionDenied, ""},
		{plain, "GET", "/messages/../messages", "", check.PermissionDenied, ""},
		{plain, "GET", "/MESSAGES", "", check.PermissionDenied, ""},
		{plain, "GET", "/customers/99", "", check.Allowed, ""},
		{scoped, "GET", "/customers/42", "", check.Allowed, ""},
		{scoped, "GET", "/customers/A.b-c_d", "", check.Allowed, ""},
		{scoped, "GET", "/customers/43", "", check.CustomerNotAllowed, ""},
		{scoped, "GET", "/customers/4", "", check.CustomerNotAllowed, ""},
		{scoped, "GET", "/customers/a.b-c_d", "", check.CustomerNotAllowed, ""},
		{scoped, "GET", "/customers/%34%32", "", check.PermissionDenied, ""},
		{scoped, "GET", "/customers/4%202", "", check.CustomerNotAllowed, ""},
		{plain, "GET", "/customers/4%202", "", check.Allowed, ""},
		{plain, "GET", "/customers/%34%32", "", check.PermissionDenied, ""},
		{plain, "GET", "/metrics/caf%C3%A9/a%20b", "", check.Allowed, ""},
		{plain, "GET", "/metrics/%61", "", check.PermissionDenied, ""},
		{plain, "GET", "/metrics/a%00", "", check.PermissionDenied, ""},
		{plain, "GET", "/metric%73/a", "", check.PermissionDenied, ""},
		{all, "GET", "/messages/%2e%2e/customers/42", "", check.PermissionDenied, ""},
		{scoped, "GET", "/messages", "", check.Allowed, ""},
		{nothing, "GET", "/messages", "", check.PermissionDenied, "messages:read"},
		{admin, "GET", "/messages", "", check.PermissionDenied, "messages:read"},
		{all, "POST", "/messages", "", check.Allowed, ""},
		{all, "GET", "/unknown", "", check.PermissionDenied, ""},
		// API Gateway's own route must be the one that the catalogue found.
		{plain, "GET", "/messages", "/messages", check.Allowed, ""},
		{plain, "GET", "/messages/42", "/messages/{id}", check.Allowed, ""},
		{plain, "GET", "/messages/42", "/messages/{messageId}", check.Allowed, ""},
		{plain, "GET", "/messages/42", "/customers/{customerId}", check.PermissionDenied, ""},
		{plain, "GET", "/messages/42", "/messages", check.PermissionDenied, ""},
		{plain, "GET", "/messages/42", "/messages/42", check.PermissionDenied, ""},
		{plain, "GET", "/messages/42", "/{proxy+}", check.Allowed, ""},
		{plain, "GET", "/messages/42", "$default", check.Allowed, ""},
		{plain, "GET", "/metrics/a/b", "/metrics/{proxy+}", check.Allowed, ""},
		{all, "GET", "/messages/42", "/customers/{customerId}", check.PermissionDenied, ""},
	} {
		v := c.Check(t.Context(), sent(test.secret.Reveal()), check.Call{
			API:      "demo",
			Method:   test.method,
			Path:     test.path,
			Resource: test.resource,
		})
		if v.Outcome != test.want || v.Required != test.required {
			t.Errorf("%s %s (%s): %s %q %v, want %s %q", test.method, test.path, test.resource,
				v.Outcome, v.Required, v.Err, test.want, test.required)
		}
	}
}

// Authenticate says whether a key is good, and reads no catalogue for it.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k, secret := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = nil })
	// the runtime settings of the organization is at hand from the first on
	for i, requests := range []int{2, 1} {
		kit.Traffic.Reset()

		v := c.Authenticate(t.Context(), sent(secret.Reveal()), netip.Addr{})
		if v.Outcome != check.Allowed || v.Key.ID != k.ID || kit.Traffic.Count() != requests {
			t.Errorf("%d: %s %v, %d requests", i, v.Outcome, v.Err, kit.Traffic.Count())
		}
	}
}
