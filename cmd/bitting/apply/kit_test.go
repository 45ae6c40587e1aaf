package apply_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/cmd/bitting/apply"
	"github.com/bitting-keys/bitting/pkg/api"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// permissionNames are those that generated catalogues have.
func permissionNames() []string { return []string{"a:read", "b:read", "c:read", "d:read"} }

// routes are those that generated permissions open. Of /a and /{any}, a call finds the one that is more
// exact, so that a new route takes calls from another.
func routes() []api.Route {
	return []api.Route{
		{API: "*", Method: "GET", Path: "/a"},
		{API: "*", Method: "GET", Path: "/b"},
		{API: "demo", Method: "GET", Path: "/c/{customerId}"},
		{API: "*", Method: "ANY", Path: "/{proxy+}"},
		{API: "*", Method: "GET", Path: "/a/x"},
	}
}

// some draws a part of a list, in its order.
func some[T any](t *rapid.T, name string, all []T) []T {
	out := []T{}
	for _, item := range all {
		if rapid.Bool().Draw(t, name) {
			out = append(out, item)
		}
	}

	return out
}

func maybe[T any](t *rapid.T, name string, of *rapid.Generator[T]) *T {
	if rapid.Bool().Draw(t, name+"?") {
		return nil
	}

	value := of.Draw(t, name)
	return &value
}

// state draws an organization with a catalogue. like is another state, whose keys it has mostly, and
// whose names are used again; nil for none.
func state(t *rapid.T, label string, like *apply.State) apply.State {
	s := apply.State{
		Organization: api.Organization{ID: "acme", Name: "Acme", Settings: settings(t)},
	}

	customers := some(t, "customers", []string{"c1", "c2"})
	for _, id := range customers {
		s.Customers = append(s.Customers, api.Customer{ID: id, Name: id, Metadata: map[string]string{}})
	}

	if like != nil && rapid.Bool().Draw(t, "same catalogue") {
		s.Permissions = like.Permissions
	} else {
		for _, name := range some(t, label+" permissions", permissionNames()) {
			s.Permissions = append(s.Permissions, api.Permission{
				Name:    name,
				Title:   name,
				Default: rapid.Bool().Draw(t, "default"),
				Routes:  some(t, "routes", routes()),
			})
		}

		s.Permissions = append(s.Permissions, builtIn(t))
	}

	held := []string{}
	for _, p := range s.Permissions {
		held = append(held, p.Name)
	}

	for _, email := range []string{"a@acme.test", "b@acme.test", "c@acme.test"} {
		role := rapid.SampledFrom([]string{"admin", "member", "viewer"}).Draw(t, "role")
		s.Members = append(s.Members, api.Member{
			Email:  email,
			Role:   role,
			Grants: some(t, "grants", []string{"manage_organization_keys", "manage_others_keys"}),
		})
	}

	s.Members[rapid.IntRange(0, 2).Draw(t, "admin")].Role = "admin"

	for _, name := range some(t, label+" keys", []string{"k1", "k2", "k3"}) {
		k := key(t, name, held, customers)
		if old, ok := sameKey(t, like, k.ID, held, customers); ok {
			k = old
		}

		s.Keys = append(s.Keys, k)
	}

	return s
}

// sameKey returns the key of another state, if it is drawn and can stay as it was.
func sameKey(t *rapid.T, like *apply.State, id string, held, customers []string) (k api.Key, ok bool) {
	if like == nil || !rapid.Bool().Draw(t, "same key") {
		return k, false
	}

	i := slices.IndexFunc(like.Keys, func(k api.Key) bool { return k.ID == id })
	if i < 0 {
		return k, false
	}

	k = like.Keys[i]
	missing := func(list, of []string) bool {
		return slices.ContainsFunc(list, func(item string) bool { return !slices.Contains(of, item) })
	}
	return k, !missing(k.Permissions, held) && !missing(k.Customers, customers)
}

// builtIn returns a permission of the admin API.
func builtIn(t *rapid.T) api.Permission {
	none, err := permission.NewCatalogue(nil)
	if err != nil {
		t.Fatal(err)
	}

	p, _ := none.Lookup("keys:write")
	return api.Permission{Name: p.Name, Title: p.Title, Description: p.Description, BuiltIn: true}
}

func settings(t *rapid.T) api.Settings {
	life := rapid.SampledFrom([]string{"30d", "1h", "365d"})
	return api.Settings{
		OrganizationKeysBy: rapid.SampledFrom([]string{"admins", "members"}).Draw(t, "organizationKeysBy"),
		PersonalKeysBy: rapid.SampledFrom([]string{"members", "admins", "nobody"}).
			Draw(t, "personalKeysBy"),
		LongestLife: api.LongestLife{
			Production: maybe(t, "production", life),
			Staging:    maybe(t, "staging", life),
		},
		LegacyKeysAccepted: rapid.Bool().Draw(t, "legacyKeysAccepted"),
		AllowedAddresses:   some(t, "settings.allowedAddresses", networks()),
		SampleRequests:     rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(t, "sampleRequests"),
	}
}

func networks() []string { return []string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.1/32"} }

// texts are some that YAML may take for something else.
func texts() []string { return []string{"", "no", "a: b # c\n'\"", "2027-01-01", "1e3", "~"} }

// key draws a key with every field.
func key(t *rapid.T, name string, held, customers []string) api.Key {
	limits := []api.RateLimit{
		{Name: "m", Limit: rapid.Int64Range(1, 3).Draw(t, "limit"), Window: "1m"},
		{Name: "h", Limit: rapid.Int64Range(1, 3).Draw(t, "limit"), Window: "1h", Burst: 1},
	}
	at := rapid.Custom(func(t *rapid.T) api.Time {
		return api.Time{Time: now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "days")) * 24 * time.Hour)}
	})
	k := api.Key{
		ID:               "id-" + name,
		Name:             name,
		Environment:      "production",
		Ownership:        "organization",
		Description:      rapid.SampledFrom(texts()).Draw(t, "text"),
		Enabled:          rapid.IntRange(0, 3).Draw(t, "enabled") > 0,
		Permissions:      some(t, "permissions", held),
		AllPermissions:   rapid.Bool().Draw(t, "allPermissions"),
		Grantable:        rapid.SampledFrom([]string{"own", "catalogue"}).Draw(t, "grantable"),
		Customers:        some(t, "customers", customers),
		RateLimits:       some(t, "rateLimits", limits),
		Quota:            maybe(t, "quota", quota()),
		AllowedAddresses: some(t, "allowedAddresses", networks()),
		NotBefore:        maybe(t, "notBefore", at),
		Metadata:         map[string]string{},
		Tags:             some(t, "tags", []string{"x", "yes", "0x10"}),
		Version:          1,
	}
	k.Legacy = k.AllPermissions && rapid.IntRange(0, 3).Draw(t, "legacy") > 0

	if end := maybe(t, "expiresAt", at); end != nil {
		k.ExpiresAt = end
	}

	if rapid.Bool().Draw(t, "metadata") {
		k.Metadata["off"] = "~"
	}

	if rapid.IntRange(0, 3).Draw(t, "revoked") == 0 {
		k.Revocation = &api.Revocation{}
	}

	return k
}

func quota() *rapid.Generator[api.Quota] {
	return rapid.Custom(func(t *rapid.T) api.Quota {
		return api.Quota{
			Limit:  rapid.Int64Range(1, 3).Draw(t, "quota"),
			Period: rapid.SampledFrom([]string{"day", "month"}).Draw(t, "period"),
		}
	})
}

// documentOf returns the file of a state, as an export writes it. What is revoked there and does not
// exist yet is left out: no file creates revoked keys.
func documentOf(t *rapid.T, before, wanted apply.State) *apply.Document {
	exists := map[string]bool{}
	for _, k := range before.Keys {
		exists[k.Name] = true
	}

	for i, k := range wanted.Keys {
		if !exists[k.Name] {
			wanted.Keys[i].Revocation = nil
		}
	}

	text, _, err := apply.Export(wanted)
	if err != nil {
		t.Fatal(err)
	}

	d, err := apply.Read(text, "bitting.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	return d
}
