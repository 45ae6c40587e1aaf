package usage

import (
	"strconv"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Row holds what one instance counted for a scope in an hour, from its first call to now. It
// replaces only rows of the same writer with a lower sequence, so that it may be written twice,
// late and out of order.
type Row struct {
	Scope    Scope
	Hour     time.Time
	Writer   string
	Sequence int64
	Counts   Counts
}

// names generates the names of one instance's rows, which are unique across instances.
type names struct {
	instance string
	made     int64
}

func (n *names) next() string {
	n.made++
	return n.instance + "-" + strconv.FormatInt(n.made, 36)
}

// hourID identifies an hour of an environment.
type hourID struct {
	apikey.Environment
	hour time.Time
}

// Times of an hour's rows, from the hour's end.
const (
	// CompactAfter is when the rows of an hour are first compacted: all instances but frozen ones
	// have written theirs by then.
	CompactAfter = 10 * time.Minute
	// LatestWrite is until when a row of the hour may be written. What an instance could not write
	// by then is lost.
	LatestWrite = 12 * time.Hour
	// FoldAfter is when an hour becomes a sum that nothing is added to.
	FoldAfter = 24 * time.Hour
)

// Part holds what one writer counted.
type Part struct {
	Sequence int64
	Counts   Counts
}

// Hour holds what is stored of a scope's hour: each writer's newest part, or their sum once it is
// folded. Taking rows in any order and any number of times results in the same hour.
type Hour struct {
	Version int64 // of the stored hour; 0 if none is stored yet
	Folded  bool
	Sum     Counts          // once it is folded
	Parts   map[string]Part // by writer
}

// Take adds a row. A row that comes after the hour was folded has been counted, or came too late.
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

// sumSlack is by which factor a sum may exceed its bounds while it is made, so that it is not
// bounded for each row.
const sumSlack = 4

// Count adds a row to the hour's sum, in place of its writer's part, and no longer keeps it
// separate. Each writer's row may be counted once. After Count, an hour serves only for Counts and
// Fold.
func (h *Hour) Count(writer string, p Part) {
	if h.Folded {
		return
	}

	if known, ok := h.Parts[writer]; ok && known.Sequence >= p.Sequence {
		return
	}

	delete(h.Parts, writer)
	h.Sum.Add(p.Counts)

	if max(len(h.Sum.Cells), len(h.Sum.Customers), len(h.Sum.APIs)) > sumSlack*maxSumNames {
		h.Sum.Bound()
	}
}

// Counts returns the sum of the hour's calls.
func (h *Hour) Counts() Counts {
	sum := h.Sum.clone()
	for _, p := range h.Parts {
		sum.Add(p.Counts)
	}

	sum.Bound()
	return sum
}

// Fold makes the hour a sum. No row of it may be written any more.
func (h *Hour) Fold() {
	h.Sum = h.Counts()
	h.Parts = nil
	h.Folded = true
}
