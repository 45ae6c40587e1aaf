package pepper_test

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

// deployment is what processes share.
type deployment struct {
	rows     *rows
	provider *provider
	clock    *clock
}

func deploy(t testing.TB) *deployment {
	t.Helper()

	local, err := pepper.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	return &deployment{newRows(), watch(local), newClock()}
}

// process returns a process that has loaded nothing yet.
func (d *deployment) process() *pepper.Keyring {
	return pepper.NewKeyring(d.rows, d.provider, d.clock.Now)
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()

		if err != nil {
			t.Fatal(err)
		}

		return value
	}
}

var parts = apikey.Parts{
	Environment: apikey.Production,
	KeyID:       "7Qm2Xb0aVd91KtZs",
	Random:      "0123456789abcdefghijABCDEFGHIJKL",
}

func TestEveryProcessHasTheSamePeppers(t *testing.T) {
	t.Parallel()
	d := deploy(t)

	want := must[*pepper.Pepper](t)(d.process().Ensure(t.Context(), apikey.Production)).Hash(parts)
	for name, get := range map[string]func(*pepper.Keyring) (*pepper.Pepper, error){
		"current": func(k *pepper.Keyring) (*pepper.Pepper, error) {
			return k.Current(t.Context(), apikey.Production)
		},
		"version": func(k *pepper.Keyring) (*pepper.Pepper, error) {
			return k.Version(t.Context(), apikey.Production, 1)
		},
		"ensure": func(k *pepper.Keyring) (*pepper.Pepper, error) {
			return k.Ensure(t.Context(), apikey.Production)
		},
	} {
		if got := must[*pepper.Pepper](t)(get(d.process())).Hash(parts); !bytes.Equal(got, want) {
			t.Errorf("%s: another pepper", name)
		}
	}

	if got := must[*pepper.Pepper](t)(d.process().Ensure(t.Context(),
		apikey.Staging)).Hash(parts); bytes.Equal(got, want) {
		t.Error("staging has production's pepper")
	}
}

func TestEveryDeploymentHasItsOwnPepper(t *testing.T) {
	t.Parallel()
	one := must[*pepper.Pepper](t)(deploy(t).process().Ensure(t.Context(), apikey.Production))

	other := must[*pepper.Pepper](t)(deploy(t).process().Ensure(t.Context(), apikey.Production))
	if bytes.Equal(one.Hash(parts), other.Hash(parts)) {
		t.Error("two deployments have the same pepper")
	}
}

func TestNoPepperIsNotFound(t *testing.T) {
	t.Parallel()

	k := deploy(t).process()
	if p, err := k.Current(t.Context(), apikey.Production); p != nil ||
		!errors.Is(err, pepper.ErrNotFound) {
		t.Errorf("Current: %v, %v", p, err)
	}

	if p, err := k.Version(t.Context(), apikey.Production, 1); p != nil ||
		!errors.Is(err, pepper.ErrNotFound) {
		t.Errorf("Version: %v, %v", p, err)
	}
}

func TestUnwrapsOncePerProcess(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	must[*pepper.Pepper](t)(d.process().Ensure(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(d.process().Add(t.Context(), apikey.Production))

	scopes := []pepper.Scope{{
		Environment: apikey.Production,
		Version:     1,
	}, {
		Environment: apikey.Production,
		Version:     2,
	}}
	for name, ask := range map[string]func(k *pepper.Keyring, i int) error{
		"current": func(k *pepper.Keyring, _ int) error {
			_, err := k.Current(t.Context(), apikey.Production)
			return err
		},
		"version": func(k *pepper.Keyring, i int) error {
			_, err := k.Version(t.Context(), apikey.Production, 1+i%2)
			return err
		},
	} {
		before := []int{d.provider.count(scopes[0]), d.provider.count(scopes[1])}
		reads, k := d.rows.count(), d.process()
		together(t, d, 60, func(i int) error { return ask(k, i) })

		if got := d.rows.count() - reads; got != 1 {
			t.Errorf("%s: the rows were read %d times", name, got)
		}

		d.clock.advance(time.Hour) // then they are read again, but not unwrapped

		for i := range 2 {
			if err := ask(k, i); err != nil {
				t.Error(err)
			}
		}

		must[*pepper.Pepper](t)(k.Current(t.Context(), apikey.Production))

		if got := d.rows.count() - reads; got != 2 {
			t.Errorf("%s: the rows were read %d times after an hour", name, got)
		}

		for i, scope := range scopes {
			if got := d.provider.count(scope) - before[i]; got != 1 {
				t.Errorf("%s: version %d was unwrapped %d times", name, scope.Version, got)
			}
		}
	}
}

// together calls do n times at once. The keyring reads the clock when it has not found a version.
// The calls meet there, so that all of them see it missing before the first can read it.
func together(t *testing.T, d *deployment, n int, do func(i int) error) {
	t.Helper()
	d.clock.meet(n)

	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := do(i); err != nil {
				t.Error(err)
			}
		})
	}

	all.Wait()
}

func TestCurrentIsReadAgainAfterAMinute(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	reader, writer := d.process(), d.process()
	must[*pepper.Pepper](t)(reader.Ensure(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(writer.Add(t.Context(), apikey.Production))

	if got := must[*pepper.Pepper](t)(writer.Current(t.Context(),
		apikey.Production)).Version(); got != 2 {
		t.Errorf("the process that made version 2 still uses %d", got)
	}

	reads := d.rows.count()
	d.clock.advance(time.Minute - 1)

	if got := must[*pepper.Pepper](t)(reader.Current(t.Context(),
		apikey.Production)).Version(); got != 1 || d.rows.count() != reads {
		t.Errorf("version %d after %d reads", got, d.rows.count()-reads)
	}

	d.clock.advance(1)

	if got := must[*pepper.Pepper](t)(reader.Current(t.Context(),
		apikey.Production)).Version(); got != 2 || d.rows.count() != reads+1 {
		t.Errorf("version %d after %d reads", got, d.rows.count()-reads)
	}
}

// The age of what was read at a future time is unknown.
func TestCurrentIsReadAgainWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	reader := d.process()
	must[*pepper.Pepper](t)(reader.Ensure(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(d.process().Add(t.Context(), apikey.Production))
	d.clock.advance(-time.Second)

	if got := must[*pepper.Pepper](t)(reader.Current(t.Context(),
		apikey.Production)).Version(); got != 2 {
		t.Errorf("version %d", got)
	}
}

// A version that a process does not know is read at once, even just after it has read the others.
func TestNewVersionIsReadAtOnce(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	reader := d.process()
	must[*pepper.Pepper](t)(reader.Ensure(t.Context(), apikey.Production))
	made := must[*pepper.Pepper](t)(d.process().Add(t.Context(), apikey.Production))

	got := must[*pepper.Pepper](t)(reader.Version(t.Context(), apikey.Production, 2))
	if !bytes.Equal(got.Hash(parts), made.Hash(parts)) {
		t.Error("the reader has another version 2")
	}

	old := must[*pepper.Pepper](t)(reader.Version(t.Context(), apikey.Production, 1))
	if bytes.Equal(got.Hash(parts), old.Hash(parts)) {
		t.Error("version 2 is version 1")
	}
}

func TestMissingVersionIsNotReadForASecond(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))

	ask := func() int {
		reads := d.rows.count()
		together(t, d, 20, func(int) error {
			if _, err := k.Version(t.Context(),
				apikey.Production, 7); !errors.Is(err, pepper.ErrNotFound) {
				return fmt.Errorf("a missing version: %w", err)
			}

			return nil
		})
		return d.rows.count() - reads
	}
	if got := ask(); got != 1 {
		t.Errorf("%d reads for twenty questions", got)
	}

	d.clock.advance(time.Second - 1)

	if got := ask(); got != 0 {
		t.Errorf("%d reads within a second", got)
	}

	d.clock.advance(1)

	if got := ask(); got != 1 {
		t.Errorf("%d reads after a second", got)
	}
}

// Damaged rows may name any version: the memory of missing versions is bounded, and never
// displaces existing ones.
func TestMissingVersionsAreBounded(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))

	for version := 2; version < 500; version++ {
		if _, err := k.Version(t.Context(),
			apikey.Production, version); !errors.Is(err, pepper.ErrNotFound) {
			t.Fatal(err)
		}
	}

	for _, version := range []int{0, -1} {
		if _, err := k.Version(t.Context(),
			apikey.Production, version); !errors.Is(err, pepper.ErrNotFound) {
			t.Errorf("version %d: %v", version, err)
		}
	}

	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 1))
}

// A process that makes a version can use it, even if it was found missing a moment before.
func TestAddFindsWhatWasMissing(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))

	if _, err := k.Version(t.Context(), apikey.Production, 2); !errors.Is(err, pepper.ErrNotFound) {
		t.Fatal(err)
	}

	if got := must[*pepper.Pepper](t)(k.Add(t.Context(), apikey.Production)).Version(); got != 2 {
		t.Errorf("version %d", got)
	}

	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 2))
}

func TestEnsureMakesOnePepper(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	hashes := make([][]byte, 20)

	var all sync.WaitGroup
	for i := range hashes {
		all.Go(func() {
			p, err := d.process().Ensure(t.Context(), apikey.Production)
			if err != nil {
				t.Error(err)
				return
			}

			hashes[i] = p.Hash(parts)
		})
	}

	all.Wait()

	for i, hash := range hashes {
		if !bytes.Equal(hash, hashes[0]) {
			t.Errorf("process %d has another pepper than process 0", i)
		}
	}
}

func TestAddOfTwoProcesses(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	must[*pepper.Pepper](t)(d.process().Ensure(t.Context(), apikey.Production))
	var made atomic.Int64

	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			switch _, err := d.process().Add(t.Context(), apikey.Production); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, pepper.ErrExists):
				t.Error(err)
			}
		})
	}

	all.Wait()

	newest := must[*pepper.Pepper](t)(d.process().Current(t.Context(), apikey.Production)).Version()
	if int64(newest) != 1+made.Load() {
		t.Errorf("%d versions were made, and the newest is %d", made.Load(), newest)
	}
}

func TestFailuresGiveNoVerdict(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	must[*pepper.Pepper](t)(d.process().Ensure(t.Context(), apikey.Production))
	ask := func(k *pepper.Keyring) []error {
		_, current := k.Current(t.Context(), apikey.Production)
		_, version := k.Version(t.Context(), apikey.Production, 1)
		_, ensure := k.Ensure(t.Context(), apikey.Production)
		_, add := k.Add(t.Context(), apikey.Production)
		return []error{current, version, ensure, add}
	}
	down := func(k *pepper.Keyring) {
		t.Helper()

		for i, err := range ask(k) {
			if !errors.Is(err, errDown) || errors.Is(err, pepper.ErrNotFound) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	}
	k := d.process()
	d.rows.fail(errDown)
	down(k)
	d.rows.fail(nil)
	scope := pepper.Scope{Environment: apikey.Production, Version: 1}
	d.provider.fail(scope, errDown)
	down(k)
	d.provider.fail(scope, nil)

	if errs := ask(k); errors.Join(errs...) != nil {
		t.Errorf("after the failure: %v", errs)
	}

	// Unwrapped peppers stay usable while everything is down.
	d.rows.fail(errDown)
	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 1))
}

func TestPepperOfAnotherSizeIsRefused(t *testing.T) {
	t.Parallel()

	for _, size := range []int{0, 16, 31, 33, 64} {
		r := newRows()
		if err := r.AddPepper(t.Context(), apikey.Production, pepper.Wrapped{
			Version:    1,
			Ciphertext: make([]byte, size),
		}); err != nil {
			t.Fatal(err)
		}

		if p, err := pepper.NewKeyring(r, fixed{}, newClock().Now).Current(t.Context(),
			apikey.Production); err == nil {
			t.Errorf("%d bytes make %v", size, p)
		}
	}
}

// While the stored peppers are read, callers whose pepper is loaded do not wait: neither an
// unknown version nor a look for a newer one delays a check.
func TestReadingHoldsUpNobody(t *testing.T) {
	t.Parallel()

	for name, ask := range map[string]func(k *pepper.Keyring, d *deployment) error{
		"a version that is not there": func(k *pepper.Keyring, _ *deployment) error {
			_, err := k.Version(t.Context(), apikey.Production, 7)
			return err
		},
		"the newest, after a minute": func(k *pepper.Keyring, _ *deployment) error {
			_, err := k.Current(t.Context(), apikey.Production)
			return err
		},
		"whether one was retired": func(k *pepper.Keyring, _ *deployment) error {
			_, err := k.Version(t.Context(), apikey.Production, 1)
			return err
		},
		"a text that names a newer one": func(k *pepper.Keyring, d *deployment) error {
			d.clock.advance(-time.Hour + 2*time.Second)
			_, err := k.Decrypt(t.Context(), apikey.Production, "cursor", []byte{0, 0, 0, 9}, nil)
			return err
		},
	} {
		d := deploy(t)
		k := d.process()
		must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))
		d.clock.advance(time.Hour)
		begun, release := d.rows.hold()

		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = ask(k, d) // the result is checked by another test
		}()
		begun()

		if got := must[*pepper.Pepper](t)(k.Version(t.Context(),
			apikey.Production, 1)).Version(); got != 1 {
			t.Errorf("%s: version %d", name, got)
		}

		release()
		<-done // the result is checked by another test
	}
}

// Made-up texts cause at most one read a second, for any versions, and keep nobody from a version
// that is made meanwhile.
func TestForgedVersionsCostNothing(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))
	d.clock.advance(time.Second)
	reads := d.rows.count()

	for version := range uint32(300) {
		for _, named := range []uint32{version, version << 20, ^version} {
			text := append(binary.BigEndian.AppendUint32(nil, named), make([]byte, 40)...)
			if got, err := k.Decrypt(t.Context(), apikey.Production, "cursor",
				text, nil); !errors.Is(err, pepper.ErrForged) || got != nil {
				t.Fatalf("version %d: %q, %v", named, got, err)
			}
		}
	}

	if got := d.rows.count() - reads; got > 1 {
		t.Errorf("%d reads", got)
	}

	// A row that names a new version is read all the same, and so is the next text.
	made := must[*pepper.Pepper](t)(d.process().Add(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 2))

	text := must[[]byte](t)(made.Encrypt(rand.Reader, "cursor", []byte("here"), nil))
	if got, err := k.Decrypt(t.Context(), apikey.Production, "cursor", text, nil); err != nil ||
		string(got) != "here" {
		t.Errorf("%q, %v", got, err)
	}
}

// A text of a version that another process has made can be read by a process that knows only older
// ones.
func TestTextsOfANewerVersion(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))
	text := must[[]byte](t)(must[*pepper.Pepper](t)(d.process().Add(t.Context(),
		apikey.Production)).Encrypt(rand.Reader, "cursor", []byte("here"), nil))
	d.clock.advance(time.Second)

	if got, err := k.Decrypt(t.Context(), apikey.Production, "cursor", text, nil); err != nil ||
		string(got) != "here" {
		t.Errorf("%q, %v", got, err)
	}
}

// A retired version no longer verifies anything: at once in processes that have not loaded it, and
// after ten minutes in all.
func TestRetiredVersionIsForgotten(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	k := d.process()
	must[*pepper.Pepper](t)(k.Ensure(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(k.Add(t.Context(), apikey.Production))
	d.rows.retire(apikey.Production, 1, d.clock.Now())

	if p, err := d.process().Version(t.Context(),
		apikey.Production, 1); !errors.Is(err, pepper.ErrNotFound) {
		t.Errorf("a new process: %v, %v", p, err)
	}

	d.clock.advance(10*time.Minute - 1)
	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 1))
	d.clock.advance(1)

	d.rows.fail(errDown) // an outage retires nothing
	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 1))
	d.rows.fail(nil)
	d.clock.advance(10 * time.Minute)

	if p, err := k.Version(t.Context(), apikey.Production, 1); !errors.Is(err, pepper.ErrNotFound) {
		t.Errorf("after ten minutes: %v, %v", p, err)
	}

	if got := must[*pepper.Pepper](t)(k.Version(t.Context(),
		apikey.Production, 2)).Version(); got != 2 {
		t.Errorf("version %d", got)
	}
}

// If one version cannot be unwrapped, the others verify, and each is unwrapped once.
func TestOtherVersionsVerify(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	must[*pepper.Pepper](t)(d.process().Ensure(t.Context(), apikey.Production))
	must[*pepper.Pepper](t)(d.process().Add(t.Context(), apikey.Production))
	first := pepper.Scope{
		Environment: apikey.Production,
		Version:     1,
	}
	second := pepper.Scope{
		Environment: apikey.Production,
		Version:     2,
	}
	d.provider.fail(second, errDown)
	unwrapped, k := d.provider.count(first), d.process()
	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 1))

	if p, err := k.Version(t.Context(), apikey.Production, 2); !errors.Is(err, errDown) {
		t.Errorf("%v, %v", p, err)
	}

	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 1))

	if got := d.provider.count(first) - unwrapped; got != 1 {
		t.Errorf("version 1 was unwrapped %d times", got)
	}

	d.provider.fail(second, nil)
	must[*pepper.Pepper](t)(k.Version(t.Context(), apikey.Production, 2))
}
