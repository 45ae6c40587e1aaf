package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/history"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// changesAttribute holds the changes of an entry. If they are too long for one item, partsAttribute
// holds the number of the items that contain them instead.
const (
	changesAttribute = "changes"
	partsAttribute   = "parts"
	partAttribute    = "part"
)

// Append writes a history entry, in several items if its changes do not fit into one: nothing is
// cut.
func (s *Store) Append(e history.Entry) Write {
	at := dynamo.At(historyPartition(e.OrganizationID, e.Object.Type, e.Object.ID),
		listSort(e.At, e.ID))
	item, err := encode(e, at)
	listed(item, historyList(e.OrganizationID), at.Sort)

	w := fresh(item, err, ErrConflict)
	if err != nil || dynamo.Size(item) <= dynamo.Roomy {
		return w
	}

	text, err := json.Marshal(e.Changes)
	if err != nil {
		return Write{err: fmt.Errorf("store: encode changes: %w", err)}
	}

	delete(item, changesAttribute)

	for part := range slices.Chunk(text, dynamo.Roomy) {
		of := dynamo.At(historyPartsPartition(e.OrganizationID, e.ID), partSort(len(w.also))).Item()
		of[partAttribute] = dynamo.Binary(part)
		w.also = append(w.also, fresh(of, nil, ErrConflict))
	}

	item[partsAttribute] = dynamo.Number(int64(len(w.also)))
	return w
}

// entry decodes a history entry, reads its changes from other items if they are there, and returns
// its size in bytes.
func (s *Store) entry(
	ctx context.Context, item dynamo.Item,
) (e history.Entry, size int, err error) {
	if err := parse(item, &e); err != nil {
		return e, 0, dynamo.Damaged("history", err)
	}

	size = dynamo.Size(item)
	if item[partsAttribute].Kind() == "" {
		return e, size, nil
	}

	// Bounded, since the number is not sealed, and each part costs a read.
	count, err := item[partsAttribute].Int()
	if err != nil || count < 1 || count > MaxItems {
		return e, 0, dynamo.Damaged("history", err)
	}

	keys := make([]dynamo.Key, 0, count)
	for i := range count {
		keys = append(keys,
			dynamo.At(historyPartsPartition(e.OrganizationID, e.ID), partSort(int(i))))
	}

	found, err := s.core.BatchGet(ctx, keys)
	if err != nil {
		return e, 0, err
	}

	var text []byte
	for _, key := range keys {
		part := found[key][partAttribute].Binary()
		if part == nil {
			return e, 0, dynamo.Damaged("history", errors.New("a part of an entry is missing"))
		}

		text = append(text, part...)
	}

	if err := json.Unmarshal(text, &e.Changes); err != nil {
		return e, 0, dynamo.Damaged("history", err)
	}

	return e, size + len(text), nil
}

// History returns a page of an object's history, newest first, strongly consistent, and the
// position of the next page: "" at the end.
func (s *Store) History(
	ctx context.Context, org, objectType, objectID, after string, limit int,
) ([]history.Entry, string, error) {
	return s.historyPage(ctx, dynamo.Range{
		Partition: historyPartition(org, objectType, objectID),
		After:     after,
	}, limit)
}

// OrganizationHistory returns a page of the history of everything in an organization, newest first,
// and the position of the next page. It reads the index, which lags by moments.
func (s *Store) OrganizationHistory(
	ctx context.Context, org, after string, limit int,
) ([]history.Entry, string, error) {
	return s.historyPage(ctx, dynamo.Range{
		Index:     byOrganization,
		Partition: historyList(org),
		After:     after,
	}, limit)
}

// HistorySince reads the whole table, and returns the entries of all organizations from a time on,
// oldest first. It calls progress with the number of rows read so far after each page. It is for an
// operator's command, as Peppers.Uses is. Errors: ErrDamaged, ErrUnavailable.
func (s *Store) HistorySince(
	ctx context.Context, scanner Scanner, since time.Time, progress func(rows int64),
) ([]history.Entry, error) {
	var entries []history.Entry
	var rows int64

	for page, err := range s.core.Scan(ctx, scanner, nil) {
		if err != nil {
			return nil, err
		}

		for _, item := range page {
			at := dynamo.KeyOf(item)
			if !strings.HasPrefix(at.Partition, "history#") || at.Sort < dynamo.FormatTime(since) {
				continue // a part of an entry sorts before all times
			}

			e, _, err := s.entry(ctx, item)
			if err != nil {
				return nil, err
			}

			entries = append(entries, e)
		}

		rows += int64(len(page))
		progress(rows)
	}

	slices.SortFunc(entries, func(a, b history.Entry) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	})
	return entries, nil
}

// maxHistoryPage is the most bytes in a page of history, unless its only entry is larger: the
// answer must be bounded, and a few entries may be large.
const maxHistoryPage = 2 << 20

// historyPage reads a range backwards. Positions are sort keys.
func (s *Store) historyPage(
	ctx context.Context, r dynamo.Range, limit int,
) ([]history.Entry, string, error) {
	r.Backwards = true

	items, next, err := s.page(ctx, r, limit, "history")
	if err != nil {
		return nil, "", err
	}

	more := next != ""

	if r.Index == byOrganization {
		if items, err = s.whole(ctx, items); err != nil {
			return nil, "", err
		}
	}

	var entries []history.Entry

	size := 0
	for _, item := range items {
		e, n, err := s.entry(ctx, item)
		if err != nil {
			return nil, "", err
		}

		// An entry that does not fit starts the next page.
		if size += n; size > maxHistoryPage && len(entries) > 0 {
			more = true
			break
		}

		entries = append(entries, e)
	}

	if !more || len(entries) == 0 {
		return entries, "", nil
	}

	last := entries[len(entries)-1]
	return entries, listSort(last.At, last.ID), nil
}

// whole reads the items behind entries of the index, in their order.
func (s *Store) whole(
	ctx context.Context, entries []dynamo.Item,
) ([]dynamo.Item, error) {
	keys := make([]dynamo.Key, 0, len(entries))
	for _, e := range entries {
		keys = append(keys, dynamo.KeyOf(e))
	}

	found, err := s.core.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}

	out := make([]dynamo.Item, 0, len(keys))
	for _, key := range keys {
		item := found[key]
		if item == nil {
			return nil, dynamo.Damaged("history", errors.New("an entry of the index has no item"))
		}

		out = append(out, item)
	}

	return out, nil
}
