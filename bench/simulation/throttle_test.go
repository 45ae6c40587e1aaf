package simulation_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/authorizer"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/limit"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
	"github.com/bitting-keys/bitting/pkg/usage"
)

// instance is one authorizer with what it remembers.
type instance struct {
	*authorizer.Authorizer
	*storetest.Process

	checker  *check.Checker
	recorder *usage.Recorder
}

// remember makes it remember keys, as in the profile fast.
func (i *instance) remember(now func() time.Time) {
	began := now()
	i.checker.Memory = check.NewMemory(now, func() time.Duration { return now().Sub(began) })
}

// start returns an instance as it is after a cold start.
func start(kit *storetest.Kit, name string) *instance {
	p := kit.Restart()
	recorder := usage.NewRecorder(p.Hot, name, kit.Clock.Now, kit.Log.Logger())

	checker := &check.Checker{
		Brand:        storetest.Brand,
		Environments: []apikey.Environment{apikey.Production},
		Keys:         p.Store,
		FirstUses:    p.Hot,
		Peppers:      p.Keyring,
		Catalogue: check.NewCatalogue(p.Store.CatalogueReader(apikey.Production),
			kit.Clock.Now),
		Settings: check.NewSettingsCache(p.Store, kit.Clock.Now),
		Imports:  check.NewImports(p.Store, kit.Clock.Now),
		Now:      kit.Clock.Now,
		Limits: limit.Keys{
			Limiter: limit.New(p.Hot, kit.Clock.Now, func() float64 { return 0.5 }),
		},
	}

	return &instance{
		checker:  checker,
		Process:  p,
		recorder: recorder,
		Authorizer: authorizer.New(authorizer.Config{
			Checker:   checker,
			API:       "demo",
			FirstUses: usage.NewFirstUses(p.Hot, kit.Log.Logger()),
			Recorder:  recorder,
			Logger:    kit.Log.Logger(),
		}),
	}
}

// deployment returns tables with a catalogue of GET /messages.
func deployment(t *testing.T) *storetest.Kit {
	t.Helper()

	kit := storetest.New(t)
	kit.MustCatalogue(t, permission.Permission{
		Name:   "messages:read",
		Title:  "Read",
		Routes: []permission.Route{{API: "demo", Method: "GET", Path: "/messages"}},
	})

	return kit
}

// A table that throttles for a minute makes calls 503, and nothing else: no wrong answer, no call
// that was allowed and is never counted, no limit that is exceeded; and the first call after it is
// answered as the first before it.
func TestTableThrottlesForAMinute(t *testing.T) {
	t.Parallel()

	const (
		before, during, after = 20 * time.Second, time.Minute, 30 * time.Second
		step                  = 200 * time.Millisecond
	)

	for name, test := range map[string]struct {
		part  float64 // of the requests
		table string  // "" for both
		// at least so many of the answers of the minute are 503, and at most
		least, most float64
	}{
		"both tables":         {1, "", 1, 1},
		"half of the calls":   {0.5, "", 0, 0.5},
		"the table hot alone": {1, "Hot", 0.3, 0.6}, // all calls of the key with a limit
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			kit := deployment(t)
			free, freeSecret := kit.MustKey(t, nil)
			limited, limitedSecret := kit.MustKey(t, func(k *apikey.Key) {
				k.RateLimits = []apikey.RateLimit{{
					Name: "second", Limit: 4, Window: time.Second, Burst: 4,
				}}
			})
			wrong, _ := kit.Mint(t, apikey.Production, free.ID)
			fleet := []*instance{start(kit, "one"), start(kit, "two")}
			random := &chance{random: rand.New(rand.NewPCG(1, 2))}

			type tally map[int]int

			allowed, answers := map[string]int64{}, map[string]tally{}
			begin := kit.Clock.Now()

			for n := 0; ; n++ {
				at := kit.Clock.Now().Sub(begin)
				if at >= before+during+after {
					break
				}

				phase := "before"

				switch {
				case at >= before+during:
					phase = "after"
				case at >= before:
					phase = "during"
				}

				one := fleet[n%len(fleet)]
				one.Traffic.Reset()
				one.Traffic.Inject(nil)

				if phase == "during" {
					one.Traffic.Inject(func(r storetest.Request) storetest.Fault {
						if test.table != "" && !strings.Contains(string(r.Body), kit.HotTable) ||
							!random.below(test.part) {
							return storetest.None
						}

						return storetest.Throttled
					})
				}

				for _, k := range []struct {
					id, secret string
					right      int
				}{
					{free.ID, freeSecret.Reveal(), 200},
					{limited.ID, limitedSecret.Reveal(), 200},
					{"wrong", wrong.Reveal(), 401},
				} {
					got := status(t, one.Authorizer, k.secret, fmt.Sprint(n, k.id))

					if answers[phase] == nil {
						answers[phase] = tally{}
					}

					answers[phase][got]++

					switch {
					case got == 200 && k.right == 200:
						allowed[k.id]++
					case got == 503 && phase == "during", got == 429 && k.id == limited.ID:
					case got != k.right:
						t.Errorf("%s, %v: %s got %d", phase, at, k.id, got)
					}
				}

				_ = one.recorder.FlushDue(t.Context()) // it fails at times, and is tried again
				kit.Clock.Advance(step)
			}

			share := float64(answers["during"][503]) /
				float64(answers["during"][503]+answers["during"][200]+answers["during"][401]+
					answers["during"][429])
			t.Logf("%v; %.2f of the minute's were 503", answers, share)

			if share < test.least || share > test.most {
				t.Errorf("%.2f of the minute's answers are 503, want %.2f to %.2f", share, test.least,
					test.most)
			}

			for _, one := range fleet {
				if err := one.recorder.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}

			for id, want := range allowed {
				counts, err := kit.Hot.Usage(t.Context(), usage.KeyScope(apikey.Production, id),
					begin.Truncate(time.Hour), begin.Add(2*time.Hour))
				if err != nil {
					t.Fatal(err)
				}

				var got int64

				for _, hour := range counts {
					for cell, n := range hour.Cells {
						if cell.Outcome == check.Allowed {
							got += n
						}
					}
				}

				if got != want {
					t.Errorf("%d calls of %s are counted, and %d were allowed", got, id, want)
				}
			}

			// 4 a second and a burst of 4, with a lease and the clock's step more
			most := 4 + 4*(before+during+after+2*time.Second).Seconds()
			if got := allowed[limited.ID]; float64(got) > most {
				t.Errorf("%d calls of the limited key, and at most %.0f are admitted", got, most)
			}
		})
	}
}

// chance is random, for several requests at once.
type chance struct {
	mu     sync.Mutex
	random *rand.Rand
}

func (c *chance) below(part float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.random.Float64() < part
}
