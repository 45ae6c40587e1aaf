package usage_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// run is a world of instances that count, and what truly happened.
type run struct {
	shelf    *shelf
	clock    *clock
	random   *rand.Rand
	fleet    []*usage.Recorder
	truth    map[usage.Scope]*usage.Counts
	held     int64 // calls that were pending in instances when they were killed
	most     int64 // of one instance
	killed   int
	stranger int64 // calls with a wrong secret
}

const (
	fleetSize   = 50
	simulations = 1_000_000
	kills       = 100_000
)

func newRun(seed uint64) *run {
	w := &run{
		shelf:  newShelf(seed),
		clock:  newClock(),
		random: rand.New(rand.NewPCG(seed, 2)),
		truth:  map[usage.Scope]*usage.Counts{},
	}
	for range fleetSize {
		w.fleet = append(w.fleet, newRecorder(w.shelf, w.clock))
	}

	return w
}

// call makes one call of a random key at a random instance: few keys are busy, most are not.
func (w *run) call() *usage.Recorder {
	w.clock.advance(time.Duration(w.random.ExpFloat64() * float64(time.Millisecond)))
	n := int(w.random.ExpFloat64() * 20)

	c := usage.Call{
		At:             w.clock.Now(),
		Environment:    apikey.Production,
		OrganizationID: fmt.Sprint("org", n%7),
		KeyID:          fmt.Sprint("key", n),
		Outcome:        check.Allowed,
		Permission:     fmt.Sprint("p:", w.random.IntN(4)),
		RequestID:      fmt.Sprint(w.random.Uint64()),
		API:            fmt.Sprint("a", w.random.IntN(3)),
		SampleRate:     0.1,
	}
	switch w.random.IntN(12) {
	case 0, 1:
		counted := check.Counted()
		c.Outcome = counted[w.random.IntN(len(counted))]
	case 2:
		c.Customer = fmt.Sprint("c", w.random.IntN(5))
	}

	if c.Outcome == check.WrongSecret {
		w.stranger++
	}

	for _, s := range []usage.Scope{
		usage.KeyScope(c.Environment, c.KeyID),
		usage.OrganizationScope(c.Environment, c.OrganizationID),
	} {
		if w.truth[s] == nil {
			w.truth[s] = &usage.Counts{
				Cells:     map[usage.Cell]int64{},
				Customers: map[string]int64{},
				APIs:      map[string]int64{},
			}
		}

		w.truth[s].Cells[usage.Cell{Outcome: c.Outcome, Permission: c.Permission}]++
		if c.Customer != "" {
			w.truth[s].Customers[c.Customer]++
		}

		if c.Outcome == check.Allowed {
			w.truth[s].APIs[c.API]++
		}
	}

	r := w.fleet[w.random.IntN(fleetSize)]
	r.Record(c)
	return r
}

// stop ends an instance in good order.
func (w *run) stop(t *testing.T, r *usage.Recorder) {
	t.Helper()

	for range 100 {
		if r.Flush(t.Context()) == nil {
			return
		}
	}

	t.Fatal("an instance could not write, a hundred times over")
}

// compact puts hours together, as upkeep would, and is cut off at times.
func (w *run) compact(t *testing.T) {
	t.Helper()
	_, _ = usage.Compact(t.Context(), w.shelf, apikey.Production, w.clock.Now()) // cut off, or not
}

// A million calls at fifty instances that come and go in good order, while writes are lost, late,
// doubled and out of order and hours are put together and folded beside them: no call is missing
// and none is counted twice.
func TestMillionCallsAreCountedExactly(t *testing.T) {
	t.Parallel()

	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newRun(seed)
			w.shelf.lossy = true

			w.shelf.crash = 0.05
			for i := range simulations / 2 {
				r := w.call()

				_ = r.FlushDue(t.Context()) // it fails at times, and the recorder tries again
				if w.random.IntN(20_000) == 0 {
					n := w.random.IntN(fleetSize)
					w.stop(t, w.fleet[n])
					w.fleet[n] = newRecorder(w.shelf, w.clock)
				}

				if i%20_000 == 0 {
					// a quiet time, in which instances hold what they have
					w.clock.advance(17 * time.Minute)
					w.compact(t)
				}
			}

			for _, r := range w.fleet {
				w.stop(t, r)
			}

			for len(w.shelf.echoes) > 0 {
				w.shelf.echo()
			}

			for range 30 {
				w.clock.advance(2 * time.Hour)
				w.compact(t)
			}

			compare(t, w, 0)
			t.Logf("seed %d: %d calls, %d writes, %.3f a call", seed, simulations/2, w.shelf.writes,
				float64(w.shelf.writes)/float64(simulations/2))
		})
	}
}

// compare looks for what was counted too often anywhere, and returns how many calls of keys are
// missing, those of strangers apart.
func compare(t *testing.T, w *run, most int64) (missing int64) {
	t.Helper()

	for scope, truth := range w.truth {
		got := w.shelf.counts(scope)
		if most == 0 {
			if diff := cmp.Diff(*truth, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%v (-happened +counted):\n%s", scope, diff)
			}

			continue
		}

		for cell, n := range got.Cells {
			if n > truth.Cells[cell] {
				t.Errorf("%v has %d calls %v, and there were %d", scope, n, cell, truth.Cells[cell])
			}
		}

		for cell, n := range truth.Cells {
			if !scope.Organization && cell.Outcome != check.WrongSecret {
				missing += n - got.Cells[cell]
			}
		}
	}

	if missing > most {
		t.Errorf("%d calls are missing, and at most %d were pending", missing, most)
	}

	return missing
}

// Instances are killed at any moment, between a call and its flush too: nothing is ever counted
// twice, and no more is missing than what was pending, which is at most MaxPending calls for each
// kill.
func TestKillsLoseWhatWasPendingAtMost(t *testing.T) {
	t.Parallel()

	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()

			w := newRun(seed)
			for i := range kills {
				if i%20_000 == 0 {
					w.clock.advance(17 * time.Minute)
				}

				r := w.call()
				if w.random.IntN(1000) == 0 {
					w.kill(r)
					continue
				}

				if err := r.FlushDue(t.Context()); err != nil {
					t.Fatal(err)
				}
			}

			for _, r := range w.fleet {
				w.kill(r)
			}

			missing := compare(t, w, w.held)
			if w.most > usage.MaxPending {
				t.Errorf("an instance held %d calls, and may hold %d", w.most, usage.MaxPending)
			}

			t.Logf("seed %d: %d kills, %d calls missing of %d (%.1f a kill), at most %d held by one",
				seed, w.killed, missing, kills, float64(missing)/float64(w.killed), w.most)
		})
	}
}

// kill ends an instance without a word.
func (w *run) kill(r *usage.Recorder) {
	held := r.Pending()
	w.held += held
	w.most = max(w.most, held)

	w.killed++
	for n := range w.fleet {
		if w.fleet[n] == r {
			w.fleet[n] = newRecorder(w.shelf, w.clock)
		}
	}
}
