package organization_test

import (
	"math/big"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
)

// acmeOrganization has the default settings.
var acmeOrganization = &organization.Organization{
	ID:       "acme",
	Settings: organization.DefaultSettings(),
}

var now = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

// fields returns the fields of escalations.
func fields(excess []organization.Escalation) []string {
	out := []string{}
	for _, e := range excess {
		if e.Message == "" {
			e.Field += " without a message"
		}

		out = append(out, e.Field)
	}

	return out
}

func TestBeyond(t *testing.T) {
	t.Parallel()
	c := builtIns(t)
	plain := func(change ...func(*apikey.Key)) *apikey.Key {
		k := &apikey.Key{ID: "k", OrganizationID: "acme"}
		for _, f := range change {
			f(k)
		}

		return k
	}
	holds := func(permissions ...string) func(*apikey.Key) {
		return func(k *apikey.Key) { k.Permissions = permissions }
	}
	scoped := func(customers ...string) func(*apikey.Key) {
		return func(k *apikey.Key) { k.Customers = customers }
	}
	ends := func(after time.Duration) func(*apikey.Key) {
		return func(k *apikey.Key) { k.ExpiresAt = now.Add(after) }
	}
	limited := func(limits ...apikey.RateLimit) func(*apikey.Key) {
		return func(k *apikey.Key) { k.RateLimits = limits }
	}
	quota := func(limit int64, period string) func(*apikey.Key) {
		return func(k *apikey.Key) { k.Quota = &apikey.Quota{Limit: limit, Period: period} }
	}
	operator := func(k *apikey.Key) { k.OrganizationID = apikey.OperatorOrganization }
	catalogue := func(k *apikey.Key) { k.Grantable = apikey.GrantCatalogue }
	all := func(k *apikey.Key) { k.AllPermissions = true }
	rate := func(limit int64, window time.Duration, burst int64) apikey.RateLimit {
		return apikey.RateLimit{Limit: limit, Window: window, Burst: burst}
	}

	from := func(networks ...string) func(*apikey.Key) {
		return func(k *apikey.Key) {
			for _, n := range networks {
				k.AllowedAddresses = append(k.AllowedAddresses, netip.MustParsePrefix(n))
			}
		}
	}
	for name, test := range map[string]struct {
		caller, before, key *apikey.Key
		want                []string
	}{
		"from anywhere by one that is not": {
			plain(from("192.0.2.0/24")),
			nil,
			plain(),
			[]string{"allowedAddresses"},
		},
		"a part of its own network": {
			plain(from("192.0.2.0/24")),
			nil,
			plain(from("192.0.2.128/25")),
			[]string{},
		},
		"a larger network": {
			plain(from("192.0.2.0/24")),
			nil,
			plain(from("192.0.0.0/16")),
			[]string{"allowedAddresses"},
		},
		"another network besides": {
			plain(from("192.0.2.0/24")),
			nil,
			plain(from("192.0.2.1/32", "2001:db8::/32")),
			[]string{"allowedAddresses"},
		},
		"the networks taken away": {
			plain(from("192.0.2.0/24")),
			plain(from("192.0.2.0/24")),
			plain(),
			[]string{"allowedAddresses"},
		},
		"another network as it was": {
			plain(from("192.0.2.0/24")),
			plain(from("198.51.100.0/24")),
			plain(from("198.51.100.0/24")),
			[]string{},
		},
		"nothing": {plain(), nil, plain(), []string{}},
		"its own permission": {
			plain(holds("messages:read")),
			nil,
			plain(holds("messages:read")),
			[]string{},
		},
		"another permission": {
			plain(holds("messages:read")),
			nil,
			plain(holds("messages:write", "messages:read", "licenses:manage")),
			[]string{"permissions", "permissions"},
		},
		"a permission that the key had": {
			plain(),
			plain(holds("messages:write")),
			plain(holds("messages:write")),
			[]string{},
		},
		"one more than the key had": {
			plain(),
			plain(holds("messages:write")),
			plain(holds("messages:write", "messages:read")),
			[]string{"permissions"},
		},
		"new secret of a stronger key": {
			plain(holds("messages:read")),
			nil,
			plain(holds("messages:write")),
			[]string{"permissions"},
		},
		"a data permission by the catalogue": {
			plain(catalogue),
			nil,
			plain(holds("messages:write")),
			[]string{},
		},
		"an admin permission by it": {
			plain(catalogue),
			nil,
			plain(holds("keys:read")),
			[]string{"permissions"},
		},
		"an admin permission that it holds": {
			plain(holds("keys:read")),
			nil,
			plain(holds("keys:read")),
			[]string{},
		},
		"permissions:write though it holds": {
			plain(holds("permissions:write"), catalogue),
			nil,
			plain(holds("permissions:write")),
			[]string{"permissions"},
		},
		"permissions:write by the operator": {
			plain(operator, holds("permissions:write")),
			nil,
			plain(holds("permissions:write")),
			[]string{"permissions"},
		},
		"a data permission by the operator": {
			plain(operator, holds("keys:write")),
			nil,
			plain(holds("keys:write", "messages:read")),
			[]string{"permissions"},
		},
		"everything else by the operator": {
			plain(operator, holds("keys:write"), ends(time.Hour), limited(rate(1, time.Minute, 0))),
			nil,
			plain(all, catalogue),
			[]string{"allPermissions", "grantable", "rateLimits", "expiresAt"},
		},
		"a new secret by the operator": {
			plain(operator, holds("keys:rotate")),
			nil,
			plain(holds("permissions:write")),
			[]string{"permissions"},
		},
		"a permission that it holds by all": {
			plain(all),
			nil,
			plain(holds("messages:read")),
			[]string{"permissions"},
		},
		"all permissions": {
			plain(all, catalogue),
			nil,
			plain(all),
			[]string{"allPermissions"},
		},
		"all permissions that the key had": {plain(), plain(all), plain(all), []string{}},
		"one of all that the key had": {
			plain(),
			plain(all),
			plain(holds("messages:read")),
			[]string{},
		},
		"an admin permission instead of all": {
			plain(),
			plain(all),
			plain(holds("keys:read")),
			[]string{"permissions"},
		},
		"new secret of one of all": {
			plain(),
			nil,
			plain(all, holds("messages:read")),
			[]string{"permissions", "allPermissions"},
		},
		"catalogue by one that has it": {
			plain(catalogue),
			nil,
			plain(catalogue),
			[]string{},
		},
		"catalogue": {
			plain(),
			nil,
			plain(catalogue),
			[]string{"grantable"},
		},
		"catalogue that the key had": {
			plain(),
			plain(catalogue),
			plain(catalogue),
			[]string{},
		},
		"unscoped by a scoped one": {
			plain(scoped("1")),
			nil,
			plain(),
			[]string{"customers"},
		},
		"its own customers": {
			plain(scoped("1", "2")),
			nil,
			plain(scoped("2")),
			[]string{},
		},
		"another customer": {
			plain(scoped("1")),
			nil,
			plain(scoped("1", "2")),
			[]string{"customers"},
		},
		"the scope taken away": {
			plain(scoped("1")),
			plain(scoped("1")),
			plain(),
			[]string{"customers"},
		},
		"other customers as they were": {
			plain(scoped("1")),
			plain(scoped("2", "3")),
			plain(scoped("2")),
			[]string{},
		},
		"unscoped as it was": {plain(scoped("1")), plain(), plain(), []string{}},
		"both scopes joined": {
			plain(scoped("1")),
			plain(scoped("2")),
			plain(scoped("1", "2")),
			[]string{"customers"},
		},
		"without expiry": {
			plain(ends(time.Hour)),
			nil,
			plain(),
			[]string{"expiresAt"},
		},
		"the same expiry": {
			plain(ends(time.Hour)),
			nil,
			plain(ends(time.Hour)),
			[]string{},
		},
		"a later expiry": {
			plain(ends(time.Hour)),
			nil,
			plain(ends(time.Hour + 1)),
			[]string{"expiresAt"},
		},
		"a later expiry as it was": {
			plain(ends(time.Hour)),
			plain(ends(3 * time.Hour)),
			plain(ends(2 * time.Hour)),
			[]string{},
		},
		"an even later expiry": {
			plain(ends(time.Hour)),
			plain(ends(3 * time.Hour)),
			plain(ends(4 * time.Hour)),
			[]string{"expiresAt"},
		},
		"without limits": {
			plain(limited(rate(10, time.Minute, 0))),
			nil,
			plain(),
			[]string{"rateLimits"},
		},
		"the same limit": {
			plain(limited(rate(10, time.Minute, 0))),
			nil,
			plain(limited(rate(10, time.Minute, 0))),
			[]string{},
		},
		"the same rate, a larger burst": {
			plain(limited(rate(10, time.Minute, 0))),
			nil,
			plain(limited(rate(600, time.Hour, 0))),
			[]string{"rateLimits"},
		},
		"the same rate, the same burst": {
			plain(limited(rate(10, time.Minute, 0))),
			nil,
			plain(limited(rate(600, time.Hour, 10))),
			[]string{},
		},
		"a rate a little above": {
			plain(limited(rate(10, time.Minute, 0))),
			nil,
			plain(limited(rate(601, time.Hour, 10))),
			[]string{"rateLimits"},
		},
		"a smaller burst than its own": {
			plain(limited(rate(10, time.Minute, 5))),
			nil,
			plain(limited(rate(10, time.Minute, 0))),
			[]string{"rateLimits"},
		},
		"one of two limits": {
			plain(limited(rate(10, time.Minute, 0), rate(100, time.Hour, 0))),
			nil,
			plain(limited(rate(10, time.Minute, 0))),
			[]string{"rateLimits"},
		},
		"the largest limits": {
			plain(limited(rate(1e9, 30*24*time.Hour, 0))),
			nil,
			plain(limited(rate(1e9, time.Second, 0))),
			[]string{"rateLimits"},
		},
		"without a quota": {
			plain(quota(10, "day")),
			nil,
			plain(),
			[]string{"rateLimits"},
		},
		"the same quota by month": {
			plain(quota(10, "day")),
			nil,
			plain(quota(10, "month")),
			[]string{},
		},
		"the same quota by day": {
			plain(quota(10, "month")),
			nil,
			plain(quota(10, "day")),
			[]string{"rateLimits"},
		},
		"a larger quota": {
			plain(quota(10, "day")),
			nil,
			plain(quota(11, "day")),
			[]string{"rateLimits"},
		},
		"a limit taken away": {
			plain(limited(rate(10, time.Minute, 0))),
			plain(limited(rate(20, time.Minute, 0))),
			plain(),
			[]string{"rateLimits"},
		},
		"a larger limit as it was": {
			plain(limited(rate(10, time.Minute, 0))),
			plain(limited(rate(20, time.Minute, 0))),
			plain(limited(rate(20, time.Minute, 0))),
			[]string{},
		},
		"everything at once, in a fixed order": {
			plain(scoped("1"), ends(time.Hour), quota(1, "day")),
			nil,
			plain(holds("messages:read"), all, catalogue),
			[]string{
				"permissions", "allPermissions", "grantable", "customers", "rateLimits",
				"expiresAt",
			},
		},
	} {
		test.caller.ID = "caller"
		if diff := cmp.Diff(test.want, fields((&organization.Caller{
			Key: test.caller,
		}).Escalations(c, acmeOrganization, test.before, test.key))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A key cannot change its own bounds, in either direction, but everything else about itself.
func TestBeyondItself(t *testing.T) {
	t.Parallel()

	own := &apikey.Key{
		ID:               "self",
		OrganizationID:   acme,
		Enabled:          true,
		Permissions:      []string{"keys:write", "messages:read"},
		Grantable:        apikey.GrantCatalogue,
		Customers:        []string{"1"},
		RateLimits:       []apikey.RateLimit{{Name: "burst", Limit: 6, Window: time.Minute}},
		Quota:            &apikey.Quota{Limit: 10, Period: "day"},
		AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		NotBefore:        now,
		ExpiresAt:        now.Add(time.Hour),
	}
	for field, change := range map[string]func(*apikey.Key){
		"permissions":      func(k *apikey.Key) { k.Permissions = k.Permissions[:1] },
		"allPermissions":   func(k *apikey.Key) { k.AllPermissions = true },
		"grantable":        func(k *apikey.Key) { k.Grantable = apikey.GrantOwn },
		"customers":        func(k *apikey.Key) { k.Customers = nil },
		"rateLimits":       func(k *apikey.Key) { k.RateLimits[0].Name = "other" },
		"quota":            func(k *apikey.Key) { k.Quota.Limit = 9 },
		"allowedAddresses": func(k *apikey.Key) { k.AllowedAddresses = nil },
		"notBefore":        func(k *apikey.Key) { k.NotBefore = time.Time{} },
		"expiresAt":        func(k *apikey.Key) { k.ExpiresAt = now.Add(time.Minute) },
		"": func(k *apikey.Key) {
			k.Name = "another"
			k.Description = "another"
			k.Enabled = false
			k.Tags = []string{"a"}
			k.Metadata = map[string]string{"a": "b"}
		},
	} {
		after := own.Clone()
		change(after)

		want := []string{}
		if field != "" {
			want = []string{field}
		}

		got := fields((&organization.Caller{
			Key: own,
		}).Escalations(builtIns(t), acmeOrganization, own, after))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", field, diff)
		}
	}
}

// power is what a caller may grant at some moment, by the contract.
type power struct {
	permissions []string
	key         *apikey.Key
}

func powerOf(k *apikey.Key) power {
	p := power{permissions: slices.Clone(k.Permissions), key: k.Clone()}
	if k.Grantable == apikey.GrantCatalogue {
		p.permissions = append(p.permissions, "messages:read", "messages:write", "licenses:manage")
	}

	p.permissions = slices.DeleteFunc(p.permissions, func(name string) bool {
		return name == "permissions:write"
	})
	return p
}

// covers reports whether k exceeds the power in nothing but its permissions.
func (p power) covers(k *apikey.Key) bool {
	customers := len(p.key.Customers) == 0 ||
		len(k.Customers) > 0 && !slices.ContainsFunc(k.Customers, func(c string) bool {
			return !slices.Contains(p.key.Customers, c)
		})
	life := p.key.ExpiresAt.IsZero() || !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(p.key.ExpiresAt)
	return customers && life && slower(k, p.key)
}

// slower reports whether each limit of own binds k too.
func slower(k, own *apikey.Key) bool {
	most := func(l apikey.RateLimit) int64 {
		if l.Burst == 0 {
			return l.Limit
		}

		return l.Burst
	}
	for _, mine := range own.RateLimits {
		bound := false
		for _, l := range k.RateLimits {
			bound = bound ||
				big.NewRat(l.Limit, int64(l.Window)).Cmp(big.NewRat(mine.Limit,
					int64(mine.Window))) <= 0 && most(l) <= most(mine)
		}

		if !bound {
			return false
		}
	}

	return true
}

// A weak operator key takes nothing from a stronger one, since it could not be given back.
func TestOperatorsTakeNothingTheyDoNotHold(t *testing.T) {
	t.Parallel()
	c := builtIns(t)
	operator := func(id string, permissions ...string) *apikey.Key {
		return &apikey.Key{
			ID:             id,
			OrganizationID: apikey.OperatorOrganization,
			Permissions:    permissions,
		}
	}
	strong := operator("strong", "keys:write", organization.PermissionsWrite)
	weak := operator("weak", "keys:write", "keys:read")

	for name, test := range map[string]struct {
		caller, of *apikey.Key
		change     func(k *apikey.Key)
		want       []string
	}{
		"a permission": {weak, strong, func(k *apikey.Key) {
			k.Permissions = []string{"keys:write"}
		}, []string{"permissions"}},
		"an end": {weak, strong, func(k *apikey.Key) { k.ExpiresAt = now }, []string{"expiresAt"}},
		"a network and a limit": {weak, strong, func(k *apikey.Key) {
			k.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
			k.Quota = &apikey.Quota{Limit: 1, Period: "day"}
		}, []string{"quota", "allowedAddresses"}},
		"a name": {weak, strong, func(k *apikey.Key) { k.Name = "Strong" }, []string{}},
		"a stop": {weak, strong, func(k *apikey.Key) { k.Enabled = false }, []string{}},
		"of an equal": {weak, operator("equal", "keys:write"), func(k *apikey.Key) {
			k.ExpiresAt = now
		}, []string{}},
		"by an equal": {operator("equal", strong.Permissions...), strong, func(k *apikey.Key) {
			k.Permissions = []string{"keys:write"}
		}, []string{}},
		"of an organization's key": {weak, &apikey.Key{
			ID:             "theirs",
			OrganizationID: "acme",
			Permissions:    []string{"members:write"},
		}, func(k *apikey.Key) { k.Permissions = nil }, []string{}},
	} {
		after := test.of.Clone()
		test.change(after)

		caller := &organization.Caller{Key: test.caller}

		got := fields(caller.Escalations(c, acmeOrganization, test.of, after))
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// By no sequence of making, changing and renewing one another can keys obtain what none of their
// makers could grant.
func TestNobodyObtainsMoreThanTheirMakersHad(t *testing.T) {
	t.Parallel()
	catalogue := builtIns(t)
	rapid.Check(t, func(t *rapid.T) {
		keys := []*apikey.Key{{
			ID:             "operator",
			OrganizationID: apikey.OperatorOrganization,
			Permissions: []string{
				"messages:read", "keys:read", "keys:write", "permissions:write",
			},
			Grantable: apikey.GrantCatalogue,
		}}
		makers := [][]power{nil}
		t.Repeat(map[string]func(*rapid.T){
			"make": func(t *rapid.T) {
				caller := rapid.SampledFrom(keys).Draw(t, "caller")
				k := drawKey(t)
				k.ID = "key " + string(rune('a'+len(keys)))

				allowed := len((&organization.Caller{
					Key: caller,
				}).Escalations(catalogue, acmeOrganization, nil, k)) == 0
				if want := mayMake(caller, k); allowed != want {
					t.Fatalf("%+v makes %+v: %v, want %v", caller, k, allowed, want)
				}

				if allowed && len(keys) < 12 {
					keys = append(keys, k)
					makers = append(makers, []power{powerOf(caller)})
				}
			},
			"change": func(t *rapid.T) {
				caller := rapid.SampledFrom(keys).Draw(t, "caller")

				i := rapid.IntRange(0, len(keys)-1).Draw(t, "key")
				if i == 0 {
					t.Skip("an operator's key belongs to no organization")
				}

				if caller == keys[i] {
					t.Skip("what a key may change about itself is tested elsewhere")
				}

				after := drawKey(t)

				after.ID = keys[i].ID
				if rapid.Bool().Draw(t, "a little") {
					after = little(t, keys[i], after)
				}

				if len((&organization.Caller{
					Key: caller,
				}).Escalations(catalogue, acmeOrganization, keys[i], after)) == 0 {
					makers[i] = append(makers[i], powerOf(caller))
					*keys[i] = *after
				}
			},
			// the recipient of the new secret has everything that the key has
			"renew": func(t *rapid.T) {
				caller := rapid.SampledFrom(keys).Draw(t, "caller")
				k := rapid.SampledFrom(keys[0:]).Draw(t, "key")

				allowed := len((&organization.Caller{
					Key: caller,
				}).Escalations(catalogue, acmeOrganization, nil, k)) == 0
				if want := mayMake(caller, k); allowed != want {
					t.Fatalf("%+v renews %+v: %v, want %v", caller, k, allowed, want)
				}
			},
			"": func(t *rapid.T) {
				for i, k := range keys[1:] {
					bounded(t, k, makers[i+1])
				}
			},
		})
	})
}

// mayMake implements the contract on a new key, or a new secret.
func mayMake(caller, k *apikey.Key) bool {
	p := powerOf(caller)
	for _, name := range k.Permissions {
		if !slices.Contains(p.permissions, name) {
			return false
		}
	}

	hands := k.Grantable != apikey.GrantCatalogue || caller.Grantable == apikey.GrantCatalogue
	return !k.AllPermissions && hands && p.covers(k)
}

// bounded checks an invariant of keys: each permission could be granted by some maker or changer
// of the key, and everything else by one of them.
func bounded(t *rapid.T, k *apikey.Key, makers []power) {
	for _, name := range k.Permissions {
		if !slices.ContainsFunc(makers, func(p power) bool {
			return slices.Contains(p.permissions, name)
		}) {
			t.Fatalf("%s holds %s, which none of its makers had", k.ID, name)
		}
	}

	grants := slices.ContainsFunc(makers, func(p power) bool {
		return p.key.Grantable == apikey.GrantCatalogue
	})
	if k.AllPermissions || k.Grantable == apikey.GrantCatalogue && !grants {
		t.Fatalf("%s has what none of its makers could grant: %+v", k.ID, k)
	}

	for what, covered := range map[string]func(power) bool{
		"customers": func(p power) bool {
			q := k.Clone()
			q.ExpiresAt = p.key.ExpiresAt
			q.RateLimits = p.key.RateLimits
			return p.covers(q)
		},
		"expiry": func(p power) bool {
			q := k.Clone()
			q.Customers = p.key.Customers
			q.RateLimits = p.key.RateLimits
			return p.covers(q)
		},
		"limits": func(p power) bool {
			q := k.Clone()
			q.Customers = p.key.Customers
			q.ExpiresAt = p.key.ExpiresAt
			return p.covers(q)
		},
	} {
		if !slices.ContainsFunc(makers, covered) {
			t.Fatalf("%s has %s beyond each of its makers: %+v", k.ID, what, k)
		}
	}
}

// drawKey draws a key of an organization, from few values, so that keys often have something in
// common.
func drawKey(t *rapid.T) *apikey.Key {
	subset := func(name string, of ...string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(s string) bool {
			return rapid.IntRange(0, 2).Draw(t, name+" "+s) > 0
		})
	}

	k := &apikey.Key{
		OrganizationID: "acme",
		Permissions: subset("permissions", "messages:read", "messages:write", "keys:read",
			"keys:write", "permissions:write"),
		Customers:      subset("customers", "1", "2", "3"),
		AllPermissions: rapid.IntRange(0, 9).Draw(t, "all") == 0,
		Grantable: rapid.SampledFrom([]apikey.Grantable{
			"", apikey.GrantOwn, apikey.GrantCatalogue,
		}).Draw(t, "grantable"),
	}
	if rapid.Bool().Draw(t, "ends") {
		k.ExpiresAt = now.Add(time.Duration(rapid.IntRange(1, 4).Draw(t, "hours")) * time.Hour)
	}

	for range rapid.IntRange(0, 2).Draw(t, "limits") {
		k.RateLimits = append(k.RateLimits, apikey.RateLimit{
			Limit:  rapid.Int64Range(1, 4).Draw(t, "limit"),
			Window: time.Duration(rapid.IntRange(1, 3).Draw(t, "window")) * time.Second,
			Burst:  rapid.Int64Range(0, 3).Draw(t, "burst"),
		})
	}

	return k
}

// little returns the key with one field replaced by that of another key.
func little(t *rapid.T, k, other *apikey.Key) *apikey.Key {
	after := k.Clone()
	switch rapid.IntRange(0, 5).Draw(t, "field") {
	case 0:
		after.Permissions = other.Permissions
	case 1:
		after.Customers = other.Customers
	case 2:
		after.AllPermissions = other.AllPermissions
	case 3:
		after.Grantable = other.Grantable
	case 4:
		after.ExpiresAt = other.ExpiresAt
	case 5:
		after.RateLimits = other.RateLimits
	}

	return after
}
