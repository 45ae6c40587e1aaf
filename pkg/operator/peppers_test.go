package operator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/job"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func peppers(kit *storetest.Kit) *operator.Peppers {
	p := kit.Restart()
	return &operator.Peppers{
		Keyring: p.Keyring,
		Stored:  p.Peppers,
		Scanner: p.Connection,
		Now:     kit.Clock.Now,
	}
}

func quiet(int64) {}

// use is something that needs a version.
func use(
	t *testing.T, kit *storetest.Kit, env apikey.Environment, version, limit int,
) store.PepperUse {
	t.Helper()

	status, err := peppers(kit).Status(t.Context(), limit, quiet)
	if err != nil || status.Unread != 0 {
		t.Fatalf("%+v, %v", status, err)
	}

	for _, v := range status.Versions {
		if v.Scope == (pepper.Scope{Environment: env, Version: version}) {
			return v.Use
		}
	}

	t.Fatalf("no version %d of %s", version, env)
	return store.PepperUse{}
}

func rotate(t *testing.T, kit *storetest.Kit, env apikey.Environment) {
	t.Helper()

	if _, err := peppers(kit).Rotate(t.Context(), env); err != nil {
		t.Fatal(err)
	}

	kit.Clock.Advance(time.Hour) // every process knows
}

// everyUse makes a row of each kind that names a version of a pepper: two keys of production and
// one of each other environment.
func everyUse(t *testing.T, kit *storetest.Kit) {
	t.Helper()

	for _, env := range apikey.Environments() {
		kit.MustKey(t, func(k *apikey.Key) { k.Environment = env })
	}

	kit.MustImport(t, "an old secret", apikey.SHA256, nil)
	kit.MustCatalogue(t)

	claims, err := kit.Store.Claim(t.Context(), apikey.Production, "first", "second")
	if err != nil {
		t.Fatal(err)
	}

	now := kit.Clock.Now()

	writes := append(claims,
		kit.Store.PutOrganization(&organization.Organization{
			ID:        "acme",
			Version:   1,
			CreatedAt: now,
		}, 0),
		kit.Store.PutMember(&organization.Member{
			OrganizationID: "acme",
			Email:          "a@acme.test",
			Version:        1,
		}, 0),
		kit.Store.PutCustomer(&organization.Customer{
			OrganizationID: "acme",
			ID:             "blue",
			Version:        1,
		}, 0),
		kit.Store.PutJob(&job.Job{
			ID:             "j",
			OrganizationID: "acme",
			State:          job.Queued,
			Version:        1,
			CreatedAt:      now,
		}, 0),
		kit.Store.Keep(store.Receipt{
			ID:        "r",
			Answer:    []byte("{}"),
			ExpiresAt: now.Unix() + 1000,
		}, now),
	)
	if err := kit.Store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

// Everything that names a version is found: each kind of row, in every environment.
func TestStatusFindsEveryUse(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	everyUse(t, kit)

	shared := map[string]int64{
		"secrets of keys":                   1,
		"seals of keys":                     1,
		"seals of runtime settings":         1,
		"seals of the permission catalogue": 1,
	}
	for _, env := range []apikey.Environment{apikey.Staging, apikey.Development} {
		if diff := cmp.Diff(shared, use(t, kit, env, 1, 0).Counts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", env, diff)
		}
	}

	want := map[string]int64{
		"secrets of keys":                   2,
		"seals of keys":                     2,
		"seals of runtime settings":         1,
		"seals of the permission catalogue": 1,
		"ids of imported keys":              1,
		"seals of imports":                  1,
		"seals of claims":                   1,
		"seals of organizations":            1,
		"seals of members":                  1,
		"seals of customers":                1,
		"seals of jobs":                     1,
		"seals of idempotency receipts":     1,
	}
	if diff := cmp.Diff(want, use(t, kit, apikey.Production, 1, 0).Counts); diff != "" {
		t.Errorf("production (-want +got):\n%s", diff)
	}

	sealed := int64(0)
	for _, item := range kit.Items(t) { // no kind of sealed row is missed
		if item["sealPepper"] != nil {
			sealed++
		}
	}

	for _, env := range apikey.Environments() {
		for what, n := range use(t, kit, env, 1, 0).Counts {
			if strings.HasPrefix(what, "seals of ") && !strings.HasSuffix(what, "catalogue") {
				sealed -= n
			}
		}
	}

	if sealed != 0 {
		t.Errorf("%d sealed rows were not counted", sealed)
	}
}

// A version can be retired once the last key has moved, and not before. Keys that moved keep
// working, in processes that knew it too.
func TestAVersionIsRetiredWhenNothingNeedsIt(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	staging := func(k *apikey.Key) { k.Environment = apikey.Staging }
	k, _ := kit.MustKey(t, staging)

	retire := func(version int) error {
		return peppers(kit).Retire(t.Context(), pepper.Scope{
			Environment: apikey.Staging,
			Version:     version,
		}, quiet)
	}
	if err := retire(1); !errors.Is(err, operator.ErrNewest) {
		t.Errorf("the current version: %v", err)
	}

	if err := retire(7); !errors.Is(err, operator.ErrNoVersion) {
		t.Errorf("a version that never was: %v", err)
	}

	if v, err := peppers(kit).Rotate(t.Context(), apikey.Staging); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}

	// this process still makes secrets with version 1
	if err := retire(1); !errors.Is(err, operator.ErrSettling) {
		t.Errorf("at once: %v", err)
	}

	kit.Clock.Advance(operator.Settling)

	steps := []struct {
		what   string
		needs  string
		change func(k *apikey.Key, fresh apikey.IssuedSecret) error
	}{
		{"rotated", store.UseOldSecret, func(k *apikey.Key, f apikey.IssuedSecret) error {
			return k.Rotate(f, time.Hour, kit.Clock.Now())
		}},
		{"regenerated", store.UseEndedSecret, func(k *apikey.Key, f apikey.IssuedSecret) error {
			return k.Regenerate(f, kit.Clock.Now())
		}},
	}
	refusedFor := func(needs string) {
		t.Helper()

		if err := retire(1); !errors.Is(err, operator.ErrInUse) ||
			!strings.Contains(err.Error(), needs) {
			t.Errorf("want a refusal for %q: %v", needs, err)
		}

		keys := use(t, kit, apikey.Staging, 1, 5).Keys
		if len(keys) != 1 || keys[0].ID != k.ID || keys[0].OrganizationID != "acme" ||
			!strings.Contains(strings.Join(keys[0].Uses, ","), needs) {
			t.Errorf("want the key, for %q: %+v", needs, keys)
		}
	}
	refusedFor(store.UseSecret)

	for _, step := range steps {
		_, fresh := kit.Mint(t, k.Environment, k.ID)
		k = kit.MustChange(t, k, func(k *apikey.Key) {
			if err := step.change(k, fresh); err != nil {
				t.Fatal(step.what, err)
			}
		})
		refusedFor(step.needs)
	}

	k = kit.MustChange(t, k, func(k *apikey.Key) { k.Retired = nil }) // as after five more secrets
	if err := retire(1); !errors.Is(err, operator.ErrInUse) ||
		!strings.Contains(err.Error(), "seals of runtime settings") {
		t.Errorf("the runtime settings: %v", err)
	}

	kit.MustRuntimeSettings(t, "acme", nil)

	if err := retire(1); err != nil {
		t.Fatal(err)
	}

	if err := retire(1); !errors.Is(err, operator.ErrNoVersion) {
		t.Errorf("again: %v", err)
	}

	if item := kit.Item(t, "pepper#staging",
		"ring"); strings.Contains(strings.ToLower(cmp.Diff(nil, item["v1"])), "ciphertext") {
		t.Error("the wrapped pepper is there still")
	}

	if got, err := kit.Restart().Store.Key(t.Context(), k.Environment, k.ID); err != nil ||
		got.Secret.Pepper != 2 {
		t.Errorf("the key: %+v, %v", got, err)
	}

	// no number is given twice
	if v, err := peppers(kit).Rotate(t.Context(), apikey.Staging); err != nil || v != 3 {
		t.Errorf("the next version is %d, %v", v, err)
	}
}

// An unreadable row may need any version, and concurrent calls cannot retire the newest.
func TestRetireRefusesWhatItCannotKnow(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	if _, err := kit.Keyring.Ensure(t.Context(), apikey.Staging); err != nil {
		t.Fatal(err)
	}

	rotate(t, kit, apikey.Staging)
	scope := pepper.Scope{Environment: apikey.Staging, Version: 1}
	kit.MustKey(t, nil)

	for name, value := range map[string]any{"a text": "1", "a version that is not there": 99} {
		kit.Change(t, "production#organization#acme", "settings", "sealPepper", value)

		if err := peppers(kit).Retire(t.Context(),
			scope, quiet); !errors.Is(err, operator.ErrUnread) {
			t.Errorf("%s: %v", name, err)
		}
	}

	for _, versions := range [][2]int{{2, 1}, {1, 1}, {1, 3}, {5, 6}} {
		if err := kit.Peppers.Retire(t.Context(), apikey.Staging, versions[0], versions[1],
			kit.Clock.Now()); !errors.Is(err, store.ErrPeppersStale) {
			t.Errorf("%v: %v", versions, err)
		}
	}

	down := peppers(kit)

	down.Scanner = kit.Elsewhere("http://127.0.0.1:1").Connection
	if err := down.Retire(t.Context(), scope, quiet); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nothing answers: %v", err)
	}

	if _, err := kit.Restart().Keyring.Version(t.Context(), apikey.Staging, 1); err != nil {
		t.Errorf("version 1: %v", err)
	}
}

// With any number of keys, as many are named as were asked for, and the rest is counted.
func TestStatusNamesSomeKeys(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for range 5 {
		kit.MustKey(t, nil)
	}

	rotate(t, kit, apikey.Production)
	kit.MustKey(t, nil) // of version 2

	for _, limit := range []int{0, 2, 5, 9} {
		named := min(limit, 5)
		if got := use(t, kit, apikey.Production, 1, limit); len(got.Keys) != named ||
			got.Unnamed != int64(5-named) || got.Counts[store.UseSecret] != 5 {
			t.Errorf("%d: %+v", limit, got)
		}

		if got := use(t, kit, apikey.Production, 2, limit); len(got.Keys) != 0 ||
			got.Counts[store.UseSecret] != 1 {
			t.Errorf("the current one: %+v", got)
		}
	}
}

// A deployment that was never bootstrapped, such as one of a mistyped table, gets no peppers.
func TestRotateMakesNoFirstPepper(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	if v, err := peppers(kit).Rotate(t.Context(),
		apikey.Production); !errors.Is(err, operator.ErrNoPepper) {
		t.Errorf("version %d, %v", v, err)
	}

	if items := kit.Items(t); len(items) != 0 {
		t.Errorf("%d rows", len(items))
	}
}
