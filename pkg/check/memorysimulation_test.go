package check_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/organization"
	"github.com/bitting-keys/bitting/pkg/pepper"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// fleet is a simulated deployment in the profile fast, in virtual time: instances with clocks and
// memories of their own check one key, which is revoked and restored, over a store that is late.
type fleet struct {
	name      string
	instances int
	skew      time.Duration // a clock is wrong by at most this
	latency   time.Duration // a request to the store, or its answer, takes at most this
	slow      float64       // this part of the reads takes up to a hundred times as long
	lost      float64       // this part is never answered
	write     time.Duration // the write of a change takes at most this, each way
	patience  time.Duration // a caller waits at most this; 0: for ever
	pause     time.Duration // between two calls of one of an instance's callers, at most; 0: 200 ms
	// about each of these, an instance is frozen for up to three times as long; 0: never
	freezes time.Duration
	// about each of these, an instance's clock is set by up to this much, forth or back; 0: never
	jumps time.Duration
}

// fleetLasts is how long a fleet is watched.
const fleetLasts = 100 * time.Second

// change is a change of the key: it begins, is answered, and had happened at some time in between.
type change struct {
	begun, answered time.Time
	revokes         bool
	effectiveBy     time.Time // in true time, by a clock that is right
}

// checked is a check: when it began and ended, and what came of it.
type checked struct {
	begun, ended time.Time
	outcome      check.Outcome
}

// shared is what the instances of a fleet share.
type shared struct {
	fleet

	key    *apikey.Key
	secret apikey.Secret
	pepper *pepper.Pepper

	mu      sync.Mutex
	random  *rand.Rand
	row     *apikey.Key // as it is stored
	reads   int
	checks  []checked
	changes []change
}

func (s *shared) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// up returns a random time up to d.
func (s *shared) up(d time.Duration) (random time.Duration) {
	s.locked(func() { random = time.Duration(s.random.Float64() * float64(d)) })
	return random
}

func (s *shared) chance(p float64) (hit bool) {
	s.locked(func() { hit = s.random.Float64() < p })
	return hit
}

// Version and Current implement check.Peppers.
func (s *shared) Version(context.Context, apikey.Environment, int) (*pepper.Pepper, error) {
	return s.pepper, nil
}

func (s *shared) Current(context.Context, apikey.Environment) (*pepper.Pepper, error) {
	return s.pepper, nil
}

// RuntimeSettings implements check.SettingsSource.
func (s *shared) RuntimeSettings(
	context.Context, apikey.Environment, string,
) (*organization.RuntimeSettings, error) {
	return &organization.RuntimeSettings{}, nil
}

// instance is one process. It implements check.Keys.
type instance struct {
	*shared

	wrong  time.Duration // by how much its clock is
	born   time.Time
	frozen time.Duration // in all, which its running clock does not see
	thawed chan struct{} // closed while it is not frozen
}

// now is its clock.
func (i *instance) now() (now time.Time) {
	i.locked(func() { now = time.Now().Add(i.wrong) })
	return now
}

func (i *instance) running() (running time.Duration) {
	i.locked(func() { running = time.Since(i.born) - i.frozen })
	return running
}

// awake waits while the instance is frozen.
func (i *instance) awake() {
	for {
		var thawed chan struct{}
		i.locked(func() { thawed = i.thawed })
		<-thawed

		var still bool
		i.locked(func() { still = thawed == i.thawed })

		if still {
			return
		}
	}
}

func (i *instance) Claims(context.Context, apikey.Environment, string) ([]string, error) {
	return nil, nil
}

// Key implements check.Keys.
func (i *instance) Key(
	ctx context.Context, _ apikey.Environment, _ string,
) (k *apikey.Key, err error) {
	defer i.awake()

	latency := i.latency
	if i.chance(i.slow) {
		latency *= 100
	}

	way := func() error {
		if i.chance(i.lost) {
			<-ctx.Done()
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(i.up(latency)):
			return nil
		}
	}
	if err := way(); err != nil {
		return nil, err
	}

	i.locked(func() {
		k = i.row
		i.reads++
	})
	return k, way()
}

// freeze freezes the instance now and then, until end.
func (i *instance) freeze(end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(i.up(2 * i.freezes))

		thawed := make(chan struct{})
		i.locked(func() { i.thawed = thawed })

		long := i.up(3 * i.freezes)
		time.Sleep(long)
		i.locked(func() { i.frozen += long })
		close(thawed)
	}
}

// jump sets the clock now and then, until end.
func (i *instance) jump(end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(i.up(2 * i.jumps))

		by := i.up(2*i.jumps) - i.jumps
		i.locked(func() { i.wrong += by })
	}
}

// check checks the key now and then, until end.
func (i *instance) check(c *check.Checker, end time.Time) {
	for time.Now().Before(end) {
		time.Sleep(i.up(cmp.Or(i.pause, 200*time.Millisecond)))
		i.awake()

		begun := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(i.patience, time.Hour))
		v := c.Check(ctx, sent(i.secret.Reveal()), read)

		cancel()
		i.locked(func() {
			i.checks = append(i.checks, checked{begun, time.Now(), v.Outcome})
		})
	}
}

// admin revokes and restores the key in turn, until end.
func (s *shared) admin(end time.Time) {
	for revokes := true; time.Now().Before(end); revokes = !revokes {
		time.Sleep(5*time.Second + s.up(10*time.Second))

		c := change{
			begun:       time.Now(),
			revokes:     revokes,
			effectiveBy: time.Now().Add(check.FastWithin),
		}
		time.Sleep(s.up(s.write))
		s.locked(func() {
			after := s.row.Clone()
			after.Version++

			after.Revocation = nil
			if revokes {
				after.Revocation = &apikey.Revocation{At: time.Now()}
			}

			s.row = after
		})
		time.Sleep(s.up(s.write))

		c.answered = time.Now()
		s.locked(func() { s.changes = append(s.changes, c) })
	}
}

// run lets the fleet run.
func (s *shared) run(t *testing.T) {
	t.Helper()

	end := time.Now().Add(fleetLasts)
	var all sync.WaitGroup
	all.Go(func() { s.admin(end) })

	for range s.instances {
		i := &instance{
			shared: s,
			wrong:  s.up(2*s.skew) - s.skew,
			born:   time.Now(),
			thawed: make(chan struct{}),
		}
		close(i.thawed)

		c := &check.Checker{
			Brand:        storetest.Brand,
			Environments: []apikey.Environment{apikey.Production},
			Keys:         i,
			Memory:       check.NewMemory(i.now, i.running),
			Peppers:      s,
			Catalogue: check.NewCatalogue(func(context.Context) ([]permission.Permission, int64, error) {
				return catalogue(), 1, nil
			}, i.now),
			Settings: check.NewSettingsCache(s, i.now),
			Now:      i.now,
		}

		for range 2 {
			all.Go(func() { i.check(c, end) })
		}

		if s.freezes > 0 {
			all.Go(func() { i.freeze(end) })
		}

		if s.jumps > 0 {
			all.Go(func() { i.jump(end) })
		}
	}

	all.Wait()
	time.Sleep(time.Minute) // nobody waits for the last reads
}

// judge says what came of the promise: who is told of a revocation finds the key refused within
// FastWithin, and by effectiveBy; who is told that it was restored finds it working.
func (s *shared) judge(t *testing.T) {
	t.Helper()
	s.mu.Lock() // the last reads are over, but nobody waited for them
	defer s.mu.Unlock()

	var late time.Duration // the latest call let through after a revocation was answered
	allowed, faults := 0, 0

	for _, c := range s.checks {
		switch c.outcome {
		case check.Allowed:
			allowed++
		case check.Inactive:
		case check.Unavailable:
			faults++
		default:
			t.Fatalf("a check came to %s", c.outcome)
		}

		// the last change that was answered before the check, if it was the last until its end
		for n, change := range s.changes {
			over := n+1 < len(s.changes) && !c.ended.Before(s.changes[n+1].begun)
			if over || !c.begun.After(change.answered) {
				continue
			}

			since := c.begun.Sub(change.answered)
			switch {
			case change.revokes && c.outcome == check.Allowed:
				late = max(late, since)
				if since >= check.FastWithin || c.begun.After(change.effectiveBy) {
					t.Errorf("let through %v after the revocation was answered, %v after effectiveBy",
						since, c.begun.Sub(change.effectiveBy))
				}
			case !change.revokes && c.outcome == check.Inactive:
				t.Errorf("refused %v after it was restored", since)
			}
		}
	}

	t.Logf("%d checks, %d allowed, %d without an answer, %d reads; the latest was let through %v "+
		"after the answer to the revocation",
		len(s.checks), allowed, faults, s.reads, late.Round(time.Millisecond))

	if late < time.Second || allowed < len(s.checks)/10 || s.reads > len(s.checks)*3/4 {
		t.Error("the memory was hardly used: this shows nothing")
	}
}

// Whatever the clocks of many instances show, however late the store is, and whoever is frozen in
// the middle of what: who is told that a key is revoked finds it refused within five seconds.
func TestFastKeepsItsPromise(t *testing.T) {
	t.Parallel()

	kit := storetest.New(t)
	k := kit.Key(t)
	secret, issued := kit.Mint(t, apikey.Production, k.ID)
	k.Secret, k.Hint = issued.Verifier, issued.Hint

	p, err := kit.Keyring.Current(t.Context(), apikey.Production)
	if err != nil {
		t.Fatal(err)
	}

	if check.FastWithin > 5*time.Second {
		t.Errorf("the profile fast promises %v", check.FastWithin)
	}

	const ms = time.Millisecond
	for _, f := range []fleet{
		{name: "usual", latency: 20 * ms, write: 50 * ms, skew: 100 * ms},
		{name: "slow", latency: 60 * ms, slow: 0.3, write: 490 * ms, skew: time.Hour},
		{name: "losses", latency: 60 * ms, slow: 0.1, lost: 0.05, write: 490 * ms, patience: time.Second},
		{name: "impatient", latency: 60 * ms, slow: 0.3, write: 490 * ms, patience: 40 * ms},
		{
			name: "frozen", latency: 60 * ms, slow: 0.2, write: 490 * ms, skew: time.Hour,
			patience: 500 * ms, freezes: 3 * time.Second,
		},
		{
			name: "clocks are set between few calls", latency: 20 * ms, write: 490 * ms,
			jumps: 3 * time.Second, pause: 3 * time.Second,
		},
		{name: "clocks are set", latency: 60 * ms, slow: 0.1, write: 490 * ms, jumps: 3 * time.Second},
	} {
		f.instances = 6

		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s, %d", f.name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &shared{
						fleet:  f,
						key:    k,
						secret: secret,
						pepper: p,
						random: rand.New(rand.NewPCG(seed, 1)),
						row:    k,
					}
					s.run(t)
					s.judge(t)
				})
			})
		}
	}
}
