package usage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// FirstUseRows stores first uses.
type FirstUseRows interface {
	// PutFirstUse records when the new secret of the key's rotation was first used. An earlier
	// record stays.
	PutFirstUse(ctx context.Context, k *apikey.Key, at time.Time) error
}

// maxFirstUses is how many recorded rotations an instance remembers. Then it starts over, at the
// cost of writes that change nothing.
const maxFirstUses = 10_000

// FirstUses records the first use of the new secret of a rotation, at once and concurrently with
// the answer. It is safe for concurrent use.
//
// If a record is lost, with an instance or in an outage, the next use is recorded: the overlap then
// starts later, and never earlier.
type FirstUses struct {
	rows   FirstUseRows
	logger *slog.Logger

	mu      sync.Mutex
	told    map[string]bool // by key and rotation
	writing int             // records in progress
	written *sync.Cond      // on mu: a record has ended
}

// NewFirstUses returns a recorder without any records.
func NewFirstUses(rows FirstUseRows, logger *slog.Logger) *FirstUses {
	f := &FirstUses{rows: rows, logger: logger, told: map[string]bool{}}
	f.written = sync.NewCond(&f.mu)
	return f
}

// Used records an admitted call with the newest secret of a key. It returns at once; a use that
// need not be recorded costs nothing.
func (f *FirstUses) Used(ctx context.Context, k *apikey.Key, at time.Time) {
	if !k.AwaitsFirstUse(at) {
		return
	}

	rotation := k.ID + " " + k.Rotation.StartedAt.String()

	if !f.claim(rotation) {
		return
	}

	go func() {
		err := f.rows.PutFirstUse(context.WithoutCancel(ctx), k, at)
		if err != nil {
			f.logger.ErrorContext(ctx, "a first use is not recorded", "key_id", k.ID, "error", err)
		}

		f.done(rotation, err == nil)
	}()
}

// claim reports whether this instance has yet to record the rotation, and marks it.
func (f *FirstUses) claim(rotation string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.told[rotation] {
		return false
	}

	if len(f.told) >= maxFirstUses {
		clear(f.told)
	}

	f.told[rotation] = true
	f.writing++
	return true
}

// done ends what claim began. A rotation whose record failed is left to the next use.
func (f *FirstUses) done(rotation string, told bool) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if !told {
		delete(f.told, rotation)
	}

	f.writing--
	f.written.Broadcast()
}

// Flush waits until no record is in progress.
func (f *FirstUses) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()

	for f.writing > 0 {
		f.written.Wait()
	}
}
