package usage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// ErrVersionConflict is returned if a page of the ledger has changed since it was read.
var ErrVersionConflict = errors.New("usage: the ledger was changed meanwhile")

// Ledger stores which calls were counted, along with the counts.
type Ledger interface {
	// Pages reads the counted calls of a key in a slot of time, in the order of their numbers. It
	// sees every write that ended before. It returns ErrStuck if they are damaged.
	Pages(ctx context.Context, env apikey.Environment, keyID string, slot time.Time) ([]Page, error)
	// Count writes pages, each in place of its previous version, and rows of counts and of uses of
	// secrets, all or none. It returns ErrVersionConflict if a page has another version by now, and
	// ErrStuck if nothing was written and never will be. After any other error it is unknown
	// whether anything was written.
	Count(ctx context.Context, pages []Page, rows []Row, secrets []SecretUse) error
	PutJournal(ctx context.Context, j Journal) error
	PutLastUse(ctx context.Context, use LastUse) error
	PutRequest(ctx context.Context, request Request) error
}

// Page holds ids of counted calls of a key, from one slot of time. A full page is followed by the
// next, and does not change any more.
type Page struct {
	Environment apikey.Environment
	KeyID       string
	Slot        time.Time
	Number      int
	Version     int64
	IDs         []byte // eight bytes each, of a hash
}

const (
	// SlotLength is how much time a page covers. A call's slot follows from its own time, so that
	// it is the same for every instance and report.
	SlotLength = 10 * time.Second
	// PageIDs is how many ids a page holds: 8 KB, since the price of each write depends on the
	// page's size.
	PageIDs = 1024
	idBytes = 8
)

// Entry is a call that may be reported more than once, under the same id.
type Entry struct {
	ID string
	Call
}

// Deduplicator counts calls that are reported at least once, by several instances, each exactly
// once: it writes which calls it counted in the transaction that counts them. It writes the same
// rows as a Recorder, and buffers nothing: when Record returns nil, everything is written.
type Deduplicator struct {
	ledger Ledger
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	rows    map[rowID]Row // as last written by this instance
	secrets map[secretID]SecretUse
	keys    map[Scope]*keyState
	names   names
}

// NewDeduplicator returns a counter whose rows carry the name of the instance, which must be
// unique.
func NewDeduplicator(
	l Ledger, instance string, now func() time.Time, logger *slog.Logger,
) *Deduplicator {
	return &Deduplicator{
		ledger:  l,
		now:     now,
		logger:  logger,
		rows:    map[rowID]Row{},
		secrets: map[secretID]SecretUse{},
		keys:    map[Scope]*keyState{},
		names:   names{instance: instance},
	}
}

// group is the calls of a key in a slot.
type group struct {
	environment apikey.Environment
	keyID       string
	slot        time.Time
	entries     []Entry
}

// groupsAtOnce is how many groups one transaction has. Each adds a page, a row of the key, usually
// a shared row of the organization, and during a rotation one of the secrets; the limit is a
// hundred.
const groupsAtOnce = 20

// Record counts the entries that were not counted before. After an error some may be counted; the
// caller should record all of them again.
func (d *Deduplicator) Record(ctx context.Context, entries []Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries = d.dropLate(ctx, entries)
	groups := groupsOf(entries)

	var stuck []error
	for chunk := range slices.Chunk(groups, groupsAtOnce) {
		if err := d.count(ctx, chunk); errors.Is(err, ErrStuck) {
			stuck = append(stuck, err) // count the others regardless
		} else if err != nil {
			return errors.Join(append(stuck, err)...)
		}
	}

	return errors.Join(append(stuck, d.remember(ctx, entries))...)
}

// ahead is how far in the future a call may be, as clocks differ.
const ahead = 10 * time.Minute

// dropLate removes calls of hours that are about to be folded: their ledger may have been removed,
// so they could count twice.
func (d *Deduplicator) dropLate(ctx context.Context, entries []Entry) []Entry {
	now := d.now()

	kept := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		return now.Sub(hourOf(e.At)) > time.Hour+LatestWrite || e.At.Sub(now) > ahead
	})
	if left := len(entries) - len(kept); left > 0 {
		d.logger.ErrorContext(ctx, "calls came too late to be counted", "calls", left)
	}

	return kept
}

func groupsOf(entries []Entry) []*group {
	type name struct {
		environment apikey.Environment
		keyID       string
		slot        time.Time
	}
	found := map[name]*group{}

	var groups []*group
	for _, e := range entries {
		n := name{e.Environment, e.KeyID, e.At.UTC().Truncate(SlotLength)}

		g := found[n]
		if g == nil {
			g = &group{environment: n.environment, keyID: n.keyID, slot: n.slot}
			found[n] = g
			groups = append(groups, g)
		}

		g.entries = append(g.entries, e)
	}

	// A fixed order: two instances with the same calls then conflict at the first group only.
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.environment, b.environment), cmp.Compare(a.keyID, b.keyID),
			a.slot.Compare(b.slot))
	})
	return groups
}

// overtakenMost is how often one group is tried while other instances count calls of the same key.
const overtakenMost = 20

// count counts groups in as few transactions as possible. After a conflict it continues with each
// half, so that one busy key does not hold up the others; and so it does if one is stuck, to count
// the others.
func (d *Deduplicator) count(ctx context.Context, groups []*group) error {
	for attempt := 1; ; {
		more, err := d.countSome(ctx, groups)
		switch {
		case (errors.Is(err, ErrVersionConflict) || errors.Is(err, ErrStuck)) && len(groups) > 1:
			half := len(groups) / 2

			first := d.count(ctx, groups[:half])
			if first != nil && !errors.Is(first, ErrStuck) {
				return first
			}

			return errors.Join(first, d.count(ctx, groups[half:]))
		case errors.Is(err, ErrVersionConflict) && attempt < overtakenMost:
			if err := pause(ctx, time.Duration(rand.Int64N(int64(attempt)*int64(10*time.Millisecond)))); err != nil { //nolint:gosec // jitter, not a secret
				return err
			}

			attempt++
		case err != nil:
			return err
		case !more:
			return nil
		}
	}
}

// countSome counts as much of the groups as fits on a page of each. more reports whether entries
// are left.
func (d *Deduplicator) countSome(ctx context.Context, groups []*group) (more bool, err error) {
	var pages []Page

	// A draft: the rows change only if the transaction succeeds.
	draft := d.draft()
	for _, g := range groups {
		known, err := d.ledger.Pages(ctx, g.environment, g.keyID, g.slot)
		if err != nil {
			return false, err
		}

		if !whole(known) {
			return false, ErrVersionConflict
		}

		page, fresh, left := g.page(known)
		if len(fresh) == 0 {
			continue
		}

		pages, more = append(pages, page), more || left

		for _, e := range fresh {
			draft.add(e.Call)
		}
	}

	if len(pages) == 0 {
		return false, nil
	}

	// Journals first: a row without one would never be compacted.
	for _, j := range draft.journals() {
		if err := d.ledger.PutJournal(ctx, j); err != nil {
			return false, err
		}
	}

	err = d.ledger.Count(ctx, pages, slices.Collect(maps.Values(draft.rows)),
		slices.Collect(maps.Values(draft.secrets)))
	draft.settle(err)
	return more, err
}

// whole reports whether pages that were read one after the other form a consistent list: each but
// the last must be full, or it was read before the next one was begun.
func whole(pages []Page) bool {
	for i, p := range pages {
		if p.Number != i || i < len(pages)-1 && len(p.IDs) < PageIDs*idBytes {
			return false
		}
	}

	return true
}

// page adds the entries that no page has to the last page, or to a new one, as far as they fit.
// left reports whether some did not.
func (g *group) page(known []Page) (page Page, fresh []Entry, left bool) {
	seen := map[[idBytes]byte]bool{}
	for _, p := range known {
		for id := range slices.Chunk(p.IDs, idBytes) {
			seen[[idBytes]byte(id)] = true
		}
	}

	page = Page{Environment: g.environment, KeyID: g.keyID, Slot: g.slot}
	if n := len(known); n > 0 {
		page = known[n-1]
		if len(page.IDs) >= PageIDs*idBytes {
			page = Page{
				Environment: g.environment,
				KeyID:       g.keyID,
				Slot:        g.slot,
				Number:      page.Number + 1,
			}
		}
	}

	page.Version++

	page.IDs = slices.Clone(page.IDs)
	for _, e := range g.entries {
		id := fingerprint(e.ID)
		if seen[id] {
			continue
		}

		if len(page.IDs) >= PageIDs*idBytes {
			return page, fresh, true
		}

		seen[id] = true
		page.IDs = append(page.IDs, id[:]...)
		fresh = append(fresh, e)
	}

	return page, fresh, false
}

// fingerprint is short: two of about a thousand ids of a slot collide once in 10^12 slots, and then
// a call is not counted.
func fingerprint(id string) [idBytes]byte {
	sum := sha256.Sum256([]byte(id))
	return [idBytes]byte(sum[:idBytes])
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
