package store_test

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestKeyRoundTrip(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for _, env := range apikey.Environments() {
		if _, err := kit.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	other := kit.Restart()
	stored := map[string]bool{}
	rapid.Check(t, func(r *rapid.T) {
		want := anyKey().Draw(r, "key")
		if stored[want.ID] {
			r.Skip("the same id again")
		}

		stored[want.ID] = true
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutKey(t.Context(), want, 0)); err != nil {
			r.Fatal(err)
		}

		got, err := other.Store.Key(t.Context(), want.Environment, want.ID)
		if err != nil {
			r.Fatal(err)
		}

		if diff := cmp.Diff(want, got, sameKey()); diff != "" {
			r.Fatalf("(-stored +read):\n%s", diff)
		}
	})
}

func TestKeyIsOneConsistentRead(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	k, _ := kit.MustKey(t, nil)
	for name, id := range map[string]string{"there": k.ID, "not there": "0000000000000000"} {
		kit.Traffic.Reset()

		_, err := kit.Store.Key(t.Context(), apikey.Production, id)
		if id == k.ID && err != nil || id != k.ID && !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}

		requests := kit.Traffic.Requests()
		if diff := cmp.Diff([]string{"GetItem"}, storetest.Operations(requests)); diff != "" {
			t.Fatalf("%s: requests (-want +got):\n%s", name, diff)
		}

		var in struct {
			ConsistentRead bool
			TableName      string
		}
		requests[0].Decode(t, &in)

		if !in.ConsistentRead || in.TableName != kit.CoreTable {
			t.Errorf("%s: %s", name, requests[0].Body)
		}
	}
}

// Environments are apart: the same id in another environment is another key, or none.
func TestKeyOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	k, _ := kit.MustKey(t, nil)
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Staging); err != nil {
		t.Fatal(err)
	}

	if _, err := kit.Store.Key(t.Context(),
		apikey.Staging, k.ID); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("production's key in staging: %v", err)
	}
}

func TestFindKey(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for _, env := range apikey.Environments() {
		k, _ := kit.MustKey(t, func(k *apikey.Key) { k.Environment = env })
		kit.Traffic.Reset()

		got, err := kit.Store.FindKey(t.Context(), k.ID)
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(k, got, sameKey()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", env, diff)
		}

		requests := kit.Traffic.Requests()
		if len(requests) != 1 || requests[0].Operation != "BatchGetItem" ||
			!strings.Contains(string(requests[0].Body), `"ConsistentRead":true`) {
			t.Errorf("%s: %v", env, storetest.Operations(requests))
		}
	}

	if _, err := kit.Store.FindKey(t.Context(),
		"0000000000000000"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("no key: %v", err)
	}
}

// fullKey stores a key with all that a key can have, so that its row has every attribute.
func fullKey(t *testing.T, kit *storetest.Kit) (*apikey.Key, map[string]types.AttributeValue) {
	t.Helper()
	_, old := kit.Mint(t, apikey.Production, "0000000000000000")
	by := apikey.Actor{
		Type:    apikey.ActorKey,
		ID:      "key-1",
		Email:   "x@acme.test",
		KeyName: "CI",
	}
	k, _ := kit.MustKey(t, func(k *apikey.Key) {
		at := kit.Clock.Now()
		k.Description = "d"
		k.Owner = by
		k.CreatedBy = by
		k.AllPermissions = true
		k.Legacy = true
		k.Customers = []string{"42", "43"}
		k.Tags = []string{"t"}
		k.Metadata = map[string]string{
			"m": "1",
		}
		k.RateLimits = []apikey.RateLimit{{
			Name:   "l",
			Limit:  5,
			Window: time.Minute,
			Burst:  7,
		}}
		k.Quota = &apikey.Quota{
			Limit:  100,
			Period: "day",
		}
		k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		k.NotBefore = at.Add(-time.Hour)
		k.ExpiresAt = at.Add(time.Hour)
		k.DeletedAt = at
		k.Rotation = &apikey.Rotation{
			StartedAt:   at,
			StartsAt:    apikey.StartsFirstUse,
			Overlap:     time.Minute,
			FirstUsedAt: at,
			Old:         old.Verifier,
			OldHint:     "h",
			OldEndsAt:   at.Add(time.Hour),
		}
		k.Retired = []apikey.Verifier{old.Verifier}
		k.Revocation = &apikey.Revocation{
			At:          at,
			By:          by,
			Reason:      "r",
			Compromised: true,
		}
		k.Exposure = &apikey.Exposure{
			At:     at,
			Source: "github",
			URL:    "https://example.test/",
			Action: apikey.ExposureRevoked,
		}
	})
	item := kit.Item(t, "production#"+k.ID, "key")
	// Every attribute of the row's struct: whoever adds one adds it to this key.
	if want := 44; len(item) != want {
		t.Fatalf("the row has %d attributes, want %d: %v", len(item), want,
			slices.Sorted(maps.Keys(item)))
	}

	return k, item
}

func TestPurgeAt(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	at := kit.Clock.Now()

	const later = 400 * 24 * time.Hour
	for name, test := range map[string]struct {
		change func(*apikey.Key)
		want   types.AttributeValue
	}{
		"no end": {func(*apikey.Key) {}, nil},
		"revoked": {func(k *apikey.Key) {
			k.Revocation = &apikey.Revocation{
				At: at,
			}
		}, nil},
		"expires": {func(k *apikey.Key) {
			k.ExpiresAt = at.Add(time.Hour)
		}, seconds(at.Add(time.Hour + later))},
		"deleted": {func(k *apikey.Key) { k.DeletedAt = at }, seconds(at.Add(later))},
		"deleted and expires": {func(k *apikey.Key) {
			k.DeletedAt = at
			k.ExpiresAt = at.Add(time.Hour)
		}, seconds(at.Add(later))},
	} {
		k, _ := kit.MustKey(t, test.change)
		if diff := cmp.Diff(test.want, kit.Item(t, "production#"+k.ID, "key")["purgeAt"], sameKey(),
			number()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func seconds(at time.Time) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(at.Unix(), 10)}
}

func number() cmp.Option {
	return cmp.Comparer(func(a, b *types.AttributeValueMemberN) bool { return a.Value == b.Value })
}

func TestRowThatTTLRemovedIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	kit.Remove(t, "production#"+k.ID, "key")

	k.Version = 2
	if err := kit.Store.Commit(t.Context(),
		kit.Store.PutKey(t.Context(), k, 1)); !errors.Is(err, apikey.ErrStale) {
		t.Errorf("a change of what is gone: %v", err)
	}

	if item := kit.Item(t, "production#"+k.ID, "key"); item != nil {
		t.Error("the row is there again")
	}
}

// Whatever is stored about keys, no secret is in the tables, nor any half of one.
func TestTablesHoldNoSecret(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	var secrets []apikey.Secret
	for _, env := range apikey.Environments() {
		k, secret := kit.MustKey(t, func(k *apikey.Key) { k.Environment = env })

		secrets = append(secrets, secret)
		for i := range 3 {
			k = kit.MustChange(t, k, func(k *apikey.Key) {
				secret, fresh := kit.Mint(t, env, k.ID)
				secrets = append(secrets, secret)

				err := k.Regenerate(fresh, kit.Clock.Now())
				if i == 2 {
					secret, fresh = kit.Mint(t, env, k.ID)
					secrets = append(secrets, secret)
					err = k.Rotate(fresh, time.Hour, kit.Clock.Now())
				}

				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}

	// the keys, the peppers, and their organization's runtime settings
	if items := kit.Items(t); len(items) != 3+3+3 {
		t.Fatalf("%d items", len(items))
	}

	dump := kit.Dump(t)
	for _, secret := range secrets {
		random := secret.Reveal()[len(secret.Reveal())-38:]
		for _, part := range []string{random[:16], random[16:32]} {
			if strings.Contains(dump, part) {
				t.Errorf("the tables hold %s of %s", part, secret.Hint())
			}
		}
	}

	if !strings.Contains(dump, secrets[len(secrets)-1].Hint()) {
		t.Error("the dump lacks what it should hold")
	}
}
