package usage

import (
	"context"
	"hash/fnv"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/check"
)

// Writer stores what a recorder counted. Its writes may be repeated, late and out of order.
type Writer interface {
	// PutUsage writes a row unless one of its writer with the same or a higher sequence exists.
	PutUsage(ctx context.Context, row Row) error
	// PutJournal records which scopes have rows of an hour, for the compaction later.
	PutJournal(ctx context.Context, j Journal) error
	// PutLastUse writes the last use of a key unless a later one exists.
	PutLastUse(ctx context.Context, use LastUse) error
	// PutRequest records a call, once.
	PutRequest(ctx context.Context, request Request) error
	// PutSecretUse writes a row unless one of its writer with the same or a higher sequence exists.
	PutSecretUse(ctx context.Context, row SecretUse) error
}

// Journal lists scopes that a writer began to count in an hour.
type Journal struct {
	Environment apikey.Environment
	Hour        time.Time
	Writer      string
	Scopes      []Scope
}

// LastUse is the last call with a good key.
type LastUse struct {
	Environment apikey.Environment
	KeyID       string
	At          time.Time
	SourceIP    string
	UserAgent   string
}

// When a recorder writes.
const (
	// MaxPending is how many calls wait at most before they are written.
	MaxPending = 64
	// MaxAge is how long a call waits at most before it is written.
	MaxAge = 10 * time.Second
	// idle is after how long without a write the next call of a key is written at once: a frozen
	// instance then holds no call that is later than this after the last one written.
	idle = 30 * time.Second
	// maxStrangerAge is MaxAge for calls with a wrong secret: outsiders cause them, and must not
	// cause as many writes.
	maxStrangerAge = time.Minute
	// retryAfter is how long a recorder waits after a failed write, and up to twice as long: instances
	// that were throttled together would be throttled again if they came back together.
	retryAfter = 5 * time.Second
)

// maxKeys and maxRows bound the memory: about 1 KB for each.
const (
	maxKeys = 10_000
	maxRows = 20_000
)

// Recorder counts the calls of one instance. Record never waits for a write; Flush writes. A row is
// written at MaxPending calls, at MaxAge, and at once for the first call of a key in a while. A
// clean stop flushes everything. A kill loses what is pending: at most MaxPending waiting calls,
// and those that came while a flush was writing; if writes fail, all calls since the last
// successful one.
type Recorder struct {
	writer   Writer
	now      func() time.Time
	logger   *slog.Logger
	wake     chan struct{}
	flushing sync.Mutex // one flush at a time

	mu       sync.Mutex
	keys     map[Scope]*keyState
	rows     map[rowID]*rowState
	hour     time.Time // of the last call
	names    names
	pending  int64     // calls that are in no written row, except those of strangers
	behind   time.Time // no pending call is older; zero if none is pending
	waiting  int64     // those pending that no flush has taken
	oldest   time.Time // of the waiting ones; zero for none
	stranger time.Time // the oldest stranger's call that no flush has taken; zero for none
	urgent   bool      // the first call of a key in a while is waiting
	lateUse  time.Time // when a flush postponed last uses; zero for never
	crowded  bool      // there is no room, and forget cannot make any before the next flush
	retryAt  time.Time // no flush before, since the last one failed
	retryIn  time.Duration
	lost     int64 // calls that could not be counted

	dirty    []*rowState
	dirtyUse []*keyState
	secrets  []*secretRow
	requests []Request
}

// rowID identifies a row in memory.
type rowID struct {
	Scope
	hour time.Time
}

// rowState is a Row that is being counted.
type rowState struct {
	id  rowID
	key *keyState // nil for a row of an organization
	// unique, so that a row that was dropped from memory is not overwritten
	writer    string
	sequence  int64
	counts    Counts
	calls     int64 // counted, except those of strangers
	saved     int64 // written ones of these
	dirty     bool
	inFlight  bool
	journaled bool
}

// unsaved returns how many calls of the row a kill would lose. A call counts in two rows, so only
// the key's is considered.
func (r *rowState) unsaved() int64 {
	if r.key == nil {
		return 0
	}

	return r.calls - r.saved
}

// keyState holds what an instance remembers of a key.
type keyState struct {
	scope    Scope
	row, org *rowState // of the last call's hour
	secret   *secretRow
	written  time.Time // when a call was last handed to a flush

	usedAt     time.Time
	usedFrom   netip.Addr
	usedBy     string // the user agent as it was sent, cut to maxAgent
	useDirty   bool
	useWritten time.Time

	denials, allowed, strangers allowance
	omitted                     int64
}

// spread returns a part of a time, another for each instance.
func spread(instance string, of time.Duration) time.Duration {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(instance))

	return time.Duration(hash.Sum64() % uint64(of))
}

// NewRecorder returns a recorder whose rows carry the name of the instance, which must be unique.
func NewRecorder(w Writer, instance string, now func() time.Time, logger *slog.Logger) *Recorder {
	return &Recorder{
		writer:  w,
		now:     now,
		logger:  logger,
		names:   names{instance: instance},
		retryIn: retryAfter + spread(instance, retryAfter),
		wake:    make(chan struct{}, 1),
		keys:    map[Scope]*keyState{},
		rows:    map[rowID]*rowState{},
	}
}

// Record counts a call. It waits for nothing but other calls of Record.
func (r *Recorder) Record(c Call) {
	r.mu.Lock()
	r.count(&c)
	what := r.due(c.At)
	r.mu.Unlock()

	if what != nothing {
		select {
		case r.wake <- struct{}{}:
		default: // a signal is already pending
		}
	}
}

func (r *Recorder) count(c *Call) {
	hour := hourOf(c.At)
	if !hour.Equal(r.hour) {
		r.hour = hour
		r.forget()
	}

	k := r.key(c)
	if k == nil || !r.bindRows(k, c, hour) {
		r.lost++
		return
	}

	counted := c.counted()

	// A call with a wrong secret is never urgent: outsiders must not cause writes.
	stranger := c.Outcome == check.WrongSecret
	for _, row := range [...]*rowState{k.row, k.org} {
		row.counts.add(counted)

		if !stranger {
			row.calls++
		}

		r.markDirty(row)
	}

	switch {
	case stranger && r.stranger.IsZero():
		r.stranger = c.At
	case !stranger:
		if r.pending++; r.behind.IsZero() {
			r.behind = c.At
		}

		r.waiting++
		if r.oldest.IsZero() {
			r.oldest = c.At
		}

		if c.At.Sub(k.written) >= idle {
			r.urgent = true
		}
	}

	r.remember(k, c)
}

// remember records what is not a count: the last use, the use of secrets, and the call itself.
func (r *Recorder) remember(k *keyState, c *Call) {
	if c.Outcome.Good() && !c.At.Before(k.usedAt) {
		k.usedAt = c.At
		k.usedFrom = c.SourceIP

		// a copy, if it is another one: the text may be part of a whole event, with its secret
		if agent := cut(c.UserAgent, maxAgent); agent != k.usedBy {
			k.usedBy = strings.Clone(agent)
		}

		if !k.useDirty {
			k.useDirty, r.dirtyUse = true, append(r.dirtyUse, k)
		}
	}

	r.countSecret(k, c)

	if k.keep(c) {
		if len(r.requests) >= maxRequests {
			k.omitted++
			return
		}

		r.requests = append(r.requests, requestOf(c, k, r.names.next))
		k.omitted = 0
	}
}

// key returns the state of a call's key, and creates it if needed; nil if there is no room.
func (r *Recorder) key(c *Call) *keyState {
	s := KeyScope(c.Environment, c.KeyID)
	if k := r.keys[s]; k != nil {
		return k
	}

	if r.makeRoom(len(r.keys), maxKeys); len(r.keys) >= maxKeys {
		return nil
	}

	s.ID = strings.Clone(s.ID)
	k := &keyState{scope: s}
	r.keys[s] = k
	return k
}

// bindRows sets the rows that a call counts in. It returns false if there is no room.
func (r *Recorder) bindRows(k *keyState, c *Call, hour time.Time) bool {
	if k.row == nil || !k.row.id.hour.Equal(hour) || r.rows[k.row.id] != k.row {
		if k.row = r.row(rowID{k.scope, hour}); k.row != nil {
			k.row.key = k
		}
	}

	if k.org == nil || !k.org.id.hour.Equal(hour) || r.rows[k.org.id] != k.org {
		k.org = r.row(rowID{OrganizationScope(c.Environment, c.OrganizationID), hour})
	}

	return k.row != nil && k.org != nil
}

func (r *Recorder) row(id rowID) *rowState {
	if known := r.rows[id]; known != nil {
		return known
	}

	if r.makeRoom(len(r.rows), maxRows); len(r.rows) >= maxRows {
		return nil
	}

	made := &rowState{id: id, writer: r.names.next()}
	r.rows[id] = made
	return made
}

// makeRoom calls forget if there is no room: once between two flushes, since that examines
// everything.
func (r *Recorder) makeRoom(n, most int) {
	if n >= most && !r.crowded {
		r.crowded = true
		r.forget()
	}
}

func (r *Recorder) markDirty(row *rowState) {
	if !row.dirty {
		row.dirty, r.dirty = true, append(r.dirty, row)
	}
}

// forget makes room: it drops rows that are written, and keys that have nothing waiting. After an
// hour has ended, that is almost all of them.
func (r *Recorder) forget() {
	for id, row := range r.rows {
		if !row.dirty && !row.inFlight {
			delete(r.rows, id)
		}
	}

	for s, k := range r.keys {
		if !k.useDirty && (k.secret == nil || !k.secret.dirty) && r.rows[rowID{s, r.hour}] == nil {
			delete(r.keys, s)
		}
	}
}

// due returns what must be written now.
func (r *Recorder) due(now time.Time) flushScope {
	switch {
	case now.Before(r.retryAt):
		return nothing
	case r.urgent || r.waiting >= MaxPending,
		!r.oldest.IsZero() && now.Sub(r.oldest) >= MaxAge,
		!r.lateUse.IsZero() && now.Sub(r.lateUse) >= useAge,
		!r.stranger.IsZero() && now.Sub(r.stranger) >= maxStrangerAge:
		return due
	case len(r.requests) > 0:
		return requests
	default:
		return nothing
	}
}

// Behind returns how far the written counts are behind: the age of the oldest call that is in none,
// except those with a wrong secret.
func (r *Recorder) Behind() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.behind.IsZero() {
		return 0
	}

	return max(0, r.now().Sub(r.behind))
}

// Pending returns how many calls a kill would lose now, except those with a wrong secret.
func (r *Recorder) Pending() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending
}
