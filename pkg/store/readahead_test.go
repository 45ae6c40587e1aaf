package store_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// What is read ahead costs one call, is there once, and is what reading each row by itself finds:
// whether it is there or not.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)

	gone, err := apikey.NewID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	acme := &organization.Organization{ID: k.OrganizationID, Version: 1}
	if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(acme, 0)); err != nil {
		t.Fatal(err)
	}

	calls := 0
	kit.Traffic.Inject(func(storetest.Request) storetest.Fault {
		calls++
		return storetest.None
	})

	ctx, err := kit.Store.ReadAhead(t.Context(), store.Ahead{
		Catalogue:    true,
		Environment:  k.Environment,
		Key:          k.ID,
		FindKey:      gone,
		Organization: k.OrganizationID,
		Member:       "nobody@acme.test",
	})
	if err != nil || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}

	reads := map[string]func() error{
		"catalogue": func() error {
			_, _, err := kit.Store.Catalogue(ctx, k.Environment)
			return err
		},
		"key": func() error {
			_, err := kit.Store.Key(ctx, k.Environment, k.ID)
			return err
		},
		"no key": func() error {
			if _, err := kit.Store.FindKey(ctx, gone); !errors.Is(err, apikey.ErrNotFound) {
				return errors.Join(errors.New("found"), err)
			}

			return nil
		},
		"organization": func() error {
			_, err := kit.Store.Organization(ctx, k.OrganizationID)
			return err
		},
		"no member": func() error {
			_, err := kit.Store.Member(ctx, k.OrganizationID, "nobody@acme.test")
			if !errors.Is(err, organization.ErrNoMember) {
				return errors.Join(errors.New("found"), err)
			}

			return nil
		},
	}
	for again := range 2 {
		for name, read := range reads {
			calls = 0

			if err := read(); err != nil {
				t.Errorf("%s: %v", name, err)
			}

			if calls != again {
				t.Errorf("%s: %d calls for reading %d", name, calls, again)
			}
		}
	}
}
