package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
	"github.com/bitting-keys/bitting/pkg/store/internal/sealed"
)

// maxReads is the most reads that a page may cost. Together with three reads of the admin API's
// gate and one of its authorizer, that is ten. A page without a filter that no index knows costs
// one query for each stream, at most two, and one read for each hundred keys.
const maxReads = 6

// maxEntries is the most entries in a query: about as many as fit into the megabyte that it may
// read.
const maxEntries = 4000

// listing is the work on one page.
type listing struct {
	*Store
	org     string
	filter  Filter
	now     time.Time
	streams []stream
	left    int // remaining reads
}

// affords reports whether enough reads are left for one more round and the rows of this many
// entries.
func (l *listing) affords(entries int) bool {
	rows := (entries + dynamo.MaxBatch - 1) / dynamo.MaxBatch
	if l.filter.PostFilter != nil {
		rows *= 2
	}

	return l.left >= len(l.streams)+rows
}

// page returns the keys after a position: until limit of them match, the list ends, or the next
// reads would cost too much.
func (l *listing) page(
	ctx context.Context, after string, limit int,
) (page []*apikey.Key, next string, err error) {
	for len(page) < limit && l.affords(limit-len(page)) {
		var found []entry
		if found, after, err = l.find(ctx, after, limit-len(page)); err != nil {
			return nil, "", err
		}

		keys, err := l.rows(ctx, found)
		if err != nil {
			return nil, "", err
		}

		if page = append(page, keys...); after == "" {
			break
		}
	}

	return page, after, nil
}

// find returns the next entries that may match, up to wanted, and the position after the last one
// that it examined: "" at the end.
func (l *listing) find(
	ctx context.Context, after string, wanted int,
) (found []entry, end string, err error) {
	// some more, to see whether the list continues, and to make up for keys that expired since the
	// last sweep
	size := wanted + wanted/4 + 2
	if l.filter.selective() {
		size = min(4*size, maxEntries)
	}

	for len(found) < wanted && l.affords(wanted) {
		entries, more, err := l.round(ctx, after, size)
		if err != nil {
			return nil, "", err
		}

		for _, e := range entries {
			if l.filter.mayMatch(e, l.now) {
				if len(found) == wanted {
					return found, after, nil
				}

				found = append(found, e)
			}

			after = e.position
		}

		if !more {
			return found, "", nil
		}

		// Few entries match: read as many as a query returns.
		size = maxEntries
	}

	return found, after, nil
}

// round reads up to size entries of each stream after a position, and merges them in the order of
// the list, up to where all streams were read. more reports whether any stream continues.
func (l *listing) round(
	ctx context.Context, after string, size int,
) (entries []entry, more bool, err error) {
	compare := func(a, b string) int { return strings.Compare(b, a) }
	if l.filter.OldestFirst {
		compare = strings.Compare
	}

	parts := make([][]entry, len(l.streams))
	goesOn := make([]bool, len(l.streams))

	l.left -= len(l.streams)

	all, ctx := errgroup.WithContext(ctx)
	for i, s := range l.streams {
		all.Go(func() (err error) {
			parts[i], goesOn[i], err = l.query(ctx, s, after, size, l.filter.OldestFirst)
			return err
		})
	}

	if err := all.Wait(); err != nil {
		return nil, false, err
	}

	var bound string // the earliest last position among the streams that continue
	for i, part := range parts {
		if entries = append(entries, part...); goesOn[i] {
			if last := part[len(part)-1].position; !more || compare(last, bound) < 0 {
				bound = last
			}

			more = true
		}
	}

	slices.SortStableFunc(entries, func(a, b entry) int { return compare(a.position, b.position) })

	// Beyond it, a stream that continues may have entries that were not read yet.
	if more {
		entries = slices.DeleteFunc(entries, func(e entry) bool {
			return compare(e.position, bound) > 0
		})
	}

	return entries, more, nil
}

// rows reads the keys of entries, which an index may show with a delay, and returns those that
// match. A damaged row is left out.
func (l *listing) rows(ctx context.Context, entries []entry) (page []*apikey.Key, err error) {
	for chunk := range slices.Chunk(entries, dynamo.MaxBatch) {
		rows := make([]dynamo.Key, 0, len(chunk))
		for _, e := range chunk {
			rows = append(rows, e.row)
		}

		l.left--

		keys, err := l.keysOf(ctx, rows)
		if err != nil {
			return nil, err
		}

		keys = slices.DeleteFunc(keys, func(k *apikey.Key) bool {
			return k.OrganizationID != l.org || !l.filter.matches(k, l.now)
		})
		if l.filter.PostFilter != nil && len(keys) > 0 {
			l.left--
			if keys, err = l.filter.PostFilter(ctx, keys); err != nil {
				return nil, err
			}
		}

		page = append(page, keys...)
	}

	return page, nil
}

// keysOf reads keys in the order of their rows. Missing and damaged ones are left out.
func (s *Store) keysOf(ctx context.Context, rows []dynamo.Key) (keys []*apikey.Key, err error) {
	found, err := s.core.BatchGet(ctx, rows)
	if err != nil {
		return nil, err
	}

	for _, at := range rows {
		item := found[at]
		if item == nil {
			continue // removed since the index was written
		}

		k, err := sealed.DecodeKey(ctx, s.ring, item, at)
		switch {
		case errors.Is(err, ErrDamaged):
			_, id := sealed.KeyAt(at.Partition)
			s.logger.ErrorContext(ctx, "a damaged row is left out of a list", "key_id", id,
				"error", err)
		case err != nil:
			return nil, err
		default:
			keys = append(keys, k)
		}
	}

	return keys, nil
}

// entry is an entry of an index.
type entry struct {
	// the row that it belongs to, by the place of the entry and not by the attributes in it
	row      dynamo.Key
	key      *apikey.Key // what the entry shows of a key
	position string
	damaged  bool // only its place is known
}

// entryOf decodes an entry. A damaged row must not hide all others. The keys of table and index are
// strings, or DynamoDB would have refused them.
func entryOf(item dynamo.Item) entry {
	row := dynamo.KeyOf(item)
	if row.Sort != sealed.KeySort { // the item of a key that is scoped to a customer
		row = dynamo.At(row.Sort, sealed.KeySort)
	}

	k, err := sealed.ParseKey(item)
	return entry{row: row, key: k, damaged: err != nil}
}

// query reads up to size entries of a stream after a position, newest first unless forwards, and
// reports whether the stream continues after them.
func (s *Store) query(
	ctx context.Context, from stream, after string, size int, forwards bool,
) (entries []entry, goesOn bool, err error) {
	items, more, err := s.core.Query(ctx, dynamo.Range{
		Index:     from.index,
		Partition: from.list,
		After:     from.bound(after, forwards),
		Backwards: !forwards,
		Limit:     int32(size),
	}, "list")
	if err != nil {
		return nil, false, err
	}

	for _, item := range items {
		e := entryOf(item)

		var within bool
		if e.position, within = from.position(item[from.index.Sort].Text()); !within {
			return entries, false, nil
		}

		entries = append(entries, e)
	}

	return entries, more && len(entries) > 0, nil
}
