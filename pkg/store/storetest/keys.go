package storetest

import (
	"crypto/rand"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/permission"
)

// Key returns a key of the organization acme, in production, with the permission messages:read. It
// stores nothing.
func (k *Kit) Key(t testing.TB) *apikey.Key {
	t.Helper()

	id, err := apikey.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	alice := apikey.Actor{Type: apikey.ActorUser, ID: "user-1", Email: "alice@acme.test"}
	return &apikey.Key{
		ID:             id,
		OrganizationID: "acme",
		Profile:        apikey.Profile{Name: "Main website"},
		Environment:    apikey.Production,
		Ownership:      apikey.Organization,
		Owner:          alice,
		CreatedBy:      alice,
		Enabled:        true,
		Permissions:    []string{"messages:read"},
		Grantable:      apikey.GrantOwn,
		Version:        1,
		CreatedAt:      k.Clock.Now(),
		UpdatedAt:      k.Clock.Now(),
	}
}

// Mint returns a new secret for a key, and what the key stores of it under the environment's
// current pepper, which is made if there is none.
func (k *Kit) Mint(
	t testing.TB, env apikey.Environment, id string,
) (apikey.Secret, apikey.IssuedSecret) {
	t.Helper()

	current, err := k.Keyring.Ensure(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}

	secret, issued, err := current.Issue(Brand, rand.Reader, env, id)
	if err != nil {
		t.Fatal(err)
	}

	return secret, issued
}

// MustKey stores a key with a new secret, and its organization's runtime settings if it has none.
// change, which may be nil, changes the key before it is stored.
func (k *Kit) MustKey(t testing.TB, change func(*apikey.Key)) (*apikey.Key, apikey.Secret) {
	t.Helper()

	created := k.Key(t)
	if change != nil {
		change(created)
	}

	if !created.Operator() {
		k.ensureRuntimeSettings(t, created.OrganizationID)
	}

	secret, fresh := k.Mint(t, created.Environment, created.ID)
	created.Secret = fresh.Verifier

	created.Hint = fresh.Hint
	if err := k.Store.Commit(t.Context(), k.Store.PutKey(t.Context(), created, 0)); err != nil {
		t.Fatal(err)
	}

	return created, secret
}

// MustImport stores a key of another system, whose secret it knows by its hash. change is as for
// MustKey.
func (k *Kit) MustImport(
	t testing.TB, secret string, a apikey.Algorithm, change func(*apikey.Key),
) *apikey.Key {
	t.Helper()

	created := k.Key(t)
	if change != nil {
		change(created)
	}

	k.ensureRuntimeSettings(t, created.OrganizationID)
	aside, env := k.Restart(), created.Environment

	imports, err := aside.Store.EnsureImports(t.Context(), env, []apikey.Algorithm{a},
		k.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}

	naming, err := aside.Keyring.Version(t.Context(), env, imports.Pepper)
	if err != nil {
		t.Fatal(err)
	}

	current, err := aside.Keyring.Current(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}

	created.ID = naming.ForeignID(env, a, a.Sum(secret))
	created.Secret = apikey.Verifier{
		Hash:   current.HashForeign(env, created.ID, a, a.Sum(secret)),
		Pepper: current.Version(),
		Scheme: a,
	}

	created.Hint = apikey.ForeignHint(a, created.ID)
	if err := aside.Store.Commit(t.Context(),
		aside.Store.PutKey(t.Context(), created, 0)); err != nil {
		t.Fatal(err)
	}

	return created
}

// MustRuntimeSettings stores the next runtime settings of an organization, in all environments.
// change, which may be nil, changes the organization's defaults.
func (k *Kit) MustRuntimeSettings(
	t testing.TB, org string, change func(*organization.Organization),
) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.putRuntimeSettings(t, org, change)
}

func (k *Kit) ensureRuntimeSettings(t testing.TB, org string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()

	if k.settings[org] == 0 {
		k.putRuntimeSettings(t, org, nil)
	}
}

// putRuntimeSettings writes without Traffic, so that a test counts only its own requests. The
// caller holds the lock.
func (k *Kit) putRuntimeSettings(t testing.TB, org string, change func(*organization.Organization)) {
	t.Helper()

	o := &organization.Organization{
		ID:       org,
		Settings: organization.DefaultSettings(),
		Version:  k.settings[org] + 1,
	}
	if change != nil {
		change(o)
	}

	aside := k.Restart().Store
	if err := aside.Commit(t.Context(), aside.PutRuntimeSettings(t.Context(), o)...); err != nil {
		t.Fatal(err)
	}

	k.settings[org] = o.Version
}

// MustChange stores a change of a key as its next version, and returns the changed key.
func (k *Kit) MustChange(t testing.TB, before *apikey.Key, change func(*apikey.Key)) *apikey.Key {
	t.Helper()
	after := before.Clone()
	change(after)
	after.Version = before.Version + 1

	after.UpdatedAt = k.Clock.Now()
	if err := k.Store.Commit(t.Context(),
		append(k.Store.LeaveCustomers(before, after),
			k.Store.PutKey(t.Context(), after, before.Version))...); err != nil {
		t.Fatal(err)
	}

	return after
}

// MustCatalogue replaces the stored permission catalogue.
func (k *Kit) MustCatalogue(t testing.TB, permissions ...permission.Permission) {
	t.Helper()

	_, version, err := k.Store.Catalogue(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	if err := k.Store.Commit(t.Context(),
		k.Store.PutCatalogue(t.Context(), permissions, version)); err != nil {
		t.Fatal(err)
	}
}
