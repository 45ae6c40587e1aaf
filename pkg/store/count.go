package store

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// CountKeys counts the keys of an organization that match a filter, from the indexes alone: it
// costs a read for each megabyte of entries, and reads no rows. Indexes lag by moments, so the
// number is as accurate as a list. Only with a PostFilter does it read every key. Errors:
// ErrUnavailable, those of the PostFilter.
func (s *Store) CountKeys(ctx context.Context, org string, f Filter, now time.Time) (int, error) {
	if f.PostFilter != nil {
		return s.countEach(ctx, org, f, now)
	}

	var count atomic.Int64

	all, ctx := errgroup.WithContext(ctx)
	for _, from := range f.streams(org) {
		all.Go(func() error {
			for after, more := "", true; more; {
				entries, goesOn, err := s.query(ctx, from, after, maxEntries, false)
				if err != nil {
					return err
				}

				more = goesOn

				for _, e := range entries {
					// damaged rows are left out, as in lists
					if after = e.position; !e.damaged && f.mayMatch(e, now) {
						count.Add(1)
					}
				}
			}

			return nil
		})
	}

	err := all.Wait()
	return int(count.Load()), err
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
