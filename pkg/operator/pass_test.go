package operator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/operator"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// pass makes a process continue the pass over the table.
func pass(t *testing.T, kit *storetest.Kit, p *storetest.Process) int {
	t.Helper()

	n, err := p.Store.PassPeppers(t.Context(), p.Connection, kit.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

// After a rotation upkeep reseals every row. The remaining ones need another secret, and a version
// needed by seals alone can be retired.
func TestRowsAreResealed(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	everyUse(t, kit)

	kit.Clock.Advance(time.Hour) // no version is too young to seal with

	idle := kit.Restart()
	if n := pass(t, kit, idle); n != 0 || idle.Traffic.Count("Scan") != 0 {
		t.Errorf("one version each: %d rows, %d reads", n, idle.Traffic.Count("Scan"))
	}

	for _, env := range apikey.Environments() {
		rotate(t, kit, env)
	}

	p := kit.Restart()
	if n := pass(t, kit, p); n == 0 {
		t.Error("nothing was resealed")
	}

	left := map[string]int64{"secrets of keys": 2, "ids of imported keys": 1}
	if diff := cmp.Diff(left, use(t, kit, apikey.Production, 1, 0).Counts); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}

	latest, err := p.Peppers.Pass(t.Context())
	if err != nil || latest.EndedAt.IsZero() || latest.Unread != 0 {
		t.Fatalf("%+v, %v", latest, err)
	}

	if diff := cmp.Diff(left, latest.Counts["production/1"]); diff != "" {
		t.Errorf("what upkeep counted (-want +got):\n%s", diff)
	}

	// To a process that has cached nothing, the rows are unchanged.
	fresh := kit.Restart().Store
	if _, err := fresh.Organization(t.Context(), "acme"); err != nil {
		t.Error(err)
	}

	if _, _, err := fresh.Catalogue(t.Context(), apikey.Staging); err != nil {
		t.Error(err)
	}

	if members, err := fresh.Members(t.Context(), "acme"); err != nil || len(members) != 1 {
		t.Errorf("%d members, %v", len(members), err)
	}

	p.Traffic.Reset()

	if n := pass(t, kit, p); n != 0 || p.Traffic.Count("Scan") != 0 {
		t.Errorf("at once: %d rows, %d reads", n, p.Traffic.Count("Scan"))
	}

	kit.Clock.Advance(24 * time.Hour)

	if n := pass(t, kit, p); n != 0 || p.Traffic.Count("Scan") == 0 {
		t.Errorf("a day later: %d rows, %d reads", n, p.Traffic.Count("Scan"))
	}
}

// The progress of upkeep has no seal and decides nothing: with any content there, the table itself
// shows what is needed.
func TestPassDecidesNothing(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	rotate(t, kit, apikey.Production)
	pass(t, kit, kit.Restart())

	scope := pepper.Scope{Environment: apikey.Production, Version: 1}
	for what, value := range map[string]any{
		"needed by nothing": map[string]any{},
		"cannot be read":    "x",
	} {
		kit.Change(t, "upkeep", "peppers", "counts", value)

		if err := peppers(kit).Retire(t.Context(), scope, quiet); !errors.Is(err,
			operator.ErrInUse) {
			t.Errorf("%s: %v", what, err)
		}

		if keys := use(t, kit, apikey.Production, 1, 1).Keys; len(keys) != 1 ||
			keys[0].ID != k.ID {
			t.Errorf("%s: %+v", what, keys)
		}
	}
}

// A version needed by seals alone can be retired after a pass.
func TestVersionOfSealsIsRetiredAfterAPass(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustCatalogue(t)

	o := &organization.Organization{ID: "acme", Version: 1, CreatedAt: kit.Clock.Now()}
	if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(o, 0)); err != nil {
		t.Fatal(err)
	}

	rotate(t, kit, apikey.Production)
	pass(t, kit, kit.Restart())

	scope := pepper.Scope{Environment: apikey.Production, Version: 1}
	if err := peppers(kit).Retire(t.Context(), scope, quiet); err != nil {
		t.Error(err)
	}

	if _, err := kit.Restart().Store.Organization(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
}

// A change between reading a row and resealing it is not lost, and a forged row is not made
// genuine.
func TestOnlyUnchangedRowsAreResealed(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	changed, _ := kit.MustKey(t, nil)
	forged, _ := kit.MustKey(t, nil)
	partition := "production#" + forged.ID
	kit.Change(t, partition, "key", "name", "forged")
	rotate(t, kit, apikey.Production)

	p := kit.Restart()
	meanwhile := sync.OnceFunc(func() {
		kit.MustChange(t, changed, func(k *apikey.Key) { k.Description = "changed" })
	})
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "UpdateItem" {
			meanwhile()
		}

		return storetest.None
	})
	pass(t, kit, p)

	fresh := kit.Restart().Store
	if k, err := fresh.Key(t.Context(), changed.Environment, changed.ID); err != nil ||
		k.Description != "changed" {
		t.Errorf("%+v, %v", k, err)
	}

	if _, err := fresh.Key(t.Context(), forged.Environment, forged.ID); err == nil {
		t.Error("the forged row is genuine")
	}

	if !strings.Contains(kit.Log.String(), "a damaged row is not sealed anew") {
		t.Errorf("the log says nothing:\n%s", kit.Log.String())
	}

	if n := use(t, kit, apikey.Production, 1, 0).Counts["seals of keys"]; n != 1 {
		t.Errorf("%d rows need the old version", n)
	}
}

// A pass that is cut off is continued by another process, and counts every row once, even if two
// continue it at once.
func TestPassContinues(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	o := &organization.Organization{ID: "acme", Version: 1, CreatedAt: kit.Clock.Now()}
	if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(o, 0)); err != nil {
		t.Fatal(err)
	}

	for batch := range 15 {
		var customers []store.Write
		for n := range 50 {
			customers = append(customers, kit.Store.PutCustomer(&organization.Customer{
				OrganizationID: "acme",
				ID:             fmt.Sprintf("c%d-%d", batch, n),
				Version:        1,
			}, 0))
		}

		if err := kit.Store.Commit(t.Context(), customers...); err != nil {
			t.Fatal(err)
		}
	}

	rotate(t, kit, apikey.Production)

	ctx, cancel := context.WithCancel(t.Context())
	cut := kit.Restart()
	cut.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "Scan" && r.N == 2 {
			cancel()
		}

		return storetest.None
	})

	before, _ := cut.Store.PassPeppers(ctx, cut.Connection, kit.Clock.Now)
	if before == 0 || before >= 751 {
		t.Errorf("%d rows before it was cut off", before)
	}

	// While one reads a page, another finishes the pass: the first then stops.
	slow, quick := kit.Restart(), kit.Restart()
	ends := sync.OnceFunc(func() { pass(t, kit, quick) })
	slow.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "Scan" {
			ends()
		}

		return storetest.None
	})
	pass(t, kit, slow)

	if slow.Traffic.Count("Scan") != 1 {
		t.Errorf("the one that came second read %d pages", slow.Traffic.Count("Scan"))
	}

	// Every page is small, and its rows are written before the next one is read.
	unwritten := 0
	for _, r := range quick.Traffic.Requests("Scan", "TransactWriteItems") {
		if r.Operation != "Scan" {
			unwritten = 0
			continue
		}

		var page struct{ Limit int }
		if r.Decode(t, &page); page.Limit < 1 || page.Limit > 200 || unwritten > 0 {
			t.Errorf("up to %d rows are read at once, after %d that were not kept", page.Limit, unwritten)
		}

		unwritten = page.Limit
	}

	if n := quick.Traffic.Count("Scan"); n < 3 {
		t.Errorf("what was left took %d pages", n)
	}

	latest, err := kit.Peppers.Pass(t.Context())
	if err != nil || latest.EndedAt.IsZero() || latest.Counts["production/1"] != nil {
		t.Fatalf("%+v, %v", latest, err)
	}

	if n := latest.Counts["production/2"]["seals of customers"]; n != 750 {
		t.Errorf("%d of 750 customers were counted", n)
	}
}
