package apply_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// model is a deployment that takes the steps of a plan as the API does, and is asked by the check of
// real calls.
type model struct {
	organization api.Organization
	permissions  []api.Permission
	customers    map[string]bool
	members      map[string]api.Member
	keys         map[string]api.Key // by id; new ones by name

	// what instances may still go by, until the plan waits
	cachedPermissions [][]api.Permission
	cachedSettings    []api.Settings
}

// views returns the deployment as each of its instances may see it.
func (m model) views() (out []model) {
	for _, permissions := range append(m.cachedPermissions, m.permissions) {
		for _, settings := range append(m.cachedSettings, m.organization.Settings) {
			view := m
			view.permissions = permissions
			// people are checked by what is stored
			view.organization.Settings.AllowedAddresses = settings.AllowedAddresses
			view.organization.Settings.LegacyKeysAccepted = settings.LegacyKeysAccepted
			out = append(out, view)
		}
	}

	return out
}

func modelOf(s apply.State) model {
	m := model{
		organization: s.Organization,
		permissions:  s.Permissions,
		customers:    map[string]bool{},
		members:      map[string]api.Member{},
		keys:         map[string]api.Key{},
	}
	for _, c := range s.Customers {
		m.customers[c.ID] = true
	}

	for _, member := range s.Members {
		m.members[member.Email] = member
	}

	for _, k := range s.Keys {
		m.keys[k.ID] = k
	}

	return m
}

// merge returns an object with the fields that a body has. It shares nothing with the object before.
func merge[T any](t *rapid.T, before T, body any) (after T) {
	for _, from := range []any{before, body} {
		text, err := json.Marshal(from)
		if err == nil {
			err = json.Unmarshal(text, &after)
		}

		if err != nil {
			t.Fatal(err)
		}
	}

	return after
}

// take takes a step, and fails where the API would refuse it.
func (m *model) take(t *rapid.T, s apply.Step) {
	switch body := s.Body.(type) {
	case api.CreateCustomer:
		m.customers[body.ID] = true
	case api.UpdateOrganization:
		m.cachedSettings = append(m.cachedSettings, m.organization.Settings)
		m.organization = merge(t, m.organization, body)
		m.knows(t, m.organization.Settings.MemberPermissions)
	case api.PutMember:
		m.members[s.ID] = api.Member{Email: s.ID, Role: body.Role, Grants: body.Grants}
	case api.Catalogue:
		if _, err := permission.NewCatalogue(domain(body.Permissions)); err != nil {
			t.Fatal(err)
		}

		m.cachedPermissions = append(m.cachedPermissions, m.permissions)
		m.permissions = body.Permissions

		for _, k := range m.keys {
			m.knows(t, k.Permissions) // 409 in_use
		}
	case api.CreateKey:
		k := merge(t, api.Key{Enabled: true, Name: body.Name, Environment: body.Environment}, body)
		m.keys[body.Name] = k
		m.valid(t, k)
	case api.UpdateKey:
		// what is sent replaces what was, whereas encoding/json merges
		k := m.keys[s.ID]
		if body.Metadata.Sent {
			k.Metadata = nil
		}

		if body.RateLimits.Sent {
			k.RateLimits = nil
		}

		if body.Quota.Sent {
			k.Quota = nil
		}

		k = merge(t, k, body)
		k.Legacy = k.Legacy && k.AllPermissions
		m.keys[s.ID] = k
		m.valid(t, k)
	case api.RevokeKey:
		k := m.keys[s.ID]
		k.Revocation = &api.Revocation{}
		m.keys[s.ID] = k
	default:
		m.bare(t, s)
	}

	if !slices.ContainsFunc(slices.Collect(maps.Values(m.members)), func(m api.Member) bool {
		return m.Role == "admin"
	}) {
		t.Fatalf("%s: no admin is left", s.Title)
	}
}

func (m *model) bare(t *rapid.T, s apply.Step) {
	switch s.Op {
	case apply.Wait:
		m.cachedPermissions, m.cachedSettings = nil, nil
	case apply.DeleteCustomer:
		for _, k := range m.keys {
			if slices.Contains(k.Customers, s.ID) {
				t.Fatalf("%s is in use", s.ID)
			}
		}

		delete(m.customers, s.ID)
	case apply.DeleteMember:
		delete(m.members, s.ID)
	case apply.DeleteKey:
		delete(m.keys, s.ID)
	case apply.RestoreKey:
		k := m.keys[s.ID]
		k.Revocation = nil
		m.keys[s.ID] = k
	default:
		t.Fatalf("no step %s", s.Op)
	}
}

// valid fails on what the API would refuse of a key.
func (m *model) valid(t *rapid.T, k api.Key) {
	m.knows(t, k.Permissions)

	for _, c := range k.Customers {
		if !m.customers[c] {
			t.Fatalf("key %s has the unknown customer %s", k.Name, c)
		}
	}
}

func (m *model) knows(t *rapid.T, names []string) {
	for _, name := range names {
		has := func(p api.Permission) bool { return p.Name == name }
		if name != "keys:write" && !slices.ContainsFunc(m.permissions, has) {
			t.Fatalf("the permission %s is not in the catalogue", name)
		}
	}
}

func domain(permissions []api.Permission) (out []permission.Permission) {
	for _, p := range permissions {
		if p.BuiltIn {
			continue
		}

		one := permission.Permission{Name: p.Name, Title: p.Title, Default: p.Default}
		for _, r := range p.Routes {
			one.Routes = append(one.Routes, permission.Route(r))
		}

		out = append(out, one)
	}

	return out
}

// RuntimeSettings implements check.SettingsSource.
func (m *model) RuntimeSettings(
	context.Context, apikey.Environment, string,
) (*organization.RuntimeSettings, error) {
	s := &organization.RuntimeSettings{LegacyKeysAccepted: m.organization.Settings.LegacyKeysAccepted}
	for _, text := range m.organization.Settings.AllowedAddresses {
		s.AllowedAddresses = append(s.AllowedAddresses, netip.MustParsePrefix(text))
	}

	return s, nil
}

// The calls that are asked about: each route of the catalogues with each customer, from addresses
// inside and outside of the networks, at times before, between and after those that keys have.
var (
	paths     = []string{"/a", "/b", "/c/c1", "/c/c2", "/a/x"}
	addresses = []string{"10.0.0.1", "10.1.0.1", "192.0.2.1"}
	now       = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	times     = []time.Time{now, now.Add(36 * time.Hour), now.Add(72 * time.Hour)}
)

// admission is what is admitted: calls of keys, and what members may do. A limit counts as a set of
// calls too: the n-th call of a window. by has, for each permission that opens a call and that the key
// has, the call by it.
type admission struct{ calls, by map[string]bool }

func (m model) admitted(t *rapid.T) admission {
	still := func() time.Time { return now }
	checker := &check.Checker{
		Catalogue: check.NewCatalogue(func(context.Context) ([]permission.Permission, int64, error) {
			return domain(m.permissions), 1, nil
		}, still),
		Settings: check.NewSettingsCache(&m, still),
		Now:      still,
	}
	out := admission{map[string]bool{}, map[string]bool{}}

	for id, k := range m.keys {
		record := apply.Record(k)

		for _, path := range paths {
			for _, address := range addresses {
				for _, at := range times {
					e := checker.Explain(t.Context(), record, record.Environment, check.Call{
						API: "demo", Method: "GET", Path: path, SourceIP: netip.MustParseAddr(address),
					}, at)
					if e.Outcome == check.Unavailable {
						t.Fatal(e.Err)
					}

					if e.Outcome != check.Allowed {
						continue
					}

					for n := range []int64{1, 2, 3} {
						if !within(k, int64(n+1)) {
							continue
						}

						call := fmt.Sprintf("%s %s %s %s #%d", id, path, address, at, n+1)
						out.calls[call] = true

						for _, p := range e.Route.Permissions {
							if k.AllPermissions || slices.Contains(k.Permissions, p) {
								out.by[call+" by "+p] = true
							}
						}
					}
				}
			}
		}

		for _, p := range k.Permissions {
			if p == "keys:write" && k.Enabled && k.Revocation == nil {
				out.calls[fmt.Sprintf("%s %s %s", id, p, k.Grantable)] = true
			}
		}
	}

	m.people(out.calls)
	return out
}

// within reports whether limits and quota leave room for the n-th call at once.
func within(k api.Key, n int64) bool {
	for _, l := range k.RateLimits {
		if n > l.Limit {
			return false
		}
	}

	return k.Quota == nil || n <= k.Quota.Limit
}

// people adds what members may do.
func (m model) people(out map[string]bool) {
	s := m.organization.Settings
	for email, member := range m.members {
		may := func(what string) { out[email+" "+what] = true }
		may("read")

		if member.Role == "viewer" {
			continue
		}

		for _, g := range member.Grants {
			may(g)
		}

		if member.Role == "admin" {
			may("administer")
			may("create organization keys")
			may("create personal keys")
		}

		if s.OrganizationKeysBy == "members" {
			may("create organization keys")
		}

		if s.PersonalKeysBy == "members" {
			may("create personal keys")
		}
	}
}

// unchangedCatalogue reports whether a plan leaves the catalogue as it is.
func unchangedCatalogue(p *apply.Plan) bool { return !p.Takes(apply.PutPermissions) }

// Between any two steps, nothing is admitted that neither the state before nor the state after admits.
// While the catalogue stays, a call that the same permission of a key opens in both is admitted between
// as well.
func TestNoStepOpensMore(t *testing.T) {
	t.Parallel()
	mixed, plans := 0, 0
	check := func(t *rapid.T) {
		before := state(t, "before", nil)
		wanted := state(t, "after", &before)
		document := documentOf(t, before, wanted)

		plan, err := apply.New(document, before, apply.Options{
			Waits:     never,
			Prune:     rapid.Bool().Draw(t, "prune"),
			SecretDir: "secrets",
		})
		if err != nil {
			t.Skip(err) // such as a permission that a key of nobody's file holds
		}

		var states []admission

		m := modelOf(before)
		states = append(states, m.admitted(t))

		for _, s := range plan.Steps {
			m.take(t, s)

			for _, view := range m.views() {
				states = append(states, view.admitted(t))
			}
		}

		stopped := stoppedBetween(plan)
		first, last := states[0], m.admitted(t)

		for i, s := range states {
			for call := range s.calls {
				if !first.calls[call] && !last.calls[call] {
					t.Fatalf("state %d of %s: %s", i, titles(plan), call)
				}
			}

			if !unchangedCatalogue(plan) {
				continue
			}

			for call := range first.by {
				id, _, _ := strings.Cut(call, " ")
				if last.by[call] && !s.by[call] && !slices.Contains(stopped, id) {
					t.Fatalf("state %d of %s: no more %s", i, titles(plan), call)
				}
			}
		}

		if plans++; !unchangedCatalogue(plan) && len(plan.Steps) > 3 {
			mixed++
		}

		if again, err := apply.New(document, stateOf(m), apply.Options{
			SecretDir: "secrets",
			Waits:     never,
		}); err != nil {
			t.Fatal(err)
		} else if len(again.Items) > 0 {
			t.Fatalf("after %s, it still differs: %+v", titles(plan), again.Items)
		}
	}

	for range 5 { // some faults show in few plans
		rapid.Check(t, check)
	}

	if mixed*10 < plans {
		t.Errorf("only %d of %d plans change keys and the catalogue", mixed, plans)
	}
}

// stoppedBetween returns the keys that are disabled for a while, since no fields say what they are
// admitted before and afterwards, such as quotas of a day and of a month.
func stoppedBetween(p *apply.Plan) (ids []string) {
	for _, s := range p.Steps {
		if body, ok := s.Body.(api.UpdateKey); ok && body.Enabled.Sent && !body.Enabled.Value {
			ids = append(ids, s.ID)
		}
	}

	return ids
}

func titles(p *apply.Plan) (out []string) {
	for _, s := range p.Steps {
		text, _ := json.Marshal(s.Body)
		out = append(out, s.Title+" "+string(text))
	}

	return out
}

func stateOf(m model) apply.State {
	s := apply.State{Organization: m.organization, Permissions: m.permissions}
	for _, id := range slices.Sorted(maps.Keys(m.customers)) {
		s.Customers = append(s.Customers, api.Customer{ID: id, Name: id})
	}

	for _, email := range slices.Sorted(maps.Keys(m.members)) {
		s.Members = append(s.Members, m.members[email])
	}

	for _, id := range slices.Sorted(maps.Keys(m.keys)) {
		k := m.keys[id]
		k.ID = id
		s.Keys = append(s.Keys, k)
	}

	return s
}
