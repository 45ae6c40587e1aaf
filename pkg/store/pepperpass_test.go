package store_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// documentedRow is a line of the package comment about the table core.
type documentedRow struct {
	partition, sort *regexp.Regexp
	sealed          bool
}

// documentedRows reads the package comment, so that a kind of row that is added there is one that
// tests must make.
func documentedRows(t *testing.T) map[string]documentedRow {
	t.Helper()

	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}

	_, core, _ := strings.Cut(string(text), "The items of the table core")
	core, _, _ = strings.Cut(core, "The items of the table hot")

	pattern := func(name string) *regexp.Regexp {
		return regexp.MustCompile("^" + regexp.MustCompile(`<[a-zA-Z]+>`).
			ReplaceAllString(regexp.QuoteMeta(name), `[^#]+`) + "$")
	}

	rows, partition := map[string]documentedRow{}, ""
	for line := range strings.Lines(core) {
		line, row := strings.CutPrefix(line, "//\t")
		fields := strings.Fields(line)

		indent := len(line) - len(strings.TrimLeft(line, " "))
		if !row || len(fields) < 2 || fields[0] == "pk" || indent > 30 {
			continue // what more is to say of the row above stands further to the right
		}

		if indent == 0 {
			partition, fields = fields[0], fields[1:]
		}

		rows[partition+" "+fields[0]] = documentedRow{
			partition: pattern(partition),
			sort:      pattern(fields[0]),
			sealed:    strings.Contains(line, ", sealed "),
		}
	}

	sealed := 0
	for _, row := range rows {
		if row.sealed {
			sealed++
		}
	}

	if len(rows) < 15 || sealed < len(sealedRows()) {
		t.Fatalf("%d of %d rows are read as sealed: %v", sealed, len(rows),
			slices.Sorted(maps.Keys(rows)))
	}

	return rows
}

// everySealedRow writes a row of each kind that has a seal, and returns them by the line of the
// package comment that tells of their kind: whoever adds a kind there makes one here.
func everySealedRow(t *testing.T, kit *storetest.Kit) map[string][2]string {
	t.Helper()
	kit.MustKey(t, nil)
	kit.MustImport(t, "an old secret", apikey.SHA256, nil)
	kit.MustCatalogue(t)

	for _, kind := range slices.Sorted(maps.Keys(sealedRows())) {
		commit(t, kit, sealedRows()[kind].put(kit, "globex", "one")...)
	}

	documented, found := documentedRows(t), map[string][2]string{}
	for _, item := range kit.Items(t) {
		at := [2]string{text(item, "pk"), text(item, "sk")}
		sealed := item["sealPepper"] != nil || item["seals"] != nil

		kind := ""
		for name, row := range documented {
			if row.partition.MatchString(at[0]) && row.sort.MatchString(at[1]) {
				kind = name

				if row.sealed != sealed {
					t.Errorf("%s: documented as sealed: %t; sealed: %t", name, row.sealed, sealed)
				}
			}
		}

		if kind == "" {
			t.Errorf("the row %s is not documented", at)
		}

		if sealed {
			found[kind] = at
		}
	}

	for name, row := range documented {
		if _, made := found[name]; row.sealed && !made {
			t.Errorf("no row is made of the kind %s", name)
		}
	}

	return found
}

func text(item map[string]types.AttributeValue, name string) string {
	value, _ := item[name].(*types.AttributeValueMemberS)
	if value == nil {
		return ""
	}

	return value.Value
}

// rotateAll makes one more version in each environment, by another process, and waits until every
// process knows.
func rotateAll(t *testing.T, kit *storetest.Kit) {
	t.Helper()
	other := kit.Restart()

	for _, env := range apikey.Environments() {
		if _, err := other.Keyring.Add(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}

	kit.Clock.Advance(store.PepperSettling)
}

// passOver lets a process go on with the pass.
func passOver(t *testing.T, kit *storetest.Kit, p *storetest.Process) (resealed int) {
	t.Helper()

	resealed, err := p.Store.PassPeppers(t.Context(), p.Connection, kit.Clock.Now)
	if err != nil {
		t.Fatal(err)
	}

	return resealed
}

func lastPass(t *testing.T, kit *storetest.Kit) *store.PassCounts {
	t.Helper()

	pass, err := kit.Peppers.Pass(t.Context())
	if err != nil || pass.Finished() == nil {
		t.Fatalf("no pass ended: %+v, %v", pass, err)
	}

	return pass.Finished()
}

func usesOf(t *testing.T, kit *storetest.Kit) *store.PepperUses {
	t.Helper()

	uses, err := kit.Restart().Peppers.Uses(t.Context(), kit.Connection, 0, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}

	return uses
}

// unsealed is what an item is without its seals: nothing else is changed by sealing it anew.
func unsealed(item map[string]types.AttributeValue) map[string]types.AttributeValue {
	item = maps.Clone(item)
	delete(item, "seal")
	delete(item, "sealPepper")
	delete(item, "seals")
	return item
}

// sealVersions are the versions that sealed an item: one, or for the catalogue one for each
// environment.
func sealVersions(item map[string]types.AttributeValue) (versions []string) {
	if one, ok := item["sealPepper"].(*types.AttributeValueMemberN); ok {
		versions = append(versions, one.Value)
	}

	if seals, ok := item["seals"].(*types.AttributeValueMemberM); ok {
		for _, seal := range seals.Value {
			version := seal.(*types.AttributeValueMemberM).Value["pepper"]
			versions = append(versions, version.(*types.AttributeValueMemberN).Value)
		}
	}

	return versions
}

// Each kind of row that has a seal gets one of the newest version, and nothing else of it changes.
func TestEverySealedKindIsSealedAnew(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kinds := everySealedRow(t, kit)

	before := map[string]map[string]types.AttributeValue{}
	for kind, at := range kinds {
		before[kind] = kit.Item(t, at[0], at[1])
	}

	rotateAll(t, kit)

	if n := passOver(t, kit, kit.Restart()); n < len(kinds) {
		t.Errorf("%d seals of at least %d", n, len(kinds))
	}

	for kind, at := range kinds {
		after := kit.Item(t, at[0], at[1])
		for _, version := range sealVersions(after) {
			if version != "2" {
				t.Errorf("%s is sealed by version %s", kind, version)
			}
		}

		if !reflect.DeepEqual(unsealed(before[kind]), unsealed(after)) {
			t.Errorf("%s was %v and is %v", kind, before[kind], after)
		}
	}

	for kind, row := range sealedRows() {
		if _, err := row.read(t.Context(), kit.Restart().Store, "globex", "one"); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}

	uses, pass := usesOf(t, kit), lastPass(t, kit)
	for scope, use := range uses.Of {
		if n := use.Counts["seals of other rows"]; n != 0 {
			t.Errorf("%d rows have a seal that is not named", n)
		}

		for what := range use.Counts {
			if scope.Version == 1 && strings.HasPrefix(what, "seals of ") {
				t.Errorf("the old version of %s: %s", scope.Environment, what)
			}
		}
	}

	// Both count the same, but for the row of the pass itself, which was not there yet.
	if pass.Rows != uses.Rows-1 || pass.Unread != 0 {
		t.Errorf("upkeep counted %+v, and there are %d rows", pass, uses.Rows)
	}

	for name, want := range map[string]pepper.Scope{
		"production/1": {Environment: apikey.Production, Version: 1},
		"production/2": {Environment: apikey.Production, Version: 2},
		"staging/2":    {Environment: apikey.Staging, Version: 2},
	} {
		if diff := cmp.Diff(uses.Of[want].Counts, pass.Counts[name]); diff != "" {
			t.Errorf("%s (-read +counted by upkeep):\n%s", name, diff)
		}
	}
}

// A row that should have a seal and has none, of whatever kind, is one that cannot be read.
func TestRowsWithoutTheirSealAreUnread(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kinds := everySealedRow(t, kit)

	if uses := usesOf(t, kit); uses.Unread != 0 {
		t.Fatalf("%d rows, such as in %s", uses.Unread, uses.Places)
	}

	for kind, at := range kinds {
		whole := kit.Item(t, at[0], at[1])
		without := with(whole, "sealPepper", nil)

		if seals, ok := whole["seals"].(*types.AttributeValueMemberM); ok {
			without = with(whole, "seals", &types.AttributeValueMemberM{
				Value: with(seals.Value, "staging", nil),
			})
		}

		kit.Put(t, without)

		uses := usesOf(t, kit)
		if uses.Unread != 1 || !slices.Equal(uses.Places, []string{at[0]}) {
			t.Errorf("%s: %d rows, such as in %s", kind, uses.Unread, uses.Places)
		}

		kit.Put(t, whole)
	}
}

// What is not genuine gets no seal: it stays as it is, is logged by its place alone, and counts.
func TestBrokenSealsAreNotMadeGood(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kinds := everySealedRow(t, kit)
	binary := &types.AttributeValueMemberB{Value: []byte("no seal")}

	forged := map[string]map[string]types.AttributeValue{}
	for kind, at := range kinds {
		item := kit.Item(t, at[0], at[1])

		if seals, ok := item["seals"].(*types.AttributeValueMemberM); ok {
			staging := seals.Value["staging"].(*types.AttributeValueMemberM)
			forged[kind] = with(item, "seals", &types.AttributeValueMemberM{
				Value: with(seals.Value, "staging", &types.AttributeValueMemberM{
					Value: with(staging.Value, "seal", binary),
				}),
			})
		} else if len(forged)%2 == 0 {
			forged[kind] = with(item, "added", binary)
		} else {
			forged[kind] = with(item, "seal", nil)
		}

		kit.Put(t, forged[kind])
	}

	rotateAll(t, kit)
	passOver(t, kit, kit.Restart())

	for kind, at := range kinds {
		after := kit.Item(t, at[0], at[1])
		if after["seals"] == nil {
			if !reflect.DeepEqual(forged[kind], after) {
				t.Errorf("%s was %v and is %v", kind, forged[kind], after)
			}

			continue
		}

		// One environment's seal of the catalogue keeps no other from being made anew.
		versions := sealVersions(after)
		slices.Sort(versions)

		if !slices.Equal(versions, []string{"1", "2", "2"}) {
			t.Errorf("%s is sealed by %s", kind, versions)
		}

		if _, _, err := kit.Restart().Store.Catalogue(t.Context(),
			apikey.Staging); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("the catalogue of staging: %v", err)
		}
	}

	if got := lastPass(t, kit).Unread; got != int64(len(kinds)) {
		t.Errorf("%d of %d rows count as unread", got, len(kinds))
	}

	log := kit.Log.String()
	if n := strings.Count(log, "a damaged row is not sealed anew"); n != len(kinds) {
		t.Errorf("the log tells of %d of %d rows", n, len(kinds))
	}

	if strings.Contains(log, "@acme.test") {
		t.Error("the log has somebody's address")
	}
}

// Whatever happens to a row between its reading and its new seal stays so.
func TestSealingAnewLosesNoChange(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustCatalogue(t)

	rows := sealedRows()
	for _, name := range []string{"gone", "changed"} {
		commit(t, kit, rows["customer"].put(kit, "acme", name)...)
	}

	rotateAll(t, kit)

	added := permission.Permission{Name: "messages:read"}
	meanwhile := sync.OnceFunc(func() {
		kit.MustCatalogue(t, added)
		kit.Remove(t, "organization#acme", "customer#gone")

		c := fullCustomer(kit, "acme", "changed")
		c.Name = "Green"
		c.Version = 2
		commit(t, kit, kit.Store.PutCustomer(c, 1))
	})

	p := kit.Restart()
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "UpdateItem" {
			meanwhile()
		}

		return storetest.None
	})
	passOver(t, kit, p)

	fresh := kit.Restart().Store
	if got, version, err := fresh.Catalogue(t.Context(), apikey.Staging); err != nil ||
		version != 2 || len(got) != 1 {
		t.Errorf("the catalogue: %+v of version %d, %v", got, version, err)
	}

	if item := kit.Item(t, "organization#acme", "customer#gone"); item != nil {
		t.Errorf("a row that was removed is there again: %v", item)
	}

	if c, err := fresh.Customer(t.Context(), "acme", "changed"); err != nil ||
		c.Name != "Green" || c.Version != 2 {
		t.Errorf("a row that was changed: %+v, %v", c, err)
	}
}

// A function that does not know of the newest version yet goes on to write with the one before. The
// pass waits for it: one is enough.
func TestPassWaitsUntilEveryFunctionKnows(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	customer := sealedRows()["customer"].put
	commit(t, kit, customer(kit, "acme", "before")...)

	if _, err := kit.Restart().Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	p := kit.Restart()
	if n := passOver(t, kit, p); n != 0 || p.Traffic.Count("Scan") != 0 {
		t.Errorf("at once: %d seals, %d reads", n, p.Traffic.Count("Scan"))
	}

	commit(t, kit, customer(kit, "acme", "after")...) // by a process that has not looked since
	kit.Clock.Advance(store.PepperSettling - time.Second)

	if n := passOver(t, kit, p); n != 0 || p.Traffic.Count("Scan") != 0 {
		t.Errorf("a second too soon: %d seals, %d reads", n, p.Traffic.Count("Scan"))
	}

	kit.Clock.Advance(time.Second)

	if n := passOver(t, kit, p); n != 2 {
		t.Errorf("%d seals of 2", n)
	}

	scope := pepper.Scope{Environment: apikey.Production, Version: 1}
	if counts := usesOf(t, kit).Of[scope].Counts; len(counts) != 0 {
		t.Errorf("the old version is needed by %v", counts)
	}
}

// A seal that is newer than what a pass knows of is not made anew by an older version.
func TestNewerSealsAreLeftAlone(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kit.MustCatalogue(t)
	commit(t, kit, sealedRows()["customer"].put(kit, "acme", "before")...)
	rotateAll(t, kit)

	newer := sync.OnceFunc(func() {
		for _, env := range apikey.Environments() {
			if _, err := kit.Keyring.Add(t.Context(), env); err != nil {
				t.Error(err)
			}
		}

		kit.MustCatalogue(t)
		commit(t, kit, sealedRows()["customer"].put(kit, "acme", "newer")...)
	})

	p := kit.Restart()
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "Scan" {
			newer()
		}

		return storetest.None
	})
	passOver(t, kit, p)

	for sort, want := range map[string][]string{
		"customer#before": {"2"},
		"customer#newer":  {"3"},
	} {
		if got := sealVersions(kit.Item(t, "organization#acme", sort)); !slices.Equal(got, want) {
			t.Errorf("%s is sealed by %s, want %s", sort, got, want)
		}
	}

	if got := sealVersions(kit.Item(t, "catalogue", "catalogue")); !slices.Equal(got,
		[]string{"3", "3", "3"}) {
		t.Errorf("the catalogue is sealed by %s", got)
	}
}

// Several who go on with a pass at once do no harm, and each row is counted once.
func TestPassesAtOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	kinds := everySealedRow(t, kit)
	rotateAll(t, kit)
	rows := int64(len(kit.Items(t)))

	var all sync.WaitGroup
	for range 4 {
		p := kit.Restart()
		all.Go(func() {
			if _, err := p.Store.PassPeppers(t.Context(), p.Connection, kit.Clock.Now); err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()

	// The row of the pass itself may be among those that were read.
	if pass := lastPass(t, kit); pass.Rows < rows || pass.Rows > rows+1 || pass.Unread != 0 {
		t.Errorf("%+v of %d rows", pass, rows)
	}

	for kind, at := range kinds {
		if versions := sealVersions(kit.Item(t, at[0], at[1])); slices.Contains(versions, "1") {
			t.Errorf("%s is sealed by %s", kind, versions)
		}
	}
}

// While a pass goes on, what the last one counted is told; and a clock that was set back keeps
// nobody from beginning another.
func TestLastPassIsKept(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	commit(t, kit, sealedRows()["customer"].put(kit, "acme", "one")...)

	if pass, err := kit.Peppers.Pass(t.Context()); pass.Finished() != nil || err != nil {
		t.Errorf("before the first: %+v, %v", pass, err)
	}

	rotateAll(t, kit)
	passOver(t, kit, kit.Restart())
	first := lastPass(t, kit)

	if first.Resealed != 1 || !first.EndedAt.Equal(kit.Clock.Now()) {
		t.Errorf("the first: %+v", first)
	}

	for batch := range 2 { // so that another pass takes more than a page
		var customers []store.Write
		for n := range 100 {
			c := fullCustomer(kit, "acme", "c")
			c.ID += string(rune('a'+batch)) + string(rune('!'+n))
			customers = append(customers, kit.Store.PutCustomer(c, 0))
		}

		commit(t, kit, customers...)
	}

	kit.Clock.Advance(24 * time.Hour)

	ctx, cancel := context.WithCancel(t.Context())
	cut := kit.Restart()
	cut.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "Scan" && r.N == 2 {
			cancel()
		}

		return storetest.None
	})

	if _, err := cut.Store.PassPeppers(ctx, cut.Connection, kit.Clock.Now); err == nil {
		t.Error("the pass was not cut off")
	}

	pass, err := kit.Peppers.Pass(t.Context())
	if err != nil || !pass.EndedAt.IsZero() || pass.Rows != 200 {
		t.Errorf("a pass that goes on: %+v, %v", pass, err)
	}

	if diff := cmp.Diff(first, lastPass(t, kit)); diff != "" {
		t.Errorf("the last (-was +is):\n%s", diff)
	}

	passOver(t, kit, kit.Restart())

	if got := lastPass(t, kit); got.Rows <= 200 {
		t.Errorf("the second: %+v", got)
	}

	kit.Clock.Advance(-time.Hour)

	back := kit.Restart()
	if passOver(t, kit, back); back.Traffic.Count("Scan") == 0 {
		t.Error("the clock was set back, and no pass began")
	}
}

// A row that a transaction holds at that moment is sealed anew when it is free, and ends no pass.
func TestPassWaitsForTransactions(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	commit(t, kit, sealedRows()["customer"].put(kit, "acme", "busy")...)
	rotateAll(t, kit)

	p := kit.Restart()
	p.Traffic.Inject(func(r storetest.Request) storetest.Fault {
		if r.Operation == "UpdateItem" && r.N <= 5 {
			return storetest.Contended
		}

		return storetest.None
	})

	if n := passOver(t, kit, p); n == 0 {
		t.Error("nothing was sealed anew")
	}
}
