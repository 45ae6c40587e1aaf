package check_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
	"github.com/bitting-keys/bitting/pkg/permission"
	"github.com/bitting-keys/bitting/pkg/store/storetest"
)

// source is a stored catalogue that counts its readings and can fail or wait.
type source struct {
	mu      sync.Mutex
	version int64
	err     error
	reads   atomic.Int64
	began   chan struct{} // one for each reading
	gate    chan struct{} // nil: no reading waits
}

func newSource() *source { return &source{version: 1, began: make(chan struct{}, 100)} }

func (s *source) read(ctx context.Context) ([]permission.Permission, int64, error) {
	s.reads.Add(1)
	s.mu.Lock()
	version := s.version
	err := s.err
	gate := s.gate
	s.mu.Unlock()
	s.began <- struct{}{}

	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}

	permissions := catalogue()
	if version == 1 {
		permissions = permissions[:1]
	}

	return permissions, version, err
}

// set changes what readings from now on find.
func (s *source) set(version int64, err error, gate chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
	s.err = err
	s.gate = gate
}

// finished waits until a reading that nobody waits for has ended: the catalogue of the version is
// at hand.
func finished(t *testing.T, c *check.Catalogue, permissions int) {
	t.Helper()

	for t.Context().Err() == nil {
		if current, err := c.Current(t.Context()); err == nil &&
			len(current.DataPlane()) == permissions {
			return
		}

		time.Sleep(time.Millisecond)
	}
}

func size(t *testing.T, c *check.Catalogue) int {
	t.Helper()

	current, err := c.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return len(current.DataPlane())
}

func TestCatalogueIsReadEveryFiveSeconds(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))

	c := check.NewCatalogue(s.read, clock.Now)
	if s.reads.Load() != 0 {
		t.Error("it was read before it was needed")
	}

	first, err := c.Current(t.Context())
	if err != nil || s.reads.Load() != 1 {
		t.Fatal(err, s.reads.Load())
	}

	<-s.began
	s.set(2, nil, nil)
	clock.Advance(5*time.Second - 1)

	if again, err := c.Current(t.Context()); err != nil || again != first || s.reads.Load() != 1 {
		t.Errorf("within 5 s: %d reads, %v", s.reads.Load(), err)
	}

	clock.Advance(1)

	if again, err := c.Current(t.Context()); err != nil || again != first {
		t.Errorf("who finds it 5 s old does not wait: %v", err)
	}

	<-s.began
	finished(t, c, 4)

	if got := s.reads.Load(); got != 2 {
		t.Errorf("%d reads", got)
	}

	// The same version is not compiled again: its pointer identifies the policies made of it.
	second, _ := c.Current(t.Context())
	clock.Advance(20 * time.Second)

	if third, err := c.Current(t.Context()); err != nil || third != second || s.reads.Load() != 3 {
		t.Errorf("the same version: %d reads, %v", s.reads.Load(), err)
	}
}

func TestCatalogueOlderThanTenSecondsIsNotUsed(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))

	c := check.NewCatalogue(s.read, clock.Now)
	if got := size(t, c); got != 1 {
		t.Fatal(got)
	}

	down := errors.New("down")
	s.set(2, down, nil)
	clock.Advance(10*time.Second - 1)

	if got := size(t, c); got != 1 {
		t.Errorf("%d permissions while it cannot be read", got)
	}

	clock.Advance(1)

	if current, err := c.Current(t.Context()); !errors.Is(err, down) || current != nil {
		t.Errorf("after 10 s: %v, %v", current, err)
	}

	s.set(2, nil, nil)

	if got := size(t, c); got != 4 {
		t.Errorf("%d permissions when it can be read again", got)
	}
}

// Where the clock is set back, what was read seems young until it has caught up. It is read again
// instead, and not used where that fails.
func TestCatalogueIsReadAgainWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ before, back time.Duration }{
		"by an hour, before it was read":  {0, time.Hour},
		"by a second, before it was read": {0, time.Second},
		"to when it was read":             {4 * time.Second, 4 * time.Second},
		"to after it was read":            {4 * time.Second, time.Second},
	} {
		clock, s := &storetest.Clock{}, newSource()
		clock.Set(time.Unix(1_800_000_000, 0))
		c := check.NewCatalogue(s.read, clock.Now)
		size(t, c)
		clock.Advance(test.before)
		size(t, c)
		clock.Advance(-test.back)
		s.set(2, nil, nil)

		if got := size(t, c); got != 4 || s.reads.Load() != 2 {
			t.Errorf("%s: a catalogue of %d permissions after %d readings", name, got,
				s.reads.Load())
		}

		size(t, c)

		if s.reads.Load() != 2 {
			t.Errorf("%s: read again", name)
		}

		clock.Advance(-time.Millisecond)
		s.set(2, errors.New("down"), nil)

		if _, err := c.Current(t.Context()); err == nil {
			t.Errorf("%s: of an age that nobody knows, and used", name)
		}
	}
}

// A reading that began before the clock was set back says nothing of how old its value is.
func TestCatalogueWhenTheClockGoesBackDuringAReading(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))
	c := check.NewCatalogue(s.read, clock.Now)
	gate := make(chan struct{})
	s.set(1, nil, gate)

	got := make(chan int)
	go func() { got <- size(t, c) }()
	<-s.began
	clock.Advance(-time.Hour)
	s.set(2, nil, nil)
	close(gate)

	if n := <-got; n != 4 || s.reads.Load() != 2 {
		t.Errorf("a catalogue of %d permissions after %d readings", n, s.reads.Load())
	}
}

// A change during a reading counts as unread: the age is that of the beginning.
func TestCatalogueIsAsOldAsTheBeginningOfItsReading(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))
	gate := make(chan struct{})
	s.set(1, nil, gate)
	c := check.NewCatalogue(s.read, clock.Now)

	done := make(chan error)
	go func() {
		_, err := c.Current(t.Context())
		done <- err
	}()
	<-s.began
	clock.Advance(7 * time.Second)
	close(gate)

	if err := <-done; err != nil {
		t.Fatal(err)
	}

	s.set(2, nil, nil)
	clock.Advance(3 * time.Second)

	if got := size(t, c); got != 4 {
		t.Errorf("a catalogue that was asked for 10 s ago has %d permissions", got)
	}
}

func TestCatalogueIsReadByOneAtATime(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))
	c := check.NewCatalogue(s.read, clock.Now)
	many := func() {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := c.Current(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}

		all.Wait()
	}
	many()

	if got := s.reads.Load(); got != 1 {
		t.Errorf("%d reads by fifty who had none", got)
	}

	<-s.began
	gate := make(chan struct{})
	s.set(2, nil, gate)
	clock.Advance(6 * time.Second)
	many() // nobody waits for the reading that the first of them began
	<-s.began
	many()

	if got := s.reads.Load(); got != 2 {
		t.Errorf("%d reads by fifty who had an old one", got)
	}

	close(gate)
	finished(t, c, 4)
}

// Who gives up does not end the reading for the others, and a reading that hangs ends by itself.
func TestCatalogueReadingIsNobodysOwn(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))

	c := check.NewCatalogue(s.read, clock.Now)
	if got := size(t, c); got != 1 {
		t.Fatal(got)
	}

	<-s.began
	gate := make(chan struct{})
	s.set(2, nil, gate)
	clock.Advance(6 * time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.Current(ctx); err != nil {
		t.Fatal(err)
	}

	<-s.began
	cancel()
	time.Sleep(10 * time.Millisecond) // for a reading that heeds it to end
	close(gate)
	finished(t, c, 4)

	if got := s.reads.Load(); got != 2 {
		t.Errorf("%d reads: the second ended with who began it", got)
	}

	s.set(3, nil, make(chan struct{})) // never opened
	clock.Advance(20 * time.Second)

	if current, err := c.Current(t.Context()); !errors.Is(err, context.DeadlineExceeded) ||
		current != nil {
		t.Errorf("a reading that hangs: %v, %v", current, err)
	}
}

// A reading that was under way when the process was stopped, as Lambda stops one between calls,
// tells of then and not of now.
func TestReadingThatWasHeldUp(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	clock.Set(time.Unix(1_800_000_000, 0))
	gate := make(chan struct{})
	s.set(1, nil, gate)
	c := check.NewCatalogue(s.read, clock.Now)

	done := make(chan error)
	go func() {
		current, err := c.Current(t.Context())
		if err == nil && len(current.DataPlane()) != 4 {
			err = errors.New("it is the old one")
		}

		done <- err
	}()
	<-s.began
	s.set(2, nil, nil)
	clock.Advance(10 * time.Second)
	close(gate)

	if err := <-done; err != nil || s.reads.Load() != 2 {
		t.Errorf("%v after %d reads", err, s.reads.Load())
	}
}

// Who waits gives up with their own call, or when the reading ends, which it does within a second
// however many wait.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	clock, s := &storetest.Clock{}, newSource()
	s.set(1, nil, make(chan struct{})) // never opened
	c := check.NewCatalogue(s.read, clock.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err := c.Current(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Current(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}

	all.Wait()

	if got := s.reads.Load(); got != 1 {
		t.Errorf("%d reads for 20 who waited for the first", got)
	}
}

func TestCatalogueThatIsNotValidIsUnavailable(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, nil)
	kit.MustCatalogue(t, permission.Permission{Name: "not a name"})

	if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.Unavailable ||
		v.Err == nil {
		t.Errorf("%s %v", v.Outcome, v.Err)
	}
}

// A deployment without a catalogue has no routes: every key is refused, and nothing fails.
func TestNoCatalogue(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)
	_, secret := kit.MustKey(t, func(k *apikey.Key) { k.AllPermissions = true })
	kit.Remove(t, "catalogue", "catalogue")

	if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.PermissionDenied {
		t.Errorf("%s %v", v.Outcome, v.Err)
	}
}

func TestCatalogueChangeActsWithinTenSeconds(t *testing.T) {
	t.Parallel()
	kit, c := setup(t, apikey.Production)

	_, secret := kit.MustKey(t, nil)
	if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.Allowed {
		t.Fatal(v.Outcome, v.Err)
	}

	kit.MustCatalogue(t, catalogue()[1:]...) // without messages:read
	kit.Clock.Advance(10 * time.Second)

	if v := c.Check(t.Context(), sent(secret.Reveal()), read); v.Outcome != check.PermissionDenied {
		t.Errorf("%s %v", v.Outcome, v.Err)
	}
}
