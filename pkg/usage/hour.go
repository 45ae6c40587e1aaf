package usage

import (
	"strconv"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Row is what one instance counted for a scope in an hour, from its first call to now. It
// replaces every row of the same writer with a lower sequence, and no other, so that it may be
// written twice, late and in any order.
type Row struct {
	Scope    Scope
	Hour     time.Time
	Writer   string
	Sequence int64
	Counts   Counts
}

// names are the names of the rows of one instance, which no row of another has.
type names struct {
	instance string
	made     int64
}

func (n *names) next() string {
	n.made++
	return n.instance + "-" + strconv.FormatInt(n.made, 36)
}

// hourID names an hour of an environment.
type hourID struct {
	apikey.Environment
	hour time.Time
}

// Times of an hour's rows, from the hour's end.
const (
	// CompactAfter is when the rows of an hour are first put together: what instances still hold
	// has come by then, but for frozen ones.
	CompactAfter = 10 * time.Minute
	// LatestWrite is until when a row of the hour may be written. What an instance holds longer,
	// because it cannot write, is lost.
	LatestWrite = 12 * time.Hour
	// FoldAfter is when an hour becomes a sum that nothing is added to.
	FoldAfter = 24 * time.Hour
)

// Part is what one writer counted.
type Part struct {
	Sequence int64
	Counts   Counts
}

// Hour is all that is kept of a scope's hour: the parts of each writer, of which the newest counts,
// or once it is folded their sum. Taking rows into it in any order and any number of times makes
// the same hour.
type Hour struct {
	Version int64 // of the kept hour; 0 where none was kept yet
	Folded  bool
	Sum     Counts          // once it is folded
	Parts   map[string]Part // by writer
}

// Take takes a row in. A row that comes after the hour was folded has been counted, or came too
// late.
func (h *Hour) Take(writer string, p Part) {
	if h.Folded {
		return
	}

	if h.Parts == nil {
		h.Parts = map[string]Part{}
	}

	if known, ok := h.Parts[writer]; !ok || known.Sequence < p.Sequence {
		h.Parts[writer] = p
	}
}

// sumSlack is how many times as much as a sum that is kept one in the making tells apart, so that
// it is bounded now and then and not with each row.
const sumSlack = 4

// Count adds a row to the hour's sum, in place of its writer's part, and no longer keeps it
// separate. Each writer's row is counted once at most; the hour is then good for its Counts, and to
// be folded.
func (h *Hour) Count(writer string, p Part) {
	if h.Folded {
		return
	}

	if known, ok := h.Parts[writer]; ok && known.Sequence >= p.Sequence {
		return
	}

	delete(h.Parts, writer)
	h.Sum.Add(p.Counts)

	if len(h.Sum.Customers) > sumSlack*maxSumCustomers || len(h.Sum.Cells) > sumSlack*maxSumCells {
		h.Sum.Bound()
	}
}

// Counts is what the hour's calls come to.
func (h *Hour) Counts() Counts {
	sum := h.Sum.clone()
	for _, p := range h.Parts {
		sum.Add(p.Counts)
	}

	sum.Bound()
	return sum
}

// Fold makes the hour a sum. No row of it may be written anymore.
func (h *Hour) Fold() {
	h.Sum = h.Counts()
	h.Parts = nil
	h.Folded = true
}
