package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
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
		if err := kit.Store.Commit(t.Context(), kit.Store.PutKey(t.Context(), want, 0)); err != nil {
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
		if !in.ConsistentRead || in.TableName != kit.Core {
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
	if _, err := kit.Store.Key(t.Context(), apikey.Staging, k.ID); !errors.Is(err, apikey.ErrNotFound) {
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
		if len(requests) != 1 || requests[0].Operation != "BatchGetItem" || !strings.Contains(string(requests[0].Body), `"ConsistentRead":true`) {
			t.Errorf("%s: %v", env, storetest.Operations(requests))
		}
	}
	if _, err := kit.Store.FindKey(t.Context(), "0000000000000000"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("no key: %v", err)
	}
}

// fullKey stores a key with all that a key can have, so that its row has every attribute.
func fullKey(t *testing.T, kit *storetest.Kit) (*apikey.Key, map[string]types.AttributeValue) {
	t.Helper()
	_, old := kit.Mint(t, apikey.Production, "0000000000000000")
	by := apikey.Actor{Type: apikey.ActorKey, ID: "key-1", Email: "x@acme.test", KeyName: "CI"}
	k, _ := kit.MustKey(t, func(k *apikey.Key) {
		at := kit.Clock.Now()
		k.Description, k.Owner, k.CreatedBy = "d", by, by
		k.AllPermissions, k.Legacy, k.Customers, k.Tags, k.Metadata = true, true, []string{"42", "43"}, []string{"t"}, map[string]string{"m": "1"}
		k.RateLimits, k.Quota = []apikey.RateLimit{{Name: "l", Limit: 5, Window: time.Minute, Burst: 7}}, &apikey.Quota{Limit: 100, Period: "day"}
		k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		k.NotBefore, k.ExpiresAt, k.DeletedAt = at.Add(-time.Hour), at.Add(time.Hour), at
		k.Rotation = &apikey.Rotation{StartedAt: at, Old: old.Verifier, OldHint: "h", OldEndsAt: at.Add(time.Hour)}
		k.Retired = []apikey.Verifier{old.Verifier}
		k.Revocation = &apikey.Revocation{At: at, By: by, Reason: "r", Compromised: true}
	})
	item := kit.Item(t, "production#"+k.ID, "key")
	// Every attribute of the row's struct: whoever adds one adds it to this key.
	if want := 39; len(item) != want {
		t.Fatalf("the row has %d attributes, want %d: %v", len(item), want, slices.Sorted(maps.Keys(item)))
	}
	return k, item
}

// Whoever can write the table but has no pepper can make no row that is obeyed: every change of any attribute, however deep, is found.
func TestEveryChangeOfARowIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, item := fullKey(t, kit)
	if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err) // so that a row that names version 2 is a row whose pepper is there
	}
	found := func(what string, changed map[string]types.AttributeValue) {
		t.Helper()
		kit.Put(t, changed)
		kit.Clock.Advance(time.Hour) // nothing is remembered
		if got, err := kit.Store.Key(t.Context(), apikey.Production, k.ID); !errors.Is(err, store.ErrDamaged) || !errors.Is(err, store.ErrUnavailable) || got != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, value := range item {
		if name == "pk" || name == "sk" {
			continue // another place: below
		}
		for what, other := range others(value) {
			if text, ok := other.(*types.AttributeValueMemberS); strings.HasPrefix(name, "list") && other != nil && (!ok || text.Value == "") {
				continue // DynamoDB itself refuses it, as a key of the index
			}
			found(name+" "+what, with(item, name, other))
		}
	}
	for _, name := range []string{"a", "zz", "Enabled", "enabled ", "seal2", "ttl"} {
		found("a new attribute "+name, with(item, name, &types.AttributeValueMemberBOOL{Value: true}))
	}
	moved := maps.Clone(item) // the values of two attributes change places
	moved["createdAt"], moved["updatedAt"], moved["expiresAt"], moved["notBefore"] = item["expiresAt"], item["createdAt"], item["notBefore"], item["expiresAt"]
	found("times in other places", moved)

	kit.Put(t, item)
	if _, err := kit.Store.Key(t.Context(), apikey.Production, k.ID); err != nil {
		t.Errorf("the row as it was: %v", err)
	}
}

// others gives values that are not value, by what was done; nil stands for none at all.
func others(value types.AttributeValue) map[string]types.AttributeValue {
	out := map[string]types.AttributeValue{
		"removed": nil, "null": &types.AttributeValueMemberNULL{Value: true}, "a set": &types.AttributeValueMemberSS{Value: []string{"a"}},
		"a list": &types.AttributeValueMemberL{}, "a map": &types.AttributeValueMemberM{}, "true": &types.AttributeValueMemberBOOL{Value: true},
		"no bytes": &types.AttributeValueMemberB{Value: []byte{}}, "a number": &types.AttributeValueMemberN{Value: "987654321"},
		"no text": &types.AttributeValueMemberS{Value: ""}, "a text": &types.AttributeValueMemberS{Value: "7"},
	}
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		out["longer"], out["upper case"] = &types.AttributeValueMemberS{Value: v.Value + "x"}, &types.AttributeValueMemberS{Value: strings.ToUpper(v.Value) + " "}
		out["as bytes"] = &types.AttributeValueMemberB{Value: []byte(v.Value)}
	case *types.AttributeValueMemberN:
		n, _ := strconv.Atoi(v.Value)
		out["one more"], out["as text"], out["negative"] = &types.AttributeValueMemberN{Value: strconv.Itoa(n + 1)}, &types.AttributeValueMemberS{Value: v.Value}, &types.AttributeValueMemberN{Value: "-" + v.Value}
	case *types.AttributeValueMemberB:
		for i := range v.Value {
			changed := bytes.Clone(v.Value)
			changed[i] ^= 1
			out[fmt.Sprintf("byte %d changed", i)] = &types.AttributeValueMemberB{Value: changed}
		}
		out["shorter"], out["longer"] = &types.AttributeValueMemberB{Value: v.Value[:len(v.Value)-1]}, &types.AttributeValueMemberB{Value: append(bytes.Clone(v.Value), 0)}
	case *types.AttributeValueMemberBOOL:
		out["the other"] = &types.AttributeValueMemberBOOL{Value: !v.Value}
		if v.Value {
			delete(out, "true")
		}
	case *types.AttributeValueMemberL:
		out["longer"] = &types.AttributeValueMemberL{Value: append(slices.Clone(v.Value), &types.AttributeValueMemberS{Value: "x"})}
		for i, element := range v.Value {
			for what, other := range others(element) {
				changed := slices.Clone(v.Value)
				if other == nil {
					changed = slices.Delete(changed, i, i+1)
				} else {
					changed[i] = other
				}
				out[fmt.Sprintf("[%d] %s", i, what)] = &types.AttributeValueMemberL{Value: changed}
			}
		}
	case *types.AttributeValueMemberM:
		out["larger"] = &types.AttributeValueMemberM{Value: with(v.Value, "x", &types.AttributeValueMemberS{Value: "x"})}
		for name, element := range v.Value {
			for what, other := range others(element) {
				out[name+" "+what] = &types.AttributeValueMemberM{Value: with(v.Value, name, other)}
			}
		}
	}
	return out
}

// with is a map with another value of one name; nil takes it away.
func with(m map[string]types.AttributeValue, name string, value types.AttributeValue) map[string]types.AttributeValue {
	m = maps.Clone(m)
	if value == nil {
		delete(m, name)
	} else {
		m[name] = value
	}
	return m
}

// A row is obeyed in its own place only: not as another key's, nor as the same key's in another environment.
func TestRowInAnotherPlaceIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	strong, _ := kit.MustKey(t, func(k *apikey.Key) { k.Permissions = []string{"licenses:manage"} })
	weak, _ := kit.MustKey(t, nil)
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Staging); err != nil {
		t.Fatal(err)
	}
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	item := kit.Item(t, "production#"+strong.ID, "key")
	for what, test := range map[string]struct {
		env    apikey.Environment
		id     string
		change map[string]types.AttributeValue
	}{
		"another id":                       {apikey.Production, weak.ID, nil},
		"another id, and says so":          {apikey.Production, weak.ID, map[string]types.AttributeValue{"id": text(weak.ID)}},
		"another environment":              {apikey.Staging, strong.ID, nil},
		"another environment, and says so": {apikey.Staging, strong.ID, map[string]types.AttributeValue{"environment": text("staging")}},
	} {
		moved := with(item, "pk", text(string(test.env)+"#"+test.id))
		maps.Copy(moved, test.change)
		kit.Put(t, moved)
		if got, err := kit.Store.Key(t.Context(), test.env, test.id); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got, err := kit.Store.FindKey(t.Context(), test.id); test.id == weak.ID && (!errors.Is(err, store.ErrDamaged) || got != nil) {
			t.Errorf("%s, found: %v", what, err)
		}
	}
}

// samePepper gives every environment the same data key, as nothing ever should.
type samePepper struct{ pepper.Provider }

// Unwrap implements pepper.Provider.
func (samePepper) Unwrap(_ context.Context, _ pepper.Scope, _ []byte) ([]byte, error) {
	return make([]byte, pepper.Size), nil
}

// The place is checked by itself, not by the pepper that happens to differ: even a row with a good seal is refused elsewhere.
func TestSealedRowInAnotherPlaceIsFound(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	process := kit.With(samePepper{kit.Provider})
	for _, env := range apikey.Environments() {
		if _, err := process.Keyring.Ensure(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	k := kit.Key(t)
	if err := process.Store.Commit(t.Context(), process.Store.PutKey(t.Context(), k, 0)); err != nil {
		t.Fatal(err)
	}
	// DynamoDB answers what stands in the place that was asked for. An answer for another place is what a client gets whose cache is mixed up.
	swapped := store.New(store.NewTables(elsewhere{process.SDK, "production#" + k.ID}, kit.Core), process.Keyring, kit.Log.Logger())
	for what, ask := range map[string]func() (*apikey.Key, error){
		"another id":          func() (*apikey.Key, error) { return swapped.Key(t.Context(), apikey.Production, "0000000000000000") },
		"another environment": func() (*apikey.Key, error) { return swapped.Key(t.Context(), apikey.Staging, k.ID) },
	} {
		if got, err := ask(); !errors.Is(err, store.ErrDamaged) || got != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := swapped.Key(t.Context(), apikey.Production, k.ID); err != nil {
		t.Errorf("its own place: %v", err)
	}
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
		"no end":              {func(*apikey.Key) {}, nil},
		"revoked":             {func(k *apikey.Key) { k.Revocation = &apikey.Revocation{At: at} }, nil},
		"expires":             {func(k *apikey.Key) { k.ExpiresAt = at.Add(time.Hour) }, seconds(at.Add(time.Hour + later))},
		"deleted":             {func(k *apikey.Key) { k.DeletedAt = at }, seconds(at.Add(later))},
		"deleted and expires": {func(k *apikey.Key) { k.DeletedAt, k.ExpiresAt = at, at.Add(time.Hour) }, seconds(at.Add(later))},
	} {
		k, _ := kit.MustKey(t, test.change)
		if diff := cmp.Diff(test.want, kit.Item(t, "production#"+k.ID, "key")["purgeAt"], sameKey(), number()); diff != "" {
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
	if err := kit.Store.Commit(t.Context(), kit.Store.PutKey(t.Context(), k, 1)); !errors.Is(err, apikey.ErrStale) {
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
	items := kit.Items(t)
	if len(items) != 6 {
		t.Fatalf("%d items", len(items))
	}
	var dump strings.Builder
	for _, item := range items {
		write(&dump, &types.AttributeValueMemberM{Value: item})
	}
	for _, secret := range secrets {
		random := secret.Reveal()[len(secret.Reveal())-38:]
		for _, part := range []string{random[:16], random[16:32]} {
			if strings.Contains(dump.String(), part) {
				t.Errorf("the tables hold %s of %s", part, secret.Hint())
			}
		}
	}
	if !strings.Contains(dump.String(), secrets[len(secrets)-1].Hint()) {
		t.Error("the dump lacks what it should hold")
	}
}

// write writes every text and every byte of a value as it is.
func write(out *strings.Builder, value types.AttributeValue) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		out.WriteString(v.Value + "\n")
	case *types.AttributeValueMemberB:
		out.Write(v.Value)
	case *types.AttributeValueMemberL:
		for _, element := range v.Value {
			write(out, element)
		}
	case *types.AttributeValueMemberM:
		for name, element := range v.Value {
			out.WriteString(name + ": ")
			write(out, element)
		}
	}
}
