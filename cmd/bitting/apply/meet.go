package apply

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bitting-keys/bitting/pkg/api"
)

// What is between two states is no more than either: their meet. Each field that restricts is the
// stricter of both.

// names are the permissions of the catalogue before and after. Only those of both are in a meet: the
// others either do not exist yet, or are about to be removed.
type names struct{ before, after map[string]api.Permission }

func namesOf(before, after []api.Permission) names {
	return names{byName(before), byName(after)}
}

func byName(permissions []api.Permission) map[string]api.Permission {
	out := map[string]api.Permission{}
	for _, p := range permissions {
		out[p.Name] = p
	}

	return out
}

// both reports whether a permission is in both catalogues, and one of the data plane.
func (n names) both(name string) (exists, dataPlane bool) {
	before, old := n.before[name]
	_, stays := n.after[name]
	return old && stays, !before.BuiltIn
}

// meetKey returns a key that is admitted no call that one of both is not admitted. Where no fields say
// that, it is disabled.
func meetKey(before, after api.Key, n names) api.Key {
	m := before
	m.Permissions = meetPermissions(before, after, n)
	m.AllPermissions = before.AllPermissions && after.AllPermissions
	m.Enabled = before.Enabled && after.Enabled

	if after.Grantable != "catalogue" {
		m.Grantable = after.Grantable
	}

	m.NotBefore = later(before.NotBefore, after.NotBefore)
	m.ExpiresAt = earlier(before.ExpiresAt, after.ExpiresAt)

	var said [4]bool
	m.Customers, said[0] = meetSets(before.Customers, after.Customers)
	m.AllowedAddresses, said[1] = meetNetworks(before.AllowedAddresses, after.AllowedAddresses)
	m.RateLimits, said[2] = meetLimits(before.RateLimits, after.RateLimits)
	m.Quota, said[3] = meetQuota(before.Quota, after.Quota)

	// A key of another system that is narrowed becomes an ordinary one, which its organization may
	// accept where it did not accept the other.
	if before.Legacy && !m.AllPermissions || slices.Contains(said[:], false) {
		m.Enabled = false
	}

	return m
}

// The longest lists that the API takes.
const (
	maxNetworks = 50
	maxLimits   = 5
)

func meetPermissions(before, after api.Key, n names) []string {
	out := []string{}
	for _, p := range slices.Concat(before.Permissions, after.Permissions) {
		exists, dataPlane := n.both(p)
		held := func(k api.Key) bool {
			return slices.Contains(k.Permissions, p) || k.AllPermissions && dataPlane
		}

		if exists && held(before) && held(after) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}

	return out
}

// meetSets returns what both lists have, where an empty list stands for everything. said is false
// where both have nothing in common, which no list says; then it is the first one.
func meetSets(a, b []string) (out []string, said bool) {
	switch {
	case len(a) == 0:
		return b, true
	case len(b) == 0:
		return a, true
	}

	for _, item := range a {
		if slices.Contains(b, item) {
			out = append(out, item)
		}
	}

	if len(out) == 0 {
		return a, false
	}

	return out, true
}

// meetNetworks is meetSets for networks: of two, one is inside of the other, or they share nothing.
func meetNetworks(a, b []string) (out []string, said bool) {
	if len(a) == 0 || len(b) == 0 {
		return append(slices.Clone(a), b...), true
	}

	for _, one := range a {
		for _, other := range b {
			p, ok := prefix(one)
			q, fine := prefix(other)

			switch {
			case !ok || !fine || !p.Overlaps(q):
			case p.Bits() >= q.Bits():
				out = append(out, p.String())
			default:
				out = append(out, q.String())
			}
		}
	}

	slices.Sort(out)

	if out = slices.Compact(out); len(out) == 0 || len(out) > maxNetworks {
		return a, false
	}

	return out, true
}

// meetLimits returns limits that hold whenever those of both do: for each window, the lower ones.
func meetLimits(a, b []api.RateLimit) (out []api.RateLimit, said bool) {
	windows := map[length]api.RateLimit{}
	for _, l := range slices.Concat(a, b) {
		l.Burst = cmp.Or(l.Burst, l.Limit)

		window := duration(l.Window)
		if known, ok := windows[window]; ok {
			l.Name = known.Name
			l.Limit = min(l.Limit, known.Limit)
			l.Burst = min(l.Burst, known.Burst)
		}

		windows[window] = l
	}

	used := map[string]bool{}
	for _, window := range slices.Sorted(maps.Keys(windows)) {
		l := windows[window]
		if used[l.Name] {
			return a, false
		}

		used[l.Name] = true
		out = append(out, l)
	}

	if len(out) > maxLimits {
		return a, false
	}

	return out, true
}

// meetQuota returns the lower of two quotas. said is false for periods that differ.
func meetQuota(a, b *api.Quota) (out *api.Quota, said bool) {
	switch {
	case a == nil:
		return b, true
	case b == nil:
		return a, true
	case a.Period != b.Period:
		return a, false
	case a.Limit < b.Limit:
		return a, true
	default:
		return b, true
	}
}

func later(a, b *api.Time) *api.Time {
	if a == nil || b != nil && b.After(a.Time) {
		return b
	}

	return a
}

func earlier(a, b *api.Time) *api.Time {
	if a == nil || b != nil && b.Before(a.Time) {
		return b
	}

	return a
}

// meetSettings returns settings that allow nothing that one of both does not allow. said is false where
// the addresses of both have nothing in common, which no settings say.
func meetSettings(before, after api.Settings, n names) (m api.Settings, said bool) {
	m = before // sampleRequests allows nothing
	m.OrganizationKeysBy = stricter(before.OrganizationKeysBy, after.OrganizationKeysBy)
	m.PersonalKeysBy = stricter(before.PersonalKeysBy, after.PersonalKeysBy)
	m.MemberPermissions = meetNames(before.MemberPermissions, after.MemberPermissions, n,
		func(api.Permission) bool { return true })
	m.DefaultPermissions = meetNames(before.DefaultPermissions, after.DefaultPermissions, n,
		func(p api.Permission) bool { return p.Default })
	m.LegacyKeysAccepted = before.LegacyKeysAccepted && after.LegacyKeysAccepted
	m.LongestLife = api.LongestLife{
		Production:  shorter(before.LongestLife.Production, after.LongestLife.Production),
		Staging:     shorter(before.LongestLife.Staging, after.LongestLife.Staging),
		Development: shorter(before.LongestLife.Development, after.LongestLife.Development),
	}
	m.AllowedAddresses, said = meetNetworks(before.AllowedAddresses, after.AllowedAddresses)
	return m, said
}

// stricter returns the smaller of two groups of people.
func stricter(a, b string) string {
	order := []string{"nobody", "admins", "members"}
	if slices.Index(order, a) < slices.Index(order, b) {
		return a
	}

	return b
}

// meetNames returns the permissions of both lists; nil stands for those of the catalogue that all are.
func meetNames(a, b []string, n names, all func(api.Permission) bool) []string {
	if a == nil && b == nil {
		return nil
	}

	has := func(list []string, name string) bool {
		return slices.Contains(list, name) || list == nil && all(n.before[name]) && all(n.after[name])
	}

	out := []string{}
	for _, name := range slices.Concat(a, b) {
		if exists, _ := n.both(name); exists && has(a, name) && has(b, name) &&
			!slices.Contains(out, name) {
			out = append(out, name)
		}
	}

	return out
}

func shorter(a, b *string) *string {
	if a == nil || b != nil && duration(*b) < duration(*a) {
		return b
	}

	return a
}

// meetMember returns a role with grants that both have.
func meetMember(before, after api.Member) api.Member {
	m := before

	roles := []string{"viewer", "member", "admin"}
	if slices.Index(roles, after.Role) < slices.Index(roles, before.Role) {
		m.Role = after.Role
	}

	m.Grants = slices.DeleteFunc(slices.Clone(before.Grants), func(g string) bool {
		return !slices.Contains(after.Grants, g)
	})
	return m
}
