package store_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// sameKey compares keys. Nothing and an empty list are the same to every reader.
func sameKey() cmp.Option {
	return cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})}
}

// moment draws a time in milliseconds, or none.
func moment() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}

		return time.UnixMilli(rapid.Int64Range(0, 4_000_000_000_000).Draw(t, "milliseconds")).UTC()
	})
}

func actor() *rapid.Generator[apikey.Actor] {
	return rapid.Custom(func(t *rapid.T) apikey.Actor {
		return apikey.Actor{
			Type: rapid.SampledFrom([]apikey.ActorType{
				apikey.ActorUser, apikey.ActorKey, apikey.ActorOperator, apikey.ActorSystem,
			}).Draw(t, "type"),
			ID:      rapid.StringN(1, 20, -1).Draw(t, "id"),
			Email:   rapid.String().Draw(t, "email"),
			KeyName: rapid.String().Draw(t, "key name"),
		}
	})
}

func verifier() *rapid.Generator[apikey.Verifier] {
	return rapid.Custom(func(t *rapid.T) apikey.Verifier {
		return apikey.Verifier{
			Hash:   rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "hash"),
			Pepper: rapid.IntRange(1, 1000).Draw(t, "pepper"),
			Scheme: rapid.SampledFrom([]apikey.Algorithm{"", apikey.SHA256, apikey.SHA512}).Draw(t,
				"scheme"),
		}
	})
}

func prefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		if rapid.Bool().Draw(t, "v4") {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(),
				4, 4).Draw(t, "v4"))), rapid.IntRange(0, 32).Draw(t, "bits"))
		}

		return netip.PrefixFrom(netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(),
			16, 16).Draw(t, "v6"))), rapid.IntRange(0, 128).Draw(t, "bits"))
	})
}

func rateLimit() *rapid.Generator[apikey.RateLimit] {
	return rapid.Custom(func(t *rapid.T) apikey.RateLimit {
		return apikey.RateLimit{
			Name:   rapid.String().Draw(t, "name"),
			Limit:  rapid.Int64Min(1).Draw(t, "limit"),
			Burst:  rapid.Int64Min(0).Draw(t, "burst"),
			Window: time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "window")) * time.Millisecond,
		}
	})
}

// anyKey draws a key with whatever a key can have, in some environment.
func anyKey() *rapid.Generator[*apikey.Key] {
	texts := func() *rapid.Generator[[]string] { return rapid.SliceOfN(rapid.String(), 0, 4) }
	return rapid.Custom(func(t *rapid.T) *apikey.Key {
		k := &apikey.Key{
			ID:             rapid.StringMatching(`[0-9A-Za-z]{16}`).Draw(t, "id"),
			OrganizationID: rapid.StringMatching(`[a-z]{1,9}`).Draw(t, "organization"),
			Profile: apikey.Profile{
				Name:        rapid.String().Draw(t, "name"),
				Description: rapid.String().Draw(t, "description"),
				Tags:        texts().Draw(t, "tags"),
				Metadata: rapid.MapOfN(rapid.StringN(1, 9, -1), rapid.String(), 0, 3).Draw(t,
					"metadata"),
			},
			Environment: rapid.SampledFrom(apikey.Environments()).Draw(t, "environment"),
			Ownership: rapid.SampledFrom([]apikey.Ownership{
				apikey.Personal, apikey.Organization,
			}).Draw(
				t, "ownership",
			),
			Owner:          actor().Draw(t, "owner"),
			CreatedBy:      actor().Draw(t, "created by"),
			Enabled:        rapid.Bool().Draw(t, "enabled"),
			AllPermissions: rapid.Bool().Draw(t, "all"),
			Legacy:         rapid.Bool().Draw(t, "legacy"),
			Provisional:    rapid.Bool().Draw(t, "provisional"),
			Permissions:    texts().Draw(t, "permissions"),
			Customers:      texts().Draw(t, "customers"),
			Grantable: rapid.SampledFrom([]apikey.Grantable{
				"", apikey.GrantOwn, apikey.GrantCatalogue,
			}).Draw(t, "grantable"),
			RateLimits:       rapid.SliceOfN(rateLimit(), 0, 3).Draw(t, "rate limits"),
			AllowedAddresses: rapid.SliceOfN(prefix(), 0, 3).Draw(t, "addresses"),
			NotBefore:        moment().Draw(t, "not before"),
			ExpiresAt:        moment().Draw(t, "expires at"),
			DeletedAt:        moment().Draw(t, "deleted at"),
			Secret:           verifier().Draw(t, "secret"),
			RenewedAt:        moment().Draw(t, "renewed at"),
			Hint:             rapid.String().Draw(t, "hint"),
			Retired:          rapid.SliceOfN(verifier(), 0, 5).Draw(t, "retired"),
			Version:          1,
			Pace:             apikey.Pace(rapid.Int64Min(0).Draw(t, "pace")),
			CreatedAt:        moment().Draw(t, "created at"),
			UpdatedAt:        moment().Draw(t, "updated at"),
		}
		if rapid.Bool().Draw(t, "with quota") {
			k.Quota = &apikey.Quota{
				Limit:  rapid.Int64().Draw(t, "quota"),
				Period: rapid.SampledFrom([]string{"day", "month"}).Draw(t, "period"),
			}
		}

		if rapid.Bool().Draw(t, "rotating") {
			k.Rotation = &apikey.Rotation{
				StartedAt: moment().Draw(t, "started at"),
				StartsAt: rapid.SampledFrom(
					[]apikey.OverlapStart{apikey.StartsNow, apikey.StartsFirstUse},
				).Draw(
					t, "starts at",
				),
				Overlap:     time.Duration(rapid.Int32().Draw(t, "overlap")) * time.Millisecond,
				FirstUsedAt: moment().Draw(t, "first used at"),
				Old:         verifier().Draw(t, "old"),
				OldHint:     rapid.String().Draw(t, "old hint"),
				OldEndsAt:   moment().Draw(t, "ends at"),
			}
		}

		if at := moment().Draw(t, "revoked at"); !at.IsZero() {
			k.Revocation = &apikey.Revocation{
				At:          at,
				By:          actor().Draw(t, "by"),
				Reason:      rapid.String().Draw(t, "reason"),
				Compromised: rapid.Bool().Draw(t, "compromised"),
			}
		}

		if rapid.Bool().Draw(t, "exposed") {
			k.Exposure = &apikey.Exposure{
				At:     moment().Draw(t, "exposed at"),
				Source: rapid.String().Draw(t, "source"),
				URL:    rapid.String().Draw(t, "url"),
				Action: rapid.SampledFrom([]apikey.ExposureAction{
					apikey.ExposureRevoked, apikey.ExposureFlagged,
				}).Draw(t, "action"),
			}
		}

		return k
	})
}

// neverSet returns the fields that are zero in all of these objects, as paths.
func neverSet(objects ...any) (fields []string) {
	set := map[string]bool{}

	var visit func(path string, v reflect.Value)
	visit = func(path string, v reflect.Value) {
		set[path] = set[path] || !v.IsZero()

		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				visit(path, v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				visit(path, v.Index(i))
			}
		case reflect.Struct:
			for field, value := range v.Fields() {
				if field.IsExported() {
					visit(path+"."+field.Name, value)
				}
			}
		}
	}

	for _, object := range objects {
		visit("", reflect.ValueOf(object))
	}

	for path, is := range set {
		if !is {
			fields = append(fields, path)
		}
	}

	slices.Sort(fields)
	return fields
}

// What the tests store has every field that there is, so that a field that the store forgets is
// noticed.
func TestNoFieldIsNeverSet(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)

	keys := make([]any, 0, 200)
	for seed := range cap(keys) {
		keys = append(keys, anyKey().Example(seed))
	}

	for kind, objects := range map[string][]any{
		"key":          keys,
		"organization": {fullOrganization(kit, "acme")},
		"member":       {fullMember(kit, "acme", "bob@acme.test")},
		"customer":     {fullCustomer(kit, "acme", "blue")},
		"job":          {fullJob(kit, "acme", "j")},
	} {
		if fields := neverSet(objects...); len(fields) > 0 {
			t.Errorf("%s: %q", kind, fields)
		}
	}
}
