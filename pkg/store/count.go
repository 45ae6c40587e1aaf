package store

import (
	"context"
	"time"
)

// CountKeys counts the keys of an organization that a filter finds, by the indexes alone: what it
// costs is the index and no row, a read for each megabyte of entries. Indexes lag by moments, so
// the number is as right as a list is complete. Only a PostFilter has it read every key. Errors:
// ErrUnavailable, those of the PostFilter.
func (s *Store) CountKeys(
	ctx context.Context, org string, f Filter, now time.Time,
) (n int, err error) {
	if f.PostFilter != nil {
		return s.countEach(ctx, org, f, now)
	}

	for _, from := range f.streams(org) {
		for after, more := "", true; more; {
			var entries []entry
			if entries, more, err = s.query(ctx, from, after, maxEntries, false); err != nil {
				return 0, err
			}

			for _, e := range entries {
				if after = e.position; !e.damaged && f.mayMatch(e, now) {
					n++
				}
			}
		}
	}

	return n, nil
}

func (s *Store) countEach(
	ctx context.Context, org string, f Filter, now time.Time,
) (n int, err error) {
	for after, more := "", true; more; more = after != "" {
		page, next, err := s.Keys(ctx, org, f, after, MaxPage, now)
		if err != nil {
			return 0, err
		}

		n, after = n+len(page), next
	}

	return n, nil
}
