package usage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/store/hot"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

const (
	onceKey, onceOther = "0000000000000001", "0000000000000002"
	onceOrganization   = "acme"
)

// onceInstances numbers the instances of this process, since no two may have one name.
var onceInstances struct {
	sync.Mutex
	made int
}

func newDeduplicator(l usage.Ledger, kit *storetest.Kit) *usage.Deduplicator {
	onceInstances.Lock()
	defer onceInstances.Unlock()
	onceInstances.made++
	return usage.NewDeduplicator(l, fmt.Sprintf("instance%d", onceInstances.made), kit.Clock.Now,
		kit.Log.Logger())
}

// allowed is a call of a key that was allowed.
func allowed(id, key string, at time.Time) usage.Entry {
	return usage.Entry{
		ID: id,
		Call: usage.Call{
			At:             at,
			Environment:    apikey.Production,
			OrganizationID: onceOrganization,
			KeyID:          key,
			Outcome:        check.Allowed,
			Permission:     "messages:read",
			RequestID:      "request-" + id,
			UserAgent:      "curl/8",
		},
	}
}

// several are calls of a key, one every interval.
func several(prefix, key string, n int, from time.Time, interval time.Duration) []usage.Entry {
	var out []usage.Entry
	for i := range n {
		out = append(out,
			allowed(fmt.Sprintf("%s-%d", prefix, i), key, from.Add(time.Duration(i)*interval)))
	}

	return out
}

// counted is how many calls of a scope the store tells of by now, in all hours.
func counted(t testing.TB, kit *storetest.Kit, s usage.Scope) int64 {
	t.Helper()
	now := kit.Clock.Now()

	hours, err := kit.Hot.Usage(context.Background(), s, now.Add(-48*time.Hour),
		now.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	var sum int64
	for _, counts := range hours {
		for _, n := range counts.Cells {
			sum += n
		}
	}

	return sum
}

// exactly fails unless so many calls of the key, and of the organization, are counted.
func exactly(t testing.TB, kit *storetest.Kit, key string, want, all int64) {
	t.Helper()

	if got := counted(t, kit, usage.KeyScope(apikey.Production, key)); got != want {
		t.Errorf("%d calls of the key are counted, want %d", got, want)
	}

	if got := counted(t, kit,
		usage.OrganizationScope(apikey.Production, onceOrganization)); got != all {
		t.Errorf("%d calls of the organization are counted, want %d", got, all)
	}
}

func record(t testing.TB, o *usage.Deduplicator, entries ...usage.Entry) {
	t.Helper()

	if err := o.Record(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
}

func TestDeduplicatorCountsABatchThatComesAgainOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now()
	one := newDeduplicator(kit.Hot, kit)
	other := newDeduplicator(kit.Restart().Hot, kit)
	batch := append(several("a", onceKey, 30, now.Add(-time.Minute), time.Second),
		several("b", onceOther, 5, now, 0)...)
	record(t, one, append(batch, batch...)...)
	record(t, one, batch...)
	record(t, other, batch...)
	backwards := slices.Clone(batch)
	slices.Reverse(backwards)
	record(t, other, backwards[:7]...)
	record(t, one, append(backwards[5:], backwards...)...)
	exactly(t, kit, onceKey, 30, 35)
	exactly(t, kit, onceOther, 5, 35)
}

// Whatever batches the calls come in, however often, in which order and to which instance: each is
// counted once.
func TestDeduplicatorIsExact(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now()
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		runs++
		key := fmt.Sprintf("%016d", 1000+runs) // a key of its own for each run over the same tables
		workers := []*usage.Deduplicator{newDeduplicator(kit.Hot, kit), newDeduplicator(kit.Hot, kit)}

		var all []usage.Entry
		for i := range rapid.IntRange(1, 60).Draw(r, "calls") {
			back := time.Duration(rapid.IntRange(0, 3*3600).Draw(r, "seconds ago")) * time.Second
			if rapid.Bool().Draw(r, "recent") {
				back %= 20 * time.Second
			}

			all = append(all, allowed(fmt.Sprintf("%s-%d", key, i), key, now.Add(-back)))
		}

		deliver := func(entries []usage.Entry) {
			record(t, workers[rapid.IntRange(0, 1).Draw(r, "worker")], entries...)
		}
		for range rapid.IntRange(0, 4).Draw(r, "extra batches") {
			from := rapid.IntRange(0, len(all)-1).Draw(r, "from")
			deliver(all[from:rapid.IntRange(from, len(all)).Draw(r, "to")])
		}

		for batch := range slices.Chunk(rapid.Permutation(all).Draw(r, "order"),
			rapid.IntRange(1, 60).Draw(r, "batch")) {
			deliver(batch)
		}

		if got := counted(t, kit, usage.KeyScope(apikey.Production, key)); got != int64(len(all)) {
			r.Fatalf("%d calls are counted of %d", got, len(all))
		}
	})
}

func TestDeduplicatorByManyInstancesAtOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	all := append(several("a", onceKey, 200, kit.Clock.Now().Add(-15*time.Second),
		50*time.Millisecond), several("b", onceOther, 40, kit.Clock.Now(), 0)...)

	var running sync.WaitGroup
	for worker := range 4 {
		o := newDeduplicator(kit.Hot, kit)
		running.Go(func() {
			shuffled := slices.Clone(all)
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			random.Shuffle(len(shuffled), func(i, j int) {
				shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
			})

			for batch := range slices.Chunk(shuffled, 60) {
				for attempt := 0; ; attempt++ {
					err := o.Record(t.Context(), batch)
					if err == nil {
						break
					}

					// else it comes again, as on AWS
					if !errors.Is(err, usage.ErrVersionConflict) || attempt == 20 {
						t.Error(err)
						return
					}
				}
			}
		})
	}

	running.Wait()
	exactly(t, kit, onceKey, 200, 240)
	exactly(t, kit, onceOther, 40, 240)
}

// An instance that ends after its write, or is told that it failed, leaves a batch that comes
// again: to itself, or to another instance.
func TestDeduplicatorAfterFaults(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]func(storetest.Request) storetest.Fault{
		"answers are lost":   storetest.Always(storetest.DropAnswer, "TransactWriteItems"),
		"one answer is lost": storetest.Nth(storetest.DropAnswer, "TransactWriteItems", 1),
		"writes fail":        storetest.Always(storetest.Broken, "TransactWriteItems"),
		"the second transaction fails": func(r storetest.Request) storetest.Fault {
			return map[bool]storetest.Fault{
				true: storetest.Broken,
			}[r.Operation == "TransactWriteItems" && r.N > 1]
		},
		"the ledger is not read":  storetest.Always(storetest.Refused, "Query"),
		"the rest is not written": storetest.Always(storetest.Broken, "UpdateItem"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := storetest.New(t)
			o := newDeduplicator(kit.Hot, kit)
			record(t, o, several("before", onceKey, 3, kit.Clock.Now(), 0)...)
			kit.Traffic.Reset()
			kit.Traffic.Inject(fault)
			batch := several("a", onceKey, 25, kit.Clock.Now().Add(-5*time.Minute), 10*time.Second)

			batch[0].Outcome = "permission_denied" // which is kept in the log of requests
			if err := o.Record(t.Context(), batch); err == nil && name != "one answer is lost" {
				t.Error("it says that all is written")
			}

			kit.Traffic.Inject(nil)
			after := append(batch, several("after", onceKey, 2, kit.Clock.Now(), 0)...)
			record(t, o, after...)
			record(t, newDeduplicator(kit.Restart().Hot, kit), after...)
			exactly(t, kit, onceKey, 30, 30)
		})
	}
}

func TestDeduplicatorBeginsAPageWhereOneIsFull(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	at := kit.Clock.Now().Truncate(usage.SlotLength)
	all := several("a", onceKey, 2*usage.PageIDs+10, at, 0)
	record(t, newDeduplicator(kit.Hot, kit), all[:usage.PageIDs-1]...)
	record(t, newDeduplicator(kit.Hot, kit), all[100:]...)
	record(t, newDeduplicator(kit.Hot, kit), all...)
	exactly(t, kit, onceKey, int64(len(all)), int64(len(all)))

	pages, err := kit.Hot.Pages(t.Context(), apikey.Production, onceKey, at)
	if err != nil {
		t.Fatal(err)
	}

	var sizes []int
	for _, p := range pages {
		sizes = append(sizes, len(p.IDs)/8)
	}

	if diff := cmp.Diff([]int{usage.PageIDs, usage.PageIDs, 10}, sizes); diff != "" {
		t.Errorf("ids on the pages (-want +got):\n%s", diff)
	}
}

// torn tells of the first page as it was before it was full, though there is another after it:
// DynamoDB reads one item after the other.
type torn struct {
	*hot.Table
	times int
}

func (l *torn) Pages(
	ctx context.Context, env apikey.Environment, keyID string, slot time.Time,
) ([]usage.Page, error) {
	pages, err := l.Table.Pages(ctx, env, keyID, slot)
	if l.times > 0 && len(pages) > 1 {
		l.times--
		pages[0].IDs = pages[0].IDs[:8]
	}

	return pages, err
}

func TestDeduplicatorReadsATornLedgerAgain(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	all := several("a", onceKey, usage.PageIDs+10, kit.Clock.Now(), 0)
	record(t, newDeduplicator(kit.Hot, kit), all...)
	l := &torn{Table: kit.Hot, times: 1}
	record(t, newDeduplicator(l, kit), all...)

	if l.times != 0 {
		t.Error("the ledger was not torn")
	}

	exactly(t, kit, onceKey, int64(len(all)), int64(len(all)))
}

// What comes when its hour may soon be a sum is not counted, since nobody would know anymore
// whether it was.
func TestDeduplicatorRefusesWhatComesTooLate(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	hour := kit.Clock.Now().Truncate(time.Hour)
	late := hour.Add(time.Hour + usage.LatestWrite)
	o := newDeduplicator(kit.Hot, kit)
	kit.Clock.Set(late)
	record(t, o, allowed("in time", onceKey, hour))
	exactly(t, kit, onceKey, 1, 1)
	kit.Clock.Set(late.Add(time.Millisecond))
	record(t, o, allowed("late", onceKey, hour),
		allowed("early", onceKey, kit.Clock.Now().Add(time.Hour)))
	exactly(t, kit, onceKey, 1, 1)

	if log := kit.Log.String(); !strings.Contains(log, `"calls":2`) {
		t.Errorf("the log does not tell: %s", log)
	}
}

// Rows that were put together count on, and what was counted in them is not counted again.
func TestDeduplicatorGoesOnAfterRowsArePutTogether(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	hour := kit.Clock.Now().Truncate(time.Hour)
	one, other := newDeduplicator(kit.Hot, kit), newDeduplicator(kit.Hot, kit)
	all := several("a", onceKey, 9, hour, 20*time.Second)
	record(t, one, all[:3]...)
	record(t, other, all[2:6]...)
	kit.Clock.Advance(2 * time.Hour)

	if _, err := usage.Compact(t.Context(), kit.Hot, apikey.Production,
		kit.Clock.Now()); err != nil {
		t.Fatal(err)
	}

	exactly(t, kit, onceKey, 6, 6)
	record(t, one, all...)
	record(t, other, all...)
	exactly(t, kit, onceKey, 9, 9)
}

// A batch costs by its keys and not by its calls.
func TestDeduplicatorWritesByKeyNotByCall(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	o := newDeduplicator(kit.Hot, kit)
	at := kit.Clock.Now().Truncate(usage.SlotLength)
	record(t, o, several("first", onceKey, 1, at, 0)...)
	kit.Traffic.Reset()
	record(t, o, several("a", onceKey, 500, at, 0)...)

	if diff := cmp.Diff([]string{"Query", "TransactWriteItems"},
		storetest.Operations(kit.Traffic.Requests())); diff != "" {
		t.Errorf("the ledger is read, and the counts are written (-want +got):\n%s", diff)
	}

	kit.Traffic.Reset()
	record(t, o, several("a", onceKey, 500, at, 0)...)

	if n := kit.Traffic.Count("TransactWriteItems"); n != 0 {
		t.Errorf("%d transactions for what was counted before", n)
	}
}

func TestDeduplicatorKeepsTheLastUseAndRefusals(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now()
	denied := allowed("denied", onceKey, now.Add(-time.Second))
	denied.Outcome = "permission_denied"
	denied.Permission = "messages:write"
	batch := []usage.Entry{
		denied, allowed("last", onceKey, now), allowed("first", onceKey, now.Add(-time.Minute)),
	}
	o := newDeduplicator(kit.Hot, kit)
	record(t, o, batch...)
	record(t, o, batch[2:]...)

	uses, err := kit.Hot.LastUses(t.Context(), &apikey.Key{
		ID:          onceKey,
		Environment: apikey.Production,
	})
	if err != nil || !uses[onceKey].At.Equal(now) || uses[onceKey].UserAgent != "curl/8" {
		t.Errorf("last use: %+v, %v", uses, err)
	}

	r, found, err := kit.Hot.Request(t.Context(), "request-denied", now)
	if err != nil || !found || r.Outcome != "permission_denied" || r.KeyID != onceKey {
		t.Errorf("the refused call: %+v, %v, %v", r, found, err)
	}
}

// During a rotation it is known who sends which secret, by numbers that are as exact.
func TestDeduplicatorCountsSecretsOnce(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now()
	rotation := now.Add(-time.Hour)

	batch := several("a", onceKey, 12, now.Add(-time.Minute), time.Second)
	for i := range batch {
		batch[i].Rotation = rotation

		batch[i].Secret = apikey.Old
		if i%3 == 0 {
			batch[i].Secret = apikey.Current
		}
	}

	one, other := newDeduplicator(kit.Hot, kit), newDeduplicator(kit.Hot, kit)
	record(t, one, batch[6:]...)
	record(t, other, batch...)
	record(t, one, batch...)

	got, err := kit.Hot.SecretUse(t.Context(), apikey.Production, onceKey, rotation)
	if err != nil {
		t.Fatal(err)
	}

	if got.OldCalls != 8 || !got.NewFirstAt.Equal(batch[0].At) || !got.At.Equal(batch[11].At) {
		t.Errorf("%d calls with the old secret, want 8; new first at %v, last at %v", got.OldCalls,
			got.NewFirstAt, got.At)
	}

	source := got.Sources[usage.Source{UserAgent: "curl/8"}]
	if source.Calls != 8 || !source.LastAt.Equal(batch[11].At) {
		t.Errorf("sources: %+v", got.Sources)
	}
}

// Calls of a key whose ledger is damaged keep no others from being counted, however they come
// together; and the batch is an error, so that somebody hears of it.
func TestDeduplicatorCountsWhatIsNotStuck(t *testing.T) {
	t.Parallel()
	kit := storetest.New(t)
	now := kit.Clock.Now().Truncate(usage.SlotLength)
	const stuck = "000000000000000b"
	kit.PutHot(t, "production#"+stuck, "counted#"+now.Format("2006-01-02T15:04:05")+"#0000",
		map[string]any{
			"ids": "none",
		})

	var batch []usage.Entry
	for i := range 30 { // in two transactions
		batch = append(batch, several(fmt.Sprint(i), fmt.Sprintf("%016d", i), 3, now, 0)...)
	}

	batch = append(batch, several("stuck", stuck, 3, now, 0)...)

	once := newDeduplicator(kit.Hot, kit)
	for range 2 {
		if err := once.Record(t.Context(), batch); !errors.Is(err, usage.ErrStuck) {
			t.Errorf("%v", err)
		}

		exactly(t, kit, fmt.Sprintf("%016d", 0), 3, 90)
		exactly(t, kit, fmt.Sprintf("%016d", 29), 3, 90)
	}
}
