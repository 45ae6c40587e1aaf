package client

import (
	"context"
	"fmt"
	"iter"

	"github.com/bitting-keys/bitting/pkg/api"
)

// all iterates over a list page by page. It ends after the first error.
func all[T any](
	cursor string, page func(cursor string) (items []T, next *string, err error),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at := cursor; ; {
			items, next, err := page(at)
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}

			if err == nil && next != nil && *next == at {
				err = fmt.Errorf("%w: a page leads to itself", ErrUnreadable)
			}

			if err != nil {
				var none T
				yield(none, err)
				return
			}

			if next == nil {
				return
			}

			at = *next
		}
	}
}

// walk is all for the pages that a method of the client returns.
func walk[T any](
	ctx context.Context, org string, l api.List,
	page func(ctx context.Context, org string, l api.List) (api.Page[T], error),
) iter.Seq2[T, error] {
	return all(l.Cursor, func(cursor string) ([]T, *string, error) {
		l.Cursor = cursor
		p, err := page(ctx, org, l)
		return p.Items, p.NextCursor, err
	})
}
