package limit_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/limit"
)

// lease is how long leased calls may be spent while the store is not throttled.
const lease = time.Second

// world is a simulated deployment: instances with clocks of their own share one limit over a store
// that is late and loses answers.
type world struct {
	limit     apikey.RateLimit
	instances int
	offered   float64 // calls a second, over all instances
	lasts     time.Duration
	skew      time.Duration // a clock is wrong by at most this
	latency   time.Duration // a request to the store, or its answer, takes at most this
	lost      float64       // of the requests, and of the answers, this part
	// calls come in the first fifth of each of these only, and all the more then; 0: all the time
	pulse time.Duration
	// each of these, on average, an instance gives back what it has and another takes its place; 0:
	// never
	life      time.Duration
	partition bool // the store takes no more in a second than one partition of DynamoDB does
	seed      uint64
}

func (w world) String() string {
	return fmt.Sprintf("limit %d per %v burst %d, %d instances, %.0f/s, skew %v, latency %v, "+
		"lost %.3f, pulse %v, life %v, seed %d",
		w.limit.Limit, w.limit.Window, w.limit.Burst, w.instances, w.offered, w.skew, w.latency,
		w.lost, w.pulse, w.life, w.seed)
}

// result is what came of a world.
type result struct {
	calls, writes, failed int
	busiest, refused      int             // writes in the busiest second, and requests that were one too many
	late                  int             // calls that failed in the last half of the time
	admitted              []time.Duration // when, in true time, ascending
}

// What one partition of DynamoDB takes in a second.
const (
	partitionReads  = 3000
	partitionWrites = 1000
)

// partition is a store of one partition, which refuses what is too much in a second.
type partition struct {
	*memory

	off bool

	taking           sync.Mutex
	second           int64
	reads, writes    int
	busiest, refused int
}

// take counts a request by the second, and refuses it if there were so many.
func (p *partition) take(n *int, most int) error {
	p.taking.Lock()
	defer p.taking.Unlock()

	if now := time.Now().Unix(); now != p.second {
		p.second, p.reads, p.writes = now, 0, 0
	}

	if !p.off && *n >= most {
		p.refused++
		return limit.ErrThrottled
	}

	*n++
	p.busiest = max(p.busiest, p.writes)

	return nil
}

func (p *partition) ReadLimits(ctx context.Context, s limit.Subject) (*limit.State, error) {
	if err := p.take(&p.reads, partitionReads); err != nil {
		return nil, err
	}

	return p.memory.ReadLimits(ctx, s)
}

func (p *partition) ChargeLimits(
	ctx context.Context, s limit.Subject, c limit.Charge,
) (*limit.State, bool, error) {
	if err := p.take(&p.writes, partitionWrites); err != nil {
		return nil, false, err
	}

	return p.memory.ChargeLimits(ctx, s, c)
}

func (p *partition) ReplaceLimits(
	ctx context.Context, s limit.Subject, was, next *limit.State,
) (*limit.State, bool, error) {
	if err := p.take(&p.writes, partitionWrites); err != nil {
		return nil, false, err
	}

	return p.memory.ReplaceLimits(ctx, s, was, next)
}

// run lets a world run in virtual time.
func (w world) run(t *testing.T) (out result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(w.seed, 1))
		store := newMemory()
		var chance sync.Mutex
		on := func() error {
			chance.Lock()
			late := time.Duration(random.Float64() * float64(w.latency))
			gone := random.Float64() < w.lost
			chance.Unlock()
			time.Sleep(late)

			if gone {
				return errLost
			}

			return nil
		}
		store.before = on
		store.after = on
		begin := time.Now()

		partition := &partition{memory: store, off: !w.partition}
		var mu sync.Mutex

		var all sync.WaitGroup
		for i := range w.instances {
			all.Go(func() {
				random := rand.New(rand.NewPCG(w.seed, uint64(i)+2))
				wrong := time.Duration((2*random.Float64() - 1) * float64(w.skew))
				limiter := limit.New(partition, func() time.Time {
					return time.Now().Add(wrong)
				}, random.Float64)
				policy := limit.Policy{Limits: []apikey.RateLimit{w.limit}, Version: 1}
				next := begin

				end := begin.Add(time.Duration(random.ExpFloat64() * float64(w.life)))
				for {
					next = next.Add(time.Duration(
						random.ExpFloat64() * float64(w.instances) / w.offered * float64(
							time.Second,
						),
					))
					if next.Sub(begin) > w.lasts {
						return
					}

					if w.pulse > 0 && next.Sub(begin)%w.pulse > w.pulse/5 {
						next = begin.Add(next.Sub(begin).Truncate(w.pulse) + w.pulse)
						continue
					}

					// one at a time: what came meanwhile is late, as behind Lambda
					time.Sleep(time.Until(next))

					if w.life > 0 && time.Now().After(end) {
						_ = limiter.Release(t.Context()) // what is lost on the way is lost
						limiter = limit.New(partition, func() time.Time {
							return time.Now().Add(wrong)
						}, random.Float64)
						end = time.Now().Add(time.Duration(random.ExpFloat64() * float64(w.life)))
					}

					answer, err := limiter.Spend(t.Context(), limit.Subject{KeyID: "k"}, policy)
					mu.Lock()

					out.calls++
					switch {
					case err != nil:
						out.failed++
						if time.Since(begin) > w.lasts/2 {
							out.late++
						}
					case answer.Verdict == limit.Admitted:
						out.admitted = append(out.admitted, time.Since(begin))
					}

					mu.Unlock()
				}
			})
		}

		all.Wait()
		out.writes = store.writes
		out.busiest, out.refused = partition.busiest, partition.refused
	})
	slices.Sort(out.admitted)
	return out
}

// bound is the most that may be admitted within a window.
func (w world) bound(window time.Duration) float64 {
	rate := float64(w.limit.Limit) / w.limit.Window.Seconds()
	return float64(w.limit.Burst) + rate*(window+lease+2*w.skew+2*w.latency).Seconds()
}

// excess is by how much the worst of all windows is over the bound; negative where none is. A
// window begins and ends with a call that was admitted. With f(i) = i − rate × at[i], a window from
// i to j is worst where f(j) − f(i) is largest, so one pass finds it.
func (w world) excess(at []time.Duration) float64 {
	rate := float64(w.limit.Limit) / w.limit.Window.Seconds()

	worst, least := math.Inf(-1), math.Inf(1)
	for i, when := range at {
		f := float64(i) - rate*when.Seconds()
		least = min(least, f)
		worst = max(worst, f-least+1)
	}

	return worst - w.bound(0)
}

// utilisation is the part that was admitted of all that could have been.
func (w world) utilisation(r result) float64 {
	rate := float64(w.limit.Limit) / w.limit.Window.Seconds()
	possible := min(float64(w.limit.Burst)+rate*w.lasts.Seconds(), float64(r.calls))
	return float64(len(r.admitted)) / possible
}

// TestNeverMoreThanTheBound lets random worlds run. The bound holds in every window of each.
func TestNeverMoreThanTheBound(t *testing.T) {
	t.Parallel()
	const worlds = 300

	calls, tightest := 0, math.Inf(-1)
	for seed := range uint64(worlds) {
		random := rand.New(rand.NewPCG(seed, 99))
		pick := func(values ...int) int { return values[random.IntN(len(values))] }
		limit := int64(pick(1, 5, 20, 21, 50, 100, 300, 1000))
		w := world{
			limit: apikey.RateLimit{
				Name:   "l",
				Limit:  limit,
				Window: time.Second,
				Burst:  max(1, limit*int64(pick(1, 10, 50, 100, 200, 500))/100),
			},
			instances: 1 + random.IntN(pick(1, 4, 20, 200)),
			lasts:     6 * time.Second,
			seed:      seed,
			skew:      time.Duration(random.IntN(51)) * time.Millisecond,
			latency:   time.Duration(1+random.IntN(40)) * time.Millisecond,
			lost:      float64(pick(0, 0, 0, 5, 50)) / 1000,
		}

		w.pulse = time.Duration(pick(0, 0, 1500, 2500)) * time.Millisecond
		if seed >= 240 {
			w.life = time.Duration(pick(50, 300, 1000)) * time.Millisecond
		}

		w.offered = min(float64(limit)*float64(pick(5, 10, 20, 100))/10, 3000)
		r := w.run(t)
		calls += r.calls
		over := w.excess(r.admitted)

		tightest = max(tightest, over/w.bound(0))
		if w.lost == 0 && r.failed > 0 {
			t.Errorf("%v: %d calls failed, though the store did not", w, r.failed)
		}

		if over > 1e-6 {
			t.Errorf("%v: %.2f over the bound", w, over)
		}
	}

	t.Logf("%d worlds, %d calls; the closest to the bound of a window stayed %.1f%% of the bound "+
		"of an instant below it", worlds, calls, -100*tightest)
}

// TestLimitsAreUsedUp offers enough, to few and many instances.
func TestLimitsAreUsedUp(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		limit apikey.RateLimit
		load  float64
		want  float64
	}{
		{apikey.RateLimit{
			Limit: 10,
			Burst: 10,
		}, 2, 0.95},
		{apikey.RateLimit{
			Limit: 100,
			Burst: 100,
		}, 2, 0.95},
		{apikey.RateLimit{
			Limit: 1000,
			Burst: 1000,
		}, 2, 0.95},
		{apikey.RateLimit{
			Limit: 1000,
			Burst: 100,
		}, 2, 0.95},
		{apikey.RateLimit{
			Limit: 600,
			Burst: 1200,
		}, 2, 0.95},
		{
			apikey.RateLimit{
				Limit: 10,
				Burst: 1,
			},
			50,
			// with nothing to save up, each wait for an answer or for a clock that is late is lost
			0.85,
		},
	} {
		for _, instances := range []int{1, 5, 50, 200} {
			limit := test.limit
			limit.Name = "l"
			limit.Window = time.Second
			w := world{
				limit:     limit,
				instances: instances,
				offered:   test.load * float64(limit.Limit),
				lasts:     20 * time.Second,
				skew:      20 * time.Millisecond,
				latency:   5 * time.Millisecond,
				seed:      7,
			}
			got := w.utilisation(w.run(t))
			t.Logf("%v: utilisation %.3f", w, got)

			if got < test.want {
				t.Errorf("%v: utilisation %.3f", w, got)
			}
		}
	}
}

// TestWritesPerCall shows what a limit of 1,000 a second costs, with BITTING_TEST_TABLES=1 for more
// numbers of instances.
func TestWritesPerCall(t *testing.T) {
	t.Parallel()

	numbers := []int{1, 50}
	if os.Getenv("BITTING_TEST_TABLES") != "" {
		numbers = []int{1, 10, 50, 100, 200}
	}

	for _, instances := range numbers {
		for _, load := range []float64{0.5, 1, 2, 10} {
			w := world{
				limit: apikey.RateLimit{
					Name:   "l",
					Limit:  1000,
					Window: time.Second,
					Burst:  1000,
				},
				instances: instances,
				offered:   1000 * load,
				lasts:     20 * time.Second,
				skew:      20 * time.Millisecond,
				latency:   5 * time.Millisecond,
				seed:      11,
			}
			r := w.run(t)
			writes := float64(r.writes) / float64(r.calls)
			t.Logf("%4d instances, %5.0f/s offered: %.3f writes a call, utilisation %.3f, %.0f "+
				"below the bound of 60 s", instances, w.offered, writes, w.utilisation(r),
				-w.excess(r.admitted))

			most := 0.2
			if instances == 1 {
				most = 0.01
			}

			if load == 2 && instances <= 100 && writes > most {
				t.Errorf("%v: %.3f writes a call", w, writes)
			}
		}
	}
}

// TestOneKeyAtTenThousandCalls calls one key 10,000 times a second. Its limits are in one row, so in
// one partition, which takes 1,000 writes a second: whatever the limit, and however many instances
// there are, it is not exceeded, and what is asked of the row stays below that or is refused safely.
func TestOneKeyAtTenThousandCalls(t *testing.T) {
	t.Parallel()

	for _, limit := range []int64{1000, 5000, 20_000, 50_000} {
		for _, instances := range []int{100, 400} {
			w := world{
				limit: apikey.RateLimit{
					Name: "l", Limit: limit, Window: time.Second, Burst: limit,
				},
				instances: instances,
				offered:   10_000,
				lasts:     20 * time.Second,
				skew:      20 * time.Millisecond,
				latency:   5 * time.Millisecond,
				partition: true,
				seed:      13,
			}
			r := w.run(t)
			t.Logf("limit %5d, %3d instances: %.3f writes a call, %d in the busiest second, %d "+
				"refused, %d of %d calls failed, %d of them later, utilisation %.3f", limit, instances,
				float64(r.writes)/float64(r.calls), r.busiest, r.refused, r.failed, r.calls, r.late,
				w.utilisation(r))

			// in the first seconds, in which all begin at once, and afterwards
			if r.refused > 4000 || r.late*50 > r.calls {
				t.Errorf("%v: %d requests refused, %d calls failed later", w, r.refused, r.late)
			}

			if over := w.excess(r.admitted); over > 1e-6 {
				t.Errorf("%v: %.2f over the bound", w, over)
			}
		}
	}
}
