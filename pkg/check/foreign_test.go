package check_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// A secret of another system, as it was sent before; and one that nobody has.
const (
	foreign = "sk_live_51H8xYzAbCdEf"
	nobodys = "sk_live_00000000000000"
)

// What a text that is no secret of ours costs: nothing where nothing was imported, one read by each
// algorithm where something was. Ours cost what they did.
func TestForeignReads(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		imported []apikey.Algorithm
		nobodys  check.Outcome
		reads    []string
	}{
		"nothing imported": {nil, check.Malformed, []string{}},
		"by sha256": {
			[]apikey.Algorithm{apikey.SHA256},
			check.UnknownKey,
			[]string{"GetItem"},
		},
		"by sha512": {[]apikey.Algorithm{apikey.SHA512}, check.UnknownKey, []string{"GetItem"}},
		"by both":   {apikey.Algorithms(), check.UnknownKey, []string{"GetItem", "GetItem"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, c := setup(t, apikey.Production)

			_, ours := kit.MustKey(t, nil)
			for _, a := range test.imported {
				kit.MustImport(t, foreign+string(a), a, nil)
			}

			costs := func(text string, want check.Outcome, reads []string) {
				t.Helper()
				// what is not read for each check is at hand from here on
				c.Check(t.Context(), sent(text), read)
				kit.Traffic.Reset()

				if v := c.Check(t.Context(), sent(text), read); v.Outcome != want {
					t.Errorf("%s: %s %v, want %s", text, v.Outcome, v.Err, want)
				}

				requests := kit.Traffic.Requests()
				if diff := cmp.Diff(reads, storetest.Operations(requests)); diff != "" {
					t.Errorf("%s: requests (-want +got):\n%s", text, diff)
				}

				for _, r := range requests {
					if !strings.Contains(string(r.Body), `"ConsistentRead":true`) {
						t.Errorf("not strongly consistent: %s", r.Body)
					}
				}
			}
			costs(ours.Reveal(), check.Allowed, []string{"GetItem"})
			costs(nobodys, test.nobodys, test.reads)
			// which may be another system's all the same
			for _, text := range []string{ours.Reveal()[:60], "bt_prod_x"} {
				costs(text, test.nobodys, test.reads)
			}

			for _, text := range []string{
				strings.Repeat("x", 257), "short", "with a space", "tab\there",
			} {
				costs(text, check.Malformed, []string{})
			}

			if len(test.imported) == 1 {
				costs(foreign+string(test.imported[0]), check.Allowed, []string{"GetItem"})
			}
		})
	}
}

// A secret of another system that begins as one of ours, and is none, is looked up like every
// other.
func TestForeignSecretThatBeginsAsOurs(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, ours := kit.MustKey(t, nil)

	spoiled := strings.ToUpper(ours.Reveal()[len("bt_prod_"):])
	for _, secret := range []string{
		"bt_prod_8Hsj2kd92kAA01", "bt_stg_" + spoiled, "bt_prod_" + spoiled, "bt_dev_",
		"bt_prod_" + strings.Repeat("x", 200),
	} {
		if len(secret) < apikey.MinForeign {
			secret += "x"
		}

		k := kit.MustImport(t, secret, apikey.SHA256, nil)
		for header, h := range map[string]check.Headers{
			"X-Api-Key":     sent(secret),
			"Authorization": {Authorization: []string{"Bearer " + secret}},
		} {
			if v := c.Check(t.Context(), h, read); v.Outcome != check.Allowed || v.Key.ID != k.ID {
				t.Errorf("%s in %s: %s %v", secret, header, v.Outcome, v.Err)
			}
		}
	}

	if v := c.Check(t.Context(), sent(ours.Reveal()), read); v.Outcome != check.Allowed {
		t.Errorf("ours: %s %v", v.Outcome, v.Err)
	}
}

// However much of it is sent, what is no secret of ours asks for one small row in five seconds
// where nothing was imported.
func TestGarbageAsksForImportsNowAndThen(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	kit.Traffic.Reset()

	for i := range 100_000 {
		if v := c.Check(t.Context(),
			sent(fmt.Sprintf("garbage-%d", i)), read); v.Outcome != check.Malformed {
			t.Fatal(v.Outcome, v.Err)
		}
	}

	if got := kit.Traffic.Count(); got != 1 {
		t.Errorf("%d requests", got)
	}
}

// The first import into an environment is noticed within ten seconds, and so is the first by
// another algorithm.
func TestFirstImportActsWithinTenSeconds(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	ask := func(secret string) check.Outcome {
		return c.Check(t.Context(), sent(secret), read).Outcome
	}
	if got := ask(foreign); got != check.Malformed {
		t.Error(got)
	}

	for i, a := range apikey.Algorithms() {
		secret := foreign + string(a)
		kit.MustImport(t, secret, a, nil)
		kit.Clock.Advance(10*time.Second - 1)
		before := ask(secret) // and sets off the reading
		kit.Clock.Advance(1)

		if got := ask(secret); got != check.Allowed || before == check.Allowed && i == 0 {
			t.Errorf("%s: %s before ten seconds, %s then", a, before, got)
		}

		kit.Clock.Advance(time.Hour)

		if got := ask(secret); got != check.Allowed {
			t.Errorf("%s an hour later: %s", a, got)
		}
	}
}

// Each algorithm's secrets are their own, in their own environment; where all environments are
// asked, the first that has the key answers.
func TestForeignSecretsAreSeparate(t *testing.T) {
	t.Parallel()
	kit, _ := setup(t)
	by256 := kit.MustImport(t, "in-production-by-256", apikey.SHA256, nil)
	by512 := kit.MustImport(t, "in-production-by-512", apikey.SHA512, nil)

	same := map[apikey.Environment]*apikey.Key{}
	for _, env := range []apikey.Environment{apikey.Production, apikey.Development} {
		same[env] = kit.MustImport(t, "in-two-environments", apikey.SHA512, func(k *apikey.Key) {
			k.Environment = env
		})
	}

	// Where the hash itself is sent, by whoever has a dump of the other system, nothing opens.
	for text, want := range map[string]map[apikey.Environment]*apikey.Key{
		"in-production-by-256": {apikey.Production: by256, "": by256},
		"in-production-by-512": {apikey.Production: by512, "": by512},
		"in-two-environments": {
			apikey.Production:  same[apikey.Production],
			apikey.Development: same[apikey.Development],
			"":                 same[apikey.Production],
		},
		"In-production-by-256": {},
		"in-production-by-25":  {},
		fmt.Sprintf("%x", apikey.SHA256.Sum("in-production-by-256")): {},
	} {
		for _, env := range append(apikey.Environments(), "") {
			environments := []apikey.Environment{env}
			if env == "" {
				environments = apikey.Environments()
			}

			v := checker(kit, &kit.Process, environments...).Authenticate(t.Context(), sent(text),
				netip.Addr{})
			switch k := want[env]; {
			case k != nil &&
				(v.Outcome != check.Allowed || v.Key.ID != k.ID ||
					v.Key.Environment != k.Environment):
				t.Errorf("%s in %q: %s %v", text, env, v.Outcome, v.Err)
			case k == nil && v.Outcome != check.UnknownKey && v.Outcome != check.Malformed:
				t.Errorf("%s in %q: %s %v", text, env, v.Outcome, v.Err)
			}
		}
	}
}

// A secret of ours leads to the same key as the one from elsewhere. What ended is recognised for
// good: its own id tells that it was the key's.
func TestForeignSecretOfAKey(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	k := kit.MustImport(t, foreign, apikey.SHA256, nil)
	forged, fresh := kit.Mint(t, apikey.Production, k.ID)
	ask := func(secret string) string {
		v := c.Check(t.Context(), sent(secret), read)
		if v.Key == nil || v.Key.ID != k.ID {
			t.Errorf("another key or none: %v", v.Err)
		}

		if v.OldSecret {
			return "old"
		}

		return string(v.Outcome)
	}
	expect := func(when, old, current string) {
		t.Helper()

		if diff := cmp.Diff([]string{old, current},
			[]string{ask(foreign), ask(forged.Reveal())}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	expect("before", "allowed", "wrong_secret")
	k = kit.MustChange(t, k, func(k *apikey.Key) {
		if err := k.Rotate(fresh, time.Hour, kit.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	})
	expect("during the rotation", "old", "allowed")
	kit.Clock.Advance(time.Hour)
	expect("afterwards", "retired_secret", "allowed")

	for i := range 8 {
		_, fresh := kit.Mint(t, apikey.Production, k.ID)
		k = kit.MustChange(t, k, func(k *apikey.Key) {
			if err := k.Regenerate(fresh, kit.Clock.Now()); err != nil {
				t.Fatal(err)
			}
		})

		if i == 0 {
			expect("after a new secret", "retired_secret", "retired_secret")
		}
	}

	expect("after eight", "retired_secret", "wrong_secret")
}

// A hash counts under the scheme that it was made by, and under no other.
func TestHashCountsUnderItsSchemeOnly(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	k := kit.MustImport(t, foreign, apikey.SHA256, nil)
	for _, scheme := range []apikey.Algorithm{"", apikey.SHA512} {
		k = kit.MustChange(t, k, func(k *apikey.Key) { k.Secret.Scheme = scheme })
		if v := c.Check(t.Context(), sent(foreign), read); v.Outcome != check.RetiredSecret {
			t.Errorf("under %q: %s %v", scheme, v.Outcome, v.Err)
		}
	}

	ours, secret := kit.MustKey(t, nil)
	kit.MustChange(t, ours, func(k *apikey.Key) { k.Secret.Scheme = apikey.SHA256 })

	if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.WrongSecret {
		t.Errorf("ours as another system's: %s %v", v.Outcome, v.Err)
	}
}

// The steps after the secret are those of every key, and an explanation takes the same.
func TestForeignKeysTakeTheSameSteps(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	kit.MustRuntimeSettings(t, "strict", func(o *organization.Organization) {
		o.Settings.LegacyKeysAccepted = false
	})

	for name, test := range map[string]struct {
		change func(*apikey.Key)
		want   check.Outcome
	}{
		"good": {func(k *apikey.Key) {
			k.Permissions = nil
			k.AllPermissions = true
			k.Legacy = true
		}, check.Allowed},
		"narrowed": {func(k *apikey.Key) {
			k.Permissions = []string{"messages:write"}
		}, check.PermissionDenied},
		"disabled": {func(k *apikey.Key) { k.Enabled = false }, check.Inactive},
		"expired": {func(k *apikey.Key) {
			k.ExpiresAt = kit.Clock.Now()
		}, check.Expired},
		"elsewhere": {bound, check.AddressNotAllowed},
		"legacy not accepted": {func(k *apikey.Key) {
			k.OrganizationID = "strict"
			k.Legacy = true
		}, check.Inactive},
		"narrowed, accepted": {func(k *apikey.Key) { k.OrganizationID = "strict" }, check.Allowed},
	} {
		secret := "secret of " + name
		secret = strings.ReplaceAll(secret, " ", "-")
		k := kit.MustImport(t, secret, apikey.SHA512, test.change)
		v := c.Check(t.Context(), sent(secret), read)

		e := c.Explain(t.Context(), k, apikey.Production, read, kit.Clock.Now())
		if v.Outcome != test.want || e.Outcome != test.want || v.Reason != e.Reason {
			t.Errorf("%s: %s %v, explained as %s", name, v.Outcome, v.Err, e.Outcome)
		}
	}
}

// Where it is not known whether keys were imported, what may be one of them is neither unknown nor
// let in; ours are not concerned.
func TestImportsThatCannotBeKnown(t *testing.T) {
	t.Parallel()

	const place = "production#imports"
	for name, spoil := range map[string]func(*testing.T, *storetest.Kit){
		"down": func(_ *testing.T, kit *storetest.Kit) {
			kit.Traffic.Inject(func(r storetest.Request) storetest.Fault {
				if strings.Contains(string(r.Body), place) {
					return storetest.Broken
				}

				return storetest.None
			})
		},
		"edited": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "imports", "pepper", 2)
		},
		"another's": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, "staging#imports", "imports", "pk", place)
		},
		"without a seal": func(t *testing.T, kit *storetest.Kit) {
			kit.Change(t, place, "imports", "seal", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, c := setup(t, apikey.Production)

			_, ours := kit.MustKey(t, nil)
			for _, env := range []apikey.Environment{apikey.Production, apikey.Staging} {
				kit.MustImport(t, foreign, apikey.SHA256, func(k *apikey.Key) {
					k.Environment = env
				})
			}

			spoil(t, kit)

			for _, text := range []string{foreign, nobodys} {
				if v := c.Check(t.Context(), sent(text), read); v.Outcome != check.Unavailable ||
					v.Err == nil || strings.Contains(v.Err.Error(), text) {
					t.Errorf("%s %v", v.Outcome, v.Err)
				}
			}

			for text, want := range map[string]check.Outcome{
				ours.Reveal():        check.Allowed,
				"bt_prod_ malformed": check.Malformed,
			} {
				if v := c.Check(t.Context(), sent(text), read); v.Outcome != want {
					t.Errorf("%s %v", v.Outcome, v.Err)
				}
			}
		})
	}

	kit, c := setup(t, apikey.Production)
	kit.MustImport(t, foreign, apikey.SHA256, nil)

	if v := c.Check(t.Context(), sent(foreign), read); v.Outcome != check.Allowed {
		t.Fatal(v.Outcome, v.Err)
	}

	kit.Traffic.Inject(storetest.Always(storetest.Broken))

	if v := c.Check(t.Context(), sent(nobodys), read); v.Outcome != check.Unavailable {
		t.Errorf("a key that cannot be read: %s", v.Outcome)
	}
}

// The ids of imported keys hang on the pepper of the first import, whatever versions come after it;
// what is kept of their secrets is of the newest.
func TestImportsAndNewPeppers(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	secrets := map[string]int{}
	for version := 1; version <= 3; version++ {
		secret := fmt.Sprintf("imported-under-%d", version)
		if k := kit.MustImport(t, secret, apikey.SHA256, nil); k.Secret.Pepper != version {
			t.Errorf("%s is hashed under %d", secret, k.Secret.Pepper)
		}

		secrets[secret] = version
		for secret := range secrets {
			if v := c.Check(t.Context(), sent(secret), read); v.Outcome != check.Allowed {
				t.Errorf("%s, version %d: %s %v", secret, version, v.Outcome, v.Err)
			}
		}

		if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
			t.Fatal(err)
		}
	}
}
