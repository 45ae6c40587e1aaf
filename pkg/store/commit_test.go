package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/store"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// entry is a history entry about a key.
func entry(k *apikey.Key, id string) history.Entry {
	return history.Entry{
		ID:             id,
		At:             k.UpdatedAt,
		Action:         "key.updated",
		OrganizationID: k.OrganizationID,
		Object:         history.Object{Type: "key", ID: k.ID},
	}
}

func TestCommitIsAllOrNone(t *testing.T) {
	t.Parallel()

	for place := range 5 {
		t.Run(fmt.Sprintf("write %d fails", place), func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			taken, _ := kit.MustKey(t, nil)
			o := &organization.Organization{
				ID:        "acme",
				Name:      "Acme",
				Version:   1,
				CreatedAt: kit.Clock.Now(),
			}
			m := &organization.Member{
				OrganizationID: "acme",
				Email:          "alice@acme.test",
				Role:           organization.RoleAdmin,
				InvitedAt:      kit.Clock.Now(),
			}
			receipt := store.Receipt{ID: "r", ExpiresAt: kit.Clock.Now().Add(time.Hour).Unix()}
			first := []store.Write{
				kit.Store.PutOrganization(o, 0), kit.Store.PutMember(m, 0),
				kit.Store.Append(entry(taken, "e")), kit.Store.Keep(receipt, kit.Clock.Now()),
			}
			fails := []error{
				organization.ErrExists, organization.ErrMemberStale, store.ErrConflict,
				store.ErrReceipt, apikey.ErrExists,
			}
			// its id is taken, so that the last write fails in any case
			all := append(first, kit.Store.PutKey(t.Context(), taken, 0))
			if place < len(first) {
				if err := kit.Store.Commit(t.Context(), first[place]); err != nil {
					t.Fatal(err)
				}

				free := kit.Key(t)
				all[len(first)] = kit.Store.PutKey(t.Context(), free, 0)
			}

			before := len(kit.Items(t))
			if err := kit.Store.Commit(t.Context(), all...); !errors.Is(err, fails[place]) {
				t.Errorf("%v, want %v", err, fails[place])
			}

			if got := len(kit.Items(t)); got != before {
				t.Errorf("%d items, there were %d", got, before)
			}
		})
	}
}

// The first failed condition tells why, in the order of the writes.
func TestCommitTellsTheFirstFailure(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)

	receipt := kit.Store.Keep(store.Receipt{
		ID:        "r",
		ExpiresAt: kit.Clock.Now().Add(time.Hour).Unix(),
	}, kit.Clock.Now())
	if err := kit.Store.Commit(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}

	exists := kit.Store.PutKey(t.Context(), k, 0)

	stale := kit.Store.PutCatalogue(t.Context(), nil, 7)
	for want, writes := range map[error][]store.Write{
		store.ErrReceipt:        {receipt, exists, stale},
		apikey.ErrExists:        {exists, stale, receipt},
		store.ErrCatalogueStale: {stale, receipt, exists},
	} {
		if err := kit.Store.Commit(t.Context(), writes...); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// A write that cannot be made is an error before anything is sent.
func TestCommitOfWhatCannotBeMade(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k := kit.Key(t) // its environment has no pepper
	kit.Traffic.Reset()

	err := kit.Store.Commit(t.Context(), kit.Store.Append(entry(k, "e")),
		kit.Store.PutKey(t.Context(), k, 0))
	if !errors.Is(err, store.ErrUnavailable) || kit.Traffic.Count("TransactWriteItems") != 0 ||
		len(kit.Items(t)) != 0 {
		t.Errorf("%v; sent %v", err, storetest.Operations(kit.Traffic.Requests()))
	}
}

// Twenty at once on the same version: one wins, and the others change nothing and say so.
func TestOneOfTwentyWritersWins(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)

	const writers, rounds = 20, 4
	for round := int64(1); round <= rounds; round++ {
		results := make([]error, writers)

		var all sync.WaitGroup
		for i := range writers {
			process := kit.Restart()
			all.Go(func() {
				after := k.Clone()
				after.Name = fmt.Sprintf("writer %d of round %d", i, round)
				after.Version = round + 1
				results[i] = process.Store.Commit(t.Context(),
					process.Store.PutKey(t.Context(), after, round),
					process.Store.Append(entry(after, fmt.Sprintf("%d-%d", round, i))))
			})
		}

		all.Wait()

		winner := ""
		for i, err := range results {
			switch {
			case err == nil && winner == "":
				winner = fmt.Sprintf("writer %d of round %d", i, round)
			case err == nil:
				t.Errorf("round %d: %s and writer %d won", round, winner, i)
			case !errors.Is(err, apikey.ErrStale) && !errors.Is(err, store.ErrConflict):
				t.Errorf("round %d, writer %d: %v", round, i, err)
			}
		}

		got, err := kit.Store.Key(t.Context(), k.Environment, k.ID)
		if err != nil {
			t.Fatal(err)
		}

		if winner == "" || got.Name != winner || got.Version != round+1 {
			t.Errorf("round %d: %q won, and the key is %q at version %d",
				round, winner, got.Name, got.Version)
		}
	}

	// the key, the peppers, its organization's runtime settings, and one history entry for each
	// round
	if got := len(kit.Items(t)); got != 1+3+3+rounds {
		t.Errorf("%d items", got)
	}
}

// The answer to a write is lost after it was done: the SDK repeats it with the same token, and
// nothing is written twice or taken for stale.
func TestLostAnswerDoesNotWriteTwice(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	kit.Traffic.Reset()
	kit.Traffic.Inject(storetest.Nth(storetest.DropAnswer, "TransactWriteItems", 1))
	kit.MustChange(t, k, func(k *apikey.Key) { k.Name = "changed" })

	got, err := kit.Store.Key(t.Context(), k.Environment, k.ID)
	if err != nil || got.Name != "changed" || got.Version != 2 {
		t.Errorf("%+v, %v", got, err)
	}

	tokens := map[string]int{}
	for _, r := range kit.Traffic.Requests("TransactWriteItems") {
		var in struct{ ClientRequestToken string }
		r.Decode(t, &in)
		tokens[in.ClientRequestToken]++
	}

	if len(tokens) != 1 || tokens[""] != 0 {
		t.Errorf("tokens of the attempts: %v", tokens)
	}

	for _, n := range tokens {
		if n != 2 {
			t.Errorf("%d attempts", n)
		}
	}
}

// When no answer comes at all nobody knows, and the error says so; the write itself was done once
// or not at all.
func TestNoAnswerIsUnavailable(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]storetest.Fault{
		"lost":      storetest.DropAnswer,
		"refused":   storetest.Refused,
		"broken":    storetest.Broken,
		"throttled": storetest.Throttled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			k, _ := kit.MustKey(t, nil)
			kit.Traffic.Inject(storetest.Always(fault, "TransactWriteItems"))
			after := k.Clone()
			after.Name = "changed"

			after.Version = 2
			if err := kit.Store.Commit(t.Context(),
				kit.Store.PutKey(t.Context(), after, 1)); !errors.Is(err, store.ErrUnavailable) ||
				errors.Is(err, apikey.ErrStale) {
				t.Errorf("Commit: %v", err)
			}

			got, err := kit.Store.Key(t.Context(), k.Environment, k.ID)
			if err != nil || (got.Version == 2) != (fault == storetest.DropAnswer) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// A transaction that another one is in the way of is tried again for a while.
func TestConflicts(t *testing.T) {
	t.Parallel()

	for conflicts, want := range map[int]error{
		0:   nil,
		1:   nil,
		20:  nil,
		1e6: store.ErrConflict,
	} {
		t.Run(fmt.Sprintf("%d conflicts", conflicts), func(t *testing.T) {
			t.Parallel()

			kit := storetest.New(t)
			if _, err := kit.Keyring.Ensure(t.Context(), apikey.Production); err != nil {
				t.Fatal(err)
			}

			k := kit.Key(t)
			client := &conflicting{Client: kit.Connection, left: conflicts}

			s := store.New(store.NewPeppers(client, kit.CoreTable), kit.Keyring,
				kit.Log.Logger())
			if err := s.Commit(t.Context(), s.PutKey(t.Context(), k, 0)); !errors.Is(err, want) ||
				(err == nil) != (want == nil) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}

// What AddPepper promises: one winner, and no version is ever replaced.
func TestPeppersAreNeverReplaced(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)

	first, err := kit.Keyring.Ensure(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	before := kit.Item(t, "pepper#production", "ring")

	var all sync.WaitGroup
	for range 10 {
		process := kit.Restart()
		all.Go(func() {
			if p, err := process.Keyring.Ensure(t.Context(), apikey.Production); err != nil ||
				p.Version() != first.Version() {
				t.Errorf("%v, %v", p, err)
			}
		})
	}

	all.Wait()

	if after := kit.Item(t, "pepper#production", "ring"); !reflect.DeepEqual(before, after) {
		t.Errorf("the row was %v and is %v", before, after)
	}
}

// Every write carries a condition, and nothing scans, whatever is done.
func TestEveryWriteHasACondition(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	k, _ := kit.MustKey(t, nil)
	k = kit.MustChange(t, k, func(k *apikey.Key) { k.Name = "changed" })
	kit.MustCatalogue(t)
	kit.MustCatalogue(t)
	o := &organization.Organization{ID: "acme", Version: 1}
	m := &organization.Member{OrganizationID: "acme", Email: "a@acme.test"}

	writes := []store.Write{
		kit.Store.PutOrganization(o, 0), kit.Store.PutMember(m, 0),
		kit.Store.Append(entry(k, "e")), kit.Store.Keep(store.Receipt{
			ID: "r",
		}, kit.Clock.Now()),
	}
	if err := kit.Store.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}

	o.Version = 2
	if err := kit.Store.Commit(t.Context(), kit.Store.PutOrganization(o, 1)); err != nil {
		t.Fatal(err)
	}

	if _, err := kit.Keyring.Add(t.Context(), apikey.Production); err != nil {
		t.Fatal(err)
	}

	if _, _, err := kit.Store.Keys(t.Context(), "acme", store.Filter{}, "", 10,
		kit.Clock.Now()); err != nil {
		t.Fatal(err)
	}

	if _, err := kit.Store.CountHolders(t.Context(), []string{"messages:read"}); err != nil {
		t.Fatal(err)
	}

	operations := map[string]bool{}
	for _, r := range kit.Traffic.Requests() {
		operations[r.Operation] = true
		var in struct {
			ConditionExpression string
			TransactItems       []struct {
				Put struct{ ConditionExpression string }
			}
		}
		r.Decode(t, &in)

		switch r.Operation {
		case "TransactWriteItems":
			for i, item := range in.TransactItems {
				if item.Put.ConditionExpression == "" {
					t.Errorf("write %d has no condition: %s", i, r.Body)
				}
			}
		case "UpdateItem":
			if in.ConditionExpression == "" {
				t.Errorf("no condition: %s", r.Body)
			}
		}
	}

	want := map[string]bool{
		"GetItem":            true,
		"BatchGetItem":       true,
		"Query":              true,
		"UpdateItem":         true,
		"TransactWriteItems": true,
	}
	if diff := cmp.Diff(want, operations); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}
