package store_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

func TestRuntimeSettingsRoundTrip(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	for _, want := range []*organization.Organization{
		{ID: "plain", Settings: organization.DefaultSettings(), Version: 1},
		{ID: "nothing", Version: 7},
		{
			ID:        "full",
			Version:   1 << 40,
			DeletedAt: kit.Clock.Now(),
			Settings: organization.Settings{
				LegacyKeysAccepted: true,
				AllowedAddresses:   []string{"192.0.2.0/24", "2001:db8::/32"},
				SampleRequests:     1.0 / 3,
			},
		},
	} {
		if err := kit.Store.Commit(t.Context(),
			kit.Store.PutRuntimeSettings(t.Context(), want)...); err != nil {
			t.Fatal(err)
		}

		settings, err := want.RuntimeSettings()
		if err != nil {
			t.Fatal(err)
		}

		for _, env := range apikey.Environments() {
			got, err := kit.Restart().Store.RuntimeSettings(t.Context(), env, want.ID)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(settings, got,
				cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("%s in %s (-stored +read):\n%s", want.ID, env, diff)
			}
		}
	}

	if got, err := kit.Store.RuntimeSettings(t.Context(), apikey.Production,
		"nowhere"); !errors.Is(err, store.ErrDamaged) || got != nil {
		t.Errorf("one that is not there: %v, %v", got, err)
	}
}

// Runtime settings are never replaced by older ones, nor by their own version again.
func TestRuntimeSettingsOnlyMoveOn(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	put := func(version int64) error {
		o := &organization.Organization{
			ID:       "acme",
			Version:  version,
			Settings: organization.DefaultSettings(),
		}
		return kit.Store.Commit(t.Context(), kit.Store.PutRuntimeSettings(t.Context(), o)...)
	}
	for _, step := range []struct {
		version int64
		want    error
	}{{1, nil}, {1, organization.ErrStale}, {3, nil}, {2, organization.ErrStale}, {4, nil}} {
		if err := put(step.version); !errors.Is(err, step.want) {
			t.Errorf("version %d: %v, want %v", step.version, err, step.want)
		}
	}

	bad := &organization.Organization{
		ID:       "bad",
		Settings: organization.Settings{AllowedAddresses: []string{"anywhere"}},
		Version:  1,
	}
	kit.Traffic.Reset()

	if err := kit.Store.Commit(t.Context(),
		kit.Store.PutRuntimeSettings(t.Context(), bad)...); err == nil ||
		kit.Traffic.Count("TransactWriteItems") != 0 {
		t.Errorf("an address that is none: %v", err)
	}
}
